"""Orders of operators that need a second one: to wind a running offering down (WND-1, PPL-2)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class WindDownOrder(Base):
    """One operator's order that an offering ends, and what another one did with it.

    ``kind`` is ``wind_down`` of a running offering or ``withdraw`` of a live one. ``decide_by`` is when an order that
    nobody confirmed falls. Whoever proposed it may take it back (``refused``), never confirm it. ``reason`` becomes the
    published one.
    """

    __tablename__ = "wind_down_order"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('proposed', 'confirmed', 'refused', 'fallen')", name="state"),
        sa.CheckConstraint("kind IN ('wind_down', 'withdraw')", name="kind"),
        sa.CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided"),
        sa.CheckConstraint("state <> 'confirmed' OR (decided_by IS NOT NULL AND decided_by <> proposed_by)",
                           name="four_eyes"),
        sa.Index(
            "uq_wind_down_order_open", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'proposed'"), postgresql_where=sa.text("state = 'proposed'"),
        ),
        sa.Index("ix_wind_down_order_state_decide_by", "state", "decide_by"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    kind: Mapped[str] = mapped_column(server_default="wind_down")
    state: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[int]
    proposed_at: Mapped[dt.datetime]
    decide_by: Mapped[dt.datetime]
    decided_by: Mapped[int | None]
    decided_at: Mapped[dt.datetime | None]
    decision_reason: Mapped[str | None]


class AuthorityOrder(Base):
    """An authority's order as a document; its bytes are in the blob store under ``sha256``. Append-only.

    ``about`` is the public id of the halt or of the operators' order that it is attached to.
    """

    __tablename__ = "authority_order"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("size_bytes > 0", name="not_empty"),
        sa.Index("ix_authority_order_about", "about"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    about: Mapped[str]
    reference: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    size_bytes: Mapped[int]
    attached_by: Mapped[int]
    attached_at: Mapped[dt.datetime]
