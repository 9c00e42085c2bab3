"""Reviews that run late or stay silent: nothing is stuck, nothing depends on when a job ran (MIL-9, MIL-14, TIM-1)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app import clock
from app.commitments.models import Refund
from app.db import Database
from app.errors import InvariantBroken
from app.offerings import withdrawing
from app.progress import interventions
from app.progress.models import Attestation
from tests.factories import life
from tests.unchanged import refused

TWO_OF_THREE = {"approvals": 2, "auditors": 3}


def due(story: life.Life, ordinal: int = 1) -> dt.datetime:
    deadline = story.stage.milestone(story.offering_id, ordinal).deadline_at
    assert deadline is not None
    return deadline


def handed_in(db: Database, **options: object) -> tuple[life.Life, str]:
    story = life.active(db, auditors=3, contract=TWO_OF_THREE, **options)  # type: ignore[arg-type]
    milestone = story.stage.milestone(story.offering_id, 1)
    return story, story.stage.submit_evidence(story.founder, milestone.public_id)


def test_mil_9_silent_auditors_cost_the_founder_nothing(db: Database) -> None:
    story, submission = handed_in(db)
    before = story.stage.milestone(story.offering_id, 1)
    story.stage.attest(story.auditors[0], submission)
    story.stage.advance_to(due(story))
    waiting = story.stage.milestone(story.offering_id, 1)
    assert waiting.state == "submitted"
    story.stage.advance_to(due(story))
    row = story.stage.milestone(story.offering_id, 1)
    assert (row.state, row.tries_left, row.released_minor) == ("open", before.tries_left, 0)
    assert row.long_stop_at is not None
    assert before.long_stop_at is not None
    assert row.long_stop_at - before.long_stop_at == dt.timedelta(seconds=row.tolled_seconds)
    assert row.tolled_seconds > 20 * 86_400
    again = story.stage.submit_evidence(story.founder, row.public_id)
    for auditor in story.auditors:
        story.stage.attest(auditor, again)
    assert story.stage.milestone(story.offering_id, 1).state == "challengeable"


def test_wnd_2_silent_auditors_never_keep_a_wind_down_from_ending(db: Database) -> None:
    story, _submission = handed_in(db)
    db.unit_of_work(
        lambda s: interventions.wind_down(
            s, actor=story.founder, offering_id=story.offering_id, trigger="founder_resigned", reason="We give up.",
            now=story.stage.now,
        )
    )
    story.stage.advance_to(due(story))
    story.stage.advance_to(due(story))
    assert story.stage.offering(story.offering_id).state == "wound_down"
    with db.read() as session:
        assert session.execute(sa.select(sa.func.sum(Refund.amount_minor))).scalar_one() == 383_300 - 57_495


def test_tim_1_a_finding_after_the_time_limit_does_not_turn_the_verdict(db: Database) -> None:
    story, submission = handed_in(db)
    story.stage.attest(story.auditors[0], submission, "met")
    story.stage.attest(story.auditors[1], submission, "not_met")
    life.let_time_pass(story.stage, due(story))
    with refused(db, "review_over"):
        story.stage.attest(story.auditors[2], submission, "met")
    story.stage.work()
    assert story.stage.milestone(story.offering_id, 1).state == "open"
    with db.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(Attestation)).scalar_one() == 2


def test_mil_14_a_long_review_moves_the_dates_of_those_that_wait_for_it(db: Database) -> None:
    story = life.active(db, contract={"resubmissions": 2})
    stage = story.stage
    second = stage.milestone(story.offering_id, 2)
    stop = stage.milestone(story.offering_id, 1).long_stop_at
    whole = stage.offering(story.offering_id).long_stop_at
    assert stop is not None
    assert second.long_stop_at is not None
    stage.advance_to(stop - dt.timedelta(days=1))
    submission = stage.submit_evidence(story.founder, stage.milestone(story.offering_id, 1).public_id)
    stage.advance(days=10)
    stage.attest(story.auditors[0], submission)
    stage.advance_to(due(story))
    first, after = stage.milestone(story.offering_id, 1), stage.milestone(story.offering_id, 2)
    assert (first.state, after.state) == ("released", "open")
    assert first.tolled_seconds >= 17 * 86_400
    assert after.long_stop_at == second.long_stop_at + dt.timedelta(seconds=first.tolled_seconds)
    assert stage.offering(story.offering_id).long_stop_at == whole + dt.timedelta(seconds=first.tolled_seconds)


def test_mil_8_two_auditors_of_one_firm_cannot_sit_on_one_panel(db: Database) -> None:
    story = life.drafted(db, auditors=2, contract={"approvals": 1, "auditors": 2})
    story.auditors[1] = story.stage.person("auditor", "Colleague", email="colleague@firm1.example")
    story.stage.submit_offering(story.offering_id, story.founder)
    with refused(db, "panel_short"):
        story.stage.appoint(story.offering_id, story.operator, story.auditors)


def test_tim_1_withdrawing_after_the_deadline_is_refused_before_any_job_ran(db: Database) -> None:
    story = life.live(db)
    life.let_time_pass(story.stage, story.stage.offering(story.offering_id).deadline_at)
    with refused(db, "not_open"):
        db.unit_of_work(
            lambda s: withdrawing.withdraw(
                s, actor=story.founder, offering_id=story.offering_id, reason="We saw the result.", now=story.stage.now
            )
        )


def test_tim_1_a_suspension_that_is_over_cannot_be_lifted(db: Database) -> None:
    story = life.active(db)
    life.reviewed(story, 1)
    milestone = story.stage.milestone(story.offering_id, 1)
    second = story.stage.person("operator", "Second Operator")
    db.unit_of_work(
        lambda s: interventions.suspend(
            s, actor=story.operator, milestone_id=milestone.public_id, reason="To be looked at.", now=story.stage.now
        )
    )
    life.let_time_pass(story.stage, due(story))
    with refused(db, "suspension_over"):
        db.unit_of_work(
            lambda s: interventions.resume(
                s, actor=second, milestone_id=milestone.public_id, reason="It is fine.", now=story.stage.now
            )
        )


@pytest.mark.databases("sqlite")
def test_a_database_whose_clock_was_moved_cannot_serve_real_money(db: Database) -> None:
    db.unit_of_work(lambda s: clock.advance(s, seconds=60, allowed=True))
    with db.read() as session, pytest.raises(InvariantBroken):
        clock.refuse_offset(session)
