"""Jobs of amendments: the end of the time to leave, and the end of a plan that a proposal was about (MIL-13)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings import halts
from app.offerings.models import Offering
from app.progress import amendment_effects
from app.progress.amendment_models import OPEN, Amendment
from app.work import Job


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    is_over = sa.and_(Amendment.state == "leaving", Amendment.leave_until <= halts.clock_sql(now))
    query = (
        sa.select(Amendment.id)
        .join(Offering, Offering.id == Amendment.offering_id)
        .where(Amendment.state.in_(OPEN), sa.or_(is_over, Offering.state != "active"))
        .order_by(Amendment.leave_until, Amendment.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def _act(session: Session, amendment_id: int, now: dt.datetime) -> None:
    amendment = session.get_one(Amendment, amendment_id)
    offering = session.get_one(Offering, amendment.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(amendment)
    if amendment.state not in OPEN:
        return
    if offering.state != "active":
        amendment_effects.end_with_plan(session, amendment, now=now)
    elif amendment.leave_until is not None and amendment.leave_until <= halts.clock(offering, now):
        amendment_effects.take_effect(session, offering, amendment, now=now)


JOBS = (Job("end_amendment", _due, _act),)
