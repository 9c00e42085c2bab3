"""Jobs of parts: the rest of a partly released milestone, retained parts, and parts that wait for a report (MIL-11)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.payments.reversal_models import Reversal
from app.progress import leaving, releases, shortfalls, steps
from app.progress.lateness_models import Report
from app.progress.tasks import RUNNING, step_job
from app.work import Job
from milestones import plan as engine


def _reported(now: dt.datetime) -> sa.Select[tuple[int]]:
    """Select offerings of which a report came after something began to wait for one."""
    came = sa.exists().where(
        Report.offering_id == Offering.id, Report.filed_at > Milestone.reporting_since, Report.filed_at <= now
    )
    return (
        sa.select(Offering.id)
        .join(Milestone, Milestone.offering_id == Offering.id)
        .where(Offering.state == "active", Milestone.reporting_minor > 0, came)
        .group_by(Offering.id)
        .order_by(Offering.id)
    )


def _reported_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    # Those whose releases are stopped stay here, maybe for long; without a limit they cannot hide those behind them.
    found = session.scalars(_reported(now)).all()
    return [each for each in found if not _waits(session, session.get_one(Offering, each))][:limit]


def _waits(session: Session, offering: Offering) -> bool:
    return releases.stopped_by(offering) is not None or shortfalls.reason_to_wait(session, offering) is not None


def _release_reported(session: Session, offering_id: int, now: dt.datetime) -> None:
    """Release what waited for the report, of every milestone whose part began to wait before it came."""
    offering = session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)
    if session.scalar(_reported(now).where(Offering.id == offering_id)) is None or _waits(session, offering):
        return
    since = sa.select(sa.func.max(Report.filed_at)).where(Report.offering_id == offering_id)
    before = sa.select(Milestone.ordinal).where(
        Milestone.offering_id == offering_id, Milestone.reporting_minor > 0,
        Milestone.reporting_since < since.scalar_subquery(),
    )
    ordinals = frozenset(session.scalars(before))
    steps.run(
        session, offering, lambda plan: engine.report_received(plan, ordinals), actor=SYSTEM, now=now,
        reason="the report it waited for was received",
    )


def _stranded_due(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    reversed_one = sa.exists().where(Reversal.offering_id == Offering.id)
    found = session.scalars(
        sa.select(Offering).where(Offering.state.in_(RUNNING), reversed_one).order_by(Offering.id)
    )
    return [each.id for each in found if leaving.has_stranded(session, each)][:limit]


def _return_stranded(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)
    if offering.state in RUNNING and leaving.has_stranded(session, offering):
        leaving.return_stranded(session, offering, now=now)


JOBS = (
    Job("return_stranded", _stranded_due, _return_stranded),
    Job("release_reported", _reported_due, _release_reported),
    Job("fail_rest", *step_job("partly_released", "long_stop")),
    Job("end_retention", *step_job("retained", "retention_over")),
    Job("end_report_wait", *step_job("report_due", "retention_over")),
)
