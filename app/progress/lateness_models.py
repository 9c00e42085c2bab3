"""What lateness leaves in writing: extensions with the dates they moved, reports, and the days to failure (MIL-14)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Extension(Base):
    """What moved a milestone's dates: its one extension, or the investors' vote after it failed. Append-only.

    ``asked``: automatic when asked before the target date (MIL-14); ``voted``: one new date (MIL-2), asked by nobody.
    """

    __tablename__ = "extension"
    __table_args__ = (
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("milestone_id", "kind"),
        sa.CheckConstraint("kind IN ('asked', 'voted')", name="kind"),
        sa.CheckConstraint("(kind = 'asked') = (asked_by IS NOT NULL)", name="asked"),
        sa.CheckConstraint("days > 0", name="above_zero"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    milestone_id: Mapped[int]
    kind: Mapped[str] = mapped_column(default="asked", server_default="asked")
    days: Mapped[int]
    reason: Mapped[str]
    asked_by: Mapped[int | None]
    asked_at: Mapped[dt.datetime]


class ExtensionMove(Base):
    """By how much one extension moved one milestone's dates, its own or of one that waits for it. Append-only."""

    __tablename__ = "extension_move"
    __table_args__ = (
        sa.ForeignKeyConstraint(["extension_id"], ["extension.id"]),
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.UniqueConstraint("extension_id", "milestone_id"),
        sa.CheckConstraint("seconds > 0", name="above_zero"),
        sa.Index("ix_extension_move_milestone_id", "milestone_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    extension_id: Mapped[int]
    milestone_id: Mapped[int]
    seconds: Mapped[int]


class Report(Base):
    """A report that the founder owes the investors by a date: what was done and spent, what is next, what is left.

    The next one is written down when this one is filed or missed, so one is always ``due`` while a plan runs. A missed
    one may still be filed, until the next is missed too. Money in minor units of the offering's currency.
    """

    __tablename__ = "report"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
        sa.CheckConstraint("state IN ('due', 'filed', 'missed', 'ended')", name="state"),
        sa.CheckConstraint("(state = 'filed') = (filed_at IS NOT NULL)", name="filed"),
        sa.CheckConstraint(
            "state <> 'filed' OR (done IS NOT NULL AND spent_minor IS NOT NULL AND next_steps IS NOT NULL "
            "AND next_on IS NOT NULL AND cash_left_minor IS NOT NULL AND risks IS NOT NULL "
            "AND content_hash IS NOT NULL AND filed_by IS NOT NULL)", name="whole",
        ),
        sa.CheckConstraint("spent_minor >= 0 AND cash_left_minor >= 0", name="not_negative"),
        sa.Index(
            "uq_report_due", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'due'"), postgresql_where=sa.text("state = 'due'"),
        ),
        sa.Index("ix_report_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    state: Mapped[str]
    opened_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    reminded_at: Mapped[dt.datetime | None]
    done: Mapped[str | None]
    spent_minor: Mapped[int | None]
    next_steps: Mapped[str | None]
    next_on: Mapped[str | None]
    cash_left_minor: Mapped[int | None]
    risks: Mapped[str | None]
    content_hash: Mapped[str | None]
    filed_by: Mapped[int | None]
    filed_at: Mapped[dt.datetime | None]


class ReportCountdown(Base):
    """The days after which a plan whose founder stays silent is wound down; a report in between ends them."""

    __tablename__ = "report_countdown"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('running', 'ended')", name="state"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL AND outcome IS NOT NULL)", name="ended"),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('reported', 'wound_down', 'offering_ended')", name="outcome"
        ),
        sa.Index(
            "uq_report_countdown_running", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'running'"), postgresql_where=sa.text("state = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    state: Mapped[str]
    missed: Mapped[int]
    started_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
    outcome: Mapped[str | None]
