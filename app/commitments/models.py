"""Commitments, the escrow statement that says where their money is, and what is owed back."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK

#: Statuses in which a commitment holds a place under the maximum.
HOLDS_PLACE = ("awaiting_payment", "underpaid", "clearing", "payment_failed", "held")
#: Those in which its money is not there yet.
UNPAID = ("awaiting_payment", "underpaid", "clearing", "payment_failed")


class Commitment(Base):
    """An investor's binding order. ``status`` holds its own facts only.

    What follows from the offering's state and the statement (allotted, fulfilled, refunding …) is
    derived by ``queries.status_of``, so that a close or a wind-down need not rewrite N rows.
    ``ordinal`` is the order in the offering and breaks ties (REL-2). ``is_linked`` follows from the links of
    ``commitment_link`` that stand (COM-11). ``seasons_at`` is when its held money can no longer be taken back
    (COM-10), None while nothing is held. ``is_contested`` says that its bank took its payment back and a person decides
    what follows: it counts as cleared nowhere meanwhile (OFF-12, WND-4).
    ``disputed_minor`` is what of it is under open disputes at the rail (WND-4).
    """

    __tablename__ = "commitment"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.ForeignKeyConstraint(["terms_version_id"], ["terms_version.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "ordinal"),
        sa.CheckConstraint("tokens > 0 AND amount_minor > 0", name="above_zero"),
        sa.CheckConstraint(
            "status IN ('awaiting_payment', 'underpaid', 'clearing', 'payment_failed', 'held', 'expired', "
            "'cancelled', 'reversed', 'lapsed')",
            name="status",
        ),
        sa.Index("ix_commitment_party_id_id", "party_id", "id"),
        sa.Index("ix_commitment_status_pay_by", "status", "pay_by"),
        # COM-13: one unpaid commitment per investor and offering.
        sa.Index(
            "uq_commitment_unpaid", "offering_id", "party_id", unique=True,
            sqlite_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
            postgresql_where=sa.text("status IN ('awaiting_payment', 'underpaid', 'payment_failed')"),
        ),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    ordinal: Mapped[int]
    tokens: Mapped[int]
    amount_minor: Mapped[int]
    price_micro: Mapped[int]
    terms_version_id: Mapped[int]
    #: The offering's version it is bound to: the one it was made under, or reconfirmed last (COM-2, OFF-8).
    version_number: Mapped[int]
    wording_hash: Mapped[str]
    status: Mapped[str]
    status_since: Mapped[dt.datetime]
    pay_by: Mapped[dt.datetime]
    is_linked: Mapped[bool] = mapped_column(default=False)
    is_contested: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    seasons_at: Mapped[dt.datetime | None]
    disputed_minor: Mapped[int] = mapped_column(server_default="0", default=0)
    created_at: Mapped[dt.datetime]


class EscrowStatement(Base):
    """One movement of one commitment's money or entitlement, with the running figures after it.

    ``amount_minor`` raises (paid) or lowers (released, returned, refunded) the unreleased money.
    Append-only; the last row of a commitment is its position. Σ unreleased = ``escrow:{offering}``,
    Σ (entitled − issued) = ``reserved:{offering}`` once closed.
    """

    __tablename__ = "escrow_statement"
    __table_args__ = (
        sa.UniqueConstraint("commitment_id", "seq"),
        sa.CheckConstraint("unreleased_after_minor >= 0 AND released_after_minor >= 0", name="money_not_negative"),
        sa.CheckConstraint("issued_after_tokens >= 0 AND issued_after_tokens <= entitled_after_tokens",
                           name="never_above_the_entitlement"),
        sa.Index("ix_escrow_statement_offering_id_commitment_id", "offering_id", "commitment_id", "seq"),
        sa.Index("ix_escrow_statement_journal_id", "journal_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    party_id: Mapped[int]
    ordinal: Mapped[int]
    seq: Mapped[int]
    kind: Mapped[str]
    amount_minor: Mapped[int]
    tokens_issued: Mapped[int]
    unreleased_after_minor: Mapped[int]
    released_after_minor: Mapped[int]
    issued_after_tokens: Mapped[int]
    entitled_after_tokens: Mapped[int]
    milestone_id: Mapped[int | None]
    journal_id: Mapped[int]
    occurred_at: Mapped[dt.datetime]


class Refund(Base):
    """Money owed back to one investor, and how far its way back is.

    Σ of those not done = ``refunds:{offering}`` + ``unclaimed:{offering}``. ``due_at`` is when it must
    have left (OFF-9: five business days). It goes back to the payment it came from: ``source_id`` names that
    payment's operation where only one can be meant. One that came from several is sent in ``part``s, one for each.
    """

    __tablename__ = "refund"
    __table_args__ = (
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("journal_id", "commitment_id", "part"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("part > 0", name="part_above_zero"),
        sa.CheckConstraint("status IN ('open', 'sending', 'done', 'failed', 'unclaimed')", name="status"),
        sa.Index("ix_refund_commitment_id", "commitment_id"),
        sa.Index("ix_refund_offering_id_status", "offering_id", "status"),
        sa.Index("ix_refund_open", "id", sqlite_where=sa.text("status = 'open'"),
                 postgresql_where=sa.text("status = 'open'")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    party_id: Mapped[int]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str]
    failures: Mapped[int]
    journal_id: Mapped[int]
    part: Mapped[int] = mapped_column(default=1)
    source_id: Mapped[int | None]
    created_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    done_at: Mapped[dt.datetime | None]


class LinkFact(Base):
    """Something that two parties can have in common, as a keyed hash that nobody can turn back (PPL-6, COM-11).

    ``kind`` is one of ``rules.LINK_WORDS``; ``mark`` the HMAC of the value under this deployment's secret.
    """

    __tablename__ = "link_fact"
    __table_args__ = (
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("party_id", "kind", "mark"),
        sa.Index("ix_link_fact_kind_mark", "kind", "mark"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    party_id: Mapped[int]
    kind: Mapped[str]
    mark: Mapped[str]
    noted_at: Mapped[dt.datetime]


class CommitmentLink(Base):
    """Why a commitment is linked: what its investor has in common with ``other_party_id`` (COM-11).

    ``stands`` until contested and lifted by an operator; an operator who does not decide by ``decide_by`` leaves it
    standing. The investor's words live here, not in the log.
    """

    __tablename__ = "commitment_link"
    __table_args__ = (
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.ForeignKeyConstraint(["other_party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("commitment_id", "other_party_id", "kind"),
        sa.CheckConstraint("status IN ('stands', 'contested', 'upheld', 'lifted')", name="status"),
        sa.CheckConstraint("(status = 'contested') <= (decide_by IS NOT NULL)", name="contested_has_deadline"),
        sa.Index("ix_commitment_link_status_decide_by", "status", "decide_by"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    commitment_id: Mapped[int]
    other_party_id: Mapped[int]
    is_issuer: Mapped[bool]
    kind: Mapped[str]
    status: Mapped[str]
    found_at: Mapped[dt.datetime]
    contest_words: Mapped[str | None]
    decide_by: Mapped[dt.datetime | None]
    decided_at: Mapped[dt.datetime | None]


class CarriedShare(Base):
    """An investor's share of a released tranche whose payment can still be taken back (COM-10).

    It stays in escrow, out of every later division, and is released when it seasons (``releases_at``, a midnight, so
    that what seasons on one day moves together) or a funded reserve covers it. A payment taken back voids it; one that
    is disputed only until the dispute is won: ``voided_by`` is the journal that set it apart.
    ``part`` tells the releases of one milestone apart, each of which was divided on its own (MIL-11).
    """

    __tablename__ = "carried_share"
    __table_args__ = (
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.UniqueConstraint("milestone_id", "part", "commitment_id"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("status IN ('carried', 'released', 'void')", name="status"),
        sa.CheckConstraint("(status = 'released') = (journal_id IS NOT NULL)", name="released_by_a_journal"),
        sa.Index("ix_carried_share_offering_id_status", "offering_id", "status"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    offering_id: Mapped[int]
    milestone_id: Mapped[int]
    commitment_id: Mapped[int]
    amount_minor: Mapped[int]
    releases_at: Mapped[dt.datetime]
    status: Mapped[str]
    journal_id: Mapped[int | None]
    voided_by: Mapped[int | None]
    carried_at: Mapped[dt.datetime]
    part: Mapped[int] = mapped_column(default=1, server_default="1")
