"""Payments that a rail takes back: what it reported, applied to the books by the waterfall, each fact once (WND-4).

A return is final when it is heard; a dispute is opened first and decided later. How much comes from where is
``reversals``. Where our own money does not suffice to keep everybody else whole, nothing is posted, the offering's
releases stop, and a person funds the float.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import ports, reversals, rules, subjects
from app.payments.models import Operation
from app.payments.reversal_models import Reversal

#: What an effect could not settle: a stable code and words for the operator.
Trouble = tuple[str, str]

FLOAT_SHORT: Trouble = (
    "float_short",
    "The bank took this payment back, and the cash of this offering does not cover it until our own money does. "
    "Fund the float, then ask the rail again.",
)
TOKENS_GONE: Trouble = (
    "tokens_gone",
    "A dispute was won after we had counted it as lost, and its tokens have been promised to others since. Let the "
    "company authorise more of the class, then ask the rail again.",
)
CONTRADICTED: Trouble = (
    rules.CONTRADICTED,
    "The rail takes more than the payment was, another amount than before, or back what it had decided. Ask the "
    "provider.",
)
_TROUBLES = {each[0]: each for each in (FLOAT_SHORT, TOKENS_GONE, CONTRADICTED)}


def take(
    session: Session, operation: Operation, offering: Offering, effect: ports.Effect, *, now: dt.datetime
) -> Trouble | None:
    """Take back what a bank returned, whole or in part; it is final, and comes back by no later word."""
    refused = _above(session, operation, effect.amount_minor) or reversals.returned(session, operation, effect, now=now)
    return _judged(session, operation, offering, refused, now)


def hear_disputes(
    session: Session, operation: Operation, told: Sequence[ports.Dispute], *, now: dt.datetime
) -> Trouble | None:
    """Bring the books to what the rail says of a payment's disputes; repeats and older answers change nothing.

    Returns what stands in the way. A dispute of which only the end is heard is opened and decided at once.
    """
    offering = subjects.lock_offering(session, operation.offering_id)
    for each in sorted(told, key=lambda dispute: (dispute.opened_at, dispute.ref)):
        row = find(session, operation.id, each.ref)
        if row is None:
            refused = _above(session, operation, each.amount_minor) or reversals.opened(
                session, operation, each, now=now
            )
            trouble = _judged(session, operation, offering, refused, now)
            if trouble is not None:
                return trouble
            row = find(session, operation.id, each.ref)
            assert row is not None
        if row.amount_minor != each.amount_minor:
            return _judged(session, operation, offering, rules.CONTRADICTED, now)
        if each.state == "open":
            reversals.note_window(session, row, each.window_ends_at, now=now)
        elif each.state != row.state or row.outcome == rules.SILENCE:
            trouble = _decide(session, operation, offering, row, each, now)
            if trouble is not None:
                return trouble
    return None


def _decide(
    session: Session, operation: Operation, offering: Offering, row: Reversal, told: ports.Dispute, now: dt.datetime
) -> Trouble | None:
    may_follow = rules.DISPUTE_FOLLOWS[row.state] if row.outcome in (None, rules.SILENCE) else frozenset()
    if told.state not in may_follow:
        return _judged(session, operation, offering, rules.CONTRADICTED, now)
    if told.state == "won":
        outcome = rules.WITHDRAWN if told.is_withdrawn else rules.WON
        return _judged(session, operation, offering, reversals.won(session, row, outcome=outcome, now=now), now)
    reversals.lost(session, row, outcome=rules.LOST, now=now)
    return None


def _above(session: Session, operation: Operation, amount_minor: int) -> str | None:
    """Return the trouble of a rail that takes more than a payment brought, None when it does not."""
    cleared = subjects.effects_of(session, operation.id)[ports.CLEARED].amount_minor
    is_above = amount_minor + subjects.taken_back_of(session, operation.id) > cleared
    return rules.CONTRADICTED if is_above else None


def _judged(
    session: Session, operation: Operation, offering: Offering, refused: str | None, now: dt.datetime
) -> Trouble | None:
    """Return what stands in the way of a step; where it could not be done, releases stop until it can."""
    if refused is None:
        return None
    _stop_releases(session, offering, operation, now)
    return _TROUBLES[refused]


def find(session: Session, operation_id: int, ref: str) -> Reversal | None:
    """Return what the rail took back of a payment under its own reference, locked."""
    return session.scalars(
        sa.select(Reversal).where(Reversal.operation_id == operation_id, Reversal.ref == ref).with_for_update()
    ).one_or_none()


def end_silent(session: Session, reversal_id: int, *, now: dt.datetime) -> None:
    """Count a dispute as lost that its rail has not decided thirty days after its window; a win restores (WND-4)."""
    found = session.get_one(Reversal, reversal_id)
    operation = session.get_one(Operation, found.operation_id, with_for_update=True, populate_existing=True)
    subjects.lock_offering(session, found.offering_id)
    session.refresh(found, with_for_update=True)
    if found.state == "open" and found.due_at is not None and found.due_at <= now:
        assert operation.id == found.operation_id
        reversals.lost(session, found, outcome=rules.SILENCE, now=now)


# -- what a person must do first ----------------------------------------------------------------------


def _stop_releases(session: Session, offering: Offering, operation: Operation, now: dt.datetime) -> None:
    if offering.releases_stopped is not None:
        return
    offering.releases_stopped = _why_stopped(operation.public_id)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="offering.releases_stopped", object_id=offering.public_id, now=now,
        after={"operation": operation.public_id}, reason=offering.releases_stopped,
    )
    outbox.enqueue(
        session, "notice", {"kind": "releases_stopped", "offering_id": offering.id}, now=now,
        key=f"notice:releases_stopped:{operation.public_id}",
    )


def _why_stopped(operation_public_id: str) -> str:
    return f"A payment was taken back by its bank ({operation_public_id}), and it waits for an operator."


def resume_releases(session: Session, operation: Operation, *, now: dt.datetime, actor: Actor = SYSTEM) -> None:
    """Lift the stop of releases once what was taken back is in the books, unless another one still waits."""
    offering = subjects.lock_offering(session, operation.offering_id)
    if offering.releases_stopped is None:
        return
    other = session.scalar(
        sa.select(Operation.public_id)
        .where(
            Operation.offering_id == offering.id, Operation.id != operation.id, Operation.state == "needs_operator",
            Operation.failure_code.in_(rules.RETURN_TROUBLES),
        )
        .order_by(Operation.id)
        .limit(1)
    )
    offering.releases_stopped = _why_stopped(other) if other is not None else None
    session.flush()
    if other is None:
        audit.record(
            session, actor=actor, action="offering.releases_resumed", object_id=offering.public_id, now=now,
            after={"operation": operation.public_id},
        )
