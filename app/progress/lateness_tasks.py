"""Jobs of lateness: grace that is over, reports that are due, and the days to failure (MIL-14)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import interventions, reporting
from app.progress.lateness_models import Report, ReportCountdown
from app.work import Job
from milestones import lateness

WAITING_FOR_FOUNDER = ("open", "locked")


def _locked(session: Session, offering_id: int) -> Offering:
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def grace_over_at(session: Session, offering: Offering, milestone: Milestone) -> dt.datetime | None:
    """Return when a milestone's grace after its target date is over, None for the closing tranche."""
    if milestone.target_at is None or not milestone.ordinal:
        return None
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    return lateness.grace_ends_at(milestone.target_at, terms.milestone(milestone.ordinal).grace_days)


def _is_past_grace(session: Session, offering: Offering, milestone: Milestone, now: dt.datetime) -> bool:
    over_at = grace_over_at(session, offering, milestone)
    return over_at is not None and over_at <= halts.clock(offering, now)


def _grace_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Milestone, Offering)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.is_late.is_(True), Milestone.past_grace_at.is_(None), Offering.state == "active",
               Milestone.state.in_(WAITING_FOR_FOUNDER))
        .order_by(Milestone.id)
    )
    return [row.id for row, offering in session.execute(query) if _is_past_grace(session, offering, row, now)][:limit]


def _end_grace(session: Session, milestone_id: int, now: dt.datetime) -> None:
    milestone = session.get_one(Milestone, milestone_id)
    offering = _locked(session, milestone.offering_id)
    session.refresh(milestone, with_for_update=True)
    is_waiting = milestone.state in WAITING_FOR_FOUNDER and milestone.past_grace_at is None
    if offering.state != "active" or not is_waiting or not _is_past_grace(session, offering, milestone, now):
        return
    milestone.past_grace_at = now
    audit.record(session, actor=SYSTEM, action="milestone.past_grace", object_id=milestone.public_id, now=now)
    outbox.enqueue(
        session, "notice",
        {"kind": "milestone_past_grace", "offering_id": offering.id, "milestone_id": milestone.id}, now=now,
        key=f"notice:milestone_past_grace:{milestone.public_id}",
    )


def _unopened(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    has_one = sa.exists().where(Report.offering_id == Offering.id)
    query = sa.select(Offering.id).where(Offering.state == "active", Offering.closed_at.is_not(None), ~has_one)
    return session.scalars(query.order_by(Offering.id).limit(limit)).all()


def _open_report(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    has_one = session.scalar(sa.select(Report.id).where(Report.offering_id == offering_id).limit(1)) is not None
    if offering.state == "active" and not has_one:
        reporting.open_first(session, offering, now=now)


def _due_before(days: int, now: dt.datetime) -> sa.Select[tuple[int]]:
    return (
        sa.select(Report.id)
        .join(Offering, Offering.id == Report.offering_id)
        .where(Report.state == lateness.DUE, Offering.state == "active", Offering.halted_since.is_(None),
               Report.due_at <= now + dt.timedelta(days=days))
        .order_by(Report.due_at, Report.id)
    )


def _remind_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = _due_before(lateness.REPORT_REMIND_DAYS, now).where(Report.reminded_at.is_(None), Report.due_at > now)
    return session.scalars(query.limit(limit)).all()


def _remind(session: Session, report_id: int, now: dt.datetime) -> None:
    report = session.get_one(Report, report_id, with_for_update=True, populate_existing=True)
    if report.state == lateness.DUE and report.reminded_at is None:
        reporting.remind(session, report, now=now)


def _missed_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return session.scalars(_due_before(0, now).limit(limit)).all()


def _miss(session: Session, report_id: int, now: dt.datetime) -> None:
    offering = _locked(session, session.get_one(Report, report_id).offering_id)
    report = session.get_one(Report, report_id, with_for_update=True, populate_existing=True)
    is_over = offering.halted_since is None and report.due_at <= now
    if report.state == lateness.DUE and offering.state == "active" and is_over:
        reporting.miss(session, offering, report, now=now)


def _silent_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    missed = sa.exists().where(Report.offering_id == Offering.id, Report.state == lateness.MISSED)
    counting = sa.exists().where(ReportCountdown.offering_id == Offering.id, ReportCountdown.state == "running")
    found = session.scalars(sa.select(Offering).where(Offering.state == "active", missed, ~counting))
    return [each.id for each in found if _starts(session, each, now) is not None][:limit]


def _starts(session: Session, offering: Offering, now: dt.datetime) -> dt.datetime | None:
    starts_at = reporting.countdown_starts_at(session, offering)
    return starts_at if starts_at is not None and starts_at <= halts.clock(offering, now) else None


def _start_countdown(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    starts_at = _starts(session, offering, now)
    if offering.state == "active" and starts_at is not None and reporting.running(session, offering.id) is None:
        reporting.start_countdown(session, offering, started_at=starts_at, now=now)


def _failure_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(ReportCountdown.id)
        .join(Offering, Offering.id == ReportCountdown.offering_id)
        .where(ReportCountdown.state == "running",
               sa.or_(Offering.state != "active", ReportCountdown.ends_at <= halts.clock_sql(now)))
        .order_by(ReportCountdown.ends_at)
    )
    return session.scalars(query.limit(limit)).all()


def _fail(session: Session, countdown_id: int, now: dt.datetime) -> None:
    offering = _locked(session, session.get_one(ReportCountdown, countdown_id).offering_id)
    countdown = session.get_one(ReportCountdown, countdown_id, with_for_update=True, populate_existing=True)
    is_over = offering.state == "active" and countdown.ends_at <= halts.clock(offering, now)
    if countdown.state != "running" or (offering.state == "active" and not is_over):
        return
    reporting.end_countdown(session, countdown, is_over=is_over, now=now)
    if is_over:
        interventions.wind_down(
            session, actor=SYSTEM, offering_id=offering.public_id, trigger=reporting.TRIGGER,
            reason="The company did not report to its investors, and stayed silent for 90 days after that.", now=now,
        )


def _unowed(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Report.id)
        .join(Offering, Offering.id == Report.offering_id)
        .where(Report.state == lateness.DUE, Offering.state != "active")
        .order_by(Report.id)
    )
    return session.scalars(query.limit(limit)).all()


def _end_report(session: Session, report_id: int, now: dt.datetime) -> None:
    offering = _locked(session, session.get_one(Report, report_id).offering_id)
    report = session.get_one(Report, report_id, with_for_update=True, populate_existing=True)
    if report.state == lateness.DUE and offering.state != "active":
        reporting.end(session, report, now=now)


JOBS = (
    Job("end_grace", _grace_due, _end_grace),
    Job("open_report", _unopened, _open_report),
    Job("remind_of_report", _remind_due, _remind),
    Job("miss_report", _missed_due, _miss),
    Job("start_countdown", _silent_due, _start_countdown),
    Job("fail_silent", _failure_due, _fail),
    Job("end_report", _unowed, _end_report),
)
