"""MIL-9: seats that the lot gives and takes, and reviews that end whatever anybody does or leaves undone."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app import calendars
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.contracts import service as contracts
from app.contracts.models import Appointment
from app.db import Database, Session
from app.offerings import auditing
from app.offerings import panels as seats
from app.offerings import service as offerings
from app.offerings.lot_models import Draw
from app.offerings.models import Offering
from app.progress import panels
from app.progress.models import Submission
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused


def appointments(life: Life, key: str = "m1") -> list[Appointment]:
    with life.stage.db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        return [each for each in contracts.appointments(session, offering.contract_id) if each.milestone_key == key]


def held_by(life: Life, key: str = "m1") -> list[Appointment]:
    return [each for each in appointments(life, key) if each.state in ("appointed", "accepted")]


def actor_of(life: Life, appointment: Appointment) -> Actor:
    """Return whoever was drawn, signed in."""
    with life.stage.db.read() as session:
        (user,) = people.members_of(session, appointment.party_id, "auditor")
        return people.actor_for(session, user.id, second_factor=True)


def answer(life: Life, appointment: Appointment, accept: bool) -> None:
    actor = actor_of(life, appointment)
    life.stage.db.unit_of_work(lambda session: contracts.answer_appointment(
        session, actor=actor, appointment_id=appointment.public_id, accept=accept, now=life.stage.business_now(session)
    ))


def more_auditors(life: Life, count: int) -> None:
    for number in range(count):
        life.stage.person("auditor", f"Reserve {number}", email=f"r{number}@reserve{number}.example")


def drawn(db: Database, **contract: int) -> Life:
    """Return an offering in review whose first milestone's panel was drawn among five, and not answered."""
    life = lives.drafted(db, auditors=5, contract=contract)
    life.stage.submit_offering(life.offering_id, life.founder)
    db.unit_of_work(lambda session: seats.draw_panel(
        session, actor=life.operator, offering_id=life.offering_id, milestone_key="m1", now=life.stage.now
    ))
    return life


def test_mil_9_who_declines_or_is_silent_is_followed_by_the_next_by_lot(db: Database) -> None:
    life = drawn(db, approvals=2, auditors=2)
    first, second = appointments(life)
    answer(life, first, accept=True)
    answer(life, second, accept=False)
    life.stage.work()
    third = held_by(life)[-1]
    assert (third.state, third.replaces_id, third.draw_id) == ("appointed", second.id, first.draw_id)
    life.stage.advance_to(third.answer_by)
    rows = {each.id: each for each in appointments(life)}
    fourth = held_by(life)[-1]
    assert (rows[third.id].state, fourth.replaces_id) == ("lapsed", third.id)
    assert len({each.party_id for each in rows.values()}) == 4  # nobody is asked twice
    with refused(db, "appointment_over"):
        answer(life, rows[third.id], accept=True)
    # A fifth, and then the lot has nobody left: the seat waits, is tried again daily, and nothing spins.
    answer(life, fourth, accept=False)
    life.stage.work()
    answer(life, held_by(life)[-1], accept=False)
    life.stage.work()
    assert [each.id for each in held_by(life)] == [first.id]
    more_auditors(life, 1)
    life.stage.advance(days=1, minutes=1)
    late = held_by(life)[-1]
    with db.read() as session:
        assert session.get_one(Draw, late.draw_id).purpose == "replacement"


def test_mil_9_the_company_strikes_one_before_the_launch_and_no_more(db: Database) -> None:
    life = drawn(db, approvals=2, auditors=2)
    first, second = appointments(life)

    def strike(each: Appointment, actor: Actor) -> None:
        db.unit_of_work(lambda session: seats.strike(
            session, actor=actor, appointment_id=each.public_id, now=life.stage.business_now(session)
        ))

    stranger = life.stage.person("founder", "Somebody Else")
    with refused(db, "appointment_not_found"):
        strike(first, stranger)
    strike(first, life.founder)
    following = held_by(life)
    assert [each.id for each in following] == [second.id, following[-1].id]
    assert following[-1].replaces_id == first.id
    with refused(db, "struck_already"):
        strike(second, life.founder)


def test_mil_9_too_small_a_pool_draws_nobody_and_says_so(db: Database) -> None:
    life = lives.drafted(db, auditors=2, contract={"approvals": 2, "auditors": 3})
    life.stage.submit_offering(life.offering_id, life.founder)
    with refused(db, "panel_short"):
        db.unit_of_work(lambda session: seats.draw_panel(
            session, actor=life.operator, offering_id=life.offering_id, milestone_key="m1", now=life.stage.now
        ))


# -- reviews ----------------------------------------------------------------------------------------


def handed_in(db: Database, reserve: int, **contract: int) -> tuple[Life, str]:
    life = lives.active(db, auditors=contract["auditors"], contract=contract)
    more_auditors(life, reserve)
    return life, life.stage.submit_evidence(life.founder, life.stage.milestone(life.offering_id, 1).public_id)


def row(life: Life) -> Submission:
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Submission).order_by(Submission.id.desc())).first()


def deadline(life: Life) -> dt.datetime:
    at = life.stage.milestone(life.offering_id, 1).deadline_at
    assert at is not None
    return at


def test_mil_9_a_reviewer_cannot_delay_for_ever(db: Database) -> None:
    """Three of three must sign and one never does, whoever it is: after two replacements two findings decide."""
    life, submission = handed_in(db, 4, approvals=3, auditors=3)
    began, states = life.stage.now, []
    life.stage.attest(life.auditors[0], submission)
    life.stage.attest(life.auditors[1], submission)
    for _limit in range(3):
        states.append((row(life).review_round, life.stage.milestone(life.offering_id, 1).state))
        for each in held_by(life):
            if each.state == "appointed":
                answer(life, each, accept=True)  # accepts, and never signs
        life.stage.advance_to(deadline(life))
    assert states == [(1, "submitted"), (2, "submitted"), (3, "submitted")]
    assert (row(life).verdict, row(life).status) == ("met", "decided")
    assert [each.state for each in appointments(life)].count("replaced") == 2
    limit = calendars.add_business_days(began, 31, code="US", zone="UTC")
    assert life.stage.now < limit + dt.timedelta(days=1)
    # Released only by those who signed: unsigned seats are unpaid and count for nothing.
    assert life.stage.milestone(life.offering_id, 1).state == "challengeable"


def test_mil_9_a_one_person_jury_decides_nothing(db: Database) -> None:
    """One finding of three is no majority: others are drawn, an operator is asked once, then it opens again."""
    life, submission = handed_in(db, 9, approvals=2, auditors=3)
    life.stage.attest(life.auditors[0], submission, "met")
    assert life.stage.milestone(life.offering_id, 1).state == "submitted"
    for _limit in range(3):
        life.stage.advance_to(deadline(life))
    waiting = life.stage.milestone(life.offering_id, 1)
    assert (row(life).review_round, waiting.state) == (3, "submitted")
    assert waiting.deadline_at == calendars.add_business_days(row(life).review_due_at, 10, code="US", zone="UTC")

    def draw_again() -> None:
        db.unit_of_work(lambda session: panels.draw_again(
            session, actor=life.operator, milestone_id=waiting.public_id, reason="Silent for weeks.",
            now=life.stage.business_now(session),
        ))

    draw_again()
    assert row(life).review_round == 4
    with refused(db, "drawn_again"):
        draw_again()
    life.stage.advance_to(deadline(life))
    after = life.stage.milestone(life.offering_id, 1)
    assert (after.state, after.released_minor, after.tries_left) == ("open", 0, waiting.tries_left)
    assert (row(life).status, row(life).verdict) == ("discarded", None)


def test_mil_9_a_forced_recusal_delays_nothing(db: Database) -> None:
    """Whoever makes auditors recuse themselves one after another wins no time: the limit that runs stays."""
    life, submission = handed_in(db, 6, approvals=2, auditors=2)
    limit = deadline(life)
    for _again in range(3):
        life.stage.advance(days=2)
        seat = held_by(life)[0]
        actor = actor_of(life, seat)
        db.unit_of_work(lambda session, seat=seat, actor=actor: panels.recuse(
            session, actor=actor, appointment_id=seat.public_id, reason="They bought my flat.",
            now=life.stage.business_now(session),
        ))
        life.stage.work()
        assert deadline(life) == limit == row(life).review_due_at
        assert len(held_by(life)) == 2
    for each in held_by(life):
        if each.state == "appointed":
            answer(life, each, accept=True)
        life.stage.attest(actor_of(life, each), submission)
    assert life.stage.milestone(life.offering_id, 1).state == "challengeable"


def test_mil_9_findings_are_not_left_by_recusing_oneself(db: Database) -> None:
    life, submission = handed_in(db, 1, approvals=2, auditors=2)
    life.stage.attest(life.auditors[0], submission)
    seat = next(each for each in held_by(life) if each.party_id == life.stage.party(life.auditors[0], "auditor"))
    with refused(db, "auditor_signed"):
        db.unit_of_work(lambda session: panels.recuse(
            session, actor=life.auditors[0], appointment_id=seat.public_id, reason="Too late.",
            now=life.stage.business_now(session),
        ))


def test_mil_8_an_auditor_who_stopped_being_independent_cannot_sign(db: Database) -> None:
    life, submission = handed_in(db, 1, approvals=1, auditors=1)
    db.unit_of_work(lambda session: auditing.declare_conflict(
        session, actor=life.auditors[0], issuer_id=life.issuer_id, reason="We are cousins.",
        now=life.stage.business_now(session),
    ))
    with refused(db, "auditor_not_independent"):
        life.stage.attest(life.auditors[0], submission)


def test_tim_2_two_workers_ask_one_successor(db: Database) -> None:
    life = drawn(db, approvals=2, auditors=2)
    vacated = appointments(life)[0]
    answer(life, vacated, accept=False)

    def twice(session: Session) -> int:
        from app.offerings.panel_tasks import _fill

        now = life.stage.business_now(session)
        _fill(session, vacated.id, now)
        _fill(session, vacated.id, now)
        return session.scalar(sa.select(sa.func.count()).where(Appointment.replaces_id == vacated.id)) or 0

    assert db.unit_of_work(twice) == 1
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count(Offering.id))) == 1
