"""Read commitments: what was raised, an investor's positions, one commitment's statement.

Nothing here writes. What is held of tokens is ``register``'s, what the rail does is ``payments``'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import HOLDS_PLACE, Commitment
from app.offerings.models import Offering


@dataclass(frozen=True, slots=True)
class Raised:
    """What an offering has raised, minor units. ``investors`` counts parties whose money cleared (OFF-12)."""

    cleared_minor: int = 0
    pending_minor: int = 0
    committed_minor: int = 0
    investors: int = 0


def raised(session: Session, offerings: Sequence[Offering]) -> dict[int, Raised]:
    """Return what each offering has raised, by its id, in one query.

    Cleared is money that arrived and was not taken back before the close; it stays the figure of an
    offering that failed or was wound down (OFF-9). Pending is promised and not yet there.
    """
    ids = [offering.id for offering in offerings]
    found = {offering_id: Raised() for offering_id in ids}
    is_held = Commitment.status == "held"
    rows = session.execute(
        sa.select(
            Commitment.offering_id,
            sa.func.sum(sa.case((is_held, Commitment.amount_minor), else_=0)).label("cleared"),
            sa.func.sum(Commitment.amount_minor).label("committed"),
            sa.func.count(sa.distinct(sa.case((is_held, Commitment.party_id)))).label("investors"),
        )
        .where(Commitment.offering_id.in_(ids), Commitment.status.in_(HOLDS_PLACE))
        .group_by(Commitment.offering_id)
    )
    for row in rows:
        cleared, committed = int(row.cleared), int(row.committed)
        found[row.offering_id] = Raised(cleared, committed - cleared, committed, row.investors)
    return found
