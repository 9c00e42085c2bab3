"""Commitments, the escrow statement that says where their money is, and what is owed back."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK

#: Statuses in which a commitment holds a place under the maximum.
HOLDS_PLACE = ("awaiting_payment", "clearing", "payment_failed", "held")
#: Those in which its money is not there yet.
UNPAID = ("awaiting_payment", "clearing", "payment_failed")


class Commitment(Base):
    """An investor's binding order. ``status`` holds its own facts only.

    What follows from the offering's state and the statement (allotted, fulfilled, refunding …) is
    derived by ``queries.status_of``, so that a close or a wind-down need not rewrite N rows.
    ``ordinal`` is the order in the offering and breaks ties (REL-2).
    """

    __tablename__ = "commitment"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.ForeignKeyConstraint(["terms_version_id"], ["terms_version.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "ordinal"),
        sa.CheckConstraint("tokens > 0 AND amount_minor > 0", name="above_zero"),
        sa.CheckConstraint(
            "status IN ('awaiting_payment', 'clearing', 'payment_failed', 'held', 'expired', 'cancelled', "
            "'reversed', 'lapsed')",
            name="status",
        ),
        sa.Index("ix_commitment_party_id_id", "party_id", "id"),
        sa.Index("ix_commitment_status_pay_by", "status", "pay_by"),
        # COM-13: one unpaid commitment per investor and offering.
        sa.Index(
            "uq_commitment_unpaid", "offering_id", "party_id", unique=True,
            sqlite_where=sa.text("status IN ('awaiting_payment', 'payment_failed')"),
            postgresql_where=sa.text("status IN ('awaiting_payment', 'payment_failed')"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    ordinal: Mapped[int]
    tokens: Mapped[int]
    amount_minor: Mapped[int]
    price_micro: Mapped[int]
    terms_version_id: Mapped[int]
    wording_hash: Mapped[str]
    status: Mapped[str]
    status_since: Mapped[dt.datetime]
    pay_by: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]


class EscrowStatement(Base):
    """One movement of one commitment's money or entitlement, with the running figures after it.

    ``amount_minor`` raises (paid) or lowers (released, returned, refunded) the unreleased money.
    Append-only; the last row of a commitment is its position. Σ unreleased = ``escrow:{offering}``,
    Σ (entitled − issued) = ``reserved:{offering}`` once closed.
    """

    __tablename__ = "escrow_statement"
    __table_args__ = (
        sa.UniqueConstraint("commitment_id", "seq"),
        sa.CheckConstraint("unreleased_after_minor >= 0 AND released_after_minor >= 0", name="money_not_negative"),
        sa.CheckConstraint("issued_after_tokens >= 0 AND issued_after_tokens <= entitled_after_tokens",
                           name="never_above_the_entitlement"),
        sa.Index("ix_escrow_statement_offering_id_commitment_id", "offering_id", "commitment_id", "seq"),
        sa.Index("ix_escrow_statement_journal_id", "journal_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    party_id: Mapped[int]
    ordinal: Mapped[int]
    seq: Mapped[int]
    kind: Mapped[str]
    amount_minor: Mapped[int]
    tokens_issued: Mapped[int]
    unreleased_after_minor: Mapped[int]
    released_after_minor: Mapped[int]
    issued_after_tokens: Mapped[int]
    entitled_after_tokens: Mapped[int]
    milestone_id: Mapped[int | None]
    journal_id: Mapped[int]
    occurred_at: Mapped[dt.datetime]


class Refund(Base):
    """Money owed back to one investor, and how far its way back is.

    Σ of those not done = ``refunds:{offering}`` + ``unclaimed:{offering}``. ``due_at`` is when it must
    have left (OFF-9: five business days).
    """

    __tablename__ = "refund"
    __table_args__ = (
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("journal_id", "commitment_id"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("status IN ('open', 'sending', 'done', 'failed', 'unclaimed')", name="status"),
        sa.Index("ix_refund_commitment_id", "commitment_id"),
        sa.Index("ix_refund_offering_id_status", "offering_id", "status"),
        sa.Index("ix_refund_open", "id", sqlite_where=sa.text("status = 'open'"),
                 postgresql_where=sa.text("status = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    party_id: Mapped[int]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str]
    failures: Mapped[int]
    journal_id: Mapped[int]
    created_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    done_at: Mapped[dt.datetime | None]
