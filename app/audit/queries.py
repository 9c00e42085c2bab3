"""Read the log of changes of state."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import content_hash

PAGE_SIZE = 50


def entries_of(session: Session, object_id: str, *, limit: int = 200) -> Sequence[LogEntry]:
    """Return what happened to one object, oldest first, at most ``limit`` rows."""
    return session.scalars(
        sa.select(LogEntry).where(LogEntry.object_id == object_id).order_by(LogEntry.id).limit(limit)
    ).all()


def latest_entries(
    session: Session,
    *,
    before_id: int | None = None,
    action: str | None = None,
    object_id: str | None = None,
    actor_user_id: int | None = None,
    limit: int = PAGE_SIZE,
) -> Sequence[LogEntry]:
    """Return one page of the log, newest first; ``before_id`` is the last id of the page before."""
    query = sa.select(LogEntry).order_by(LogEntry.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(LogEntry.id < before_id)
    if action:
        query = query.where(LogEntry.action == action)
    if object_id:
        query = query.where(LogEntry.object_id == object_id)
    if actor_user_id is not None:
        query = query.where(LogEntry.actor_user_id == actor_user_id)
    return session.scalars(query).all()


def values_of(text: str | None) -> dict[str, object]:
    """Return ``before`` or ``after`` of an entry as a mapping, empty when there is none."""
    return json.loads(text) if text else {}


def altered_entries(session: Session) -> list[int]:
    """Return the ids of entries whose content no longer matches their hash; none is the invariant."""
    rows = session.scalars(sa.select(LogEntry).order_by(LogEntry.id).execution_options(yield_per=1000))
    return [entry.id for entry in rows if content_hash(entry) != entry.content_hash]
