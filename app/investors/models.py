"""What the platform knows of an investor: declarations, answers, acknowledgements, verification and its papers.

Names, figures and papers live here and can be erased when their retention ends (PPL-6): no other table
points at these rows. What is asked, and for how long an answer counts, is in ``rules``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK, public_id
from app.investors.rules import CATEGORIES, REFUSAL_REASONS


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


class Declaration(Base):
    """What a person said of an investor's category, income and net worth. The latest one counts; none is edited.

    Minor units of ``currency``. ``wording_hash`` is of the statement that was shown and confirmed.
    """

    __tablename__ = "investor_declaration"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint(_one_of("category", CATEGORIES), name="category_known"),
        sa.CheckConstraint("income_minor >= 0", name="income_not_negative"),
        sa.CheckConstraint("elsewhere_minor >= 0", name="elsewhere_not_negative"),
        sa.CheckConstraint("valid_until > declared_at", name="valid_for_a_while"),
        sa.Index("ix_investor_declaration_party_id_id", "party_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("dec"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    category: Mapped[str]
    income_minor: Mapped[int]
    net_worth_minor: Mapped[int]
    #: Put into companies on other platforms within the last twelve months: a yearly limit counts it (COM-9).
    elsewhere_minor: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str]
    #: Of net assets, put into high-risk investments in the past and meant for the next 12 months; by a restricted
    #: investor only, and None where that was not asked yet.
    invested_bp: Mapped[int | None]
    intends_bp: Mapped[int | None]
    wording_hash: Mapped[str] = mapped_column(sa.String(64))
    declared_at: Mapped[dt.datetime]
    valid_until: Mapped[dt.datetime]


class UnderstandingAttempt(Base):
    """One try at the questions: which set, what was answered (question → answer, as JSON), and the result.

    ``number`` counts a party's tries; its unique key lets one of two tabs through.
    """

    __tablename__ = "understanding_attempt"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("party_id", "number"),
        sa.CheckConstraint("number > 0", name="number_above_zero"),
        sa.CheckConstraint("right_count >= 0 AND right_count <= asked_count", name="right_among_asked"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("und"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    number: Mapped[int]
    set_version: Mapped[str]
    answers: Mapped[str]
    asked_count: Mapped[int]
    right_count: Mapped[int]
    passed: Mapped[bool]
    answered_at: Mapped[dt.datetime]


class Acknowledgement(Base):
    """A person confirmed a wording. ``about`` is the public id of what it was confirmed for; append-only.

    ``kind`` is what sort of wording it was: ``risk``, ``declaration``, or what a regime asks for.
    """

    __tablename__ = "acknowledgement"
    __table_args__ = (
        sa.UniqueConstraint("about", "kind"),
        sa.Index("ix_acknowledgement_party_id_id", "party_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    kind: Mapped[str]
    about: Mapped[str]
    wording_hash: Mapped[str] = mapped_column(sa.String(64))
    acknowledged_at: Mapped[dt.datetime]


class Verification(Base):
    """One check of who an investor is (PPL-3). A renewal is a new row beside the one still in force.

    ``due_at`` is when an operator must have decided; silence leaves it pending. ``legal_name``, ``country``
    (two letters) and ``born_on`` are as the person gave them and the check confirmed them.
    """

    __tablename__ = "verification"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('pending', 'verified', 'expired', 'refused')", name="state_known"),
        sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="pending_is_undecided"),
        sa.CheckConstraint(
            "(state IN ('verified', 'expired')) = (expires_at IS NOT NULL)", name="verified_until_a_date"
        ),
        sa.CheckConstraint(
            f"reason_code IS NULL OR {_one_of('reason_code', tuple(REFUSAL_REASONS))}", name="reason_known"
        ),
        sa.CheckConstraint("(state = 'refused') = (reason_code IS NOT NULL)", name="refused_for_a_reason"),
        sa.Index(
            "uq_verification_pending", "party_id", unique=True,
            sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index(
            "uq_verification_verified", "party_id", unique=True,
            sqlite_where=sa.text("state = 'verified'"), postgresql_where=sa.text("state = 'verified'"),
        ),
        sa.Index("ix_verification_state_due_at", "state", "due_at"),
        sa.Index("ix_verification_state_expires_at", "state", "expires_at"),
        sa.Index("ix_verification_party_id_id", "party_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("ver"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    state: Mapped[str]
    method: Mapped[str]
    legal_name: Mapped[str]
    country: Mapped[str] = mapped_column(sa.String(2))
    born_on: Mapped[dt.date | None]
    requested_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    reminded_at: Mapped[dt.datetime | None]
    decided_at: Mapped[dt.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    reason_code: Mapped[str | None]
    note: Mapped[str | None]
    expires_at: Mapped[dt.datetime | None]
    warned_at: Mapped[dt.datetime | None]


class IdentityDocument(Base):
    """A paper that was sent with a request; its bytes are in the blob store under ``sha256``."""

    __tablename__ = "identity_document"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("size_bytes > 0", name="not_empty"),
        sa.Index("ix_identity_document_party_id_id", "party_id", "id"),
        sa.Index("ix_identity_document_verification_id", "verification_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("idd"))
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("party.id"))
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("user_account.id"))
    #: None until the request that it belongs to is sent.
    verification_id: Mapped[int | None] = mapped_column(sa.ForeignKey("verification.id"))
    kind: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))
    size_bytes: Mapped[int]
    uploaded_at: Mapped[dt.datetime]
