"""What a payment that its bank took back does to the books, wherever its money stands (ledger.md, WND-4).

Where no rule settles it, nothing is posted and words say what a person has to decide (``decisions``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.commitments import service as commitments
from app.commitments.models import Commitment, Refund
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import intents, ports, receipts, refunds, rules, subjects, treasury
from app.payments.models import Operation, Receipt

RETURNED_BY_THE_BANK = "returned by the bank"

#: What an effect could not settle: a stable code and words for the operator.
Trouble = tuple[str, str]
#: What a returned payment debits, by account.
Moves = dict[chart.Account, int]

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


def take(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    now: dt.datetime,
) -> Trouble | None:
    """Take a returned payment out of wherever it stands; the provider's fee stays an expense.

    Where no rule settles it nothing is posted: releases of the offering stop, nothing goes back to this payer and
    a person decides. That ends when the return is in the books (:func:`resume_releases`).
    """
    receipt = subjects.receipt_of(session, operation)
    on_its_way = _open_refunds(session, commitment, operation, receipt)
    found = _where_it_stands(session, operation, offering, commitment, effect, receipt, on_its_way)
    if isinstance(found, dict) and not is_covered(session, operation, offering, effect.amount_minor, now=now):
        found = FLOAT_SHORT
    if not isinstance(found, dict):
        _stop_releases(session, offering, operation, now)
        return found
    _take_out(session, operation, offering, commitment, effect, receipt, on_its_way, found, now)
    return None


def _take_out(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    receipt: Receipt | None, on_its_way: list[Refund], moves: Moves, now: dt.datetime,
) -> None:
    """Post a return and let what stood where it is taken from follow: receipt, commitment, refunds."""
    posted = post_return(session, operation, offering, moves, effect, now=now)
    if receipt is not None and receipt.status in receipts.STANDS:
        receipt.status, receipt.reason = "returned", RETURNED_BY_THE_BANK
        session.flush()
        _log_receipt(session, receipt, now)
        if commitment.status in receipts.TAKES_MONEY and not receipts.waiting(session, commitment.id):
            is_first = subjects.is_first_failure(session, operation)
            commitments.payment_failed(session, commitment, is_first=is_first, now=now)
    if chart.escrow(offering.public_id, offering.currency) in moves:
        commitments.reverse(session, commitment, journal=posted, now=now)
        _owe_other_parts(session, offering, commitment, moves, posted, now)
    if moves.get(chart.refunds(offering.public_id, offering.currency), 0) > 0:
        for refund in on_its_way:
            refunds.settle_otherwise(session, refund, RETURNED_BY_THE_BANK, now=now)
    session.flush()


def _log_receipt(session: Session, receipt: Receipt, now: dt.datetime) -> None:
    audit.record(
        session, actor=SYSTEM, action="receipt.taken_back", object_id=receipt.public_id, now=now,
        after={"state": "returned", "amount_minor": receipt.amount_minor}, reason=RETURNED_BY_THE_BANK,
    )


def _where_it_stands(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, effect: ports.Effect,
    receipt: Receipt | None, on_its_way: list[Refund],
) -> Moves | Trouble:
    """Return what a returned payment debits: the accounts that owe all of it to its payer; or why there are none.

    A commitment that was paid in parts is reversed whole; its other parts are credited to ``refunds``.
    """
    address = (offering.public_id, offering.currency)
    position = escrow.position(session, commitment.id)
    amount = effect.amount_minor
    if amount != subjects.effects_of(session, operation.id)[ports.CLEARED].amount_minor:
        return RETURNED_IN_PART
    stands = receipt.amount_minor if receipt is not None and receipt.status in receipts.STANDS else 0
    aside: Moves = {chart.unapplied(operation.rail, *address): stands} if stands else {}
    rest = amount - stands
    if not rest:
        return aside
    is_in_escrow = receipt is None or receipt.status == "applied" or receipt.amount_minor < amount
    if is_in_escrow and position.released_minor:
        return RETURNED_AFTER_RELEASE
    owed = sum(refund.amount_minor for refund in on_its_way)
    held = position.unreleased_minor
    if is_in_escrow and commitment.status == "held" and held:
        # Money on its way back has left escrow already; the two together are the payment, but for what is back.
        if held + owed == rest:
            return {**aside, chart.escrow(*address): held} | ({chart.refunds(*address): owed} if owed else {})
        if receipt is not None and not owed and held == commitment.amount_minor > rest:
            return {**aside, chart.escrow(*address): held, chart.refunds(*address): rest - held}
    if owed == rest:
        return {**aside, chart.refunds(*address): rest}
    return RETURNED_WHILE_REFUNDING


def bear(session: Session, operation: Operation, offering: Offering, *, now: dt.datetime) -> int:
    """Write a returned payment off, after :func:`borne_minor` was put into the offering's cash (WND-4).

    What of it is still in escrow or on its way back is taken from there, so that only what is gone is lost. Returns
    what was lost, minor units.
    """
    commitment = subjects.lock_commitment(session, operation.commitment_id or 0)
    amount = subjects.effects_of(session, operation.id)[ports.CLEARED].amount_minor
    on_its_way = _open_refunds(session, commitment, operation, subjects.receipt_of(session, operation))
    moves = _still_there(session, operation, offering, commitment, on_its_way)
    lost = amount - sum(moves.values())
    moves[chart.loss(offering.public_id, operation.asset)] = lost
    effect = ports.Effect(ports.RETURNED, amount, operation.state_since)
    _take_out(session, operation, offering, commitment, effect, None, on_its_way, moves, now)
    return lost


def borne_minor(session: Session, operation: Operation, offering: Offering) -> int:
    """Return what somebody has to bear of a returned payment that no rule settles: what is not there any more."""
    commitment = subjects.lock_commitment(session, operation.commitment_id or 0)
    amount = subjects.effects_of(session, operation.id)[ports.CLEARED].amount_minor
    on_its_way = _open_refunds(session, commitment, operation, subjects.receipt_of(session, operation))
    return amount - sum(_still_there(session, operation, offering, commitment, on_its_way).values())


def _still_there(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, on_its_way: list[Refund]
) -> Moves:
    """Return where the rest of a payment stands of which a part went back to its payer before its bank took it all.

    Empty where something of it was released, or it is not all that its commitment is made of.
    """
    position = escrow.position(session, commitment.id)
    paid = [
        each for each in subjects.collections_of(session, commitment.id)
        if ports.CLEARED in subjects.effects_of(session, each.id)
    ]
    if commitment.status != "held" or position.released_minor or not position.unreleased_minor:
        return {}
    receipt = subjects.receipt_of(session, operation)
    if [each.id for each in paid] != [operation.id] or (receipt is not None and receipt.status in receipts.STANDS):
        return {}
    owed = sum(refund.amount_minor for refund in on_its_way)
    address = (offering.public_id, offering.currency)
    found = {chart.escrow(*address): position.unreleased_minor}
    return found | {chart.refunds(*address): owed} if owed else found


def _owe_other_parts(
    session: Session, offering: Offering, commitment: Commitment, moves: Moves, posted: ledger.Posted,
    now: dt.datetime,
) -> None:
    """Owe the other parts of a commitment back that was reversed whole, because one part was taken back."""
    other_parts = -moves.get(chart.refunds(offering.public_id, offering.currency), 0)
    if other_parts > 0:
        commitments.owe_refund(
            session, commitment=commitment, amount_minor=other_parts, reason="other_part_taken_back", journal=posted,
            now=now,
        )


def post_return(
    session: Session, operation: Operation, offering: Offering, moves: Mapping[chart.Account, int],
    effect: ports.Effect, *, now: dt.datetime,
) -> ledger.Posted:
    """Post that a bank took a payment back, debiting ``moves``, and note the effect; unique per operation."""
    posted = ledger.post(
        session, kind="payment_returned", key=f"payment:{operation.public_id}:returned", cause=operation.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            *(ledger.Line(account, amount) for account, amount in moves.items()),
            ledger.credit(chart.cash(operation.rail, offering.public_id, offering.currency), effect.amount_minor),
        ],
    )
    intents.note_effect(session, operation, effect, posted)
    return posted


def _open_refunds(
    session: Session, commitment: Commitment, operation: Operation, receipt: Receipt | None
) -> list[Refund]:
    """Return the refunds of this payment that are still open: those that name it, or those that name none."""
    is_all_aside = receipt is not None and receipt.status == "returned"
    of_this = Refund.source_id == operation.id
    if not is_all_aside:
        of_this = sa.or_(of_this, Refund.source_id.is_(None))
    return list(
        session.scalars(
            sa.select(Refund)
            .where(Refund.commitment_id == commitment.id, Refund.status == "open", of_this)
            .order_by(Refund.id)
            .with_for_update()
        )
    )


def is_covered(
    session: Session, operation: Operation, offering: Offering, amount_minor: int, *, now: dt.datetime
) -> bool:
    """Say whether the offering's cash holds so much, after the float covered the provider's fees."""
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
