"""Which changes an offering's deadline waits for: those proposed before it that nobody has decided yet (OFF-8).

What a change is, and what becomes of it, is ``changes`` and ``commitments.reconfirming``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings import changes
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering


def demand_decidable(offering: Offering, change: OfferingChange, now: dt.datetime) -> None:
    """Refuse a decision that comes to nothing; one proposed before the deadline is decided also after it (OFF-8)."""
    if offering.state != "live" or changes.is_before_first(offering) or change.proposed_at >= offering.deadline_at:
        changes.demand_live(offering, now)


def undecided() -> sa.ColumnElement[bool]:
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


def holding_up(session: Session, found: Sequence[Offering]) -> dict[int, OfferingChange]:
    """Return the changes that the deadlines of open offerings will wait for, by offering: the one decided last."""
    rows = session.scalars(
        sa.select(OfferingChange)
        .join(Offering, Offering.id == OfferingChange.offering_id)
        .where(
            Offering.id.in_([each.id for each in found]), Offering.state == "live", Offering.commitment_count > 0,
            OfferingChange.state == "proposed", OfferingChange.proposed_at < Offering.deadline_at,
            OfferingChange.decide_by > Offering.deadline_at,
        )
        .order_by(OfferingChange.decide_by, OfferingChange.id.desc())
    )
    return {row.offering_id: row for row in rows}
