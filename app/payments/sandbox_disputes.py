"""The pretend provider's disputes: opened, given another window, decided, told. It knows nothing of our ledger."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import public_id
from app.payments import ports, rules
from app.payments.sandbox_models import SandboxDispute, SandboxEvent, SandboxLine, SandboxTransfer

DECIDED = ("won", "withdrawn", "lost")


def opened(
    session: Session, transfer: SandboxTransfer, amount_minor: int, at: dt.datetime, *, then: str | None = None,
    after: dt.timedelta | None = None,
) -> SandboxDispute:
    """Open a dispute of a cleared transfer: the money is taken at once."""
    dispute = SandboxDispute(
        ref=public_id("sdp"), transfer_ref=transfer.ref, amount_minor=amount_minor, state="open", outcome=then,
        due_at=at + after if after is not None else None, opened_at=at, window_ends_at=at + rules.DISPUTE_WINDOW,
        decided_at=None,
    )
    session.add(dispute)
    _book(session, transfer, dispute, "dispute", -amount_minor, at)
    return dispute


def decide(session: Session, ref: str, outcome: str, at: dt.datetime) -> bool:
    """Decide an open dispute; won or withdrawn, the money comes back. False where there is no such open one."""
    dispute = _by_ref(session, ref)
    if dispute is None or dispute.state != "open" or outcome not in DECIDED:
        return False
    dispute.state, dispute.decided_at, dispute.due_at = outcome, at, None
    transfer = session.scalars(sa.select(SandboxTransfer).where(SandboxTransfer.ref == dispute.transfer_ref)).one()
    _book(session, transfer, dispute, f"dispute_{outcome}", 0 if outcome == "lost" else dispute.amount_minor, at)
    return True


def move_window(session: Session, ref: str, ends_at: dt.datetime, at: dt.datetime) -> None:
    """Give an open dispute another window."""
    dispute = _by_ref(session, ref)
    if dispute is not None and dispute.state == "open":
        dispute.window_ends_at = ends_at
        transfer = session.scalars(sa.select(SandboxTransfer).where(SandboxTransfer.ref == dispute.transfer_ref)).one()
        _book(session, transfer, dispute, "dispute_updated", 0, at)


def fall_due(session: Session, now: dt.datetime, limit: int) -> int:
    """Decide what is to be decided by itself until ``now``; return how many that were."""
    due = session.scalars(
        sa.select(SandboxDispute)
        .where(SandboxDispute.due_at <= now)
        .order_by(SandboxDispute.due_at, SandboxDispute.id)
        .limit(limit)
        .with_for_update()
    ).all()
    for dispute in due:
        assert dispute.due_at is not None and dispute.outcome is not None
        decide(session, dispute.ref, dispute.outcome, dispute.due_at)
    return len(due)


def told(session: Session, transfer: SandboxTransfer) -> tuple[ports.Dispute, ...]:
    """Return a transfer's disputes as they stand."""
    return tuple(
        ports.Dispute(
            each.ref, each.amount_minor, "won" if each.state == "withdrawn" else each.state, each.opened_at,
            each.window_ends_at, is_withdrawn=each.state == "withdrawn",
        )
        for each in _of(session, transfer)
    )


def is_open(session: Session, transfer: SandboxTransfer) -> bool:
    """Whether a transfer is disputed now: it cannot be given back meanwhile."""
    return any(each.state == "open" for each in _of(session, transfer))


def lost_minor(session: Session, transfer: SandboxTransfer) -> int:
    """Return what disputes have taken of a transfer for good, minor units."""
    return sum(each.amount_minor for each in _of(session, transfer) if each.state == "lost")


def disputable_minor(session: Session, transfer: SandboxTransfer) -> int:
    """Return what of a transfer can still be disputed. A payer may dispute what was given back to them already."""
    gone = sum(each.amount_minor for each in _of(session, transfer) if each.state in ("open", "lost"))
    return transfer.amount_minor - gone


def _of(session: Session, transfer: SandboxTransfer) -> list[SandboxDispute]:
    return list(
        session.scalars(
            sa.select(SandboxDispute).where(SandboxDispute.transfer_ref == transfer.ref).order_by(SandboxDispute.id)
        )
    )


def _by_ref(session: Session, ref: str) -> SandboxDispute | None:
    return session.scalars(
        sa.select(SandboxDispute).where(SandboxDispute.ref == ref).with_for_update()
    ).one_or_none()


def _book(
    session: Session, transfer: SandboxTransfer, dispute: SandboxDispute, kind: str, amount_minor: int,
    at: dt.datetime,
) -> None:
    """Write the statement's line and the event of what has just happened to a dispute."""
    if amount_minor:
        session.add(
            SandboxLine(
                ref=dispute.ref, offering_ref=transfer.offering_ref, type=kind, amount_minor=amount_minor,
                asset=transfer.asset, booked_at=at,
            )
        )
    session.add(SandboxEvent(event_id=public_id("evt"), type=kind.replace("_", "."), ref=transfer.ref, occurred_at=at))
    session.flush()
