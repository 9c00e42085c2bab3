"""What a collection does to the books: cleared, late, failed, returned (ledger.md, COM-4, WND-4).

Each function runs in the transaction that records the rail's answer. Where no rule settles what came,
it posts nothing and says in words what a person has to decide.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.commitments import service as commitments
from app.commitments.models import Commitment, Refund
from app.db import public_id
from app.errors import InvariantBroken
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import intents, ports, refunds, rules, subjects, treasury
from app.payments.models import Operation, Receipt

#: A commitment that still holds its place takes cleared money, while its offering does.
TAKES_MONEY = ("awaiting_payment", "clearing", "payment_failed")
OFFERING_TAKES_MONEY = ("live", "clearing")

RETURNED_BY_THE_BANK = "returned by the bank"

#: What an effect could not settle: a stable code and words for the operator.
Trouble = tuple[str, str]

RETURNED_AFTER_RELEASE: Trouble = (
    "returned_after_release",
    "The bank took this payment back after part of it was released. Releases of this offering are stopped; decide "
    "who bears the loss.",
)
RETURNED_WHILE_REFUNDING: Trouble = (
    "returned_while_refunding",
    "The bank took this payment back after its refund was sent. Ask the payer's bank and the provider which of the "
    "two stands.",
)
RETURNED_IN_PART: Trouble = (
    "returned_in_part",
    "The bank took back a part of this payment. Ask the provider why, and what becomes of the rest.",
)
FLOAT_SHORT: Trouble = (
    "float_short",
    "The bank took this payment back, and the cash of this offering does not cover it until the provider's fees are. "
    "Fund the float, then ask the rail again.",
)


def accepted(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Note on the commitment that the rail has the payment under way."""
    _offering, commitment = _locked(session, operation)
    commitments.payment_pending(session, commitment, now=now)


def rejected(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Note on the commitment that the payment failed, unless it has ended already; a second failure ends it."""
    _offering, commitment = _locked(session, operation)
    earlier = subjects.collections_of(session, commitment.id)
    is_first = not any(each.state == "failed" and each.id != operation.id for each in earlier)
    commitments.payment_failed(session, commitment, is_first=is_first, now=now)


def apply_effect(session: Session, operation: Operation, effect: ports.Effect, *, now: dt.datetime) -> Trouble | None:
    """Post one effect of a collection; return what stands in its way, None when it is in the books."""
    if effect.amount_minor <= 0 or not 0 <= effect.fee_minor <= effect.amount_minor:
        raise InvariantBroken(f"{operation.public_id}: effect {effect}", code="effect_out_of_range")
    offering, commitment = _locked(session, operation)
    if effect.kind == ports.CLEARED:
        _cleared(session, operation, offering, commitment, effect, now)
        return None
    return _returned(session, operation, offering, commitment, effect, now)


def _locked(session: Session, operation: Operation) -> tuple[Offering, Commitment]:
    assert operation.commitment_id is not None
    offering = subjects.lock_offering(session, operation.offering_id)
    return offering, subjects.lock_commitment(session, operation.commitment_id)


# -- money in ---------------------------------------------------------------------------------------


def _cleared(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    now: dt.datetime,
) -> None:
    """Post cleared money: to escrow for a commitment that still holds its place, else as owed to its sender."""
    is_wanted = (
        commitment.status in TAKES_MONEY
        and offering.state in OFFERING_TAKES_MONEY
        and effect.amount_minor == commitment.amount_minor
        and _is_in_time(operation, offering, commitment, effect)
    )
    address = (offering.public_id, offering.currency)
    posted = ledger.post(
        session,
        kind="payment_cleared" if is_wanted else "payment_unapplied",
        key=f"payment:{operation.public_id}:cleared",
        cause=operation.public_id,
        offering_id=offering.id,
        occurred_at=now,
        lines=[
            ledger.debit(chart.cash(operation.rail, *address), effect.amount_minor - effect.fee_minor),
            ledger.debit(chart.rail_expense(operation.rail, *address), effect.fee_minor),
            ledger.credit(
                chart.escrow(*address) if is_wanted else chart.unapplied(operation.rail, *address), effect.amount_minor
            ),
        ],
    )
    intents.note_effect(session, operation, effect, posted)
    if is_wanted:
        commitments.hold(session, commitment, journal=posted, now=now)
    else:
        _keep_receipt(session, operation, offering, commitment, effect.amount_minor, now)


def _is_in_time(operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect) -> bool:
    """Say whether money came in time: by when it cleared, not by when we heard (TIM-1).

    A payment that its payer had to confirm counts when that was before ``pay_by``, or when the rail had it under
    way while the place was kept. One that needed nothing more was complete when it was ordered, which
    ``start_collection`` allows before ``pay_by`` only. None counts after the clearing window.
    """
    was_complete = operation.instructions is None or commitment.status == "clearing"
    return (was_complete or effect.occurred_at < commitment.pay_by) and (
        effect.occurred_at < subjects.payments_count_until(offering)
    )


def _keep_receipt(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, amount_minor: int,
    now: dt.datetime,
) -> None:
    reason = f"paid while the commitment was {commitment.status} and the offering {offering.state}"
    receipt = Receipt(
        public_id=public_id("rct"), offering_id=offering.id, commitment_id=commitment.id,
        operation_id=operation.id, amount_minor=amount_minor, reason=reason, status="open", created_at=now,
    )
    session.add(receipt)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="receipt.kept", object_id=receipt.public_id, now=now, reason=reason,
        after={"commitment": commitment.public_id, "amount_minor": amount_minor},
    )


# -- money taken back by the payer's bank -----------------------------------------------------------


def _returned(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    now: dt.datetime,
) -> Trouble | None:
    """Take a returned payment out of wherever it stands; the provider's fee stays an expense.

    Where no rule settles it nothing is posted: releases of the offering stop, nothing goes back to this payer and
    a person decides. That ends when the return is in the books (:func:`resume_releases`).
    """
    receipt = subjects.receipt_of(session, operation)
    waits = receipt if receipt is not None and receipt.status == "open" else None
    on_its_way = [] if waits is not None else _open_refunds(session, commitment, receipt)
    found = _where_it_stands(session, operation, offering, commitment, effect, receipt, on_its_way)
    if isinstance(found, chart.Account) and not _is_covered(session, operation, offering, effect.amount_minor, now):
        found = FLOAT_SHORT
    if not isinstance(found, chart.Account):
        _stop_releases(session, offering, operation, now)
        return found
    posted = post_return(session, operation, offering, found, effect, now=now)
    if waits is not None:
        waits.status, waits.reason = "returned", RETURNED_BY_THE_BANK
    elif on_its_way:
        for refund in on_its_way:
            refunds.settle_otherwise(session, refund, RETURNED_BY_THE_BANK, now=now)
    else:
        commitments.reverse(session, commitment, journal=posted, now=now)
    session.flush()
    return None


def _where_it_stands(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    receipt: Receipt | None, on_its_way: list[Refund],
) -> chart.Account | Trouble:
    """Return the account that owes all of a returned payment to its payer, or why there is none."""
    position = escrow.position(session, commitment.id)
    if effect.amount_minor != subjects.effects_of(session, operation.id)[ports.CLEARED].amount_minor:
        return RETURNED_IN_PART
    if receipt is None and position.released_minor:
        return RETURNED_AFTER_RELEASE
    if receipt is not None and receipt.status == "open":
        return chart.unapplied(operation.rail, offering.public_id, offering.currency)
    # Money on its way back has left escrow already, so only one of the two can hold all of it.
    if receipt is None and commitment.status == "held" and position.unreleased_minor == effect.amount_minor:
        return chart.escrow(offering.public_id, offering.currency)
    if sum(refund.amount_minor for refund in on_its_way) == effect.amount_minor:
        return chart.refunds(offering.public_id, offering.currency)
    return RETURNED_WHILE_REFUNDING


def post_return(
    session: Session, operation: Operation, offering: Offering, account: chart.Account, effect: ports.Effect, *,
    now: dt.datetime,
) -> ledger.Posted:
    """Post that a bank took a payment back, out of ``account``, and note the effect; unique per operation."""
    posted = ledger.post(
        session, kind="payment_returned", key=f"payment:{operation.public_id}:returned", cause=operation.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(account, effect.amount_minor),
            ledger.credit(chart.cash(operation.rail, offering.public_id, offering.currency), effect.amount_minor),
        ],
    )
    intents.note_effect(session, operation, effect, posted)
    return posted


def _open_refunds(session: Session, commitment: Commitment, receipt: Receipt | None) -> list[Refund]:
    """Return the refunds of this payment that are still open: those of a late one, or all the others."""
    of_this = Refund.reason == refunds.LATE_PAYMENT
    return list(
        session.scalars(
            sa.select(Refund)
            .where(
                Refund.commitment_id == commitment.id,
                Refund.status == "open",
                of_this if receipt is not None else ~of_this,
            )
            .order_by(Refund.id)
            .with_for_update()
        )
    )


def _is_covered(
    session: Session, operation: Operation, offering: Offering, amount_minor: int, now: dt.datetime
) -> bool:
    cash = chart.cash(operation.rail, offering.public_id, offering.currency)
    if ledger_queries.balance(session, cash) < amount_minor:
        treasury.cover_fees(session, offering.id, now=now)
    return ledger_queries.balance(session, cash) >= amount_minor


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
    return f"A payment was taken back by its bank ({operation_public_id}). An operator decides what follows."


def resume_releases(session: Session, operation: Operation, *, now: dt.datetime, actor: Actor = SYSTEM) -> None:
    """Lift the stop of releases after a returned payment was settled, unless another one still waits for a person."""
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
