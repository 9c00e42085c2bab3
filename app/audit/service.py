"""Write the log of changes of state (PPL-5). Reading it is ``app.audit.queries``."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Protocol

import rfc8785
from sqlalchemy.orm import Session

from app.audit.models import LogEntry

#: A reason longer than this belongs into a document.
MAX_REASON_CHARACTERS = 2000


class Acting(Protocol):
    """Whoever acts, as far as the log cares (``app.accounts.actor.Actor`` fits)."""

    @property
    def user_id(self) -> int | None: ...


def record(
    session: Session,
    *,
    actor: Acting,
    action: str,
    object_id: str,
    now: dt.datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str | None = None,
    count: int | None = None,
) -> LogEntry:
    """Add one entry to the log and return it.

    ``action`` is ``thing.verb`` in the past tense (``offering.approved``), ``object_id`` the public
    id. ``before`` and ``after`` hold ids, states, texts and whole numbers only, no personal data
    (PPL-6). ``count`` is the number of rows of a set-based change.
    """
    entry = LogEntry(
        at=now,
        actor_user_id=actor.user_id,
        action=action,
        object_id=object_id,
        before=canonical(before),
        after=canonical(after),
        reason=reason[:MAX_REASON_CHARACTERS] if reason else None,
        row_count=count,
    )
    entry.content_hash = content_hash(entry)
    session.add(entry)
    session.flush()
    return entry


def content_hash(entry: LogEntry) -> str:
    """Return the SHA-256 (hexadecimal) over RFC 8785 of everything in the row but its id."""
    row = {
        "at": entry.at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor_user_id": _portable(entry.actor_user_id),
        "action": entry.action,
        "object_id": entry.object_id,
        "before": entry.before,
        "after": entry.after,
        "reason": entry.reason,
        "row_count": _portable(entry.row_count),
    }
    return hashlib.sha256(rfc8785.dumps(row)).hexdigest()


def canonical(values: Mapping[str, object] | None) -> str | None:
    """Return ``before`` or ``after`` as the log keeps it: RFC 8785 text."""
    return None if values is None else rfc8785.dumps(_portable(values)).decode()


def _portable(value: object) -> object:
    """Return ``value`` as RFC 8785 takes it: whole numbers beyond 53 bits become text."""
    if isinstance(value, Mapping):
        return {str(key): _portable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(item) for item in value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    if value is None or isinstance(value, (str, int)):
        return value
    raise TypeError(f"the log holds texts and whole numbers, not {type(value).__name__}")
