"""The row of an operation: making one, freezing its request, moving its state, noting its effects.

What the rest of the books does about it is in ``charges``, ``refunds`` and ``payouts``.
"""

from __future__ import annotations

import datetime as dt
import json

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.db import insert_for, public_id
from app.errors import InvariantBroken
from app.ledger.service import Posted
from app.offerings.models import Offering
from app.payments import ports, rules, subjects
from app.payments.models import Operation, OperationEffect


def create(
    session: Session,
    *,
    kind: str,
    offering: Offering,
    amount_minor: int,
    method: str,
    now: dt.datetime,
    actor: Actor = SYSTEM,
    commitment_id: int | None = None,
    refund_id: int | None = None,
    payout_id: int | None = None,
    source_id: int | None = None,
    provider_ref: str | None = None,
) -> Operation:
    """Write down the intention to move ``amount_minor``; nothing has been sent yet (T1)."""
    operation = Operation(
        public_id=public_id("opn"), kind=kind, rail=offering.rail, offering_id=offering.id,
        commitment_id=commitment_id, refund_id=refund_id, payout_id=payout_id, source_id=source_id,
        amount_minor=amount_minor, asset=offering.currency, method=method, state="created", state_since=now,
        epoch=1, attempts=0, next_at=clock.system_now(), fence=0, events_heard=0, events_applied=0,
        provider_ref=provider_ref,
        changed_at=now, created_at=now,
    )
    session.add(operation)
    session.flush()
    audit.record(
        session, actor=actor, action="operation.created", object_id=operation.public_id, now=now,
        after={"state": "created", "kind": kind, "amount_minor": amount_minor, "asset": operation.asset},
    )
    return operation


def lock(session: Session, operation_id: int) -> Operation:
    """Return an operation, locked and read anew. It is the first lock taken."""
    return session.get_one(Operation, operation_id, with_for_update=True, populate_existing=True)


def freeze(session: Session, operation: Operation) -> None:
    """Fix the bytes that are sent in the present epoch; they are made once and kept."""
    if operation.request is not None:
        return
    offering = session.get_one(Offering, operation.offering_id)
    source = session.get_one(Operation, operation.source_id) if operation.source_id is not None else None
    fields = {
        "operation": operation.public_id,
        "epoch": operation.epoch,
        "kind": operation.kind,
        "offering": offering.public_id,
        "amount_minor": operation.amount_minor,
        "asset": operation.asset,
        "method": operation.method,
        "source_ref": source.provider_ref if source is not None else None,
    }
    operation.request = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def request_of(
    operation: Operation, *, ask_first: bool = False, is_unwanted: bool = False
) -> ports.FrozenRequest:
    """Return an operation as it is sent; its request is frozen already."""
    assert operation.request is not None
    return ports.FrozenRequest(
        operation=operation.public_id, kind=operation.kind, rail=operation.rail, epoch=operation.epoch,
        body=operation.request, provider_ref=operation.provider_ref, fence=operation.fence, ask_first=ask_first,
        is_unwanted=is_unwanted,
    )


def change_state(
    session: Session,
    operation: Operation,
    state: str,
    *,
    now: dt.datetime,
    actor: Actor = SYSTEM,
    code: str | None = None,
    message: str | None = None,
) -> None:
    """Move an operation to another state and log it; the same state again only keeps the new words.

    Raises ``InvariantBroken`` for a way that ``rules.FOLLOWS`` does not have: callers decide first.
    """
    if code is not None or message is not None:
        operation.failure_code, operation.failure_message = code, message
    operation.changed_at = now
    if operation.state == state:
        session.flush()
        subjects.note_contested(session, operation)
        return
    if not rules.may_become(operation.state, state):
        raise InvariantBroken(f"{operation.public_id}: {operation.state} → {state}", code="operation_state")
    before, operation.state, operation.state_since = operation.state, state, now
    if state in rules.DECIDED:
        # Nothing is tried again any more; what the rail still tells of it is heard at once.
        operation.next_at = clock.system_now()
    session.flush()
    subjects.note_contested(session, operation)
    # Sending and asking again repeat by themselves and change nobody's money; the rest is worth a row.
    if state != "sending":
        audit.record(
            session, actor=actor, action=f"operation.{state}", object_id=operation.public_id, now=now,
            before={"state": before}, after={"state": state, "code": code}, reason=message,
        )


def ask_operator(session: Session, operation: Operation, code: str, message: str, *, now: dt.datetime) -> None:
    """Hand an operation to a person; nothing posts and its money stays where it is."""
    operation.next_at = clock.system_now()
    change_state(session, operation, "needs_operator", now=now, code=code, message=message)


def note_effect(session: Session, operation: Operation, effect: ports.Effect, posted: Posted | None) -> None:
    """Keep that an effect is in the books; a second time breaks the unique key and undoes all of it."""
    session.execute(
        insert_for(session, OperationEffect).values(
            operation_id=operation.id, effect=effect.kind, amount_minor=effect.amount_minor,
            fee_minor=effect.fee_minor, journal_id=posted.journal_id if posted is not None else None,
            occurred_at=effect.occurred_at,
        )
    )


def find(session: Session, operation_public_id: str) -> Operation | None:
    """Return the operation with this public id."""
    return session.scalars(sa.select(Operation).where(Operation.public_id == operation_public_id)).one_or_none()
