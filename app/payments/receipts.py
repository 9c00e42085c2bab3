"""Money that is no held commitment's: keep it, let parts become a commitment, or let it go back (COM-4, 5, 12).

A receipt stands in ``unapplied`` while it waits for the rest, for an operator or for its way back. The journals that
take it out of there are ``payment_applied`` here and ``receipt_returned`` in ``refunds``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import service as commitments
from app.commitments import underpaid
from app.commitments.models import Commitment
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import ports, rules, subjects
from app.payments.models import Operation, OperationEffect, Receipt

#: A commitment that still holds its place takes cleared money, while its offering does.
TAKES_MONEY = ("awaiting_payment", "underpaid", "clearing", "payment_failed")
OFFERING_TAKES_MONEY = ("live", "clearing")
#: Statuses in which a receipt's money stands in ``unapplied``.
STANDS = ("waiting", "doubted", "open")


def keep(
    session: Session, operation: Operation, offering: Offering, commitment: Commitment, amount_minor: int, *,
    status: str, reason: str, now: dt.datetime,
) -> Receipt:
    """Keep that ``amount_minor`` of a payment stands in ``unapplied``; its journal credited exactly that."""
    decide_by = None
    if status == "doubted":
        decide_by = calendars.add_business_days(
            now, rules.DOUBT_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
        )
    receipt = Receipt(
        public_id=public_id("rct"), offering_id=offering.id, commitment_id=commitment.id, operation_id=operation.id,
        amount_minor=amount_minor, reason=reason, status=status, decide_by=decide_by, created_at=now,
    )
    session.add(receipt)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="receipt.kept", object_id=receipt.public_id, now=now,
        reason=rules.RETURN_REASONS.get(reason), after={
            "state": status, "commitment": commitment.public_id, "amount_minor": amount_minor,
        },
    )
    return receipt


def waiting(session: Session, commitment_id: int) -> list[Receipt]:
    """Return the parts of a commitment that wait for the rest, oldest first, locked."""
    return list(
        session.scalars(
            sa.select(Receipt)
            .where(Receipt.commitment_id == commitment_id, Receipt.status == "waiting")
            .order_by(Receipt.id)
            .with_for_update()
        )
    )


def missing_minor(session: Session, commitment: Commitment) -> int:
    """Return how much of a commitment has not arrived, minor units."""
    here = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Receipt.amount_minor), 0)).where(
            Receipt.commitment_id == commitment.id, Receipt.status == "waiting"
        )
    )
    return commitment.amount_minor - int(here or 0)


# -- parts become a commitment ----------------------------------------------------------------------


def take_parts(session: Session, offering: Offering, commitment: Commitment, *, now: dt.datetime) -> None:
    """Hold the commitment once all of it has arrived, in whatever parts; else let it wait for the rest (COM-5)."""
    parts = waiting(session, commitment.id)
    if sum(each.amount_minor for each in parts) < commitment.amount_minor:
        commitments.part_paid(session, commitment, now=now)
    else:
        _apply(session, offering, commitment, parts, "overpaid", now)


def _apply(
    session: Session, offering: Offering, commitment: Commitment, parts: list[Receipt], reason: str, now: dt.datetime
) -> None:
    """Post D unapplied / C escrow (tokens × price), C refunds (rest); the rest goes back out of the latest parts."""
    address = (offering.public_id, offering.currency)
    total = sum(each.amount_minor for each in parts)
    rest = total - commitment.amount_minor
    posted = ledger.post(
        session, kind="payment_applied", key=f"commitment:{commitment.public_id}:applied", cause=commitment.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.unapplied(offering.rail, *address), total),
            ledger.credit(chart.escrow(*address), commitment.amount_minor),
            ledger.credit(chart.refunds(*address), rest),
        ],
    )
    for each in parts:
        _move(session, each, "applied", now, after={"journal": posted.public_id})
    commitments.hold(session, commitment, journal=posted, now=now)
    season(session, commitment, [each.operation_id for each in parts])
    for number, receipt in enumerate(reversed(parts), start=1):
        part = min(rest, receipt.amount_minor)
        if part:
            commitments.owe_refund(
                session, commitment=commitment, amount_minor=part, reason=reason, journal=posted, now=now,
                source_id=receipt.operation_id, part=number,
            )
            rest -= part


def season(session: Session, commitment: Commitment, operation_ids: list[int]) -> None:
    """Note when all that became a commitment can no longer be taken back: the latest of its payments (COM-10)."""
    rows = session.execute(
        sa.select(Operation.method, OperationEffect.occurred_at)
        .join(OperationEffect, OperationEffect.operation_id == Operation.id)
        .where(Operation.id.in_(operation_ids), OperationEffect.effect == ports.CLEARED)
    )
    commitment.seasons_at = max(rules.seasons_at(row.method, row.occurred_at) for row in rows)
    session.flush()


def settle_underpaid(session: Session, commitment_id: int, *, now: dt.datetime, at_close: bool = False) -> None:
    """Scale a commitment down to what arrived in time, or end it below the minimum ticket and give all back (COM-5).

    Does nothing before the time to pay is over, or while another payment of it is under way, but at the close.
    """
    found = session.get_one(Commitment, commitment_id)
    offering = subjects.lock_offering(session, found.offering_id)
    commitment = subjects.lock_commitment(session, commitment_id)
    if commitment.status != underpaid.STATUS:
        return
    is_over = commitment.pay_by <= halts.clock(offering, now)
    if not at_close and (not is_over or is_paying(session, commitment)):
        return
    parts = waiting(session, commitment.id)
    received = sum(each.amount_minor for each in parts)
    if underpaid.fits(session, commitment, offering, received):
        underpaid.scale_down(session, commitment, offering, received, now=now)
        _apply(session, offering, commitment, parts, "scaled_down", now)
        return
    for each in parts:
        each.reason = "below_ticket"
        _move(session, each, "open", now)
    commitments.expire(session, commitment, now=now)


def is_paying(session: Session, commitment: Commitment) -> bool:
    """Say whether a payment may still complete a commitment in time: under way, or not heard of since ``pay_by``."""
    undecided = [each for each in rules.UNDECIDED if each != "action_required"]
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Operation.commitment_id == commitment.id,
                    Operation.kind == "collect",
                    sa.or_(
                        Operation.state.in_(undecided),
                        Operation.events_applied < Operation.events_heard,
                        sa.and_(Operation.state == "action_required", Operation.changed_at < commitment.pay_by),
                    ),
                )
            )
        )
    )


# -- whose account it came from (COM-12) --------------------------------------------------------------


def decide_doubt(
    session: Session, *, actor: Actor, receipt_id: str, is_theirs: bool, reason: str, now: dt.datetime
) -> Receipt:
    """Decide whether a payment came from the investor's own account; it counts, or goes back to its sender.

    Operators only, with a second factor and a reason. Raises ``NotFound``, ``Conflict`` ``not_waiting``, ``Refused``
    ``reason_empty``.
    """
    accounts.demand(actor, "operator", second_factor=True)
    found = session.scalars(sa.select(Receipt).where(Receipt.public_id == receipt_id)).one_or_none()
    if found is None:
        raise NotFound("There is no such payment.", code="receipt_not_found")
    if not reason.strip():
        raise Refused("Say why; it is kept in the log.", code="reason_empty", field="reason")
    offering, commitment, receipt = _locked(session, found.id)
    if receipt.status != "doubted":
        raise Conflict("This payment does not wait for a decision.", code="not_waiting")
    if is_theirs:
        _accept(session, offering, commitment, receipt, actor, reason, now)
    else:
        refuse_doubted(session, commitment, receipt, now=now, actor=actor, reason=reason)
    return receipt


def end_doubt(session: Session, receipt_id: int, *, now: dt.datetime) -> None:
    """Let a payment go back to its sender that no operator decided about in time (COM-12)."""
    _offering, commitment, receipt = _locked(session, receipt_id)
    if receipt.status == "doubted" and receipt.decide_by is not None and receipt.decide_by <= now:
        refuse_doubted(session, commitment, receipt, now=now, reason="No operator decided in time.")


def _accept(
    session: Session, offering: Offering, commitment: Commitment, receipt: Receipt, actor: Actor, reason: str,
    now: dt.datetime,
) -> None:
    if commitment.status not in TAKES_MONEY or offering.state not in OFFERING_TAKES_MONEY:
        receipt.reason = "commitment_ended"
        _move(session, receipt, "open", now, actor=actor, reason=reason)
        return
    receipt.reason = ""
    _move(session, receipt, "waiting", now, actor=actor, reason=reason)
    take_parts(session, offering, commitment, now=now)


def refuse_doubted(
    session: Session, commitment: Commitment, receipt: Receipt, *, now: dt.datetime, actor: Actor = SYSTEM,
    reason: str | None = None,
) -> None:
    """Let a payment go back that is not from the investor's own account; the place is kept as after a failed one."""
    receipt.reason = "other_name"
    _move(session, receipt, "open", now, actor=actor, reason=reason)
    tell_other_name(session, receipt, now=now)
    if commitment.status == "clearing":
        commitments.payment_failed(session, commitment, is_first=True, now=now)


def tell_other_name(session: Session, receipt: Receipt, *, now: dt.datetime) -> None:
    """Tell the investor that money came in another name and goes back."""
    outbox.enqueue(
        session, "notice", {"kind": "payment_other_name", "commitment_id": receipt.commitment_id}, now=now,
        key=f"notice:payment_other_name:{receipt.public_id}",
    )


def _locked(session: Session, receipt_id: int) -> tuple[Offering, Commitment, Receipt]:
    found = session.get_one(Receipt, receipt_id)
    offering = subjects.lock_offering(session, found.offering_id)
    commitment = subjects.lock_commitment(session, found.commitment_id)
    session.refresh(found, with_for_update=True)
    return offering, commitment, found


def _move(
    session: Session, receipt: Receipt, status: str, now: dt.datetime, *, actor: Actor = SYSTEM,
    reason: str | None = None, after: dict[str, object] | None = None,
) -> None:
    before, receipt.status = receipt.status, status
    session.flush()
    audit.record(
        session, actor=actor, action=f"receipt.{status}", object_id=receipt.public_id, now=now,
        reason=reason or rules.RETURN_REASONS.get(receipt.reason), before={"state": before},
        after={"state": status, **(after or {})},
    )
