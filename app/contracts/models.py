"""Milestone contracts: the draft, its frozen versions, the milestones' state and their auditors."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Contract(Base):
    """A milestone contract. ``draft_document`` is JSON and counts until the first version is published."""

    __tablename__ = "contract"
    __table_args__ = (sa.UniqueConstraint("public_id"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    draft_document: Mapped[str]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class TermsVersion(Base):
    """Terms as published: the canonical document and its hash (MIL-3). Append-only (OFF-2)."""

    __tablename__ = "terms_version"
    __table_args__ = (
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("contract_id", "number"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    contract_id: Mapped[int]
    number: Mapped[int]
    document: Mapped[str]
    content_hash: Mapped[str]
    published_by: Mapped[int]
    published_at: Mapped[dt.datetime]


class Milestone(Base):
    """A milestone's progress. What was promised stands in the terms; this row holds what happened.

    ``ordinal`` 0 is the closing tranche. ``tranche_minor`` is set at close. ``long_stop_at`` is the agreed
    one plus ``tolled_seconds`` (reviews of this milestone), ``moved_seconds`` (reviews of those before
    it), ``halted_seconds`` (halts of the offering) and ``extended_seconds`` (extensions, its own and those of the
    ones before it); ``target_at`` moves with the latter three. ``deadline_at`` is the next instant at which silence
    has its effect in the present state (TIM-5).

    Of a tranche ``decided_minor`` was released by the engine, what is still carried included (COM-10),
    ``released_minor`` has left escrow for the company, ``returned_minor`` for the investors. ``share_pct`` is the share
    released on, ``verdict_pct`` that of a verdict that waits for its release, ``counted_minor`` and ``reporting_minor``
    are as in ``milestones.tranche`` (MIL-11). ``retained_until`` is when a retained or reporting part goes back,
    ``reporting_since`` from when a report releases what waits for one.
    """

    __tablename__ = "milestone"
    __table_args__ = (
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("contract_id", "ordinal"),
        sa.UniqueConstraint("contract_id", "key"),
        sa.CheckConstraint("released_minor >= 0 AND returned_minor >= 0", name="amounts_not_negative"),
        sa.CheckConstraint("tranche_minor IS NULL OR released_minor + returned_minor <= tranche_minor",
                           name="never_more_than_the_tranche"),
        sa.CheckConstraint("released_minor <= decided_minor", name="never_more_than_decided"),
        sa.CheckConstraint("tranche_minor IS NULL OR decided_minor + returned_minor + reporting_minor <= tranche_minor",
                           name="parts_within_the_tranche"),
        sa.CheckConstraint("parts BETWEEN 0 AND 2 AND share_pct BETWEEN 0 AND 100 AND verdict_pct BETWEEN 0 AND 100",
                           name="parts_in_range"),
        sa.Index("ix_milestone_state_deadline_at", "state", "deadline_at"),
        sa.Index("ix_milestone_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    contract_id: Mapped[int]
    offering_id: Mapped[int]
    ordinal: Mapped[int]
    key: Mapped[str]
    title: Mapped[str]
    tranche_bp: Mapped[int]
    state: Mapped[str]
    state_since: Mapped[dt.datetime]
    deadline_at: Mapped[dt.datetime | None]
    tranche_minor: Mapped[int | None]
    released_minor: Mapped[int] = mapped_column(default=0)
    returned_minor: Mapped[int] = mapped_column(default=0)
    target_at: Mapped[dt.datetime | None]
    long_stop_at: Mapped[dt.datetime | None]
    tolled_seconds: Mapped[int] = mapped_column(default=0)
    moved_seconds: Mapped[int] = mapped_column(default=0)
    halted_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    extended_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    tries_left: Mapped[int]
    share_pct: Mapped[int] = mapped_column(default=0, server_default="0")
    verdict_pct: Mapped[int] = mapped_column(default=0, server_default="0")
    parts: Mapped[int] = mapped_column(default=0, server_default="0")
    decided_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    counted_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    reporting_minor: Mapped[int] = mapped_column(default=0, server_default="0")
    retained_until: Mapped[dt.datetime | None]
    reporting_since: Mapped[dt.datetime | None]
    is_late: Mapped[bool] = mapped_column(default=False)
    #: When the grace after the target date was over too: a cause for investors to end the plan (WND-6).
    past_grace_at: Mapped[dt.datetime | None]
    #: When the investors were asked what its failure means, once (MIL-2).
    asked_at: Mapped[dt.datetime | None]
    suspended_reason: Mapped[str | None]
    suspended_by: Mapped[int | None]
    #: When the people concerned were told of the verdict that led to the present state: windows count from it.
    notified_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]


#: States in which a seat is held, and those in which it was given up and somebody else is asked.
SEATED = ("appointed", "accepted")
VACATED = ("declined", "lapsed", "recused", "struck", "replaced")


class Appointment(Base):
    """An auditor drawn for a milestone (by its key), and whether they consented (MIL-9).

    ``draw_id`` is the draw by lot that gave the seat. A seat that was given up (``VACATED``) ended at ``ended_at``;
    ``replaces_id`` of its successor names it. ``retry_at``: nobody could be asked, and then it is tried again.
    """

    __tablename__ = "appointment"
    __table_args__ = (
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("contract_id", "milestone_key", "party_id"),
        sa.CheckConstraint(
            "state IN ('appointed', 'accepted', 'declined', 'lapsed', 'recused', 'struck', 'replaced')",
            name="state",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (state IN ('appointed', 'accepted'))", name="ended"),
        sa.ForeignKeyConstraint(["replaces_id"], ["appointment.id"]),
        sa.Index("ix_appointment_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    contract_id: Mapped[int]
    milestone_key: Mapped[str]
    party_id: Mapped[int]
    appointed_by: Mapped[int]
    appointed_at: Mapped[dt.datetime]
    answer_by: Mapped[dt.datetime]
    state: Mapped[str]
    replaces_id: Mapped[int | None]
    answered_at: Mapped[dt.datetime | None]
    draw_id: Mapped[int | None]
    ended_at: Mapped[dt.datetime | None]
    retry_at: Mapped[dt.datetime | None]
