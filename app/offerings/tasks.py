"""Jobs of offerings before they are live: drafts archived, approvals that run out (states.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings import rules, service
from app.offerings.models import Offering
from app.work import Job


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return (
        session.execute(
            sa.select(Offering.id)
            .where(Offering.state.in_(["draft", "approved"]), Offering.step_due_at <= now)
            .order_by(Offering.step_due_at)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def _lapse(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = session.get_one(Offering, offering_id, with_for_update=True)
    if offering.step_due_at is None or offering.step_due_at > now:
        return
    if offering.state == "approved":
        due = now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS)
        service.move(session, offering, "launch_window_over", "clock", now=now, due=due)
    elif offering.state == "draft":
        service.move(session, offering, "withdraw", "clock", now=now, due=None)
        offering.end_trigger, offering.end_reason, offering.ended_at = "idle", "The draft was not used.", now


JOBS = (Job("lapse_offering", _due, _lapse),)
