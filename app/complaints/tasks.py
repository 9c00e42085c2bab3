"""The job that asks every operator about complaints whose date has passed (states.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.complaints import queries, service
from app.complaints.models import Complaint
from app.work import Job


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    wanted = sa.select(Complaint.id).where(queries.is_overdue(now)).order_by(Complaint.due_at).limit(limit)
    return session.scalars(wanted).all()


def _escalate(session: Session, complaint_id: int, now: dt.datetime) -> None:
    row = session.scalars(
        sa.select(Complaint).where(Complaint.id == complaint_id, queries.is_overdue(now)).with_for_update()
    ).one_or_none()
    if row is not None:
        service.escalate(session, row, now=now)


JOBS = (Job("escalate_complaint", _due, _escalate),)
