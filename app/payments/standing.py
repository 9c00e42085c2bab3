"""Where a payment's money stands that never was, or is no longer, part of its commitment's escrow (WND-4).

Received aside, on its way back, or kept as unclaimed: it is its payer's own, so it is what a rail that takes the
payment takes first. What stands in escrow is ``milestones.reversal``'s to divide.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.commitments import service as commitments
from app.commitments.models import Commitment, Refund
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.payments import receipts, refunds, subjects
from app.payments.models import Operation, Receipt

RETURNED_BY_THE_BANK = "returned by the bank"


@dataclass(slots=True)
class Aside:
    """What is taken of money aside: the lines to debit, the refunds that end by it, and a receipt that ends.

    ``rest_minor`` of the receipt is not taken and goes back to its sender.
    """

    debits: list[ledger.Line] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    receipt: Receipt | None = None
    rest_minor: int = 0
    taken_minor: int = 0


def find(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, amount_minor: int,
    *, now: dt.datetime,
) -> Aside:
    """Return what of ``amount_minor`` stands aside: a receipt first, then refunds that have not left.

    Refunds that are larger are split, so that each ends whole; nothing else changes before :func:`end`.
    """
    found = Aside()
    address = (offering.public_id, offering.currency)
    receipt = subjects.receipt_of(session, operation)
    if receipt is not None and receipt.status in receipts.STANDS:
        taken = min(amount_minor, receipt.amount_minor)
        found.receipt, found.rest_minor = receipt, receipt.amount_minor - taken
        found.debits.append(ledger.debit(chart.unapplied(operation.rail, *address), receipt.amount_minor))
        found.debits.append(ledger.credit(chart.refunds(*address), found.rest_minor))
        found.taken_minor += taken
    for refund in _not_sent(session, commitment, operation, receipt):
        wanted = amount_minor - found.taken_minor
        if not wanted:
            break
        if refund.amount_minor > wanted:
            refunds.split_off(session, refund, wanted, source_id=refund.source_id, now=now)
        account = chart.refunds(*address) if refund.status == "open" else chart.unclaimed(*address)
        found.debits.append(ledger.debit(account, refund.amount_minor))
        found.refunds.append(refund)
        found.taken_minor += refund.amount_minor
    return found


def _not_sent(
    session: Session, commitment: Commitment, operation: Operation, receipt: Receipt | None
) -> list[Refund]:
    """Return the refunds of this payment that are not under way: those that name it, or those that name none."""
    is_all_aside = receipt is not None and receipt.status == "returned"
    of_this = Refund.source_id == operation.id
    if not is_all_aside:
        of_this = sa.or_(of_this, Refund.source_id.is_(None))
    return list(
        session.scalars(
            sa.select(Refund)
            .where(Refund.commitment_id == commitment.id, Refund.status.in_(["open", "unclaimed"]), of_this)
            .order_by(Refund.id)
            .with_for_update()
        )
    )


def is_in_commitment(session: Session, operation: Operation, cleared_minor: int) -> bool:
    """Whether a payment became part of its commitment's escrow, if only in part; what stands aside alone did not."""
    receipt = subjects.receipt_of(session, operation)
    return receipt is None or receipt.status == "applied" or receipt.amount_minor < cleared_minor


def end(
    session: Session, operation: Operation, commitment: Commitment, aside: Aside, *, journal: ledger.Posted,
    now: dt.datetime,
) -> None:
    """End the refunds and the receipt that were taken; what a receipt has left is owed back to its sender."""
    for refund in aside.refunds:
        refunds.settle_otherwise(session, refund, RETURNED_BY_THE_BANK, now=now)
    if aside.receipt is None:
        return
    receipt = aside.receipt
    receipt.status, receipt.reason = "returned", RETURNED_BY_THE_BANK
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="receipt.taken_back", object_id=receipt.public_id, now=now,
        after={"state": "returned", "amount_minor": receipt.amount_minor}, reason=RETURNED_BY_THE_BANK,
    )
    if aside.rest_minor:
        commitments.owe_refund(
            session, commitment=commitment, amount_minor=aside.rest_minor, reason="other_part_taken_back",
            journal=journal, now=now, source_id=operation.id,
        )
    if commitment.status in receipts.TAKES_MONEY and not receipts.waiting(session, commitment.id):
        is_first = subjects.is_first_failure(session, operation)
        commitments.payment_failed(session, commitment, is_first=is_first, now=now)


def owe_other_parts(
    session: Session, operation: Operation, commitment: Commitment, amount_minor: int, *, journal: ledger.Posted,
    now: dt.datetime,
) -> None:
    """Owe back what is left of a commitment that was reversed whole: each part to the payment it came from."""
    others = [each for each in subjects.collections_of(session, commitment.id) if each.id != operation.id]
    part = 1
    for source in (*others, operation):
        if not amount_minor:
            return
        share = amount_minor if source is operation else min(amount_minor, refunds.left_of(session, source))
        if share:
            commitments.owe_refund(
                session, commitment=commitment, amount_minor=share, reason="other_part_taken_back", journal=journal,
                now=now, source_id=source.id, part=part,
            )
            amount_minor, part = amount_minor - share, part + 1
