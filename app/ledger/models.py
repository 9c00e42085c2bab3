"""The general ledger's tables. What they mean is in docs/ledger.md; only ``service.post`` writes them."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class LedgerAccount(Base):
    """One account in one asset, with counters that the self-check recomputes from entries.

    ``balance`` is in the account's normal sense (debits − credits on a debit account); the database
    refuses one below zero unless the account may be overdrawn.
    """

    __tablename__ = "account"
    __table_args__ = (
        sa.UniqueConstraint("address", "asset"),
        sa.CheckConstraint("side IN ('debit', 'credit')", name="side"),
        sa.CheckConstraint("may_be_negative OR balance >= 0", name="balance_not_negative"),
        # Below 2⁶³, past which SQLite would silently go on with a float.
        sa.CheckConstraint(
            "balance <= 9000000000000000000 AND balance >= -9000000000000000000", name="balance_in_range"
        ),
        sa.Index("ix_account_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    address: Mapped[str]
    asset: Mapped[str]
    side: Mapped[str]
    may_be_negative: Mapped[bool]
    offering_id: Mapped[int | None]
    balance: Mapped[int]
    version: Mapped[int]


class Journal(Base):
    """One balanced set of entries, posted whole or not at all.

    ``key`` names the fact it records (``release:prt_…``), so that the same fact posts once.
    ``occurred_at`` is business time, ``recorded_at`` system time. The row needs its seal at commit.
    """

    __tablename__ = "journal"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("key"),
        sa.ForeignKeyConstraint(["id"], ["journal_seal.journal_id"], deferrable=True, initially="DEFERRED"),
        sa.Index("ix_journal_offering_id_id", "offering_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True, autoincrement=True)
    public_id: Mapped[str]
    kind: Mapped[str]
    key: Mapped[str]
    offering_id: Mapped[int | None]
    cause: Mapped[str]
    occurred_at: Mapped[dt.datetime]
    recorded_at: Mapped[dt.datetime]


class JournalSeal(Base):
    """Closes a journal: inserting it checks that the entries sum to zero per asset and exist.

    ``content_hash`` is the SHA-256 of the journal's kind and its lines.
    """

    __tablename__ = "journal_seal"

    journal_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    content_hash: Mapped[str]


class Entry(Base):
    """One amount on one account: debit above zero, credit below, never zero.

    ``account_version`` orders an account's entries; ids do not, since they are given before locks.
    """

    __tablename__ = "entry"
    __table_args__ = (
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"]),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.UniqueConstraint("account_id", "account_version"),
        sa.CheckConstraint("amount <> 0", name="amount_not_zero"),
        sa.Index("ix_entry_journal_id", "journal_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    journal_id: Mapped[int]
    account_id: Mapped[int]
    amount: Mapped[int]
    balance_after: Mapped[int]
    account_version: Mapped[int]
