"""What a collection does to the books: cleared, late, failed (ledger.md, COM-4).

Each function runs in the transaction that records the rail's answer. What a bank takes back is in ``returns``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import service as commitments
from app.commitments.models import Commitment
from app.errors import InvariantBroken
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import intents, payer_names, payers, ports, receipts, returns, subjects
from app.payments.models import Operation, Receipt

TAKES_MONEY, OFFERING_TAKES_MONEY = receipts.TAKES_MONEY, receipts.OFFERING_TAKES_MONEY


def accepted(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Note on the commitment that the rail has the payment under way."""
    _offering, commitment = _locked(session, operation)
    commitments.payment_pending(session, commitment, now=now)


def rejected(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Note on the commitment that the payment failed, unless it has ended already; a second failure ends it."""
    _offering, commitment = _locked(session, operation)
    if commitment.status == "underpaid":
        return  # the parts that arrived keep the place until the time to pay is over
    commitments.payment_failed(session, commitment, is_first=subjects.is_first_failure(session, operation), now=now)


def apply_effect(
    session: Session, operation: Operation, effect: ports.Effect, *, now: dt.datetime
) -> returns.Trouble | None:
    """Post one effect of a collection; return what stands in its way, None when it is in the books."""
    if effect.amount_minor <= 0 or not 0 <= effect.fee_minor <= effect.amount_minor:
        raise InvariantBroken(f"{operation.public_id}: effect {effect}", code="effect_out_of_range")
    offering, commitment = _locked(session, operation)
    if effect.kind == ports.CLEARED:
        _cleared(session, operation, offering, commitment, effect, now)
        return None
    return returns.take(session, operation, offering, effect, now=now)


def _locked(session: Session, operation: Operation) -> tuple[Offering, Commitment]:
    assert operation.commitment_id is not None
    offering = subjects.lock_offering(session, operation.offering_id)
    return offering, subjects.lock_commitment(session, operation.commitment_id)


# -- money in ---------------------------------------------------------------------------------------


def take_credits(
    session: Session, operation: Operation, came: Sequence[ports.Credit], *, now: dt.datetime
) -> None:
    """Take in what came under the reference of a collection, each once, however often and late the rail tells of it."""
    for credit in came:
        known = sa.select(Operation.id).where(
            Operation.kind == "credit", Operation.rail == operation.rail, Operation.provider_ref == credit.ref
        )
        if session.scalar(known) is not None:
            continue
        offering = subjects.lock_offering(session, operation.offering_id)
        received = intents.create(
            session, kind="credit", offering=offering, amount_minor=credit.effect.amount_minor,
            method=operation.method, now=now, commitment_id=operation.commitment_id, source_id=operation.id,
            provider_ref=credit.ref,
        )
        intents.change_state(session, received, "succeeded", now=now)
        apply_effect(session, received, credit.effect, now=now)


def _cleared(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    now: dt.datetime,
) -> None:
    """Post cleared money: to escrow what makes the commitment whole, the rest aside with the reason (COM-4, 5, 12)."""
    told = payers.take_down(session, operation, offering, commitment, effect.payer, now=now)
    status, reason, aside = _what_it_is(session, operation, offering, commitment, effect, told)
    held = effect.amount_minor - aside
    address = (offering.public_id, offering.currency)
    posted = ledger.post(
        session,
        kind="payment_cleared" if held else "payment_unapplied",
        key=f"payment:{operation.public_id}:cleared",
        cause=operation.public_id,
        offering_id=offering.id,
        occurred_at=now,
        lines=[
            ledger.debit(chart.cash(operation.rail, *address), effect.amount_minor - effect.fee_minor),
            ledger.debit(chart.rail_expense(operation.rail, *address), effect.fee_minor),
            ledger.credit(chart.escrow(*address), held),
            ledger.credit(chart.unapplied(operation.rail, *address), aside),
        ],
    )
    intents.note_effect(session, operation, effect, posted)
    if held:
        commitments.hold(session, commitment, journal=posted, now=now)
        receipts.season(session, commitment, [operation.id])
    if aside:
        receipt = receipts.keep(
            session, operation, offering, commitment, aside, status=status, reason=reason, now=now
        )
        _follow(session, operation, offering, commitment, receipt, now)


def _what_it_is(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    told: str,
) -> tuple[str, str, int]:
    """Return the status and reason of what stands aside of a payment, and how much of it does; 0 when all is held."""
    amount, wanted = effect.amount_minor, commitment.amount_minor
    takes = commitment.status in TAKES_MONEY and offering.state in OFFERING_TAKES_MONEY
    if not takes or not _is_in_time(operation, offering, commitment, effect):
        return "open", "late_payment", amount
    if told == payer_names.OTHER:
        return "open", "other_name", amount
    if told == payer_names.UNCLEAR:
        return "doubted", "", amount
    if amount < wanted or receipts.missing_minor(session, commitment) < wanted:
        return "waiting", "", amount
    return "open", "overpaid", amount - wanted


def _follow(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, receipt: Receipt,
    now: dt.datetime,
) -> None:
    """Let a commitment follow from what stands aside of its payment."""
    if receipt.status == "waiting":
        receipts.take_parts(session, offering, commitment, now=now)
    elif receipt.status == "doubted":
        commitments.payment_pending(session, commitment, now=now)
        outbox.enqueue(
            session, "notice", {"kind": "payment_doubted", "commitment_id": commitment.id}, now=now,
            key=f"notice:payment_doubted:{receipt.public_id}",
        )
    elif receipt.reason == "other_name":
        receipts.tell_other_name(session, receipt, now=now)
        if commitment.status == "clearing":
            is_first = subjects.is_first_failure(session, operation)
            commitments.payment_failed(session, commitment, is_first=is_first, now=now)


def _is_in_time(operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect) -> bool:
    """Say whether money came in time: by when it cleared, not by when we heard (TIM-1).

    A payment that its payer had to confirm counts when that was before ``pay_by``, or when the rail had it under
    way while the place was kept. One that needed nothing more was complete when it was ordered, which
    ``start_collection`` allows before ``pay_by`` only. Money that its payer sent counts by its booking date. None
    counts after the clearing window.
    """
    is_charge = operation.kind == "collect"
    was_complete = is_charge and (operation.instructions is None or commitment.status == "clearing")
    at = halts.clock(offering, effect.occurred_at)
    return (was_complete or at < commitment.pay_by) and at < subjects.payments_count_until(offering)
