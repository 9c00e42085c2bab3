"""Versions of an offering, changes proposed to it, and what the founder tells while it runs (OFF-2, OFF-8)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class OfferingVersion(Base):
    """An offering as it was published: figures, rights, texts, disclosures and contract with one hash.

    Append-only. ``document`` is the canonical text of ``milestones.offer``'s form; ``price_micro`` repeats its
    price for queries. What investors commit to is one of these (COM-2).
    """

    __tablename__ = "offering_version"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["terms_version_id"], ["terms_version.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    document: Mapped[str]
    content_hash: Mapped[str]
    price_micro: Mapped[int]
    terms_version_id: Mapped[int]
    published_by: Mapped[int]
    published_at: Mapped[dt.datetime]


class OfferingUpdate(Base):
    """What a founder tells everybody. It is never edited; a material one becomes part of the next version."""

    __tablename__ = "offering_update"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
        sa.CheckConstraint("kind IN ('progress', 'money', 'material')", name="kind"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    kind: Mapped[str]
    title: Mapped[str]
    text: Mapped[str]
    posted_by: Mapped[int]
    posted_at: Mapped[dt.datetime]


class UpdateFlag(Base):
    """An investor's word that an update is material, with the reason (OFF-8)."""

    __tablename__ = "update_flag"
    __table_args__ = (
        sa.ForeignKeyConstraint(["update_id"], ["offering_update.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("update_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    update_id: Mapped[int]
    party_id: Mapped[int]
    reason: Mapped[str]
    flagged_by: Mapped[int]
    flagged_at: Mapped[dt.datetime]


class OfferingChange(Base):
    """A change of a live offering from its proposal to what became of it (OFF-8).

    ``patch`` is JSON: only what differs from version ``base_number``. ``by_table`` is what the table of
    ``milestones.offer`` says; ``is_material`` what was decided, by a person or, where ``decided_by`` is null, by
    silence. ``decide_by`` is when silence has its effect.
    """

    __tablename__ = "offering_change"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["update_id"], ["offering_update.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "number"),
        sa.UniqueConstraint("offering_id", "version_number"),
        sa.UniqueConstraint("update_id"),
        sa.CheckConstraint("state IN ('proposed', 'effective', 'declined', 'taken_back', 'ended_offering')",
                           name="state"),
        sa.CheckConstraint("kind IN ('terms', 'update')", name="kind"),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> proposed_by", name="four_eyes"),
        sa.CheckConstraint("NOT (by_table AND is_material IS NOT NULL AND NOT is_material)", name="never_taken_away"),
        # Two changes at once: one is proposed, the other is told.
        sa.Index(
            "uq_offering_change_open", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'proposed' AND kind = 'terms'"),
            postgresql_where=sa.text("state = 'proposed' AND kind = 'terms'"),
        ),
        sa.Index("ix_offering_change_state_decide_by", "state", "decide_by"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    number: Mapped[int]
    kind: Mapped[str]
    update_id: Mapped[int | None]
    state: Mapped[str]
    base_number: Mapped[int]
    patch: Mapped[str]
    reason: Mapped[str]
    by_table: Mapped[bool]
    proposed_by: Mapped[int]
    proposed_at: Mapped[dt.datetime]
    decide_by: Mapped[dt.datetime]
    is_material: Mapped[bool | None]
    decided_by: Mapped[int | None]
    decided_at: Mapped[dt.datetime | None]
    decision_reason: Mapped[str | None]
    version_number: Mapped[int | None]
    escalated_at: Mapped[dt.datetime | None]
