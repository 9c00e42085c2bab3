"""Jobs of challenges, disputes and appeals: delivery, the ends of windows, and panels that stay silent (MIL-10)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.contracts.models import Milestone
from app.offerings import halts
from app.offerings.models import Offering
from app.progress import challenges, disputes, standing, steps, windows
from app.progress.dispute_models import Dispute
from app.work import Job
from milestones import disputes as rules
from milestones import plan as engine

RUNNING = ("active", "winding_down")


def _overdue(state: str, now: dt.datetime) -> sa.Select[tuple[Milestone]]:
    return (
        sa.select(Milestone)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.state == state, Offering.state.in_(RUNNING), Milestone.deadline_at <= halts.clock_sql(now))
        .order_by(Milestone.deadline_at, Milestone.id)
    )


def _take(session: Session, milestone_id: int, state: str, now: dt.datetime) -> tuple[Offering, Milestone] | None:
    """Lock the offering, read the milestone again, and return both if its deadline has passed in this state."""
    milestone = session.get_one(Milestone, milestone_id)
    offering = session.get_one(Offering, milestone.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(milestone)
    if milestone.state != state or milestone.deadline_at is None or milestone.deadline_at > halts.clock(offering, now):
        return None
    return offering, milestone


def _undelivered(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:  # noqa: ARG001 - a job's signature
    rows = session.scalars(
        sa.select(Milestone)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.state.in_(sorted(windows.TOLD)), Milestone.ordinal > 0, Milestone.notified_at.is_(None),
               Offering.state.in_(RUNNING))
        .order_by(Milestone.id)
    )
    return [row.id for row in rows if windows.delivered_at(session, row) is not None][:limit]


def _deliver(session: Session, milestone_id: int, now: dt.datetime) -> None:
    milestone = session.get_one(Milestone, milestone_id)
    offering = session.get_one(Offering, milestone.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(milestone)
    windows.note_delivery(session, offering, milestone, now=now)


def _window_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    # Nobody's window ends before they were told of the verdict.
    query = _overdue("challengeable", now).where(Milestone.notified_at.is_not(None)).limit(limit)
    return [row.id for row in session.scalars(query)]


def _end_window(session: Session, milestone_id: int, now: dt.datetime) -> None:
    found = _take(session, milestone_id, "challengeable", now)
    if found is not None and found[1].notified_at is not None:
        windows.end_challenge_window(session, *found, now=now)


def _appeal_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    rows = session.scalars(_overdue("appealable", now))
    return [row.id for row in rows if row.notified_at is not None or not standing.may_appeal(session, row)][:limit]


def _end_appeal(session: Session, milestone_id: int, now: dt.datetime) -> None:
    found = _take(session, milestone_id, "appealable", now)
    if found is None:
        return
    offering, milestone = found
    steps.run(
        session, offering, lambda plan: rules.appeal_over(plan, milestone.ordinal), actor=SYSTEM, now=now,
        reason=f"appeal_over of {milestone.public_id}",
    )


def _suspension_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return [row.id for row in session.scalars(_overdue("suspended", now).limit(limit))]


def _end_suspension(session: Session, milestone_id: int, now: dt.datetime) -> None:
    found = _take(session, milestone_id, "suspended", now)
    if found is None:
        return
    offering, milestone = found
    challenges.drop(session, milestone.id, now=now)
    steps.run(
        session, offering, lambda plan: engine.suspension_over(plan, milestone.ordinal), actor=SYSTEM, now=now,
        reason=f"suspension_over of {milestone.public_id}",
    )


def _panel_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    at_panel = sa.exists().where(
        Dispute.milestone_id == Milestone.id, Dispute.outcome.is_(None), Dispute.state == disputes.PANEL
    )
    return [row.id for row in session.scalars(_overdue("disputed", now).where(at_panel).limit(limit))]


def _end_panel(session: Session, milestone_id: int, now: dt.datetime) -> None:
    found = _take(session, milestone_id, "disputed", now)
    dispute = disputes.running_of(session, milestone_id)
    if found is not None and dispute is not None and dispute.state == disputes.PANEL:
        disputes.reach_limit(session, *found, dispute, now=now)


JOBS = (
    Job("deliver_verdict", _undelivered, _deliver),
    Job("end_window", _window_due, _end_window),
    Job("end_appeal", _appeal_due, _end_appeal),
    Job("end_suspension", _suspension_due, _end_suspension),
    Job("end_panel", _panel_due, _end_panel),
)
