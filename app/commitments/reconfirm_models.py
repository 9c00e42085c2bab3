"""Who was asked to reconfirm after a material change, when they heard of it, and what became of it (OFF-8)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK

#: What ends the waiting: two acts of the investor, their silence, a newer change, or the end of the commitment.
ANSWERS = ("confirmed", "cancelled", "silent", "superseded", "ended")


class Reconfirmation(Base):
    """One commitment that was asked to reconfirm after one change.

    ``from_number`` is the offering's version that it was bound to. ``delivered_at`` is when the notice was
    recorded for its investor, ``due_at`` five business days later; both null until then. ``answer`` is null
    while it is open.
    """

    __tablename__ = "reconfirmation"
    __table_args__ = (
        sa.ForeignKeyConstraint(["change_id"], ["offering_change.id"]),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.UniqueConstraint("change_id", "commitment_id"),
        sa.CheckConstraint(
            "answer IS NULL OR answer IN ('confirmed', 'cancelled', 'silent', 'superseded', 'ended')", name="answer"
        ),
        sa.CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answered_when"),
        sa.CheckConstraint("(delivered_at IS NULL) = (due_at IS NULL)", name="delivered_when"),
        sa.Index("ix_reconfirmation_commitment_id", "commitment_id"),
        # One round at a time: a newer change closes the older one's open rows first.
        sa.Index(
            "uq_reconfirmation_open", "commitment_id", unique=True, sqlite_where=sa.text("answer IS NULL"),
            postgresql_where=sa.text("answer IS NULL"),
        ),
        sa.Index("ix_reconfirmation_open", "due_at", sqlite_where=sa.text("answer IS NULL"),
                 postgresql_where=sa.text("answer IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    change_id: Mapped[int]
    commitment_id: Mapped[int]
    from_number: Mapped[int]
    asked_at: Mapped[dt.datetime]
    delivered_at: Mapped[dt.datetime | None]
    due_at: Mapped[dt.datetime | None]
    answer: Mapped[str | None]
    answered_at: Mapped[dt.datetime | None]
    answered_by: Mapped[int | None]
