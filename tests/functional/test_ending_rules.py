"""Votes of the investors to end a plan, through the services (WND-6)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.commitments import links
from app.commitments.models import Refund
from app.db import Database
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.progress import ending, reporting
from app.progress.ending_models import EndCall
from app.progress.halt_models import Poll
from tests.factories import halts, life
from tests.unchanged import refused

DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)
PARALLEL = {"order": "parallel", "tranches": (4500, 4000)}


def call(story: life.Life, who: Actor, *, key: str = "") -> EndCall:
    stage = story.stage
    return stage.db.unit_of_work(
        lambda session: ending.call(
            session, actor=who, offering_id=story.offering_id, reason="We lost trust.", key=key or stage.key(),
            now=stage.now,
        )
    )


def join(story: life.Life, who: Actor, found: EndCall) -> EndCall:
    stage = story.stage
    return stage.db.unit_of_work(
        lambda session: ending.join(session, actor=who, call_id=found.public_id, key=stage.key(), now=stage.now)
    )


def refunds(db: Database) -> list[int]:
    with db.read() as session:
        return list(session.scalars(sa.select(Refund.amount_minor).order_by(Refund.commitment_id)))


def late(db: Database, *amounts: int) -> life.Life:
    """Return a plan whose first milestone is late past its grace: 15 % is released, 85 % is not."""
    story = life.active(db, amounts=amounts, contract=PARALLEL, fields={"maximum_minor": 3_000_000})
    target = story.stage.milestone(story.offering_id, 1).target_at
    assert target is not None
    story.stage.advance_to(target + 30 * DAY)
    return story


def test_wnd_6_without_a_cause_not_in_the_first_ninety_days_and_then_three_quarters_of_all(db: Database) -> None:
    story = life.long_running(db, amounts=(200_000, 300_000, 500_000))
    stage = story.stage
    with refused(db, "too_soon_to_end"):
        call(story, story.investors[0])
    stranger = stage.person("investor", "Nobody Here")
    with refused(db, "no_vote_here"):
        call(story, stranger)
    closed = stage.offering(story.offering_id).closed_at
    assert closed is not None
    stage.advance_to(closed + 90 * DAY)
    assert call(story, story.investors[0]).cause is None
    poll = halts.poll(story)
    assert (poll.kind, poll.total_minor) == ("wind_down", 850_000)
    # 70 % of all unreleased money is not enough, although nobody says no.
    halts.answer(story, 2, "yes")
    halts.answer(story, 0, "yes")
    stage.advance_to(poll.ends_at)
    assert (halts.poll(story).outcome, stage.offering(story.offering_id).state) == ("goes_on", "active")
    stage.advance(days=61)
    call(story, story.investors[1])
    halts.answer(story, 2, "yes")
    halts.answer(story, 1, "yes")
    halts.answer(story, 0, "no")
    stage.advance_to(halts.poll(story).ends_at)
    assert stage.offering(story.offering_id).end_trigger == "investors_vote"
    assert refunds(db) == [170_000, 255_000, 425_000]


def test_wnd_6_for_a_cause_more_than_half_of_what_votes_ends_the_plan_to_the_cent(db: Database) -> None:
    story = late(db, 200_000, 300_000, 500_000)
    stage = story.stage
    found = call(story, story.investors[0], key="once")
    assert call(story, story.investors[0], key="once").public_id == found.public_id
    # A fifth of the money stands behind it, so the vote is held at once; weights are those of the call.
    assert (found.cause, found.state) == ("late", "put")
    with refused(db, "vote_open"):
        call(story, story.investors[1])
    poll = halts.poll(story)
    assert (poll.kind, poll.total_minor) == ("wind_down_for_cause", 850_000)
    assert poll.ends_at - poll.opened_at >= 7 * DAY
    halts.answer(story, 1, "yes")
    halts.answer(story, 0, "no")
    stage.advance_to(poll.ends_at)
    offering = stage.offering(story.offering_id)
    assert (offering.state, offering.end_trigger) == ("wound_down", "investors_vote")
    assert refunds(db) == [170_000, 255_000, 425_000]


def test_wnd_6_a_tie_and_a_missing_quorum_are_a_no_and_the_question_waits_sixty_days(db: Database) -> None:
    story = late(db, 200_000, 200_000, 600_000)
    stage = story.stage
    call(story, story.investors[0])
    halts.answer(story, 0, "yes")
    stage.advance_to(halts.poll(story).ends_at)
    # 20 % voted, a third is needed.
    assert (halts.poll(story).outcome, stage.offering(story.offering_id).state) == ("goes_on", "active")
    with refused(db, "too_soon_to_end"):
        call(story, story.investors[2])
    assert refunds(db) == []


def test_wnd_6_a_small_holder_gathers_support_and_straw_money_counts_for_nothing(db: Database) -> None:
    story = late(db, 50_000, 50_000, 900_000, 900_000)
    stage = story.stage
    offering_id = stage.offering(story.offering_id).id
    mine, straw = (min(story.investors[number].parties("investor")) for number in (2, 3))
    db.unit_of_work(lambda session: links.declare_family(session, straw, mine, now=stage.now))
    db.unit_of_work(lambda session: links.find(session, session.get_one(Offering, offering_id), now=stage.now))
    with refused(db, "no_vote_here"):
        call(story, story.investors[3])
    found = call(story, story.investors[0])
    # The two of one family have no vote, so 42,500 of 85,000 stand behind it, and neither of them is asked.
    assert (found.state, halts.poll(story).total_minor) == ("put", 85_000)


def test_wnd_6_a_call_that_too_few_join_lapses_and_a_halt_moves_its_end(db: Database) -> None:
    story = late(db, 50_000, 50_000, 1_000_000, 900_000)
    stage = story.stage
    found = call(story, story.investors[0])
    assert found.state == "gathering"
    with refused(db, "joined_already"):
        join(story, story.investors[0], found)
    with refused(db, "call_open"):
        call(story, story.investors[1])
    halt = halts.place(story, days=4)
    stage.advance(days=2)
    halts.lift(story, halt)
    with db.read() as session:
        moved = session.get_one(EndCall, found.id).ends_at
    assert moved >= found.ends_at + 2 * DAY
    stage.advance_to(moved)
    with db.read() as session:
        assert session.get_one(EndCall, found.id).state == "lapsed"
        assert session.scalar(sa.select(sa.func.count()).select_from(Poll)) == 0
    with refused(db, "call_over"):
        join(story, story.investors[1], found)
    again = call(story, story.investors[1])
    # 85,000 of 1,700,000 is exactly 5 %.
    assert join(story, story.investors[0], again).state == "put"


def test_wnd_6_missed_reports_are_a_cause(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    with db.read() as session:
        assert ending.cause_of(session, stage.offering(story.offering_id), stage.now) is None

    def silent(session: Session) -> None:
        offering = offerings.locked(session, story.offering_id)
        report = reporting.due_of(session, offering.id)
        assert report is not None
        reporting.miss(session, offering, report, now=stage.now)
        reporting.start_countdown(session, offering, started_at=stage.now, now=stage.now)

    db.unit_of_work(silent)
    assert call(story, story.investors[0]).cause == "reports"
