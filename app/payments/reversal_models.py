"""What rails took back of payments, where each amount came from, and what the issuer owes because of it (WND-4)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Reversal(Base):
    """What a rail took back of one payment: a dispute while it is open and after, or a return, which is final at once.

    ``ref`` is the rail's own name for it. While it is open ``escrow_minor`` of it is set apart from escrow and
    ``owed_minor`` from what was on its way back to the payer; the rest had been released or paid back. Once it is lost
    ``escrow_minor + owed_minor + set_off_minor + claim_minor + loss_minor`` is all of it. ``tokens`` are those taken
    with it, ``cancelled_tokens`` of them had been issued. ``reserve_minor`` is what the reserve lent for it. Lost by
    our deadline (``outcome`` ``silence``) it may still be won.
    """

    __tablename__ = "reversal"
    __table_args__ = (
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("operation_id", "ref"),
        sa.CheckConstraint("kind IN ('dispute', 'return')", name="kind"),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name="state"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
        sa.CheckConstraint("(kind = 'dispute') = (due_at IS NOT NULL)", name="dispute_has_deadline"),
        sa.CheckConstraint(
            "state <> 'lost' OR escrow_minor + owed_minor + set_off_minor + claim_minor + loss_minor = amount_minor",
            name="lost_is_whole",
        ),
        sa.CheckConstraint("escrow_minor + owed_minor <= amount_minor", name="apart_within"),
        sa.Index("ix_reversal_commitment_id", "commitment_id"),
        sa.Index("ix_reversal_offering_id_state", "offering_id", "state"),
        sa.Index("ix_reversal_open", "due_at", sqlite_where=sa.text("state = 'open'"),
                 postgresql_where=sa.text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    operation_id: Mapped[int]
    ref: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    outcome: Mapped[str | None]
    amount_minor: Mapped[int]
    escrow_minor: Mapped[int] = mapped_column(default=0)
    owed_minor: Mapped[int] = mapped_column(default=0)
    set_off_minor: Mapped[int] = mapped_column(default=0)
    claim_minor: Mapped[int] = mapped_column(default=0)
    loss_minor: Mapped[int] = mapped_column(default=0)
    tokens: Mapped[int] = mapped_column(default=0)
    cancelled_tokens: Mapped[int] = mapped_column(default=0)
    reserve_minor: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime | None]
    decided_at: Mapped[dt.datetime | None]
    opened_journal_id: Mapped[int]
    decided_journal_id: Mapped[int | None]


class IssuerClaim(Base):
    """What an issuer owes us because released money was taken back and no payable was left to set it off against.

    Left is ``amount_minor`` less what was paid, set off against later payables, given up, or won back. Σ left =
    ``receivable:issuer:{issuer}:{offering}``. After ``due_at`` it stays owed and the operators are told.
    """

    __tablename__ = "issuer_claim"
    __table_args__ = (
        sa.ForeignKeyConstraint(["reversal_id"], ["reversal.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("reversal_id"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("state IN ('open', 'settled', 'given_up', 'won_back')", name="state"),
        sa.CheckConstraint(
            "paid_minor >= 0 AND set_off_minor >= 0 AND given_up_minor >= 0 AND won_back_minor >= 0",
            name="not_negative",
        ),
        sa.CheckConstraint(
            "(state = 'open') = (paid_minor + set_off_minor + given_up_minor + won_back_minor < amount_minor)",
            name="open_while_owed",
        ),
        sa.CheckConstraint("paid_minor + set_off_minor + given_up_minor + won_back_minor <= amount_minor",
                           name="within"),
        sa.Index("ix_issuer_claim_offering_id_state", "offering_id", "state"),
        sa.Index("ix_issuer_claim_open", "due_at", sqlite_where=sa.text("state = 'open'"),
                 postgresql_where=sa.text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    issuer_id: Mapped[int]
    reversal_id: Mapped[int]
    amount_minor: Mapped[int]
    paid_minor: Mapped[int] = mapped_column(default=0)
    set_off_minor: Mapped[int] = mapped_column(default=0)
    given_up_minor: Mapped[int] = mapped_column(default=0)
    won_back_minor: Mapped[int] = mapped_column(default=0)
    state: Mapped[str]
    created_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    told_at: Mapped[dt.datetime | None]

    @property
    def left_minor(self) -> int:
        """What is still owed, minor units."""
        settled = self.paid_minor + self.set_off_minor + self.given_up_minor + self.won_back_minor
        return self.amount_minor - settled
