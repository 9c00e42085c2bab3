"""Issuers, their token classes and their offerings."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Issuer(Base):
    """A company that raises money. ``payee_ref`` is where its payouts go, at its rail (MIL-12)."""

    __tablename__ = "issuer"
    __table_args__ = (
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    party_id: Mapped[int]
    name: Mapped[str]
    place: Mapped[str]
    description: Mapped[str]
    payee_ref: Mapped[str]
    payee_changed_at: Mapped[dt.datetime]
    created_by: Mapped[int]
    created_at: Mapped[dt.datetime]


class TokenClass(Base):
    """A class of tokenized equity. ``code`` names its asset in the ledger: ``CODE/0``."""

    __tablename__ = "token_class"
    __table_args__ = (
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("code"),
        sa.CheckConstraint("authorised_tokens > 0", name="authorised_above_zero"),
        sa.CheckConstraint("existing_tokens >= 0", name="existing_not_negative"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    issuer_id: Mapped[int]
    code: Mapped[str]
    name: Mapped[str]
    rights: Mapped[str]
    authorised_tokens: Mapped[int]
    #: Equity of the company outside this class, in tokens of equal weight: the cap table's other holders.
    existing_tokens: Mapped[int]
    created_at: Mapped[dt.datetime]

    @property
    def asset(self) -> str:
        return f"{self.code}/0"


class Offering(Base):
    """One raise. Amounts in minor units of ``currency``, the price in millionths of its major unit.

    ``committed_minor`` counts every commitment that holds a place, ``offered_minor`` the room that the waiting list
    was offered; the database keeps both together at or below ``accept_up_to_minor``, so that two people cannot both
    take the last place (OFF-5, COM-7). That is the maximum, or what is accepted at most where paid money is cut to
    the maximum at the close (``allotment`` ``pro_rata``, OFF-7). ``unpaid_minor`` counts the places that are not
    paid, offered ones among them, without those that must be paid at once (COM-13).
    """

    __tablename__ = "offering"
    __table_args__ = (
        sa.ForeignKeyConstraint(["issuer_id"], ["issuer.id"]),
        sa.ForeignKeyConstraint(["token_class_id"], ["token_class.id"]),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"]),
        sa.ForeignKeyConstraint(["terms_version_id"], ["terms_version.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("slug"),
        sa.UniqueConstraint("contract_id"),
        sa.CheckConstraint("committed_minor >= 0 AND offered_minor >= 0 "
                           "AND committed_minor + offered_minor <= accept_up_to_minor", name="hard_stop"),
        sa.CheckConstraint("accept_up_to_minor >= maximum_minor "
                           "AND (allotment = 'pro_rata' OR accept_up_to_minor = maximum_minor)", name="accepts_up_to"),
        sa.CheckConstraint("allotment IN ('first_come', 'pro_rata')", name="allotment"),
        # COM-13: places that nobody has paid hold a fifth of the maximum at most.
        sa.CheckConstraint("unpaid_minor >= 0 AND unpaid_minor <= maximum_minor / 5", name="unpaid_places"),
        sa.CheckConstraint("minimum_minor > 0 AND minimum_minor <= target_minor AND target_minor <= maximum_minor",
                           name="amounts_in_order"),
        sa.CheckConstraint("price_micro > 0", name="price_above_zero"),
        sa.CheckConstraint("minimum_ticket_minor > 0", name="ticket_above_zero"),
        sa.CheckConstraint("fee_bp >= 0 AND fee_bp <= 2000", name="fee"),
        sa.CheckConstraint("holding IN ('escrow_agent', 'issuer_account')", name="holding"),
        sa.CheckConstraint("submitted_by IS NULL OR approved_by IS NULL OR submitted_by <> approved_by",
                           name="four_eyes"),
        sa.Index("ix_offering_state_deadline_at", "state", "deadline_at"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    slug: Mapped[str]
    issuer_id: Mapped[int]
    token_class_id: Mapped[int]
    contract_id: Mapped[int]
    terms_version_id: Mapped[int | None]
    name: Mapped[str]
    pitch: Mapped[str]
    story: Mapped[str]
    risks: Mapped[str]
    sector: Mapped[str]
    rail: Mapped[str]
    #: Whose figures judge the raise (``app.regimes``), and in whose name its money stands after the close (OFF-14).
    regime: Mapped[str] = mapped_column(default="private", server_default="private")
    holding: Mapped[str] = mapped_column(default="escrow_agent", server_default="escrow_agent")
    currency: Mapped[str]
    price_micro: Mapped[int]
    minimum_minor: Mapped[int]
    target_minor: Mapped[int]
    maximum_minor: Mapped[int]
    minimum_ticket_minor: Mapped[int]
    fee_bp: Mapped[int]
    zone: Mapped[str]
    calendar: Mapped[str]
    deadline_at: Mapped[dt.datetime]
    cancel_until: Mapped[dt.datetime]
    #: The contract's long-stop plus the time that reviews took in a sequential contract (MIL-14).
    long_stop_at: Mapped[dt.datetime]
    state: Mapped[str]
    state_since: Mapped[dt.datetime]
    #: The next instant at which silence has its effect in the present state (TIM-5).
    step_due_at: Mapped[dt.datetime | None]
    #: The number of the version that people commit to now; 0 before the launch (OFF-2, OFF-8).
    version_number: Mapped[int] = mapped_column(default=0)
    #: Use of proceeds, officers, litigation, insolvency, financial statements: JSON, part of every version.
    disclosures: Mapped[str] = mapped_column(default="{}", server_default="{}")
    #: From when the minimum days open count: the launch, or the last version before the first commitment (OFF-2).
    open_since: Mapped[dt.datetime | None]
    committed_minor: Mapped[int] = mapped_column(default=0)
    commitment_count: Mapped[int] = mapped_column(default=0)
    #: How places are divided when more is wanted than there is; fixed before launch.
    allotment: Mapped[str] = mapped_column(default="first_come")
    accept_up_to_minor: Mapped[int]
    offered_minor: Mapped[int] = mapped_column(default=0)
    unpaid_minor: Mapped[int] = mapped_column(default=0)
    submitted_by: Mapped[int | None]
    approved_by: Mapped[int | None]
    launched_at: Mapped[dt.datetime | None]
    closed_at: Mapped[dt.datetime | None]
    proceeds_minor: Mapped[int | None]
    end_trigger: Mapped[str | None]
    end_reason: Mapped[str | None]
    ended_at: Mapped[dt.datetime | None]
    #: Cleared arm's-length money at the close: what the minimum was tested on (COM-11, OFF-12).
    counted_minor: Mapped[int | None]
    #: Who of the company signed that no commitment was funded, lent or promised back by it (COM-11).
    funding_stated_by: Mapped[int | None]
    funding_stated_at: Mapped[dt.datetime | None]
    #: Set when releases must not run, with the reason a person reads; None otherwise.
    releases_stopped: Mapped[str | None]
    #: While an operator halts the offering its own clock stands still at this instant (OFF-13), ``halts.clock``.
    halted_since: Mapped[dt.datetime | None]
    #: By how much the halts that are over moved its dates.
    halted_seconds: Mapped[int] = mapped_column(default=0, server_default="0")
    #: When the deadline moved because much was cancelled at the last moment: once (OFF-12).
    extended_at: Mapped[dt.datetime | None]
    changes_asked: Mapped[str | None]
    created_by: Mapped[int]
    created_at: Mapped[dt.datetime]

    @property
    def free_minor(self) -> int:
        """The room that is neither taken nor offered to somebody on the waiting list, minor units."""
        return self.accept_up_to_minor - self.committed_minor - self.offered_minor

    @property
    def unpaid_at_most_minor(self) -> int:
        """What unpaid places hold together at most (COM-13), as the CHECK has it."""
        return self.maximum_minor // 5
