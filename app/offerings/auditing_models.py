"""What auditors say of themselves: if they take work, for whom they work, with whom they have a conflict (MIL-8)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class AuditorProfile(Base):
    """What one auditor offers. Without a row an approved auditor takes every kind of work and named no employer.

    ``sectors`` are the sectors they review, one a line, none for all; ``firm`` their employer or firm, ``fee_note``
    is what they ask for a review, in words: the contract's fee counts. Erased with the person's other papers (PPL-6).
    """

    __tablename__ = "auditor_profile"
    __table_args__ = (sa.ForeignKeyConstraint(["party_id"], ["party.id"]), sa.UniqueConstraint("party_id"))

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    party_id: Mapped[int]
    is_willing: Mapped[bool] = mapped_column(default=True)
    sectors: Mapped[str] = mapped_column(default="")
    firm: Mapped[str] = mapped_column(default="")
    firm_key: Mapped[str] = mapped_column(default="")
    fee_note: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[dt.datetime]


class DeclaredConflict(Base):
    """An auditor says that they are not independent of a company; until ``ended_at`` they sit on none of its panels."""

    __tablename__ = "declared_conflict"
    __table_args__ = (
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"]),
        sa.UniqueConstraint("public_id"),
        sa.Index("ix_declared_conflict_party_id_issuer_id", "party_id", "issuer_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    party_id: Mapped[int]
    issuer_id: Mapped[int]
    reason: Mapped[str]
    declared_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
