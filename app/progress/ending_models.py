"""Calls of investors for a vote to end a plan, and who stands behind them (WND-6)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class EndCall(Base):
    """A call for a vote to end a plan. It leads to a poll as soon as enough money or heads stand behind it.

    ``cause`` is what the books said when it was called, None without any. At most one gathers at a time.
    """

    __tablename__ = "end_call"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("poll_id"),
        sa.CheckConstraint("state IN ('gathering', 'put', 'lapsed')", name="state"),
        sa.CheckConstraint("(state = 'put') = (poll_id IS NOT NULL)", name="put"),
        sa.Index(
            "uq_end_call_gathering", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'gathering'"), postgresql_where=sa.text("state = 'gathering'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    state: Mapped[str]
    cause: Mapped[str | None]
    reason: Mapped[str]
    called_by: Mapped[int]
    called_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    poll_id: Mapped[int | None]


class EndCallSupport(Base):
    """One investor who stands behind a call. Asking is not voting: whoever supports a call may vote no. Append-only."""

    __tablename__ = "end_call_support"
    __table_args__ = (
        sa.ForeignKeyConstraint(["call_id"], ["end_call.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("call_id", "party_id"),
        sa.Index("ix_end_call_support_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    call_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    joined_at: Mapped[dt.datetime]
