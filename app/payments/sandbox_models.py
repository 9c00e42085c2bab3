"""What the sandbox provider remembers: its own books, as if it were another company's system.

Nothing outside ``sandbox.py`` reads these tables, except tests and the reconciliation tile that compare
its statement with our ledger.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class SandboxTransfer(Base):
    """One movement at the pretend provider. ``key`` is our idempotency key at its door.

    ``operation`` is our id in its metadata. Times are business time: ``settled_at`` is when the money
    moved, ``ended_at`` when it came back or was given up.
    """

    __tablename__ = "sandbox_transfer"
    __table_args__ = (
        sa.UniqueConstraint("ref"),
        sa.UniqueConstraint("key"),
        sa.Index("ix_sandbox_transfer_due_at", "due_at",
                 sqlite_where=sa.text("due_at IS NOT NULL"), postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("ix_sandbox_transfer_operation", "operation"),
        sa.Index("ix_sandbox_transfer_source_ref", "source_ref"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    ref: Mapped[str]
    key: Mapped[str]
    operation: Mapped[str]
    request_hash: Mapped[str]
    kind: Mapped[str]
    offering_ref: Mapped[str]
    source_ref: Mapped[str | None]
    method: Mapped[str]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int]
    asset: Mapped[str]
    state: Mapped[str]
    #: Whom the money came from, as the pretend bank or card network tells it; None where it tells nothing.
    payer_name: Mapped[str | None]
    payer_account: Mapped[str | None]
    payer_card: Mapped[str | None]
    #: When the next thing happens by itself (settles, fails, is returned); None when nothing will.
    due_at: Mapped[dt.datetime | None]
    failure_code: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    settled_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]


class SandboxDispute(Base):
    """A pretend payer's objection to a transfer, or to a part of it.

    ``outcome`` is what becomes of it at ``due_at`` by itself; None when only a test or an operator decides it.
    """

    __tablename__ = "sandbox_dispute"
    __table_args__ = (
        sa.UniqueConstraint("ref"),
        sa.CheckConstraint("state IN ('open', 'won', 'withdrawn', 'lost')", name="state"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.Index("ix_sandbox_dispute_transfer_ref", "transfer_ref"),
        sa.Index("ix_sandbox_dispute_due_at", "due_at",
                 sqlite_where=sa.text("due_at IS NOT NULL"), postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    ref: Mapped[str]
    transfer_ref: Mapped[str]
    amount_minor: Mapped[int]
    state: Mapped[str]
    outcome: Mapped[str | None]
    due_at: Mapped[dt.datetime | None]
    opened_at: Mapped[dt.datetime]
    window_ends_at: Mapped[dt.datetime]
    decided_at: Mapped[dt.datetime | None]


class SandboxEvent(Base):
    """A notification the provider offers to whoever polls; ids rise in the order they happened."""

    __tablename__ = "sandbox_event"
    __table_args__ = (sa.UniqueConstraint("event_id"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    event_id: Mapped[str]
    type: Mapped[str]
    ref: Mapped[str]
    occurred_at: Mapped[dt.datetime]


class SandboxFeed(Base):
    """The one row (id 1) whose lock gives writers of events their turns, so that ids become visible in their order."""

    __tablename__ = "sandbox_feed"
    __table_args__ = (sa.CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(sa.Integer, primary_key=True, autoincrement=False)


class SandboxLine(Base):
    """One line of the provider's statement: money in above zero, out below, fees apart."""

    __tablename__ = "sandbox_line"
    __table_args__ = (sa.Index("ix_sandbox_line_offering_ref", "offering_ref"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    ref: Mapped[str]
    offering_ref: Mapped[str]
    type: Mapped[str]
    amount_minor: Mapped[int]
    asset: Mapped[str]
    booked_at: Mapped[dt.datetime]
