"""Reports that a founder owes, and what follows from silence: days to failure that a report ends (MIL-14)."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import public_id
from app.errors import Conflict, Refused
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.change_models import OfferingUpdate
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress.lateness_models import Report, ReportCountdown
from app.progress.models import Submission
from app.progress.service import demand_founder
from milestones import lateness

MAX_TEXT_CHARACTERS = 5_000
REPORTED, WOUND_DOWN, OFFERING_ENDED = "reported", "wound_down", "offering_ended"
TRIGGER = "reports_missed"


@dataclass(frozen=True, slots=True)
class ReportFields:
    """What a report says: done, spent, next and its date, cash left, risks. Money in minor units."""

    done: str
    spent_minor: int
    next_steps: str
    next_on: dt.date
    cash_left_minor: int
    risks: str


# -- when ------------------------------------------------------------------------------------------


def open_first(session: Session, offering: Offering, *, now: dt.datetime) -> Report:
    """Write down the first report that a running offering owes: a quarter after its close."""
    return _open(session, offering, 1, offering.closed_at or now, now)


def _open(session: Session, offering: Offering, number: int, previous: dt.datetime, now: dt.datetime) -> Report:
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    report = Report(
        public_id=public_id("rpt"), offering_id=offering.id, number=number, state=lateness.DUE, opened_at=now,
        due_at=lateness.report_due_at(previous, terms.report_months, offering.zone),
    )
    session.add(report)
    session.flush()
    _log(session, report, "opened", now=now)
    return report


def miss(session: Session, offering: Offering, report: Report, *, now: dt.datetime) -> None:
    """Note that a due report did not come, and write down the next; tells founder and investors."""
    report.state = lateness.MISSED
    session.flush()
    _log(session, report, "missed", now=now, before=lateness.DUE)
    _tell(session, "report_missed", report, now)
    _open(session, offering, report.number + 1, report.due_at, report.due_at)


def remind(session: Session, report: Report, *, now: dt.datetime) -> None:
    """Remind the founder once, two weeks before a report is due."""
    report.reminded_at = now
    session.flush()
    _tell(session, "report_due_soon", report, now)


def end(session: Session, report: Report, *, now: dt.datetime) -> None:
    """Let a report be owed no more: the offering does not run any longer."""
    report.state = lateness.ENDED
    session.flush()
    _log(session, report, "ended", now=now, before=lateness.DUE)


# -- filing ----------------------------------------------------------------------------------------


def file(
    session: Session, *, actor: Actor, offering_id: str, fields: ReportFields, key: str, now: dt.datetime
) -> Report:
    """File the report that :func:`to_file` names; it ends the days to failure, and the next is written down.

    Raises ``NotFound`` for somebody else's offering, ``Conflict`` ``no_report_due`` unless it runs, ``Refused``
    ``report_too_soon`` before its time, ``report_incomplete`` at the field that is empty, ``next_date_past``.
    """
    accounts.demand(actor, "founder")
    claimed = {"offering": offering_id, **_content(fields)}
    earlier = idempotency.claim(session, actor=actor, operation="file_report", key=key, fields=claimed, now=now)
    if earlier is not None:
        return session.scalars(sa.select(Report).where(Report.public_id == earlier)).one()
    offering = offerings.locked(session, offering_id)
    demand_founder(session, actor, offering)
    report = _demand_due(session, offering, now)
    _demand_whole(fields, now)
    before, report.state = report.state, lateness.FILED
    report.done, report.spent_minor = fields.done.strip(), fields.spent_minor
    report.next_steps, report.next_on = fields.next_steps.strip(), fields.next_on.isoformat()
    report.cash_left_minor, report.risks = fields.cash_left_minor, fields.risks.strip()
    report.filed_by, report.filed_at = accounts.user_of(actor), now
    report.content_hash = report_hash(report, offering.public_id, offering.currency)
    session.flush()
    idempotency.settle(session, actor=actor, operation="file_report", key=key, result_ref=report.public_id)
    _log(session, report, "filed", actor=actor, now=now, before=before)
    _tell(session, "report_filed", report, now)
    if before == lateness.DUE:
        _open(session, offering, report.number + 1, report.due_at, now)
    countdown = running(session, offering.id)
    if countdown is not None:
        _end_countdown(session, countdown, REPORTED, now=now)
        _tell_countdown(session, "countdown_stopped", countdown, now)
    return report


def to_file(session: Session, offering: Offering, now: dt.datetime) -> Report | None:
    """Return the report that filing now would fill: the one due soon, else the last one missed; None too early."""
    due, missed = _current(session, offering.id)
    if due is not None and halts.clock(offering, now) >= opens_at(due):
        return due
    return missed


def opens_at(report: Report) -> dt.datetime:
    """Return from when a report may be filed: one written earlier says nothing of its quarter."""
    return report.due_at - dt.timedelta(days=lateness.REPORT_OPENS_DAYS)


def due_of(session: Session, offering_id: int) -> Report | None:
    """Return the report now due, None where none is owed."""
    return _current(session, offering_id)[0]


def _current(session: Session, offering_id: int) -> tuple[Report | None, Report | None]:
    """Return the report now due, and the one before it where it was missed."""
    last = session.scalars(
        sa.select(Report).where(Report.offering_id == offering_id).order_by(Report.number.desc()).limit(2)
    ).all()
    due = next((each for each in last[:1] if each.state == lateness.DUE), None)
    missed = next((each for each in last[1:] if each.state == lateness.MISSED), None)
    return due, missed if due is not None else None


def _demand_due(session: Session, offering: Offering, now: dt.datetime) -> Report:
    due, _missed = _current(session, offering.id)
    if offering.state != "active" or due is None:
        raise Conflict("Reports are owed while a plan runs, and none is owed here.", code="no_report_due")
    report = to_file(session, offering, now)
    if report is None:
        raise Refused(
            f"The next report is due on {due.due_at:%d %B %Y}. File it within the {lateness.REPORT_OPENS_DAYS} days "
            "before; post an update to tell investors something sooner.",
            code="report_too_soon",
        )
    return report


def _demand_whole(fields: ReportFields, now: dt.datetime) -> None:
    for name in ("done", "next_steps", "risks"):
        if not getattr(fields, name).strip():
            raise Refused("Fill this in. “None” is an answer too.", code="report_incomplete", field=name)
        if len(getattr(fields, name)) > MAX_TEXT_CHARACTERS:
            raise Refused(f"Write at most {MAX_TEXT_CHARACTERS:,} characters.", code="report_too_long", field=name)
    for name in ("spent_minor", "cash_left_minor"):
        if getattr(fields, name) < 0:
            raise Refused("Enter an amount of 0 or more.", code="report_incomplete", field=name)
    if fields.next_on <= now.date():
        raise Refused("Choose a day to come for the next step.", code="next_date_past", field="next_on")


def _content(fields: ReportFields) -> dict[str, str]:
    return {
        "done": fields.done, "spent": str(fields.spent_minor), "next": fields.next_steps,
        "next_on": fields.next_on.isoformat(), "cash_left": str(fields.cash_left_minor), "risks": fields.risks,
    }


def report_hash(report: Report, offering_id: str, currency: str) -> str:
    """Return the SHA-256 over RFC 8785 of a filed report."""
    assert report.filed_at is not None
    content = {
        "report": report.public_id, "offering": offering_id, "number": str(report.number), "currency": currency,
        "done": report.done, "spent_minor": str(report.spent_minor), "next": report.next_steps,
        "next_on": report.next_on, "cash_left_minor": str(report.cash_left_minor), "risks": report.risks,
        "filed_at": report.filed_at.astimezone(dt.UTC).isoformat(),
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


# -- silence ---------------------------------------------------------------------------------------


def running(session: Session, offering_id: int) -> ReportCountdown | None:
    """Return the days to failure that run, None when there are none."""
    return session.scalars(
        sa.select(ReportCountdown).where(ReportCountdown.offering_id == offering_id, ReportCountdown.state == "running")
    ).one_or_none()


def missed_now(session: Session, offering_id: int) -> list[Report]:
    """Return the due reports missed in a row, up to now, oldest first."""
    rows = session.scalars(
        sa.select(Report).where(Report.offering_id == offering_id, Report.state != lateness.DUE).order_by(Report.number)
    ).all()
    count = lateness.missed_in_a_row([each.state for each in rows])
    return list(rows[len(rows) - count :])


def countdown_starts_at(session: Session, offering: Offering) -> dt.datetime | None:
    """Return from when the days to failure run, or will if the founder stays silent; None without a cause."""
    missed = missed_now(session, offering.id)
    if not missed:
        return None
    return lateness.failure_starts_at([each.due_at for each in missed], last_sign_at(session, offering))


def last_sign_at(session: Session, offering: Offering) -> dt.datetime:
    """Return when the founder last reported, submitted evidence or posted an update; else when the plan began."""
    of_offering = sa.select(Milestone.id).where(Milestone.offering_id == offering.id)
    found = [
        session.scalar(query) for query in (
            sa.select(sa.func.max(Report.filed_at)).where(Report.offering_id == offering.id),
            sa.select(sa.func.max(Submission.received_at)).where(Submission.milestone_id.in_(of_offering)),
            sa.select(sa.func.max(OfferingUpdate.posted_at)).where(OfferingUpdate.offering_id == offering.id),
        )
    ]
    return max(each for each in (offering.closed_at, *found) if each is not None)


def start_countdown(
    session: Session, offering: Offering, *, started_at: dt.datetime, now: dt.datetime
) -> ReportCountdown:
    """Start ninety days to failure as of the instant that caused them, and tell everybody."""
    countdown = ReportCountdown(
        public_id=public_id("cnt"), offering_id=offering.id, state="running",
        missed=len(missed_now(session, offering.id)), started_at=started_at,
        ends_at=started_at + dt.timedelta(days=lateness.FAILURE_DAYS),
    )
    session.add(countdown)
    session.flush()
    _log_countdown(session, countdown, "started", now=now)
    _tell_countdown(session, "countdown_started", countdown, now)
    return countdown


def end_countdown(session: Session, countdown: ReportCountdown, *, is_over: bool, now: dt.datetime) -> None:
    """End the days to failure: they are over and the caller winds the plan down, or the offering ended before."""
    _end_countdown(session, countdown, WOUND_DOWN if is_over else OFFERING_ENDED, now=now)


def _end_countdown(session: Session, countdown: ReportCountdown, outcome: str, *, now: dt.datetime) -> None:
    countdown.state, countdown.ended_at, countdown.outcome = "ended", now, outcome
    session.flush()
    _log_countdown(session, countdown, "ended", now=now, before="running")


# -- telling ---------------------------------------------------------------------------------------


def told(session: Session, report: Report) -> dict[str, object]:
    """Return what the log keeps of a report; its words stand in the row, here is their hash."""
    return {
        "state": report.state, "offering": session.get_one(Offering, report.offering_id).public_id,
        "number": report.number, "spent_minor": report.spent_minor, "cash_left_minor": report.cash_left_minor,
        "content_hash": report.content_hash, "filed_by": report.filed_by,
    }


def told_countdown(session: Session, countdown: ReportCountdown) -> dict[str, object]:
    """Return what the log keeps of the days to failure."""
    return {
        "state": countdown.state, "offering": session.get_one(Offering, countdown.offering_id).public_id,
        "missed": countdown.missed, "outcome": countdown.outcome,
    }


def _log(
    session: Session, report: Report, verb: str, *, actor: Actor = SYSTEM, now: dt.datetime, before: str | None = None
) -> None:
    audit.record(
        session, actor=actor, action=f"report.{verb}", object_id=report.public_id, now=now,
        before={"state": before} if before else None, after=told(session, report),
    )


def _log_countdown(
    session: Session, countdown: ReportCountdown, verb: str, *, now: dt.datetime, before: str | None = None
) -> None:
    audit.record(
        session, actor=SYSTEM, action=f"countdown.{verb}", object_id=countdown.public_id, now=now,
        before={"state": before} if before else None, after=told_countdown(session, countdown),
    )


def _tell(session: Session, kind: str, report: Report, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "report_id": report.id}, now=now, key=f"notice:{kind}:{report.public_id}"
    )


def _tell_countdown(session: Session, kind: str, countdown: ReportCountdown, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "countdown_id": countdown.id}, now=now,
        key=f"notice:{kind}:{countdown.public_id}",
    )
