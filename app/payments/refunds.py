"""Send back what is owed: refunds, late payments, and what could not be paid back (OFF-9, WND-5).

What is owed and why is decided elsewhere (commitments, closing, progress); the journals here move it from
``refunds`` to the rail, and to ``unclaimed`` when it cannot get there.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.commitments import service as commitments
from app.commitments.models import HOLDS_PLACE as HAS_A_PLACE
from app.commitments.models import Refund
from app.db import public_id
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import intents, ports, rules, subjects
from app.payments.models import Operation, OperationEffect, Receipt


def send_back(session: Session, refund_id: int, *, now: dt.datetime) -> Operation | None:
    """Make the operation of one open refund, out of the payment that it gives back.

    Does nothing while another attempt is open, its pause runs, the offering's cash does not cover it, or a person
    decides about a payment of the same payer that its bank took back. A refund without a payment to give back
    becomes unclaimed.
    """
    offering = subjects.lock_offering(session, session.get_one(Refund, refund_id).offering_id)
    refund = subjects.lock_refund(session, refund_id)
    if refund.status != "open" or _is_pausing(session, refund, now):
        return None
    if subjects.free_cash_minor(session, offering) < refund.amount_minor:
        return None
    if session.scalar(sa.select(Refund.id).where(Refund.id == refund.id, subjects.is_return_open())) is not None:
        return None
    source = _source_of(session, refund)
    if source is None and refund.source_id is None:
        source = _split(session, refund, now)
    if source is None:
        _give_up(session, offering, refund, "There is no payment left that it could go back to.", now)
        return None
    refund.status = "sending"
    return intents.create(
        session, kind="refund", offering=offering, amount_minor=refund.amount_minor, method=source.method, now=now,
        commitment_id=refund.commitment_id, refund_id=refund.id, source_id=source.id,
    )


def _is_pausing(session: Session, refund: Refund, now: dt.datetime) -> bool:
    if not refund.failures:
        return False
    latest = session.scalar(sa.select(sa.func.max(Operation.changed_at)).where(Operation.refund_id == refund.id))
    return latest is not None and latest + refund.failures * rules.REFUND_RETRY_AFTER > now


def _source_of(session: Session, refund: Refund) -> Operation | None:
    """Return the cleared payment that a refund gives back: the one it names, else one of which enough is left."""
    for source, left in _sources(session, refund):
        if refund.source_id in (None, source.id) and refund.amount_minor <= left:
            return source
    return None


def _sources(session: Session, refund: Refund) -> list[tuple[Operation, int]]:
    """Return the payments of the refund's commitment that it can go back to, and what is left of each.

    What a rail took back, what other refunds are to give back, and what is not part of the commitment, is not left; of
    a payment under an open dispute nothing is.
    """
    found = []
    for source in subjects.collections_of(session, refund.commitment_id):
        # An operator has those that the bank took back although nothing could be posted for that.
        if source.state == "needs_operator" or subjects.is_disputed(session, source.id):
            continue
        left = _cleared_minor(session, source) - _given_back(session, source)
        if refund.source_id != source.id:
            left -= _spoken_for(session, source)
        if left > 0:
            found.append((source, left))
    return found


def _cleared_minor(session: Session, source: Operation) -> int:
    """Return what a payment brought and no rail took back again, minor units."""
    effects = subjects.effects_of(session, source.id)
    if ports.CLEARED not in effects:
        return 0
    return effects[ports.CLEARED].amount_minor - subjects.taken_back_of(session, source.id)


def left_of(session: Session, source: Operation) -> int:
    """Return what of a payment is neither back at its payer nor on its way there, minor units."""
    return max(0, _cleared_minor(session, source) - _given_back(session, source) - _spoken_for(session, source))


def _spoken_for(session: Session, source: Operation) -> int:
    """Return what of a payment stands aside or must go back by refunds that name it and have not left, minor units."""
    aside = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Receipt.amount_minor), 0)).where(
            Receipt.operation_id == source.id, Receipt.status.in_(["waiting", "doubted", "open"])
        )
    )
    owed = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_minor), 0)).where(
            Refund.source_id == source.id, Refund.status.in_(["open", "unclaimed"])
        )
    )
    return int(aside or 0) + int(owed or 0)


def _split(session: Session, refund: Refund, now: dt.datetime) -> Operation | None:
    """Send a refund whose money came in several payments in parts, one to each; return where this part goes.

    None when there is not enough left in all.
    """
    sources = _sources(session, refund)
    if not sources or sum(left for _source, left in sources) < refund.amount_minor:
        return None
    first = sources[0][0]
    split_off(session, refund, sources[0][1], source_id=None, now=now)
    refund.source_id = first.id
    session.flush()
    return first


def split_off(
    session: Session, refund: Refund, kept_minor: int, *, source_id: int | None, now: dt.datetime
) -> Refund:
    """Leave ``kept_minor`` of a refund and make another of the rest, which goes to ``source_id``; return that.

    The journal stays as it is: its refunds together are what it owed.
    """
    rest = refund.amount_minor - kept_minor
    highest = session.scalar(
        sa.select(sa.func.max(Refund.part)).where(
            Refund.journal_id == refund.journal_id, Refund.commitment_id == refund.commitment_id
        )
    )
    part = Refund(
        public_id=public_id("rfd"), offering_id=refund.offering_id, commitment_id=refund.commitment_id,
        party_id=refund.party_id, amount_minor=rest, reason=refund.reason, status=refund.status, failures=0,
        journal_id=refund.journal_id, part=(highest or 0) + 1, source_id=source_id, created_at=refund.created_at,
        due_at=refund.due_at,
    )
    refund.amount_minor = kept_minor
    session.add(part)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="refund.split", object_id=refund.public_id, now=now,
        after={"amount_minor": refund.amount_minor, "other": part.public_id, "other_minor": rest},
        reason="The money came in several payments, and each goes back to where it came from.",
    )
    return part


def _given_back(session: Session, source: Operation) -> int:
    """Return what refunds took out of a payment for good or may still take; what bounced is there again."""
    bounced = sa.exists().where(OperationEffect.operation_id == Operation.id, OperationEffect.effect == ports.BOUNCED)
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Operation.amount_minor), 0)).where(
            Operation.source_id == source.id, Operation.state.in_([*rules.UNDECIDED, "succeeded"]), ~bounced
        )
    )
    return int(total or 0)


def return_receipt(session: Session, receipt_id: int, *, now: dt.datetime) -> None:
    """Owe money that is no commitment's back to its sender: D unapplied / C refunds (COM-4, COM-5, COM-12).

    A part whose commitment ended before the rest came goes back like one that came too late.
    """
    offering = subjects.lock_offering(session, session.get_one(Receipt, receipt_id).offering_id)
    receipt = session.get_one(Receipt, receipt_id, with_for_update=True, populate_existing=True)
    commitment = subjects.lock_commitment(session, receipt.commitment_id)
    has_ended = receipt.status in ("waiting", "doubted") and commitment.status not in HAS_A_PLACE
    if receipt.status != "open" and not has_ended:
        return
    if has_ended:
        receipt.reason = "commitment_ended"
    operation = session.get_one(Operation, receipt.operation_id)
    posted = ledger.post(
        session, kind="receipt_returned", key=f"receipt:{receipt.public_id}:returned", cause=receipt.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.unapplied(operation.rail, offering.public_id, offering.currency), receipt.amount_minor),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), receipt.amount_minor),
        ],
    )
    before, receipt.status = receipt.status, "returned"
    commitments.owe_refund(
        session, commitment=commitment, amount_minor=receipt.amount_minor, reason=receipt.reason, journal=posted,
        now=now, source_id=operation.id,
    )
    audit.record(
        session, actor=SYSTEM, action="receipt.returned", object_id=receipt.public_id, now=now,
        before={"state": before}, after={"state": "returned", "amount_minor": receipt.amount_minor},
        reason=rules.RETURN_REASONS.get(receipt.reason),
    )


# -- the rail's answers -----------------------------------------------------------------------------


def accepted(_session: Session, _operation: Operation, *, now: dt.datetime) -> None:  # noqa: ARG001 - one shape for all
    """Nothing more to note: the refund has been ``sending`` since its operation was made."""


def rejected(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Open the refund again for another attempt, or keep it as unclaimed after the second failure."""
    offering, refund = _locked(session, operation)
    _failed(session, offering, refund, operation, now)


def apply_effect(
    session: Session, operation: Operation, effect: ports.Effect, *, now: dt.datetime
) -> tuple[str, str] | None:
    """Post that a refund arrived, or that it came back later; return what stands in its way."""
    if effect.amount_minor != operation.amount_minor:
        return "amount_differs", "The rail moved another amount than was asked. Compare its statement."
    offering, refund = _locked(session, operation)
    owed = chart.refunds(offering.public_id, offering.currency)
    cash = chart.cash(operation.rail, offering.public_id, offering.currency)
    is_done = effect.kind == ports.DONE
    posted = ledger.post(
        session,
        kind="refund_done" if is_done else "refund_failed_later",
        key=f"refund:{operation.public_id}:{effect.kind}",
        cause=operation.public_id,
        offering_id=offering.id,
        occurred_at=now,
        lines=[
            ledger.debit(owed if is_done else cash, effect.amount_minor),
            ledger.credit(cash if is_done else owed, effect.amount_minor),
        ],
    )
    intents.note_effect(session, operation, effect, posted)
    operation.changed_at = now
    if is_done:
        refund.status, refund.done_at = "done", now
        session.flush()
        _log(session, refund, "refund.done", "sending", now)
        _tell(session, "refund_done", refund, now)
    else:
        refund.done_at = None
        _failed(session, offering, refund, operation, now)
    return None


def settle_otherwise(session: Session, refund: Refund, reason: str, *, now: dt.datetime) -> None:
    """Close an open refund because its payer has the money already; the caller posts the journal."""
    before = refund.status
    refund.status, refund.done_at, refund.reason = "done", now, reason
    session.flush()
    _log(session, refund, "refund.done", before, now, reason)


def _locked(session: Session, operation: Operation) -> tuple[Offering, Refund]:
    assert operation.refund_id is not None
    offering = subjects.lock_offering(session, operation.offering_id)
    return offering, subjects.lock_refund(session, operation.refund_id)


def _failed(session: Session, offering: Offering, refund: Refund, operation: Operation, now: dt.datetime) -> None:
    before = refund.status
    refund.failures += 1
    operation.changed_at = now
    if refund.failures >= rules.REFUND_FAILURES_AT_MOST:
        _give_up(session, offering, refund, "It failed twice.", now)
        return
    refund.status = "open"
    session.flush()
    _log(session, refund, "refund.reopened", before, now, "The rail could not pay it back; it is tried again.")
    _tell(session, "refund_failed", refund, now)


def _give_up(session: Session, offering: Offering, refund: Refund, why: str, now: dt.datetime) -> None:
    """Keep money that cannot be paid back under its owner's name, with a date for the operator (WND-5)."""
    before = refund.status
    ledger.post(
        session, kind="refund_unclaimed", key=f"refund:{refund.public_id}:unclaimed:{refund.failures}",
        cause=refund.public_id, offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.refunds(offering.public_id, offering.currency), refund.amount_minor),
            ledger.credit(chart.unclaimed(offering.public_id, offering.currency), refund.amount_minor),
        ],
    )
    refund.status, refund.due_at = "unclaimed", now + rules.UNCLAIMED_REVIEW_AFTER
    session.flush()
    _log(session, refund, "refund.unclaimed", before, now, why)
    _tell(session, "refund_unclaimed", refund, now)


def _log(
    session: Session, refund: Refund, action: str, before: str, now: dt.datetime, reason: str | None = None
) -> None:
    audit.record(
        session, actor=SYSTEM, action=action, object_id=refund.public_id, now=now, reason=reason,
        before={"state": before}, after={"state": refund.status, "failures": refund.failures},
    )


def _tell(session: Session, kind: str, refund: Refund, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "commitment_id": refund.commitment_id, "refund_id": refund.id}, now=now
    )
