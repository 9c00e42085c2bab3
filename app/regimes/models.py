"""The decisions that regimes made, as they were made. Append-only."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class RegimeDecision(Base):
    """One answer of one rule about one thing, with the arm of figures it read and where they come from.

    ``subject_id`` is the public id of a commitment or an offering, ``moment`` when it was asked (``commitment``,
    ``close``, ``approval``). ``reasons`` and ``facts`` are RFC 8785 texts: codes, ids, dates, minor units and never
    what somebody earns (PPL-6). ``sha256`` is over everything but the row's id.
    """

    __tablename__ = "regime_decision"
    __table_args__ = (
        sa.UniqueConstraint("subject_id", "moment", "rule_id", "decided_at"),
        sa.CheckConstraint("moment IN ('commitment', 'close', 'approval')", name="moment"),
        sa.CheckConstraint("(reasons = '[]') = allowed", name="reasons_when_refused"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    subject_id: Mapped[str]
    moment: Mapped[str]
    rule_id: Mapped[str]
    regime: Mapped[str]
    arm: Mapped[str]
    source: Mapped[str]
    allowed: Mapped[bool]
    reasons: Mapped[str]
    facts: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    decided_at: Mapped[dt.datetime]
