"""Late milestones, extensions, reports and silence, through the services (MIL-14)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app import clock
from app.db import Database
from app.errors import Refused
from app.outbox.models import OutboxMessage
from app.progress import extending
from app.progress.lateness_models import Extension, ExtensionMove, Report, ReportCountdown
from tests.factories import halts, life
from tests.unchanged import refused

DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)


REASON = "The mould was delivered late."


def extend(story: life.Life, ordinal: int, *, reason: str = REASON, key: str = "") -> Extension:
    stage = story.stage
    milestone = stage.milestone(story.offering_id, ordinal).public_id
    return stage.db.unit_of_work(
        lambda session: extending.extend(
            session, actor=story.founder, milestone_id=milestone, reason=reason, key=key or stage.key(), now=stage.now
        )
    )


def told(db: Database, kind: str) -> int:
    with db.read() as session:
        return sum(f'"{kind}"' in each for each in session.scalars(sa.select(OutboxMessage.payload)))


# -- the extension ---------------------------------------------------------------------------------


def test_mil_14_one_extension_is_automatic_and_moves_those_that_wait(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    before = {each.ordinal: each for each in stage.milestones(story.offering_id)}
    whole = stage.offering(story.offering_id).long_stop_at
    extend(story, 1, key="one")
    assert extend(story, 1, key="one").days == 30
    after = {each.ordinal: each for each in stage.milestones(story.offering_id)}
    for ordinal in (1, 2, 3):
        assert after[ordinal].target_at == before[ordinal].target_at + 30 * DAY
        assert after[ordinal].long_stop_at == before[ordinal].long_stop_at + 30 * DAY
    assert after[1].deadline_at == after[1].long_stop_at
    assert stage.offering(story.offering_id).long_stop_at == whole
    with refused(db, "extended_already"):
        extend(story, 1)
    # The third has 60 days up to the plan's end: 30 are used, the second's extension takes the rest and no more.
    extend(story, 2)
    extend(story, 3) if after[3].long_stop_at + 30 * DAY < whole else None
    last = stage.milestone(story.offering_id, 3)
    assert last.long_stop_at == whole
    with refused(db, "extension_no_room"):
        extend(story, 3)
    stage.work()
    assert told(db, "milestone_extended") == 2


def test_mil_14_an_extension_is_asked_for_before_the_target_and_by_the_founder(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    with refused(db, "reason_empty"):
        extend(story, 1, reason=" ")
    other = life.active(db, stage=stage)
    stranger, story.founder = story.founder, other.founder
    with refused(db, "offering_not_found"):
        extend(story, 1)
    story.founder = stranger
    target = stage.milestone(story.offering_id, 1).target_at
    assert target is not None
    # Decided by the time of the event: no job has run, and it is too late all the same (TIM-1).
    stage.db.unit_of_work(
        lambda session: clock.advance(session, seconds=(target - stage.now) // SECOND + 1, allowed=True)
    )
    with refused(db, "extension_late"):
        extend(story, 1)
    life.reviewed(story, 1)
    with refused(db, "not_extendable"):
        extend(story, 1)


def test_mil_14_in_parallel_nobody_elses_dates_move(db: Database) -> None:
    story = life.active(db, contract={"order": "parallel"})
    before = story.stage.milestone(story.offering_id, 2)
    extend(story, 1)
    after = story.stage.milestone(story.offering_id, 2)
    assert (after.target_at, after.long_stop_at) == (before.target_at, before.long_stop_at)
    with db.read() as session:
        assert session.scalars(sa.select(ExtensionMove.seconds)).all() == [30 * 86_400]


# -- late, grace, the last moment ------------------------------------------------------------------


def test_mil_14_late_then_past_grace_are_told_once_and_move_no_money(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    target = stage.milestone(story.offering_id, 1).target_at
    assert target is not None
    stage.advance_to(target)
    row = stage.milestone(story.offering_id, 1)
    assert (row.is_late, row.past_grace_at, told(db, "milestone_late")) == (True, None, 1)
    stage.advance_to(target + 30 * DAY - 2 * SECOND)
    assert stage.milestone(story.offering_id, 1).past_grace_at is None
    stage.advance_to(target + 30 * DAY)
    stage.advance(days=1)
    row = stage.milestone(story.offering_id, 1)
    assert row.past_grace_at is not None
    assert (row.state, told(db, "milestone_past_grace")) == ("open", 1)


def test_mil_14_junk_in_the_last_minute_gains_the_minute_that_was_left_and_no_try(db: Database) -> None:
    story = life.active(db, contract={"resubmissions": 2})
    stage = story.stage
    row = stage.milestone(story.offering_id, 1)
    assert row.long_stop_at is not None
    stage.advance_to(row.long_stop_at - 60 * SECOND)
    left = row.long_stop_at - stage.now
    submission = stage.submit_evidence(story.founder, row.public_id, statement="Junk.")
    stage.advance(days=9)
    stage.attest(story.auditors[0], submission, "not_met")
    after = stage.milestone(story.offering_id, 1)
    # Two tries are left in the terms, but the time is what it was: the review's nine days are given back, no more.
    assert (after.state, after.tries_left) == ("open", 1)
    assert after.long_stop_at is not None
    assert after.long_stop_at == row.long_stop_at + after.tolled_seconds * SECOND <= stage.now + left
    stage.db.unit_of_work(lambda session: clock.advance(session, seconds=60, allowed=True))
    with pytest.raises(Refused, match="last moment"):
        stage.submit_evidence(story.founder, row.public_id)
    # It fails once the founder's days to appeal are over, and not by its tries.
    stage.advance(days=10)
    assert stage.milestone(story.offering_id, 1).state == "failed"
    assert stage.offering(story.offering_id).state in ("winding_down", "wound_down")


def test_mil_14_reviews_that_never_end_stretch_a_milestone_by_sixty_days_at_most(db: Database) -> None:
    story = life.active(db, contract={"resubmissions": 10, "tranches": (8500,)})
    stage = story.stage
    agreed = stage.milestone(story.offering_id, 1).long_stop_at
    assert agreed is not None
    for _try in range(7):
        row = stage.milestone(story.offering_id, 1)
        if row.state != "open":
            break
        submission = stage.submit_evidence(story.founder, row.public_id, statement="Junk again.")
        stage.advance(days=12)
        stage.attest(story.auditors[0], submission, "not_met")
    row = stage.milestone(story.offering_id, 1)
    assert row.tolled_seconds == 60 * 86_400
    assert row.long_stop_at == agreed + 60 * DAY


# -- reports ---------------------------------------------------------------------------------------


def reports(db: Database) -> list[tuple[int, str]]:
    with db.read() as session:
        return [(each.number, each.state) for each in session.scalars(sa.select(Report).order_by(Report.number))]


def due(db: Database) -> dt.datetime:
    with db.read() as session:
        return session.scalars(sa.select(Report.due_at).where(Report.state == "due")).one()


def countdowns(db: Database) -> list[ReportCountdown]:
    with db.read() as session:
        return list(session.scalars(sa.select(ReportCountdown).order_by(ReportCountdown.id)))


def test_mil_14_a_report_is_due_each_quarter_filed_within_its_month_and_hashed(db: Database) -> None:
    story = life.long_running(db)
    stage = story.stage
    first = due(db)
    assert 85 * DAY < first - stage.now < 93 * DAY
    with refused(db, "report_too_soon"):
        stage.report(story.founder, story.offering_id)
    stage.advance_to(first - 15 * DAY)
    stranger = life.drafted(db, stage=stage).founder
    with refused(db, "offering_not_found"):
        stage.report(stranger, story.offering_id)
    with refused(db, "report_incomplete"):
        stage.report(story.founder, story.offering_id, risks=" ")
    with refused(db, "next_date_past"):
        stage.report(story.founder, story.offering_id, next_on=stage.now.date())
    stage.advance_to(first - 14 * DAY)
    assert told(db, "report_due_soon") == 1
    filed = stage.report(story.founder, story.offering_id, spent_minor=12_345)
    assert (filed.state, filed.spent_minor, len(filed.content_hash or "")) == ("filed", 12_345, 64)
    assert reports(db) == [(1, "filed"), (2, "due")]
    assert 85 * DAY < due(db) - first < 93 * DAY
    with refused(db, "report_too_soon"):
        stage.report(story.founder, story.offering_id)
    stage.work()
    assert told(db, "report_filed") == 1


def test_mil_14_two_missed_start_ninety_days_and_then_all_of_it_goes_back(db: Database) -> None:
    story = life.long_running(db)
    stage = story.stage
    stage.advance_to(due(db))
    assert (reports(db), countdowns(db)) == ([(1, "missed"), (2, "due")], [])
    stage.advance_to(due(db))
    (countdown,) = countdowns(db)
    assert (countdown.state, countdown.ends_at - countdown.started_at) == ("running", 90 * DAY)
    assert told(db, "countdown_started") == 1
    stage.advance_to(countdown.ends_at - 2 * SECOND)
    assert stage.offering(story.offering_id).state == "active"
    stage.advance_to(countdown.ends_at)
    offering = stage.offering(story.offering_id)
    assert (offering.state, offering.end_trigger) == ("wound_down", "reports_missed")
    assert countdowns(db)[0].outcome == "wound_down"
    assert reports(db)[-1][1] == "ended"
    # 15 % was released at the close; what was unreleased went back, and no job brought anything forward.
    assert stage.milestone(story.offering_id, 1).state == "lapsed"


def test_mil_14_a_report_in_between_ends_the_days_to_failure(db: Database) -> None:
    story = life.long_running(db)
    stage = story.stage
    stage.advance_to(due(db))
    stage.advance_to(due(db))
    stage.advance(days=40)
    # The next is not due for weeks: what is filed is the last one missed, late.
    filed = stage.report(story.founder, story.offering_id)
    assert (filed.number, filed.state) == (2, "filed")
    assert [(each.state, each.outcome) for each in countdowns(db)] == [("ended", "reported")]
    assert reports(db) == [(1, "missed"), (2, "filed"), (3, "due")]
    stage.advance(days=60)
    assert stage.offering(story.offering_id).state == "active"
    assert told(db, "countdown_stopped") == 1


def test_off_13_a_halt_moves_the_date_of_a_report_and_the_days_to_failure(db: Database) -> None:
    story = life.long_running(db)
    stage = story.stage
    stage.advance_to(due(db))
    stage.advance_to(due(db))
    (countdown,) = countdowns(db)
    third = due(db)
    halt = halts.place(story, days=5)
    stage.advance(days=3)
    halts.lift(story, halt)
    seconds = halts.halt(story).seconds
    assert seconds >= 3 * 86_400
    assert countdowns(db)[0].ends_at == countdown.ends_at + seconds * SECOND
    assert due(db) == third + seconds * SECOND


@pytest.mark.parametrize("silent", [True, False])
def test_mil_14_ninety_days_without_a_sign_after_a_missed_report_are_enough(db: Database, silent: bool) -> None:
    story = life.long_running(db)
    stage = story.stage
    first = due(db)
    stage.advance_to(first)
    stage.advance(days=5)
    if not silent:
        stage.submit_evidence(story.founder, stage.milestone(story.offering_id, 1).public_id)
    stage.advance_to(first + 90 * DAY)
    assert len(countdowns(db)) == silent
