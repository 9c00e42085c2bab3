"""Give everybody more time when much is cancelled at the last moment (OFF-12)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, EscrowStatement
from app.commitments.queries import is_linked
from app.offerings import deadlines, halts, rules
from app.offerings.models import Offering
from app.outbox import service as outbox


def cancelled_late_minor(session: Session, offering: Offering) -> int:
    """Return the cleared arm's-length money that was cancelled in the last 72 hours before the cut-off, minor units.

    Unpaid promises do not count: nobody could see them in the bar, and making and cancelling them costs nothing.
    """
    begins = offering.cancel_until - dt.timedelta(hours=rules.RUSH_HOURS)
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(-EscrowStatement.amount_minor), 0))
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .where(
            EscrowStatement.offering_id == offering.id, EscrowStatement.kind == "cancelled",
            EscrowStatement.occurred_at >= begins, sa.not_(is_linked()),
        )
    )
    return int(total or 0)


def extend_if_rushed(session: Session, offering: Offering, *, now: dt.datetime) -> bool:
    """Move deadline and cut-off by 3 business days when more than 20 % of the minimum was cancelled, once.

    Called after each cancellation with the offering's row locked; tells investors and founders.
    """
    begins = offering.cancel_until - dt.timedelta(hours=rules.RUSH_HOURS)
    if offering.state != "live" or offering.extended_at is not None or halts.clock(offering, now) < begins:
        return False
    if not deadlines.is_rushed(cancelled_late_minor(session, offering), offering.minimum_minor):
        return False
    deadlines.extend_once(session, offering, now=now)
    outbox.enqueue(
        session, "notice", {"kind": "deadline_extended", "offering_id": offering.id}, now=now,
        key=f"notice:deadline_extended:{offering.public_id}",
    )
    return True
