"""Who may still pay by card: whoever paid by card and cancelled again and again may not (COM-13)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment
from app.errors import Refused
from app.payments import rules
from app.payments.models import Operation


def is_bank_only(session: Session, party_id: int) -> bool:
    """Say whether an investor has paid by card and cancelled more than twice, in whatever offerings (COM-13)."""
    paid = sa.exists().where(
        Operation.commitment_id == Commitment.id, Operation.kind == "collect", Operation.state == "succeeded",
        Operation.method.in_(sorted(rules.CARDS)),
    )
    cancelled = session.scalar(
        sa.select(sa.func.count()).select_from(Commitment)
        .where(Commitment.party_id == party_id, Commitment.status == "cancelled", paid)
    )
    return (cancelled or 0) > rules.CARD_CANCELS_AT_MOST


def demand_allowed(session: Session, party_id: int, method: str) -> None:
    """Refuse a card to whoever must pay by bank; raises ``Refused`` ``bank_only``, and nothing is charged."""
    if method in rules.CARDS and is_bank_only(session, party_id):
        raise Refused(
            "You paid by card and cancelled more than twice, so cards are not open to you any more. Choose a bank "
            "payment; nothing was charged.",
            code="bank_only", field="method",
        )
