"""The figures of what happens to an amendment, as its notices need them (MIL-13)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.progress.amendment_models import Amendment, AmendmentExit
from app.progress.halt_models import Poll


def params_of(session: Session, amendment: Amendment, party_id: int | None) -> dict[str, Any]:
    """Return what the words of a proposal's notices name; ``party_id`` is who left, where somebody did."""
    exits = sa.select(AmendmentExit).filter_by(amendment_id=amendment.id, party_id=party_id)
    left = session.scalars(exits).one_or_none()
    ends_at = session.scalar(sa.select(Poll.ends_at).filter_by(subject=amendment.public_id))
    return {
        "amendment": amendment.public_id, "is_adverse": amendment.is_adverse,
        "leave_until": _text(amendment.leave_until), "outcome": amendment.outcome_reason or "",
        "ends_at": _text(ends_at), "left_minor": left.amount_minor if left else 0,
        "lapsed_tokens": left.tokens_lapsed if left else 0,
    }


def _text(instant: dt.datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
