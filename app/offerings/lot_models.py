"""Seeds that were committed before a draw, draws by lot, and who stood in them with which rank (MIL-9)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class LotSeed(Base):
    """A seed of one offering. ``commitment`` is public at once, ``seed`` once a draw has used it. Append-only."""

    __tablename__ = "lot_seed"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    commitment: Mapped[str]
    seed: Mapped[str]
    committed_at: Mapped[dt.datetime]


class Draw(Base):
    """One draw by lot: what for, how many seats, and the line that entered the ranks beside the seed. Append-only.

    ``content_hash`` covers the line, the commitment and every ticket. ``drawn_by`` is None for the worker.
    """

    __tablename__ = "lot_draw"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["seed_id"], ["lot_seed.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("seed_id"),
        sa.Index("ix_lot_draw_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    milestone_key: Mapped[str]
    purpose: Mapped[str]
    seats: Mapped[int]
    context: Mapped[str]
    seed_id: Mapped[int]
    content_hash: Mapped[str]
    drawn_by: Mapped[int | None]
    drawn_at: Mapped[dt.datetime]


class DrawTicket(Base):
    """An auditor in a draw; ``excluded`` is the code of why they had no ticket, ``position`` counts from 1.

    Append-only. Everybody who was approved then has a row, so that whoever was left out is seen, and why.
    """

    __tablename__ = "lot_ticket"
    __table_args__ = (
        sa.ForeignKeyConstraint(["draw_id"], ["lot_draw.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("draw_id", "party_id"),
        sa.CheckConstraint("(position IS NULL) = (excluded IS NOT NULL)", name="drawn_or_excluded"),
        sa.Index("ix_lot_ticket_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    draw_id: Mapped[int]
    party_id: Mapped[int]
    candidate: Mapped[str]
    rank: Mapped[str]
    position: Mapped[int | None]
    excluded: Mapped[str | None]
