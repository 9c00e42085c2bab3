"""Read complaints. Nothing here writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.accounts.models import User
from app.complaints.models import Complaint
from app.errors import NotFound

OPEN = ("received", "in_review")


def by_public_id(session: Session, complaint_id: str, *, lock: bool = False) -> Complaint:
    """Return a complaint, locked where it is to change; raises ``NotFound``."""
    query = sa.select(Complaint).where(Complaint.public_id == complaint_id)
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise _not_found()
    return row


def demand_own(actor: Actor, row: Complaint) -> None:
    """Refuse a complaint of somebody else as if there were none."""
    if row.user_id is None or row.user_id != actor.user_id:
        raise _not_found()


def own(session: Session, actor: Actor, complaint_id: str) -> Complaint:
    """Return one of a person's own complaints; raises ``NotFound`` for any other."""
    row = by_public_id(session, complaint_id)
    demand_own(actor, row)
    return row


def of_user(session: Session, user_id: int) -> Sequence[Complaint]:
    """Return a person's complaints, the newest first."""
    return session.scalars(
        sa.select(Complaint).where(Complaint.user_id == user_id).order_by(Complaint.id.desc()).limit(100)
    ).all()


def waiting(session: Session, *, limit: int = 100) -> Sequence[Complaint]:
    """Return complaints that wait for an operator, the first due first."""
    return session.scalars(
        sa.select(Complaint).where(Complaint.state.in_(OPEN)).order_by(Complaint.due_at, Complaint.id).limit(limit)
    ).all()


def answered(session: Session, *, limit: int = 50) -> Sequence[Complaint]:
    """Return complaints that nobody has to answer now, the newest first."""
    return session.scalars(
        sa.select(Complaint).where(Complaint.state.not_in(OPEN)).order_by(Complaint.id.desc()).limit(limit)
    ).all()


def names(session: Session, rows: Sequence[Complaint]) -> dict[int, str]:
    """Return the names of everybody who wrote or answered these complaints, by user id."""
    ids = {each for row in rows for each in (row.user_id, row.answered_by, row.reviewed_by) if each is not None}
    found = session.execute(sa.select(User.id, User.name).where(User.id.in_(sorted(ids))))
    return {row.id: row.name for row in found}


def is_overdue(now: dt.datetime) -> sa.ColumnElement[bool]:
    """The condition of a complaint whose date has passed and of which nobody was told yet."""
    return sa.and_(Complaint.state.in_(OPEN), Complaint.escalated_at.is_(None), Complaint.due_at <= now)


def _not_found() -> NotFound:
    return NotFound("There is no such complaint.", code="complaint_not_found")
