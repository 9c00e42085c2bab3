"""Read what is known of an investor. Nothing here writes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.investors.models import Declaration


def declaration(session: Session, party_id: int) -> Declaration | None:
    """Return the latest declaration of a party, also one that ran out (``valid_until``); None when there is none."""
    return session.scalars(
        sa.select(Declaration).where(Declaration.party_id == party_id).order_by(Declaration.id.desc()).limit(1)
    ).one_or_none()
