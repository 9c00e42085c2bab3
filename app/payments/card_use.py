"""Who may still pay by card: whoever paid by card and cancelled again and again may not (COM-13)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, Refund
from app.commitments.reconfirm_models import Reconfirmation
from app.errors import Refused
from app.payments import rules
from app.payments.models import Operation


def is_bank_only(session: Session, party_id: int) -> bool:
    """Say whether an investor has paid by card and cancelled more than twice, in whatever offerings (COM-13).

    What an investor did not choose does not count: leaving, or silence, when an offering changed (OFF-8), and money
    above a limit that goes back at the close (COM-9).
    """
    paid = sa.exists().where(
        Operation.commitment_id == Commitment.id, Operation.kind == "collect", Operation.state == "succeeded",
        Operation.method.in_(sorted(rules.CARDS)),
    )
    left_a_change = sa.exists().where(
        Reconfirmation.commitment_id == Commitment.id, Reconfirmation.answer.in_(["silent", "cancelled"])
    )
    over_limit = sa.exists().where(Refund.commitment_id == Commitment.id, Refund.reason == "over_limit")
    cancelled = session.scalar(
        sa.select(sa.func.count()).select_from(Commitment)
        .where(Commitment.party_id == party_id, Commitment.status == "cancelled", paid, ~left_a_change,
               ~over_limit)
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
