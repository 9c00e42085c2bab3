"""Which offerings hold a change that nobody has decided: their deadline waits for it (OFF-8).

It stands below ``service``, because withdrawing and halting ask it too. What such a change waits for is ``awaited``.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering


def waits() -> sa.ColumnElement[bool]:
    """Say in SQL that a change proposed before the offering's deadline is undecided, and somebody committed (OFF-8).

    Until it is decided the deadline has no effect: by an operator, or by silence at its own time (TIM-1).
    """
    return sa.and_(
        Offering.commitment_count > 0,
        sa.exists().where(
            OfferingChange.offering_id == Offering.id, OfferingChange.state == "proposed",
            OfferingChange.proposed_at < Offering.deadline_at,
        ).correlate(Offering),
    )


def is_held_open(session: Session, offering: Offering) -> bool:
    """Whether an offering stays open past its deadline, because a change proposed before it is undecided (OFF-8)."""
    return session.scalar(sa.select(Offering.id).where(Offering.id == offering.id, waits())) is not None
