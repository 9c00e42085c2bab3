"""Jobs of votes to end a plan: a call that too few stood behind lapses (WND-6)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings import halts
from app.offerings.models import Offering
from app.progress import ending
from app.progress.ending_models import EndCall
from app.work import Job


def _calls_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(EndCall.id)
        .join(Offering, Offering.id == EndCall.offering_id)
        .where(EndCall.state == "gathering",
               sa.or_(Offering.state != "active", EndCall.ends_at <= halts.clock_sql(now)))
        .order_by(EndCall.ends_at)
    )
    return session.scalars(query.limit(limit)).all()


def _lapse(session: Session, call_id: int, now: dt.datetime) -> None:
    offering_id = session.get_one(EndCall, call_id).offering_id
    offering = session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)
    found = session.get_one(EndCall, call_id, with_for_update=True, populate_existing=True)
    is_over = offering.state != "active" or found.ends_at <= halts.clock(offering, now)
    if found.state == "gathering" and is_over:
        ending.lapse(session, found, now=now)


JOBS = (Job("lapse_end_call", _calls_due, _lapse),)
