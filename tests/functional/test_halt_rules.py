"""Halts, early closes and late cancellations, through the services (OFF-6, OFF-12, OFF-13)."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.commitments.models import Commitment
from app.commitments.queries import raised_sums
from app.db import Database
from app.errors import NotFound
from app.offerings import deadlines
from app.progress import authority
from app.progress.halt_models import HaltToll
from app.progress.order_models import AuthorityOrder
from tests.factories import halts, life
from tests.functional import figures
from tests.unchanged import refused

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


def at(story: life.Life, instant: dt.datetime) -> None:
    """Bring the clock to just after an instant and let the worker act."""
    story.stage.advance_to(instant)


# -- early close ------------------------------------------------------------------------------------


def _paid(db: Database, *amounts: int, **options: object) -> life.Life:
    story = life.live(db, investors=len(amounts), **options)
    for investor, amount in zip(story.investors, amounts, strict=True):
        story.commitments.append(story.stage.invest(investor, story.offering_id, amount))
    return story


def test_off_6_an_early_close_needs_the_minimum_the_days_and_the_notice(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    stage, offering = story.stage, figures.offering(story)
    launched = offering.launched_at
    assert launched is not None
    early = launched + 22 * DAY
    stage.cancel(story.investors[1], story.commitments[1])
    with refused(db, "early_close_short"):
        halts.announce(story, early)
    stage.invest(story.investors[1], story.offering_id, 60_000)
    with refused(db, "early_close_too_soon"):
        halts.announce(story, launched + 20 * DAY)
    with refused(db, "early_close_not_sooner"):
        halts.announce(story, offering.deadline_at)
    with refused(db, "forbidden"):
        halts.announce(story, early, by=story.operator)
    stage.advance(days=18)
    with refused(db, "early_close_notice"):
        halts.announce(story, launched + 21 * DAY)
    halts.announce(story, offering.deadline_at - DAY)
    with refused(db, "early_close_announced"):
        halts.announce(story, offering.deadline_at - 2 * DAY)


def test_off_6_the_new_deadline_closes_while_the_minimum_is_there(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    stage, before = story.stage, figures.offering(story)
    stage.advance(days=10)
    early = before.deadline_at - 5 * DAY
    halts.announce(story, early)
    offering = figures.offering(story)
    assert (offering.deadline_at, offering.cancel_until, offering.step_due_at) == (early, early - 48 * HOUR, early)
    at(story, early)
    stage.advance(minutes=1)
    assert halts.notice(story).state == "taken"
    assert halts.notice(story).cleared_minor == 210_000
    assert figures.offering(story).state == "active"


def test_off_6_below_the_minimum_the_notice_is_void_and_the_old_cut_off_counts_again(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    stage, before = story.stage, figures.offering(story)
    stage.advance(days=8)
    early = before.deadline_at - 6 * DAY
    halts.announce(story, early)
    stage.cancel(story.investors[1], story.commitments[1])
    at(story, early)
    notice, offering = halts.notice(story), figures.offering(story)
    assert (notice.state, notice.cleared_minor) == ("void", 150_000)
    assert (offering.state, offering.deadline_at, offering.cancel_until) == (
        "live", before.deadline_at, before.cancel_until
    )
    # The new cut-off had passed; after the void the old one counts.
    stage.cancel(story.investors[0], story.commitments[0])
    assert figures.commitment(story, 0).status == "cancelled"


def test_off_6_withdrawing_ends_the_notice(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    story.stage.advance(days=8)
    halts.announce(story, figures.offering(story).deadline_at - 6 * DAY)
    figures.withdraw(story)
    story.stage.work()
    assert halts.notice(story).state == "dropped"
    assert figures.offering(story).state == "withdrawn"


# -- much cancelled at the last moment --------------------------------------------------------------


def test_off_12_more_than_20_percent_cancelled_in_the_last_72_hours_moves_the_deadline_once(db: Database) -> None:
    story = _paid(db, 150_000, 50_000, 50_000, 50_000)
    stage, before = story.stage, figures.offering(story)
    at(story, before.cancel_until - 72 * HOUR - 2 * HOUR)
    stage.cancel(story.investors[1], story.commitments[1])
    assert figures.offering(story).deadline_at == before.deadline_at
    at(story, before.cancel_until - 71 * HOUR)
    stage.cancel(story.investors[2], story.commitments[2])
    offering = figures.offering(story)
    moved = offering.deadline_at
    assert before.deadline_at + 3 * DAY <= moved <= before.deadline_at + 6 * DAY
    assert offering.cancel_until > before.cancel_until
    stage.cancel(story.investors[3], story.commitments[3])
    assert figures.offering(story).deadline_at == moved


def test_off_12_exactly_20_percent_moves_nothing() -> None:
    assert not deadlines.is_rushed(40_000, 200_000)
    assert deadlines.is_rushed(40_001, 200_000)


def test_off_12_only_cleared_money_at_arms_length_counts(db: Database) -> None:
    story = _paid(db, 150_000)
    offering = figures.offering(story)
    late = story.stage.person("investor", "Unpaid Investor")
    story.stage.commit(late, story.offering_id, 60_000)
    with db.read() as session:
        sums = raised_sums(session, [offering.id])[offering.id]
    assert (sums.cleared_minor, sums.pending_minor, sums.linked_minor) == (150_000, 60_000, 0)


# -- halts ------------------------------------------------------------------------------------------


def test_off_13_who_may_halt_and_for_how_long(db: Database) -> None:
    story = _paid(db, 150_000)
    stage = story.stage
    second = stage.person("operator", "Second Operator")
    with refused(db, "forbidden"):
        halts.place(story, by=story.founder)
    with refused(db, "halt_too_long"):
        halts.place(story, days=20)
    placed = halts.place(story)
    with refused(db, "halted_already"):
        halts.place(story, by=second)
    present = halts.halt(story).ends_at
    with refused(db, "four_eyes"):
        halts.extend(story, placed, present + DAY, by=story.operator)
    with refused(db, "halt_not_longer"):
        halts.extend(story, placed, present, by=second)
    with refused(db, "halt_60_days"):
        halts.extend(story, placed, stage.now + 61 * DAY, by=second)
    for wrong in ({"reference": " "}, {"sha256": "no hash"}, {"size_bytes": 0}):
        with refused(db, "order_document"):
            halts.extend(story, placed, stage.now + 61 * DAY, by=second,
                         document=dataclasses.replace(halts.ORDER, **wrong))
    halts.extend(story, placed, stage.now + 59 * DAY, by=second)
    with refused(db, "four_eyes"):
        halts.extend(story, placed, stage.now + 61 * DAY, by=second, document=halts.ORDER)
    ordered = halts.extend(story, placed, stage.now + 90 * DAY, by=story.operator, document=halts.ORDER)
    assert (ordered.extensions, ordered.order_reference, ordered.order_sha256) == (2, "AZ 3/26", "a" * 64)
    supervisor = stage.person("supervisor", "Sven Supervisor")
    with db.read() as session:
        (kept,) = authority.attached_to(session, placed)
        assert (kept.sha256, kept.size_bytes, kept.attached_by) == ("a" * 64, 2_048, story.operator.user_id)
        for reader in (second, supervisor):
            assert authority.for_reader(session, reader, kept.public_id).filename == "order.pdf"
        with pytest.raises(NotFound):
            authority.for_reader(session, story.founder, kept.public_id)
    for change in (sa.update(AuthorityOrder).values(reference="other"), sa.delete(AuthorityOrder)):
        with pytest.raises(DBAPIError, match="append_only"):
            db.unit_of_work(lambda session, change=change: session.execute(change))


def test_off_13_a_halt_blocks_commitments_and_payments_and_cancelling_is_free(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    stage, before = story.stage, figures.offering(story)
    unpaid = stage.person("investor", "Unpaid Investor")
    waiting = stage.commit(unpaid, story.offering_id, 50_000)
    placed, newcomer = halts.place(story, days=9), stage.person("investor", "New Investor")
    with refused(db, "halted"):
        stage.commit(newcomer, story.offering_id, 50_000)
    with refused(db, "halted"):
        stage.pay(unpaid, waiting)
    stage.advance(days=5)
    # Its day to pay is over by the calendar, not by the offering's clock.
    assert figures_status(db, waiting) == "awaiting_payment"
    stage.cancel(story.investors[0], story.commitments[0])
    halts.lift(story, placed)
    offering, lasted = figures.offering(story), halts.halt(story).seconds
    assert 5 * 86_400 <= lasted < 5 * 86_400 + 120
    step = dt.timedelta(seconds=lasted)
    assert (offering.deadline_at, offering.cancel_until) == (before.deadline_at + step, before.cancel_until + step)
    stage.pay(unpaid, waiting)
    stage.work()
    assert figures_status(db, waiting) == "held"


def figures_status(db: Database, commitment_id: str) -> str:
    with db.read() as session:
        return session.scalars(sa.select(Commitment.status).where(Commitment.public_id == commitment_id)).one()


def test_off_13_cancelling_stays_free_for_48_hours_after_a_halt_near_the_deadline(db: Database) -> None:
    story = _paid(db, 450_000, 60_000, fields={"minimum_minor": 300_000})
    stage, before = story.stage, figures.offering(story)
    at(story, before.deadline_at - 5 * HOUR)
    with refused(db, "too_late_to_cancel"):
        stage.cancel(story.investors[1], story.commitments[1])
    placed = halts.place(story, days=1)
    stage.advance(hours=10)
    assert figures.offering(story).state == "live"
    lifted = halts.lift(story, placed)
    offering = figures.offering(story)
    assert lifted.ended_at is not None
    assert offering.cancel_until == lifted.ended_at + 48 * HOUR
    assert offering.deadline_at == offering.cancel_until
    stage.cancel(story.investors[1], story.commitments[1])
    at(story, offering.cancel_until)
    stage.advance(minutes=1)
    assert figures.offering(story).state == "active"
    assert figures.offering(story).proceeds_minor == 450_000


def test_off_13_a_halt_of_an_open_offering_that_nobody_ends_refunds_everybody(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    halts.place(story, days=4)
    at(story, halts.halt(story).ends_at)
    assert figures.offering(story).state == "withdrawn"
    assert [each[1:] for each in figures.refunds(story)] == [
        (150_000, "withdrawn", "done"), (60_000, "withdrawn", "done")
    ]
    assert (halts.halt(story).outcome, halts.halt(story).seconds) == ("withdrawn", 0)
    figures.no_work_is_left(db)


def test_off_13_nothing_is_released_or_paid_out_while_halted_and_every_date_moves(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    stage = story.stage
    life.reviewed(story, 1)
    stage.work()  # the window runs from the delivery of the verdict
    window = stage.milestone(story.offering_id, 1)
    before = {each.ordinal: each for each in stage.milestones(story.offering_id)}
    stop = figures.offering(story).long_stop_at
    placed = halts.place(story, days=11)
    stage.advance(days=10)
    assert stage.milestone(story.offering_id, 1).state == "challengeable"
    halts.lift(story, placed)
    seconds = dt.timedelta(seconds=halts.halt(story).seconds)
    after = {each.ordinal: each for each in stage.milestones(story.offering_id)}
    assert after[1].deadline_at == (window.deadline_at or stage.now) + seconds
    assert after[2].target_at == (before[2].target_at or stage.now) + seconds
    assert after[2].long_stop_at == (before[2].long_stop_at or stage.now) + seconds
    assert figures.offering(story).long_stop_at == stop + seconds
    at(story, after[1].deadline_at or stage.now)
    assert stage.milestone(story.offering_id, 1).state == "released"
    # The review's own time is given back as well, and the halt's not twice.
    moved = stage.milestone(story.offering_id, 2)
    assert moved.halted_seconds == halts.halt(story).seconds
    assert moved.moved_seconds < 20 * 86_400
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(HaltToll)) == 3


def test_off_13_a_running_plan_goes_to_a_vote_and_goes_on_with_a_majority(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000, 60_000))
    placed = halts.place(story, days=3)
    at(story, halts.halt(story).ends_at)
    assert (halts.halt(story).state, halts.poll(story).kind) == ("voting", "halt")
    with refused(db, "vote_open"):
        halts.lift(story, placed)
    assert halts.answer(story, 0, "no").weight_minor == 127_500
    assert halts.answer(story, 0, "yes").answers == 2
    with refused(db, "answered_twice"):
        halts.answer(story, 0, "no")
    halts.answer(story, 1, "no")
    at(story, halts.poll(story).ends_at)
    with refused(db, "poll_over"):
        halts.answer(story, 2, "no")
    poll = halts.poll(story)
    assert (poll.outcome, poll.total_minor, poll.yes_minor, poll.no_minor) == ("goes_on", 255_000, 127_500, 76_500)
    assert (figures.offering(story).state, figures.offering(story).halted_since) == ("active", None)
    assert halts.halt(story).outcome == "went_on"


def test_off_13_without_a_quorum_or_with_a_tie_the_plan_is_wound_down(db: Database) -> None:
    silent = life.active(db, amounts=(150_000, 90_000))
    tied = life.active(db, amounts=(120_000, 120_000), stage=silent.stage)
    for story in (silent, tied):
        halts.place(story, days=3)
    at(tied, halts.halt(tied).ends_at)
    halts.answer(tied, 0, "yes")
    halts.answer(tied, 1, "no")
    at(tied, halts.poll(tied).ends_at)
    for story in (silent, tied):
        assert figures.offering(story).state == "wound_down"
        assert figures.offering(story).end_trigger == "halt_vote"
    figures.no_work_is_left(db)


def test_off_13_an_operator_may_wind_down_meanwhile_and_a_founder_may_not(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    halts.place(story, days=3)
    with refused(db, "halted"):
        figures.resign(story)
    life.ordered_down(story)
    assert halts.halt(story).outcome == "wound_down"
    assert figures.offering(story).state == "wound_down"


def test_off_13_a_halt_while_closing_that_nobody_ends_refunds_everybody(db: Database) -> None:
    story = _paid(db, 150_000, 60_000)
    stage, deadline = story.stage, figures.offering(story).deadline_at
    at(story, deadline - DAY)
    stage.invest(stage.person("investor", "Late Investor"), story.offering_id, 50_000, "bank_2d")
    assert stage.close(story.offering_id) == "clearing"
    halts.place(story, days=3)
    stage.advance(days=2)
    # The late payment has arrived, and would have decided the close.
    assert figures.offering(story).state == "clearing"
    stage.cancel(story.investors[1], story.commitments[1])
    at(story, halts.halt(story).ends_at)
    assert figures.offering(story).state == "withdrawn"
    assert sorted(each[1:] for each in figures.refunds(story)) == [
        (50_000, "withdrawn", "done"), (60_000, "cancelled", "done"), (150_000, "withdrawn", "done")
    ]


def test_off_13_a_plan_does_not_fail_during_the_vote_and_its_appeal_waits(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000), contract={"resubmissions": 0})
    placed = halts.place(story, days=2)
    at(story, halts.halt(story).ends_at)
    life.reviewed(story, 1, "not_met")
    story.stage.work()
    # The offering's clock stands still, so the time to appeal (MIL-10) does not run out meanwhile.
    at(story, halts.poll(story).ends_at)
    assert figures.offering(story).state == "winding_down"
    assert story.stage.milestone(story.offering_id, 1).state == "appealable"
    assert halts.poll(story).outcome == "winds_down"
    with refused(db, "halt_over"):
        halts.lift(story, placed)
    at(story, story.stage.milestone(story.offering_id, 1).deadline_at)
    assert figures.offering(story).state == "wound_down"
    assert story.stage.milestone(story.offering_id, 1).state == "failed"


def test_ppl_4_a_halt_under_secrecy_shows_the_fixed_neutral_text(db: Database) -> None:
    from app.progress.halting import NEUTRAL_TEXT

    story = _paid(db, 150_000)
    halts.place(story, is_secret=True)
    assert halts.halt(story).public_text == NEUTRAL_TEXT
