"""What silence may not do while money is in escrow: carried shares, late changes, flags (OFF-8, OFF-11)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app import calendars
from app.commitments import carrying
from app.commitments.models import CarriedShare
from app.db import Database
from app.forecast import standing
from app.offerings import awaited, changes, withdrawing
from app.offerings.change_models import OfferingChange
from app.outbox.models import OutboxMessage
from app.progress import halt_queries, queries
from tests.factories import altered, halts
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional import figures
from tests.functional.payments.conftest import Till
from tests.unchanged import refused

DAY = halts.DAY
on_sqlite = pytest.mark.databases("sqlite")


# -- what is carried while the investors are asked whether they stay ---------------------------------


def _short_with_carried(db: Database) -> Life:
    """Return a running plan below its minimum of 200,000 whose debit of 60,000 has not seasoned."""
    life = lives.live(db, investors=3, fields={"minimum_minor": 200_000})
    methods = ("instant", "sepa_debit", "ach")
    for investor, amount, method in zip(life.investors, (100_000, 60_000, 60_000), methods, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount, method))
    life.stage.close(life.offering_id)
    assert figures.released(life) == [("released", 15_000, 750, 300)]
    return life


def _carried(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(CarriedShare.amount_minor, CarriedShare.status).order_by(CarriedShare.id))
        return [tuple(row) for row in rows]


def test_off_11_nothing_that_is_carried_leaves_while_investors_are_asked(db: Database) -> None:
    life = _short_with_carried(db)
    till = Till(life)
    with db.read() as session:
        [waits] = carrying.carried_of(session, [till.offering().id])
    life.stage.advance_to(waits.first_at - 3 * DAY)
    till.tell_returned(life.commitments[2])
    life.stage.work()
    before = figures.released(life)
    life.stage.advance_to(waits.last_at)
    assert (halts.poll(life).kind, halts.poll(life).state) == ("shortfall", "open")
    assert (figures.released(life), _carried(life)) == (before, [(9_000, "carried"), (9_000, "void")])


def test_off_11_all_of_it_returns_also_what_was_carried(db: Database) -> None:
    life = _short_with_carried(db)
    Till(life).tell_returned(life.commitments[2])
    life.stage.work()
    with db.read() as session:
        stopped = queries.if_stopped(session, figures.offering(life))
    assert stopped is not None
    assert (stopped.back_minor, stopped.spent_minor, stopped.under_review_minor) == (145_000, 15_000, 0)
    life.stage.advance_to(halts.poll(life).ends_at)
    assert figures.offering(life).end_trigger == "below_minimum"
    life.stage.advance(days=80)
    # The issuer keeps the 15,000 that left before; the debit's 60,000 are back whole.
    assert figures.released(life)[1:] == [("returned", 145_000, 0, 0)]
    assert [each[:2] for each in figures.refunds(life)] == [(1, 85_000), (2, 60_000)]
    assert (_carried(life), figures.offering(life).state) == ([(9_000, "void"), (9_000, "void")], "wound_down")


# -- a change that is undecided when the deadline comes ----------------------------------------------


def _next(life: Life) -> tuple[str, dt.datetime | None]:
    """Return who must do something next on the offering's page, and by when."""
    with life.stage.db.read() as session:
        step = halt_queries.standing(session, figures.offering(life)).next
    assert step is not None
    return step.owner, step.deadline_at


def test_off_8_a_material_update_on_the_last_day_is_decided_and_the_deadline_waits(db: Database) -> None:
    life = altered.held(db, 300_000, 100_000)
    stage, deadline = life.stage, figures.offering(life).deadline_at
    stage.advance_to(deadline - DAY)
    altered.post(life, "material", title="Insolvency", text="We are insolvent.")
    decide_by = _change(life).decide_by
    assert decide_by > deadline
    assert _next(life) == ("operator", decide_by)
    stage.advance_to(deadline)
    assert (figures.offering(life).state, altered.rounds(life), figures.released(life)) == ("live", [], [])
    late = stage.person("investor", "Late Investor")
    with refused(db, "not_open"):
        stage.commit(late, life.offering_id, 50_000)
    stage.advance_to(decide_by)
    assert [row.answer for row in altered.rounds(life)] == [None, None]
    due_at = altered.rounds(life)[0].due_at
    assert due_at is not None
    assert figures.offering(life).deadline_at >= due_at
    altered.reconfirm(life, 0)
    stage.advance_to(due_at)
    assert figures.refunds(life) == [(2, 100_000, "not_reconfirmed", "done")]
    stage.advance_to(figures.offering(life).deadline_at)
    assert figures.offering(life).state == "active"


def test_tim_1_silence_about_a_change_has_its_effect_though_no_worker_ran_before_the_deadline(db: Database) -> None:
    life = altered.held(db, 300_000)
    deadline = figures.offering(life).deadline_at
    altered.post(life, "material", title="Insolvency", text="We are insolvent.")
    lives.let_time_pass(life.stage, deadline)
    life.stage.work()
    assert [row.answer for row in altered.rounds(life)] == [None]
    assert (figures.offering(life).state, figures.commitment(life, 0).status) == ("live", "held")


@on_sqlite
def test_off_8_an_operator_decides_about_a_flag_after_the_deadline_and_the_offering_closes(db: Database) -> None:
    life = altered.held(db, 300_000)
    life.stage.advance_to(figures.offering(life).deadline_at - DAY)
    altered.flag(life, altered.post(life))
    altered.post(life, "material", title="More", text="There is more.")
    life.stage.advance_to(figures.offering(life).deadline_at)
    assert figures.offering(life).state == "live"
    first, second = _changes(life)
    altered.decide(life, first.public_id, "not_material", reason="It is known.")
    assert figures.offering(life).state == "live"
    altered.decide(life, second.public_id)
    assert [(row.change_id, row.answer) for row in altered.rounds(life)] == [(second.id, None)]


@on_sqlite
def test_off_8_terms_taken_back_after_the_deadline_let_the_offering_close(db: Database) -> None:
    life = altered.held(db, 300_000)
    life.stage.advance_to(figures.offering(life).deadline_at - DAY)
    change_id = altered.propose(life, minimum_minor=250_000)
    life.stage.advance_to(figures.offering(life).deadline_at)
    assert figures.offering(life).state == "live"
    db.unit_of_work(lambda s: changes.take_back(s, actor=life.founder, change_id=change_id, now=life.stage.now))
    life.stage.work()
    assert figures.offering(life).state == "active"


@on_sqlite
def test_off_8_what_is_told_after_the_deadline_holds_nothing_up(db: Database) -> None:
    life = altered.held(db, 300_000)
    lives.let_time_pass(life.stage, figures.offering(life).deadline_at)
    altered.post(life, "material", title="Too late", text="It came after the deadline.")
    life.stage.work()
    assert figures.offering(life).state == "active"
    assert (_change(life).state, altered.rounds(life)) == ("declined", [])


def _changes(life: Life) -> list[OfferingChange]:
    with life.stage.db.read() as session:
        return list(session.scalars(sa.select(OfferingChange).order_by(OfferingChange.id)))


def _change(life: Life) -> OfferingChange:
    return _changes(life)[-1]


# -- who can make a round, and how many there are ----------------------------------------------------


def _long(db: Database, *amounts: int) -> Life:
    return altered.held(db, *amounts, fields={"deadline_at": dt.datetime.now(dt.UTC) + dt.timedelta(days=80)})


def test_off_8_a_place_that_is_not_paid_flags_nothing(db: Database) -> None:
    life = _long(db, 300_000)
    life.investors.append(life.stage.person("investor", "Squatter"))
    life.stage.commit(life.investors[1], life.offering_id, 50_000)
    update = altered.post(life)
    with refused(db, "not_committed"):
        altered.flag(life, update, 1)
    altered.flag(life, update, 0)
    assert len(_changes(life)) == 1


def test_off_8_what_silence_finds_material_at_once_is_one_round(db: Database) -> None:
    life = _long(db, 300_000, 100_000)
    for title in "ABC":
        altered.post(life, "material", title=title)
    altered.propose(life, minimum_minor=210_000)
    life.stage.advance_to(_change(life).decide_by)
    found = _changes(life)
    assert [(each.state, each.version_number) for each in found] == [("effective", number) for number in (2, 3, 4, 5)]
    assert [(row.change_id, row.from_number, row.answer) for row in altered.rounds(life)] == [
        (found[3].id, 1, None), (found[3].id, 1, None)]
    altered.reconfirm(life, 0)
    assert altered.commitment(life, 0).version_number == 5
    with db.read() as session:
        assert changes.material_count(session, figures.offering(life)) == 1


def _third(db: Database) -> tuple[Life, OfferingChange]:
    """Return an offering two rounds old, and a third that an investor's flag began a day before its deadline."""
    life = _long(db, 300_000)
    for minimum in (210_000, 220_000):
        altered.changed(life, minimum_minor=minimum)
        altered.reconfirm(life, 0)
    life.stage.advance_to(figures.offering(life).deadline_at - DAY)
    altered.flag(life, altered.post(life))
    return life, _change(life)


def _waits_for(life: Life) -> tuple[str, dt.datetime | None, str]:
    with life.stage.db.read() as session:
        step = awaited.steps(session, [figures.offering(life)])[figures.offering(life).id]
        [told] = [each for each in standing.waiting(session, life.stage.now) if ", change chg_" in each.thing]
    assert step is not None
    assert (told.owner, told.at, told.default) == (step.owner, step.deadline_at, step.default)
    return step.owner, step.deadline_at, step.default


def test_off_8_a_third_round_waits_for_two_operators_and_their_silence_refunds(db: Database) -> None:
    life, third = _third(db)
    assert _waits_for(life) == ("operator", third.decide_by, "a second operator is asked, and the deadline waits")
    life.stage.advance_to(third.decide_by)
    second = altered.change_row(life, third.public_id)
    asked_at = second.escalated_at
    assert asked_at is not None
    assert (second.state, asked_at >= third.decide_by) == ("proposed", True)
    assert second.decide_by == calendars.add_business_days(asked_at, 3, code="US", zone="UTC")
    assert _waits_for(life) == (
        "a second operator", second.decide_by,
        "it is the third material change: the offering is withdrawn and everybody is refunded")
    life.stage.advance_to(second.decide_by - dt.timedelta(minutes=1))
    assert (figures.offering(life).state, figures.refunds(life)) == ("live", [])
    with db.read() as session:
        kinds = session.scalars(sa.select(OutboxMessage.payload).where(OutboxMessage.payload.like("%change_overdue%")))
        assert len(kinds.all()) == 1
    life.stage.advance_to(second.decide_by)
    ended = altered.change_row(life, third.public_id)
    assert (ended.state, ended.is_material, ended.decided_by) == ("ended_offering", True, None)
    assert figures.refunds(life) == [(1, 300_000, "withdrawn", "done")]
    assert figures.offering(life).state == "withdrawn"


def test_off_8_a_second_operator_decides_about_a_third_round_in_time(db: Database) -> None:
    life, third = _third(db)
    life.stage.advance_to(third.decide_by)
    altered.decide(life, third.public_id, "not_material", reason="It was known.")
    assert (figures.offering(life).state, figures.refunds(life)) == ("active", [])


def test_off_13_an_offering_that_waits_for_a_third_round_past_its_deadline_is_halted_and_withdrawn(
    db: Database,
) -> None:
    life, third = _third(db)
    stage = life.stage
    stage.advance_to(third.decide_by)
    waited_until = altered.change_row(life, third.public_id).decide_by
    assert figures.offering(life).deadline_at < stage.now
    halt = halts.place(life, days=4)
    stage.advance(days=3)
    assert (figures.offering(life).state, _change(life).state) == ("live", "proposed")
    halts.lift(life, halt)
    halted = dt.timedelta(seconds=halts.halt(life).seconds)
    assert halted >= 3 * DAY
    assert altered.change_row(life, third.public_id).decide_by == waited_until + halted
    assert figures.offering(life).deadline_at == halts.halt(life).ended_at + 2 * DAY
    stage.advance_to(figures.offering(life).deadline_at)
    assert figures.offering(life).state == "live"
    db.unit_of_work(lambda s: withdrawing.withdraw(
        s, actor=life.founder, offering_id=life.offering_id, reason="We give it up.", now=stage.now))
    stage.work()
    assert (figures.offering(life).state, _change(life).state) == ("withdrawn", "declined")
    assert figures.refunds(life) == [(1, 300_000, "withdrawn", "done")]


@on_sqlite
def test_off_8_nobody_withdraws_or_halts_at_a_deadline_that_waits_for_nothing(db: Database) -> None:
    life = altered.held(db, 300_000)
    lives.let_time_pass(life.stage, figures.offering(life).deadline_at)
    with refused(db, "not_open"):
        db.unit_of_work(lambda s: withdrawing.withdraw(
            s, actor=life.founder, offering_id=life.offering_id, reason="Too little.", now=life.stage.now))
    with refused(db, "closing_now"):
        halts.place(life)


@on_sqlite
def test_off_8_an_operator_who_finds_a_third_change_material_ends_the_offering(db: Database) -> None:
    life = _long(db, 300_000)
    for minimum in (210_000, 220_000):
        altered.changed(life, minimum_minor=minimum)
        altered.reconfirm(life, 0)
    altered.flag(life, altered.post(life))
    life.stage.advance_to(_change(life).decide_by)
    altered.decide(life, _change(life).public_id, "material")
    assert (_change(life).state, figures.offering(life).state) == ("ended_offering", "withdrawn")
