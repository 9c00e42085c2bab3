"""Begin a payment: who may, for which commitment, in which way and until when (COM-1, COM-4, COM-8)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app import idempotency
from app.accounts.actor import Actor
from app.commitments import places, underpaid
from app.commitments import service as commitments
from app.commitments.models import Commitment
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.payments import card_use, charges, intents, receipts, rules, subjects
from app.payments.models import Operation


def start_collection(
    session: Session, *, actor: Actor, commitment_public_id: str, method: str, key: str, now: dt.datetime
) -> Operation:
    """Make the operation that takes the payment of one's own commitment; it is sent after the commit.

    One charge however often it is asked for (COM-8): the same ``key``, or the same method while the first
    is under way, gives the first operation back. Raises ``NotFound`` for somebody else's commitment;
    ``Refused`` ``payment_too_late``, ``not_payable``, ``bank_only``, ``transfer_too_slow`` or ``method_unknown``;
    ``Conflict`` ``already_paid`` or ``payment_under_way``.
    """
    fields = {"commitment": commitment_public_id, "method": method}
    earlier = idempotency.claim(session, actor=actor, operation="start_collection", key=key, fields=fields, now=now)
    if earlier is not None:
        return _by_public_id(session, earlier)
    found = commitments.by_public_id(session, commitment_public_id)
    if not actor.acts_for(found.party_id, "investor"):
        raise NotFound("There is no such commitment.", code="commitment_not_found")
    offering = subjects.lock_offering(session, found.offering_id)
    commitment = subjects.lock_commitment(session, found.id)
    if method not in rules.METHODS_OF_RAIL.get(offering.rail, {}):
        raise Refused("Choose one of the ways to pay that the page lists.", code="method_unknown", field="method")
    operation = _under_way(session, commitment, method)
    if operation is None:
        halts.demand_running(offering)
        _demand_payable(commitment, offering, now)
        card_use.demand_allowed(session, commitment.party_id, method)
        operation = intents.create(
            session, kind="collect", offering=offering, amount_minor=receipts.missing_minor(session, commitment),
            method=method, now=now, actor=actor, commitment_id=commitment.id,
        )
        if method == rules.TRANSFER:
            _demand_time(session, commitment, offering)
            underpaid.await_transfer(session, commitment, offering, now=now)
    idempotency.settle(session, actor=actor, operation="start_collection", key=key, result_ref=operation.public_id)
    return operation


def _demand_time(session: Session, commitment: Commitment, offering: Offering) -> None:
    """Refuse a bank transfer for a place that must be paid at once: it would hold it for days (COM-13)."""
    if places.must_pay_at_once(session, offering, commitment.party_id, commitment.amount_minor):
        raise Refused(
            "This place must be paid at once, and a bank transfer takes days. Choose a way that clears at once; "
            "nothing was charged.",
            code="transfer_too_slow", field="method",
        )


def _under_way(session: Session, commitment: Commitment, method: str) -> Operation | None:
    """Return the collection that is open already, by the same method; refuse another beside it or after it."""
    for operation in subjects.collections_of(session, commitment.id):
        if operation.state in rules.UNDECIDED:
            if operation.method == method:
                return operation
            raise Conflict(
                "A payment for this commitment is under way. Wait until it is decided before you try another way.",
                code="payment_under_way",
                facts={"operation": operation.public_id},
            )
        receipt = subjects.receipt_of(session, operation)
        if receipt is not None and receipt.status == "doubted":
            raise Conflict(
                "An operator looks at whose account your payment came from. Wait for that before you pay again.",
                code="payment_under_way",
                facts={"operation": operation.public_id},
            )
        if operation.state == "succeeded" and commitment.status not in charges.TAKES_MONEY:
            raise Conflict("This commitment is paid already. Nothing was charged again.", code="already_paid")
    return None


def _demand_payable(commitment: Commitment, offering: Offering, now: dt.datetime) -> None:
    at = halts.clock(offering, now)
    late = commitment.status in ("expired", "lapsed") or at >= commitment.pay_by or at >= offering.deadline_at
    if commitment.status not in (*charges.TAKES_MONEY, "expired", "lapsed"):
        raise Refused(
            f"This commitment is {commitment.status}, so it takes no payment. Nothing was charged.", code="not_payable"
        )
    if late or offering.state != "live":
        raise Refused(
            "The time to pay for this commitment is over and its place is free again. Nothing was charged. "
            "While the offering is open you can commit anew.",
            code="payment_too_late",
        )


def demand_payable(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Refuse what a payer still does for a payment when the time to pay is over (COM-4)."""
    commitment = session.get_one(Commitment, operation.commitment_id)
    _demand_payable(commitment, session.get_one(Offering, operation.offering_id), now)


def _by_public_id(session: Session, operation_public_id: str) -> Operation:
    operation = intents.find(session, operation_public_id)
    if operation is None:
        raise NotFound("There is no such payment.", code="operation_not_found")
    return operation
