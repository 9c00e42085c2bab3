"""Challenges of verdicts, and disputes before a panel: who stands behind, who is drawn, what they found (MIL-10)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Challenge(Base):
    """What holders doubt in a verdict "met", one for each submission. ``fallen`` means that too few stood behind it.

    What was counted at the window's end is kept: money and heads behind it, and of all arm's-length holders.
    """

    __tablename__ = "challenge"
    __table_args__ = (
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("submission_id"),
        sa.CheckConstraint("state IN ('open', 'fallen', 'disputed', 'dropped')", name="state"),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint("(state IN ('fallen', 'disputed')) = (money_minor IS NOT NULL)", name="counted"),
        sa.Index("ix_challenge_milestone_id", "milestone_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    milestone_id: Mapped[int]
    submission_id: Mapped[int]
    state: Mapped[str]
    criterion_key: Mapped[str]
    reason: Mapped[str]
    opened_by: Mapped[int]
    party_id: Mapped[int]
    opened_at: Mapped[dt.datetime]
    #: Whether one holder suffices, because an auditor found something not met.
    is_split: Mapped[bool]
    money_minor: Mapped[int | None]
    total_minor: Mapped[int | None]
    heads: Mapped[int | None]
    total_heads: Mapped[int | None]
    ended_at: Mapped[dt.datetime | None]


class ChallengeSupporter(Base):
    """A holder who stands, or stood, behind a challenge; ``weight_minor`` is what was counted at its end."""

    __tablename__ = "challenge_supporter"
    __table_args__ = (
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("challenge_id", "party_id"),
        sa.CheckConstraint("weight_minor IS NULL OR (weight_minor > 0 AND left_at IS NULL)", name="weight"),
        sa.Index("ix_challenge_supporter_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    challenge_id: Mapped[int]
    party_id: Mapped[int]
    joined_by: Mapped[int]
    joined_at: Mapped[dt.datetime]
    left_at: Mapped[dt.datetime | None]
    weight_minor: Mapped[int | None]


class Dispute(Base):
    """A verdict before a panel of three, then before the investors if two panels fell silent (MIL-10).

    ``sum_minor`` is the disputed tranche when it was decided: what is then due for release, what goes back and what
    stays. ``was_exhausted`` says that the appealed "not met" had left no try.
    """

    __tablename__ = "dispute"
    __table_args__ = (
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.ForeignKeyConstraint(["challenge_id"], ["challenge.id"]),
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("challenge_id"),
        sa.UniqueConstraint("poll_id"),
        sa.CheckConstraint("state IN ('panel', 'vote', 'decided')", name="state"),
        sa.CheckConstraint("cause IN ('challenge', 'appeal', 'second_review', 'withdrawal')", name="cause"),
        sa.CheckConstraint("(cause = 'challenge') = (challenge_id IS NOT NULL)", name="challenge"),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('met', 'partly', 'not_met', 'undecided', 'dropped')", name="outcome"
        ),
        sa.CheckConstraint("(share_pct IS NULL) = (outcome IS NULL)", name="share"),
        sa.CheckConstraint("(state = 'decided') = (outcome IS NOT NULL AND decided_at IS NOT NULL)", name="decided"),
        sa.CheckConstraint("state <> 'vote' OR poll_id IS NOT NULL", name="vote"),
        sa.CheckConstraint("round BETWEEN 0 AND 2", name="round"),
        sa.CheckConstraint(
            "sum_minor IS NULL OR (to_release_minor >= 0 AND returned_minor >= 0 AND stays_minor >= 0 "
            "AND to_release_minor + returned_minor + stays_minor = sum_minor)",
            name="split",
        ),
        sa.Index(
            "uq_dispute_running", "milestone_id", unique=True,
            sqlite_where=sa.text("outcome IS NULL"), postgresql_where=sa.text("outcome IS NULL"),
        ),
        sa.Index("ix_dispute_milestone_id", "milestone_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    milestone_id: Mapped[int]
    submission_id: Mapped[int]
    challenge_id: Mapped[int | None]
    cause: Mapped[str]
    reason: Mapped[str]
    was_exhausted: Mapped[bool]
    opened_by: Mapped[int | None]
    opened_at: Mapped[dt.datetime]
    state: Mapped[str]
    round: Mapped[int]
    poll_id: Mapped[int | None]
    outcome: Mapped[str | None]
    share_pct: Mapped[int | None]
    verdict_detail: Mapped[str | None]
    decided_at: Mapped[dt.datetime | None]
    sum_minor: Mapped[int | None]
    to_release_minor: Mapped[int | None]
    returned_minor: Mapped[int | None]
    stays_minor: Mapped[int | None]


class DisputeSeat(Base):
    """An auditor drawn by lot for a dispute's panel, in which of the two rounds, by which draw."""

    __tablename__ = "dispute_seat"
    __table_args__ = (
        sa.ForeignKeyConstraint(["dispute_id"], ["dispute.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("dispute_id", "party_id"),
        sa.CheckConstraint("state IN ('seated', 'signed', 'replaced')", name="state"),
        sa.Index("ix_dispute_seat_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    dispute_id: Mapped[int]
    party_id: Mapped[int]
    round: Mapped[int]
    draw: Mapped[str | None]
    state: Mapped[str]
    seated_at: Mapped[dt.datetime]


class DisputeFinding(Base):
    """One panel member's signed findings, bound to the hashes of contract and manifest. Append-only."""

    __tablename__ = "dispute_finding"
    __table_args__ = (
        sa.ForeignKeyConstraint(["dispute_id"], ["dispute.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("dispute_id", "party_id"),
        sa.Index("ix_dispute_finding_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    dispute_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    findings: Mapped[str]
    contract_hash: Mapped[str]
    manifest_hash: Mapped[str]
    content_hash: Mapped[str]
    signed_at: Mapped[dt.datetime]
