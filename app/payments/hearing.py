"""Hear what a rail reports: keep its events raw and once, mark what must be fetched again, and remember how far.

What an operation is now is fetched and applied by ``service.apply_event``; nothing here calls a rail.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.db import insert_for
from app.outbox.service import backoff_seconds
from app.payments import ports, rules
from app.payments.models import Operation, RailCursor, RailEvent

#: When a rail counts as polled that never answered.
NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def hear_events(
    session: Session, rail: str, notifications: list[ports.Notification], cursor: int, *, now: dt.datetime,
    is_last: bool = True,
) -> int:
    """Store what a rail reported, raw and once each, mark what must be fetched again, and move the cursor.

    Returns how many events were new. Order and repeats do not matter, because only the marks remain. The rail
    counts as polled at ``now`` once its last page is stored.
    """
    new = _keep_raw(session, rail, notifications)
    for each in {each.event_id: each for each in notifications if each.event_id in new}.values():
        marked = session.execute(
            sa.update(Operation)
            .where(Operation.public_id == (each.operation or ""), Operation.rail == rail)
            .values(events_heard=Operation.events_heard + 1)
            .execution_options(synchronize_session=False)
        )
        if marked.rowcount == 0:
            # Made at the rail by somebody else: it posts nothing here, and reconciliation (PAY-1) settles it.
            audit.record(
                session, actor=SYSTEM, action="rail.object_unknown", object_id=each.ref, now=now,
                after={"rail": rail, "type": each.type},
            )
    _move_cursor(session, rail, cursor=cursor, polled_at=now if is_last else None)
    return len(new)


def _keep_raw(session: Session, rail: str, notifications: list[ports.Notification]) -> frozenset[str]:
    """Store events and return the ids of those that are new; most were heard by the poll before (``POLL_OVERLAP``)."""
    if not notifications:
        return frozenset()
    known = frozenset(
        session.scalars(
            sa.select(RailEvent.event_id).where(
                RailEvent.rail == rail, RailEvent.event_id.in_([each.event_id for each in notifications])
            )
        )
    )
    values = [
        {"rail": rail, "event_id": each.event_id, "body": each.stored_body(), "received_at": clock.system_now()}
        for each in notifications
        if each.event_id not in known
    ]
    if not values:
        return frozenset()
    stored = session.scalars(
        insert_for(session, RailEvent)
        .values(values)
        .on_conflict_do_nothing(index_elements=["rail", "event_id"])
        .returning(RailEvent.event_id)
    )
    return frozenset(stored)


def note_poll_failed(session: Session, rail: str, error: str) -> None:
    """Poll a rail later, with growing pauses; the cursor stays where it is, and so does the time of the last poll."""
    _move_cursor(session, rail, cursor=None, polled_at=None, error=error[:500])


def _move_cursor(
    session: Session, rail: str, *, cursor: int | None, polled_at: dt.datetime | None, error: str | None = None
) -> None:
    number = rules.RAIL_NUMBERS[rail]
    session.execute(
        insert_for(session, RailCursor)
        .values(id=number, cursor=0, failures=0, polled_at=polled_at or NEVER)
        .on_conflict_do_nothing(index_elements=["id"])
    )
    row = session.get_one(RailCursor, number, with_for_update=True, populate_existing=True)
    row.polled_at = max(row.polled_at, polled_at or NEVER)
    row.last_error = error
    if cursor is not None:
        row.cursor, row.failures, row.retry_at = max(row.cursor, cursor), 0, None
    elif error is not None:
        row.failures += 1
        row.retry_at = clock.system_now() + dt.timedelta(seconds=backoff_seconds(min(row.failures, 8)))
    session.flush()
