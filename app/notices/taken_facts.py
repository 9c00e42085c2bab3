"""Read what notices say of payments taken back, what companies owe because of it, and payouts (WND-4, REL-5)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Refund
from app.notices.happened import Happened
from app.offerings.models import Offering
from app.payments.models import Payout
from app.payments.reversal_models import IssuerClaim, Reversal


def of_reversal(session: Session, row: Reversal, offering: Offering | None) -> dict[str, Any]:
    """Return the figures of a reversal as it is now, minor units and whole tokens."""
    return {
        "amount_minor": row.amount_minor, "escrow_minor": row.escrow_minor,
        "released_minor": row.set_off_minor + row.claim_minor, "set_off_minor": row.set_off_minor,
        "claim_minor": row.claim_minor, "loss_minor": row.loss_minor, "to_payer_minor": _paid_back(session, row),
        "cancelled_tokens": row.cancelled_tokens, "lapsed_tokens": row.tokens - row.cancelled_tokens,
        "outcome": row.outcome, "due_at": row.due_at.isoformat() if row.due_at is not None else None,
        "is_raising": offering is not None and offering.state in ("live", "clearing"),
    }


def _paid_back(session: Session, row: Reversal) -> int:
    """Return what a won dispute owes back to its payer, because no plan can use it any more."""
    if row.state != "won":
        return 0
    owed = sa.select(sa.func.sum(Refund.amount_minor)).where(Refund.journal_id == row.decided_journal_id)
    return int(session.scalar(owed) or 0)


def read_claim(session: Session, found: Happened, claim_id: int) -> None:
    """Read what a company owed because a payment was taken back, and what is left of it, minor units."""
    claim = session.get_one(IssuerClaim, claim_id)
    found.offering, found.about = session.get_one(Offering, claim.offering_id), claim.public_id
    found.params |= {
        "amount_minor": claim.amount_minor, "left_minor": claim.left_minor, "paid_minor": claim.paid_minor,
        "set_off_minor": claim.set_off_minor, "due_at": claim.due_at.isoformat(),
    }


def read_payout(session: Session, found: Happened, payout_id: int) -> None:
    """Read a payout: what is to be sent of it, and on whom it waits."""
    payout = session.get_one(Payout, payout_id)
    found.offering, found.about = session.get_one(Offering, payout.offering_id), payout.public_id
    found.params |= {
        "amount_minor": payout.due_minor, "due_at": payout.next_at.isoformat(), "failures": payout.failures,
        "act_by": payout.act_by.isoformat() if payout.act_by is not None else None, "waits_on": payout.waits_on or "",
    }
