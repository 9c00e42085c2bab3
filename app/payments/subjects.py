"""Lock and read what an operation is about: the offering, the commitment, the refund, the issuer.

Locks are taken in one order everywhere in payments: operation, offering, commitment, refund or payout,
accounts. What these rows mean belongs to their own features.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.commitments.models import Commitment, Refund
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import figures
from app.offerings.models import Issuer, Offering
from app.payments.models import Operation, OperationEffect, Payout, Receipt
from app.payments.reversal_models import Reversal
from app.payments.rules import BRINGS_MONEY, RETURN_TROUBLES, UNDECIDED


def lock_offering(session: Session, offering_id: int) -> Offering:
    """Return an offering, locked and read anew."""
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def lock_commitment(session: Session, commitment_id: int) -> Commitment:
    """Return a commitment, locked and read anew; its offering is locked already."""
    return session.get_one(Commitment, commitment_id, with_for_update=True, populate_existing=True)


def lock_refund(session: Session, refund_id: int) -> Refund:
    """Return a refund, locked and read anew; its offering is locked already."""
    return session.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)


def lock_payout(session: Session, payout_id: int) -> Payout:
    """Return a payout, locked and read anew; its offering is locked already."""
    return session.get_one(Payout, payout_id, with_for_update=True, populate_existing=True)


def payments_count_until(offering: Offering) -> dt.datetime:
    """Return the instant before which a payment under way at the deadline must clear to count: ten business days."""
    if offering.state == "clearing" and offering.step_due_at is not None:
        return offering.step_due_at
    return calendars.add_business_days(
        offering.deadline_at, figures.of(offering).clearing_bd, code=offering.calendar, zone=offering.zone
    )


def issuer_of(session: Session, offering: Offering) -> Issuer:
    """Return the offering's issuer."""
    return session.get_one(Issuer, offering.issuer_id)


def collections_of(session: Session, commitment_id: int) -> list[Operation]:
    """Return a commitment's payments, charged or sent by the payer, oldest first."""
    return list(
        session.scalars(
            sa.select(Operation)
            .where(Operation.commitment_id == commitment_id, Operation.kind.in_(["collect", "credit"]))
            .order_by(Operation.id)
        )
    )


def is_first_failure(session: Session, operation: Operation) -> bool:
    """Whether no payment of the commitment failed before."""
    earlier = collections_of(session, operation.commitment_id or 0)
    return not any(each.state == "failed" and each.id != operation.id for each in earlier)


def receipt_of(session: Session, operation: Operation) -> Receipt | None:
    """Return the receipt of a payment that is no held commitment's, None when there is none."""
    return session.scalars(
        sa.select(Receipt).where(Receipt.operation_id == operation.id).with_for_update()
    ).one_or_none()


def is_return_open() -> sa.Exists:
    """Say in SQL whether a refund waits for what a rail takes back of its commitment's payments (WND-4).

    A person still decides about one of them, or the payment that it would go back to is disputed: the payer may have
    the money already.
    """
    return sa.exists().where(Operation.commitment_id == Refund.commitment_id, _waits_as_returned()) | sa.exists().where(
        Reversal.commitment_id == Refund.commitment_id, Reversal.state == "open",
        sa.or_(Refund.source_id.is_(None), Refund.source_id == Reversal.operation_id),
    )


def disputes_of(session: Session, commitment_id: int) -> list[Reversal]:
    """Return the open disputes of a commitment's payments, oldest first."""
    return list(
        session.scalars(
            sa.select(Reversal)
            .where(Reversal.commitment_id == commitment_id, Reversal.state == "open")
            .order_by(Reversal.id)
        )
    )


def is_disputed(session: Session, operation_id: int) -> bool:
    """Whether the payer disputes this payment and the rail has not decided."""
    query = sa.select(Reversal.id).where(Reversal.operation_id == operation_id, Reversal.state == "open").limit(1)
    return session.scalar(query) is not None


def taken_back_of(session: Session, operation_id: int) -> int:
    """Return what the rail has taken back of a payment for good or by an open dispute, minor units."""
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Reversal.amount_minor), 0)).where(
            Reversal.operation_id == operation_id, Reversal.state != "won"
        )
    )
    return int(total or 0)


def is_taken_back() -> sa.Exists:
    """Say in SQL whether a person still decides about a payment of the commitment that its bank took back."""
    return sa.exists().where(Operation.commitment_id == Commitment.id, _waits_as_returned())


def _waits_as_returned() -> sa.ColumnElement[bool]:
    return sa.and_(
        Operation.kind.in_(BRINGS_MONEY), Operation.state == "needs_operator",
        Operation.failure_code.in_(RETURN_TROUBLES),
    )


def note_contested(session: Session, operation: Operation) -> None:
    """Mark the commitment of a payment for as long as a person decides whether its bank took it back (OFF-12).

    Called whenever the state of an operation changes. The commitment's figures change by it, its place does not.
    """
    if operation.kind not in BRINGS_MONEY or operation.commitment_id is None:
        return
    commitment = session.get_one(Commitment, operation.commitment_id)
    found = session.scalar(sa.select(is_taken_back()).where(Commitment.id == commitment.id)) is True
    if commitment.is_contested is not found:
        commitment.is_contested = found
        session.flush()


def effects_of(session: Session, operation_id: int) -> dict[str, OperationEffect]:
    """Return what an operation did so far, by effect."""
    rows = session.scalars(sa.select(OperationEffect).where(OperationEffect.operation_id == operation_id))
    return {row.effect: row for row in rows}


def free_cash_minor(session: Session, offering: Offering) -> int:
    """Return the money of an offering at its rail that no refund or payout in flight is about to use."""
    cash = ledger.balance(session, chart.cash(offering.rail, offering.public_id, offering.currency))
    in_flight = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Operation.amount_minor), 0)).where(
            Operation.offering_id == offering.id,
            Operation.kind.in_(["refund", "payout"]),
            Operation.state.in_(UNDECIDED),
        )
    )
    return cash - int(in_flight or 0)
