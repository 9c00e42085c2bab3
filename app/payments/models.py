"""Operations at payment rails, what they effected, what the rails reported, and payouts."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK
from app.payments.rules import UNDECIDED

__all__ = ["UNDECIDED", "Operation", "OperationEffect", "PayerReport", "Payout", "RailCursor", "RailEvent", "Receipt"]

_OPEN = "state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"
_COLLECTING = f"kind = 'collect' AND {_OPEN}"
_REFUNDING = f"kind = 'refund' AND {_OPEN}"
_PAYING = f"kind = 'payout' AND {_OPEN}"
_CREDIT = "kind = 'credit'"
_WAITING = "state IN ('created', 'unknown', 'action_required', 'needs_operator')"


class Operation(Base):
    """One intended movement of money outside: intend, call, record (docs/architecture.md).

    ``request`` is frozen when it is first sent and sent again byte for byte within an epoch.
    ``lease_until`` and ``fence`` keep two workers off one operation. ``method`` is the payer's choice, or
    the payee of a payout; ``source_id`` the payment that a refund gives back. A ``credit`` is money that came by itself
    under the reference of a collection, which is its ``source_id``. ``changed_at`` is the
    business time of the last thing that happened to it, or when the rail was last asked without news;
    ``next_at`` is the system time of the next attempt, ``unknown_since`` of when its answer was lost. While
    fewer events were applied than heard, its object at the rail is fetched again.
    """

    __tablename__ = "operation"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("kind IN ('collect', 'credit', 'refund', 'payout')", name="kind"),
        sa.CheckConstraint(
            "state IN ('created', 'sending', 'unknown', 'pending', 'action_required', 'succeeded', 'failed', "
            "'cancelled', 'needs_operator')",
            name="state",
        ),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint(
            "(kind = 'collect' AND commitment_id IS NOT NULL) OR "
            "(kind = 'credit' AND commitment_id IS NOT NULL AND source_id IS NOT NULL AND provider_ref IS NOT NULL) OR "
            "(kind = 'refund' AND refund_id IS NOT NULL AND source_id IS NOT NULL) OR "
            "(kind = 'payout' AND payout_id IS NOT NULL)",
            name="has_its_subject",
        ),
        sa.ForeignKeyConstraint(["source_id"], ["operation.id"]),
        # COM-8: at most one collection under way per commitment, whatever the number of tabs.
        sa.Index("uq_operation_collecting", "commitment_id", unique=True,
                 sqlite_where=sa.text(_COLLECTING), postgresql_where=sa.text(_COLLECTING)),
        # What came under a reference is taken in once, however often the rail tells of it.
        sa.Index("uq_operation_credit", "rail", "provider_ref", unique=True,
                 sqlite_where=sa.text(_CREDIT), postgresql_where=sa.text(_CREDIT)),
        # One way back, one way out at a time.
        sa.Index("uq_operation_refunding", "refund_id", unique=True,
                 sqlite_where=sa.text(_REFUNDING), postgresql_where=sa.text(_REFUNDING)),
        sa.Index("uq_operation_paying", "payout_id", unique=True,
                 sqlite_where=sa.text(_PAYING), postgresql_where=sa.text(_PAYING)),
        sa.Index("ix_operation_offering_id_state", "offering_id", "state"),
        sa.Index("ix_operation_rail", "rail"),
        sa.Index("ix_operation_source_id", "source_id"),
        sa.Index("ix_operation_waiting", "state", "kind",
                 sqlite_where=sa.text(_WAITING), postgresql_where=sa.text(_WAITING)),
        sa.Index("ix_operation_under_way", "changed_at",
                 sqlite_where=sa.text("state IN ('pending', 'action_required')"),
                 postgresql_where=sa.text("state IN ('pending', 'action_required')")),
        sa.Index("ix_operation_unheard", "id", sqlite_where=sa.text("events_applied < events_heard"),
                 postgresql_where=sa.text("events_applied < events_heard")),
        sa.Index("ix_operation_commitment_id", "commitment_id"),
        sa.Index("ix_operation_refund_id", "refund_id"),
        sa.Index("ix_operation_payout_id", "payout_id"),
        sa.Index("ix_operation_due", "next_at",
                 sqlite_where=sa.text("state IN ('created', 'sending', 'unknown')"),
                 postgresql_where=sa.text("state IN ('created', 'sending', 'unknown')")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    kind: Mapped[str]
    rail: Mapped[str]
    offering_id: Mapped[int]
    commitment_id: Mapped[int | None]
    refund_id: Mapped[int | None]
    payout_id: Mapped[int | None]
    source_id: Mapped[int | None]
    amount_minor: Mapped[int]
    asset: Mapped[str]
    method: Mapped[str]
    state: Mapped[str]
    state_since: Mapped[dt.datetime]
    epoch: Mapped[int]
    request: Mapped[str | None]
    provider_ref: Mapped[str | None]
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    instructions: Mapped[str | None]
    attempts: Mapped[int]
    next_at: Mapped[dt.datetime]
    unknown_since: Mapped[dt.datetime | None]
    lease_until: Mapped[dt.datetime | None]
    fence: Mapped[int]
    epoch_sent_at: Mapped[dt.datetime | None]
    events_heard: Mapped[int] = mapped_column(default=0)
    events_applied: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]


class OperationEffect(Base):
    """What an operation did to the books, once per (operation, effect). Append-only."""

    __tablename__ = "operation_effect"
    __table_args__ = (
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"]),
        sa.UniqueConstraint("operation_id", "effect"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    operation_id: Mapped[int]
    effect: Mapped[str]
    amount_minor: Mapped[int]
    fee_minor: Mapped[int]
    journal_id: Mapped[int | None]
    occurred_at: Mapped[dt.datetime]


class RailEvent(Base):
    """A notification as it came, stored before anything else looks at it. Append-only."""

    __tablename__ = "rail_event"
    __table_args__ = (sa.UniqueConstraint("rail", "event_id"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    rail: Mapped[str]
    event_id: Mapped[str]
    body: Mapped[str]
    received_at: Mapped[dt.datetime]


class RailCursor(Base):
    """How far a rail's events have been polled. ``id`` is the rail's number in ``rules.RAIL_NUMBERS``.

    ``polled_at`` is business time, ``retry_at`` (after a poll that failed) system time.
    """

    __tablename__ = "rail_cursor"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    cursor: Mapped[int]
    failures: Mapped[int]
    polled_at: Mapped[dt.datetime]
    retry_at: Mapped[dt.datetime | None]
    last_error: Mapped[str | None]


class Receipt(Base):
    """Money received that is no held commitment's, until it is part of one or on its way back (COM-4, COM-5, COM-12).

    ``waiting``: a part, the rest may follow until the time to pay is over. ``doubted``: an operator says by
    ``decide_by`` whose account it came from. ``open``: goes back for ``reason``. ``applied``: became
    escrow with others. Σ of those waiting, doubted and open = ``unapplied:{rail}:{offering}``.
    """

    __tablename__ = "receipt"
    __table_args__ = (
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("operation_id"),
        sa.CheckConstraint("status IN ('waiting', 'doubted', 'open', 'applied', 'returned')", name="status"),
        sa.CheckConstraint("(status = 'doubted') <= (decide_by IS NOT NULL)", name="doubt_has_deadline"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.Index("ix_receipt_offering_id_status", "offering_id", "status"),
        sa.Index("ix_receipt_commitment_id", "commitment_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    commitment_id: Mapped[int]
    operation_id: Mapped[int]
    amount_minor: Mapped[int]
    reason: Mapped[str]
    status: Mapped[str]
    decide_by: Mapped[dt.datetime | None]
    created_at: Mapped[dt.datetime]


class PayerReport(Base):
    """What a rail told of who paid: the name as it came, erasable, and how it compares with the investor's (COM-12)."""

    __tablename__ = "payer_report"
    __table_args__ = (
        sa.ForeignKeyConstraint(["operation_id"], ["operation.id"]),
        sa.UniqueConstraint("operation_id"),
        sa.CheckConstraint("result IN ('same', 'unclear', 'other', 'not_told')", name="result"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    operation_id: Mapped[int]
    name: Mapped[str | None]
    result: Mapped[str]
    reported_at: Mapped[dt.datetime]


class Payout(Base):
    """Released money on its way to the issuer. Follows a release, with states of its own (REL-5).

    ``set_off_minor`` of it is not sent, because released money was taken back (WND-4); ``set_off`` is one of which
    nothing is left to send. One without a release gives back what was set off for a dispute that was won after all.
    """

    __tablename__ = "payout"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("release_id"),
        sa.UniqueConstraint("reversal_id"),
        sa.CheckConstraint("amount_minor > 0", name="above_zero"),
        sa.CheckConstraint("status IN ('waiting', 'reserved', 'sending', 'paid', 'set_off')", name="status"),
        sa.CheckConstraint("set_off_minor >= 0 AND set_off_minor <= amount_minor", name="set_off_within"),
        sa.CheckConstraint("(status = 'set_off') = (set_off_minor = amount_minor)", name="set_off_whole"),
        sa.CheckConstraint("(release_id IS NULL) <> (reversal_id IS NULL)", name="has_one_cause"),
        sa.Index("ix_payout_offering_id_status", "offering_id", "status"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    issuer_id: Mapped[int]
    release_id: Mapped[int | None]
    reversal_id: Mapped[int | None]
    amount_minor: Mapped[int]
    set_off_minor: Mapped[int] = mapped_column(server_default="0", default=0)
    status: Mapped[str]
    waits_for: Mapped[str | None]
    #: Who has to act while it waits, by when, and when they were found not to have (states.md).
    waits_on: Mapped[str | None]
    act_by: Mapped[dt.datetime | None]
    overdue_at: Mapped[dt.datetime | None]
    failures: Mapped[int]
    next_at: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]
    paid_at: Mapped[dt.datetime | None]

    @property
    def due_minor(self) -> int:
        """What is to be sent of it."""
        return self.amount_minor - self.set_off_minor
