"""What a failure means where the contract lets the investors decide, through the services (MIL-2)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.commitments.models import Refund
from app.db import Database
from app.progress.lateness_models import Extension
from tests.factories import halts, life

DAY = dt.timedelta(days=1)
DECIDE = {"on_failure": "investors_decide", "tranches": (4500, 4000)}


def failed(db: Database) -> life.Life:
    """Return a plan whose first milestone passed its long-stop without evidence, so its investors are asked."""
    story = life.active(db, amounts=(200_000, 300_000, 500_000), contract=DECIDE)
    stop = story.stage.milestone(story.offering_id, 1).long_stop_at
    assert stop is not None
    story.stage.advance_to(stop)
    row = story.stage.milestone(story.offering_id, 1)
    assert (row.state, row.deadline_at) == ("deciding", halts.poll(story).ends_at)
    return story


def refunded(db: Database) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_minor), 0))) or 0


def test_mil_2_a_failed_milestone_gets_one_new_date_and_the_second_failure_ends_the_plan(db: Database) -> None:
    story = failed(db)
    stage = story.stage
    poll = halts.poll(story)
    assert (poll.kind, poll.total_minor, poll.ends_at - poll.opened_at >= 7 * DAY) == ("failure", 850_000, True)
    assert refunded(db) == 0
    halts.answer(story, 2, "yes")
    halts.answer(story, 0, "no")
    whole = stage.offering(story.offering_id).long_stop_at
    stage.advance_to(poll.ends_at)
    row, second = stage.milestone(story.offering_id, 1), stage.milestone(story.offering_id, 2)
    assert (row.state, row.released_minor, stage.offering(story.offering_id).state) == ("open", 0, "active")
    assert row.long_stop_at is not None
    # Ninety days from the vote, but never past the end of the whole plan, which did not move.
    assert stage.offering(story.offering_id).long_stop_at == whole
    assert whole - row.long_stop_at < 2 * dt.timedelta(seconds=1) or abs(
        row.long_stop_at - stage.now - 90 * DAY
    ) < dt.timedelta(minutes=5)
    assert second.long_stop_at is not None
    assert second.long_stop_at <= whole
    with db.read() as session:
        given = session.scalars(sa.select(Extension)).one()
        assert (given.kind, given.asked_by, row.extended_seconds > 0) == ("voted", None, True)
    stage.advance_to(row.long_stop_at)
    assert stage.offering(story.offering_id).state == "wound_down"
    assert refunded(db) == 850_000
    assert halts.poll(story).id == poll.id


def test_mil_2_silence_and_a_tie_send_everything_back(db: Database) -> None:
    story = failed(db)
    stage = story.stage
    halts.answer(story, 2, "yes")
    halts.answer(story, 0, "no")
    halts.answer(story, 1, "no")
    stage.advance_to(halts.poll(story).ends_at)
    offering = stage.offering(story.offering_id)
    assert (offering.state, stage.milestone(story.offering_id, 1).state) == ("wound_down", "failed")
    assert "did not give it another chance" in (offering.end_reason or "")
    assert refunded(db) == 850_000


def test_mil_2_a_resignation_while_the_investors_vote_drops_the_vote(db: Database) -> None:
    story = failed(db)
    story.stage.resign(story.founder, story.offering_id, reason="We give up.")
    story.stage.work()
    assert story.stage.offering(story.offering_id).state == "wound_down"
    assert halts.poll(story).outcome == "dropped"
    assert refunded(db) == 850_000
