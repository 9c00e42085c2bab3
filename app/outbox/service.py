"""Enqueue messages in the current unit of work; claim, finish and quarantine them for the worker."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.db import insert_for, public_id
from app.outbox.models import OutboxMessage

MAX_ATTEMPTS = 5
LEASE_SECONDS = 60


def enqueue(
    session: Session, topic: str, payload: Mapping[str, object], *, now: dt.datetime, key: str | None = None
) -> None:
    """Tell the worker of a fact, once it has committed.

    ``payload`` holds ids and integers only (PPL-6); ``now``, business time, is added as ``at``. With a
    ``key`` the same fact is told once. Leases and pauses run on the system clock.
    """
    system_now = clock.system_now()
    session.execute(
        insert_for(session, OutboxMessage)
        .values(
            key=key or public_id("msg"),
            topic=topic,
            payload=json.dumps({**payload, "at": now.isoformat()}, sort_keys=True),
            created_at=system_now,
            available_at=system_now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["key"])
    )


def is_waiting(session: Session, *, now: dt.datetime) -> bool:
    """Whether any message could be claimed now; asking takes no lock."""
    return bool(session.execute(sa.select(sa.select(OutboxMessage.id).where(*_claimable(now)).exists())).scalar())


def _claimable(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        OutboxMessage.done_at.is_(None),
        OutboxMessage.quarantined_at.is_(None),
        OutboxMessage.available_at <= now,
        sa.or_(OutboxMessage.claimed_until.is_(None), OutboxMessage.claimed_until <= now),
    )


def claim(session: Session, *, now: dt.datetime, limit: int = 50) -> Sequence[OutboxMessage]:
    """Lease up to ``limit`` open messages to the caller for a minute, oldest first."""
    query = (
        sa.select(OutboxMessage)
        .where(*_claimable(now))
        .order_by(OutboxMessage.available_at, OutboxMessage.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    messages = session.execute(query).scalars().all()
    for message in messages:
        message.claimed_until = now + dt.timedelta(seconds=LEASE_SECONDS)
        message.attempts += 1
    return messages


def finish(session: Session, message_id: int, *, now: dt.datetime) -> None:
    """Mark a message handled."""
    session.execute(
        sa.update(OutboxMessage).where(OutboxMessage.id == message_id).values(done_at=now, last_error=None)
    )


def fail(session: Session, message_id: int, *, error: str, now: dt.datetime) -> None:
    """Give a message back with a growing pause, or to a person after five attempts (TIM-2)."""
    message = session.get_one(OutboxMessage, message_id)
    message.claimed_until = None
    message.last_error = error[:500]
    if message.attempts >= MAX_ATTEMPTS:
        message.quarantined_at = now
    else:
        message.available_at = now + dt.timedelta(seconds=backoff_seconds(message.attempts))


def retry(session: Session, message_id: int, *, now: dt.datetime) -> None:
    """Let a quarantined message be tried again (an operator's act)."""
    session.execute(
        sa.update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.quarantined_at.is_not(None))
        .values(quarantined_at=None, attempts=0, available_at=now, claimed_until=None)
    )


def backoff_seconds(attempts: int) -> int:
    """Return the pause after the ``attempts``-th failure: 2, 8, 32, 128 … seconds, an hour at most."""
    return min(3600, 2 * 4 ** (attempts - 1))
