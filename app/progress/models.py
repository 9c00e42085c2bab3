"""Submissions with their evidence, attestations, and releases."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Submission(Base):
    """The founder's claim that a milestone is met. Frozen when received (MIL-6).

    With ``is_retention`` it claims that what the retained part of a met milestone waits for has happened (MIL-11).
    """

    __tablename__ = "submission"
    __table_args__ = (
        sa.ForeignKeyConstraint(["milestone_id"], ["milestone.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("milestone_id", "number"),
        sa.CheckConstraint("status IN ('draft', 'discarded', 'received', 'decided')", name="status"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    milestone_id: Mapped[int]
    number: Mapped[int]
    status: Mapped[str]
    statement: Mapped[str]
    contract_hash: Mapped[str | None]
    manifest_hash: Mapped[str | None]
    created_by: Mapped[int]
    created_at: Mapped[dt.datetime]
    received_at: Mapped[dt.datetime | None]
    review_due_at: Mapped[dt.datetime | None]
    verdict: Mapped[str | None]
    verdict_detail: Mapped[str | None]
    decided_at: Mapped[dt.datetime | None]
    is_retention: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    #: How many panels' time limits there were (MIL-9): 1, and 1 more each time silent auditors were replaced.
    review_round: Mapped[int] = mapped_column(default=1, server_default="1")
    #: When the present round began, and how many reminders it had.
    round_since: Mapped[dt.datetime | None]
    reminders: Mapped[int] = mapped_column(default=0, server_default="0")


class Evidence(Base):
    """One file of a submission, content-addressed. Append-only: never changed, never deleted."""

    __tablename__ = "evidence"
    __table_args__ = (
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("submission_id", "ordinal"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    submission_id: Mapped[int]
    ordinal: Mapped[int]
    kind: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    uploaded_by: Mapped[int]
    uploaded_at: Mapped[dt.datetime]


class Attestation(Base):
    """One auditor's signed findings, bound to the contract's and the manifest's hash. Append-only."""

    __tablename__ = "attestation"
    __table_args__ = (
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("submission_id", "party_id"),
        sa.Index("ix_attestation_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    submission_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    findings: Mapped[str]
    contract_hash: Mapped[str]
    manifest_hash: Mapped[str]
    content_hash: Mapped[str]
    key_id: Mapped[str | None]
    algorithm: Mapped[str | None]
    signature: Mapped[str | None]
    signed_at: Mapped[dt.datetime]


class AttestationWithdrawal(Base):
    """An attestation taken back, or corrected in public after the release; with the reason. Append-only (MIL-15).

    ``withdrawn``: it counts no more, and the verdict was computed again. ``corrected``: money had left escrow on it.
    ``noted``: nothing depended on it any more.
    """

    __tablename__ = "attestation_withdrawal"
    __table_args__ = (
        sa.ForeignKeyConstraint(["attestation_id"], ["attestation.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("attestation_id"),
        sa.CheckConstraint("kind IN ('withdrawn', 'corrected', 'noted')", name="kind"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    attestation_id: Mapped[int]
    kind: Mapped[str]
    reason: Mapped[str]
    user_id: Mapped[int]
    withdrawn_at: Mapped[dt.datetime]


class Release(Base):
    """Money that left escrow for one milestone (``released``) or went back to investors (``returned``).

    ``key`` names the part, so that each part is released once (REL-1). Append-only.
    """

    __tablename__ = "release"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("key"),
        sa.UniqueConstraint("journal_id"),
        sa.CheckConstraint("kind IN ('released', 'returned')", name="kind"),
        sa.CheckConstraint("amount_minor > 0 AND fee_minor >= 0 AND fee_minor <= amount_minor", name="amounts"),
        sa.Index("ix_release_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    key: Mapped[str]
    kind: Mapped[str]
    offering_id: Mapped[int]
    milestone_id: Mapped[int | None]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int]
    tokens: Mapped[int]
    journal_id: Mapped[int]
    content_hash: Mapped[str]
    occurred_at: Mapped[dt.datetime]
