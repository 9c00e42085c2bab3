"""Proposals to amend a running contract, what auditors say of them, seats they add, and who left (MIL-13)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK

#: States in which a proposal is undecided: one at a time.
OPEN = ("voting", "leaving")


class Amendment(Base):
    """A founder's proposal of new terms. ``leaving`` means passed, and who did not vote for it may leave first.

    ``document`` is the canonical form of the proposed terms, ``content_hash`` its hash; what takes effect is
    ``effective_version_id``, which differs where milestones were submitted meanwhile. ``subjects`` and ``grounds`` are
    lists in JSON: what it is about (for the wait after a no), and why it is adverse. ``reason`` is the founder's,
    ``outcome_reason`` says why it fell or was void.
    """

    __tablename__ = "amendment"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["base_version_id"], ["terms_version.id"]),
        sa.ForeignKeyConstraint(["effective_version_id"], ["terms_version.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
        sa.CheckConstraint(
            "state IN ('voting', 'leaving', 'effective', 'fell', 'withdrawn', 'void')", name="state"
        ),
        sa.CheckConstraint("(state = 'effective') = (effective_version_id IS NOT NULL)", name="effective"),
        sa.CheckConstraint("(state IN ('voting', 'leaving')) = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint("state <> 'leaving' OR (is_adverse AND leave_until IS NOT NULL)", name="leaving"),
        sa.Index(
            "uq_amendment_open", "offering_id", unique=True,
            sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    state: Mapped[str]
    base_version_id: Mapped[int]
    document: Mapped[str]
    content_hash: Mapped[str]
    reason: Mapped[str]
    is_adverse: Mapped[bool]
    subjects: Mapped[str]
    grounds: Mapped[str]
    proposed_by: Mapped[int]
    proposed_at: Mapped[dt.datetime]
    passed_at: Mapped[dt.datetime | None]
    leave_until: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
    outcome_reason: Mapped[str | None]
    effective_version_id: Mapped[int | None]


class AmendmentComment(Base):
    """What an auditor of the contract says of a proposal, for everybody to read. Append-only."""

    __tablename__ = "amendment_comment"
    __table_args__ = (
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.Index("ix_amendment_comment_amendment_id", "amendment_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    amendment_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    text: Mapped[str]
    said_at: Mapped[dt.datetime]


class AmendmentSeat(Base):
    """A seat that a proposal gives to an auditor; they accept it before the proposal takes effect (MIL-9, MIL-13)."""

    __tablename__ = "amendment_seat"
    __table_args__ = (
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("amendment_id", "milestone_key", "party_id"),
        sa.CheckConstraint("state IN ('asked', 'accepted', 'declined')", name="state"),
        sa.CheckConstraint("(state = 'asked') = (answered_at IS NULL)", name="answered"),
        sa.Index("ix_amendment_seat_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    amendment_id: Mapped[int]
    milestone_key: Mapped[str]
    party_id: Mapped[int]
    state: Mapped[str]
    answered_at: Mapped[dt.datetime | None]


class AmendmentExit(Base):
    """An investor who left with their whole unreleased share before an adverse proposal took effect. Append-only."""

    __tablename__ = "amendment_exit"
    __table_args__ = (
        sa.ForeignKeyConstraint(["amendment_id"], ["amendment.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("amendment_id", "party_id"),
        sa.UniqueConstraint("journal_id"),
        sa.CheckConstraint("amount_minor > 0 AND tokens_lapsed >= 0", name="amounts"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    amendment_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    amount_minor: Mapped[int]
    tokens_lapsed: Mapped[int]
    journal_id: Mapped[int]
    left_at: Mapped[dt.datetime]
