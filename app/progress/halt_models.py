"""Halts of an offering, what they moved, and what investors are asked: whether a plan goes on, whether they stay."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Halt(Base):
    """An operator's halt of one offering (OFF-13). ``voting`` means that its end came and investors decide.

    ``reason`` is for the log, ``public_text`` for everybody; under secrecy the text is a fixed neutral one
    (PPL-4). ``ends_set_by`` chose the present end: an operator who lengthens it must be another one.
    """

    __tablename__ = "halt"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('open', 'voting', 'ended')", name="state"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended"),
        sa.CheckConstraint("(order_reference IS NULL) = (order_sha256 IS NULL)", name="order_whole"),
        sa.CheckConstraint("seconds >= 0 AND extensions >= 0", name="not_negative"),
        sa.Index(
            "uq_halt_running", "offering_id", unique=True,
            sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_halt_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]
    public_text: Mapped[str]
    is_secret: Mapped[bool]
    placed_by: Mapped[int]
    placed_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    ends_set_by: Mapped[int]
    extensions: Mapped[int] = mapped_column(default=0)
    order_reference: Mapped[str | None]
    order_sha256: Mapped[str | None]
    ended_at: Mapped[dt.datetime | None]
    ended_by: Mapped[int | None]
    outcome: Mapped[str | None]
    end_reason: Mapped[str | None]
    #: By how much every open instant of the offering moved when it ended.
    seconds: Mapped[int] = mapped_column(default=0)


class HaltToll(Base):
    """By how much one halt moved one milestone's dates: at most what is left of 60 days (MIL-14). Append-only."""

    __tablename__ = "halt_toll"
    __table_args__ = (
        sa.ForeignKeyConstraint(["halt_id"], ["halt.id"]),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.UniqueConstraint("halt_id", "milestone_id"),
        sa.CheckConstraint("seconds >= 0", name="not_negative"),
        sa.Index("ix_halt_toll_milestone_id", "milestone_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    halt_id: Mapped[int]
    milestone_id: Mapped[int]
    seconds: Mapped[int]


class Poll(Base):
    """A question to the investors of one offering, each weighed by their unreleased money.

    ``kind`` is one of ``milestones.polls.RULES``, which says how it is counted; ``subject`` the public id of what it
    decides, empty where the offering itself. Weights are of the books at ``weighed_at``, of ``opened_at`` where that is
    None; ``level_minor`` is the most that one investor weighs, None without a cap. Heads are counted where the kind
    asks for them.
    """

    __tablename__ = "poll"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["halt_id"], ["halt.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("halt_id"),
        sa.CheckConstraint("(kind = 'halt') = (halt_id IS NOT NULL)", name="halt"),
        sa.CheckConstraint("state IN ('open', 'decided')", name="state"),
        sa.CheckConstraint("weighed_at IS NULL OR weighed_at <= opened_at", name="weighed_before"),
        sa.CheckConstraint("(state = 'decided') = (decided_at IS NOT NULL)", name="decided"),
        sa.Index(
            "uq_poll_open", "offering_id", "kind", "subject", unique=True,
            sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    kind: Mapped[str]
    subject: Mapped[str] = mapped_column(default="", server_default="")
    halt_id: Mapped[int | None]
    state: Mapped[str]
    opened_at: Mapped[dt.datetime]
    weighed_at: Mapped[dt.datetime | None]
    ends_at: Mapped[dt.datetime]
    total_minor: Mapped[int]
    level_minor: Mapped[int | None]
    yes_minor: Mapped[int | None]
    no_minor: Mapped[int | None]
    yes_heads: Mapped[int | None]
    no_heads: Mapped[int | None]
    outcome: Mapped[str | None]
    decided_at: Mapped[dt.datetime | None]


class PollAnswer(Base):
    """One investor's weight in a poll, and what they answered; nothing is an answer too, and the poll says which.

    ``unreleased_minor`` is what the weight was made of where the poll caps it. ``struck_at`` is set at the count for
    who has no vote any more (COM-11).
    """

    __tablename__ = "poll_answer"
    __table_args__ = (
        sa.ForeignKeyConstraint(["poll_id"], ["poll.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("poll_id", "party_id"),
        sa.CheckConstraint("weight_minor > 0", name="above_zero"),
        sa.CheckConstraint("unreleased_minor IS NULL OR unreleased_minor >= weight_minor", name="capped"),
        sa.CheckConstraint("(choice IS NULL) = (answered_by IS NULL)", name="answered"),
        sa.Index("ix_poll_answer_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    poll_id: Mapped[int]
    party_id: Mapped[int]
    weight_minor: Mapped[int]
    unreleased_minor: Mapped[int | None]
    choice: Mapped[str | None]
    answers: Mapped[int] = mapped_column(default=0)
    answered_by: Mapped[int | None]
    answered_at: Mapped[dt.datetime | None]
    struck_at: Mapped[dt.datetime | None]
