"""Read the platform's health: books, rails, what is overdue or stuck, and what comes due next.

A constant number of queries whatever the number of offerings. Nothing here writes; the full check of the books
is ``app.selfcheck``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Party
from app.commitments.models import UNPAID, Commitment, EscrowStatement, Refund
from app.complaints.models import Complaint
from app.contracts.models import Appointment, Milestone
from app.investors.models import Verification
from app.ledger import chart
from app.ledger import queries as ledger
from app.ledger.models import LedgerAccount
from app.ledger.queries import JournalView
from app.offerings import halts, undecided
from app.offerings.change_models import OfferingChange
from app.offerings.models import Issuer, Offering
from app.outbox.models import JobFailure, OutboxMessage
from app.payments import queries as payments
from app.payments.models import Operation, Receipt
from app.payments.sandbox_models import SandboxLine
from app.progress.halt_models import Halt
from app.progress.order_models import WindDownOrder
from milestones import states

RUNNING = ("active", "winding_down")
#: States of a milestone in which somebody other than the milestone before it must act.
MOVING = ("open", "submitted", "challengeable", "suspended", "disputed", "appealable", "deciding",
          "approved")


@dataclass(frozen=True, slots=True)
class AssetSum:
    """What debit and credit accounts of one asset hold in all; equal when the books balance."""

    asset: str
    debit: int
    credit: int

    @property
    def balances(self) -> bool:
        return self.debit == self.credit


def asset_sums(session: Session) -> list[AssetSum]:
    """Return, for each asset, the sums of the accounts' counters by their normal side."""
    found: dict[str, dict[str, int]] = {}
    rows = session.execute(
        sa.select(LedgerAccount.asset, LedgerAccount.side, sa.func.sum(LedgerAccount.balance))
        .group_by(LedgerAccount.asset, LedgerAccount.side)
        .order_by(LedgerAccount.asset)
    )
    for asset, side, total in rows:
        found.setdefault(asset, {})[side] = int(total)
    return [AssetSum(asset, sums.get(chart.DEBIT, 0), sums.get(chart.CREDIT, 0)) for asset, sums in found.items()]


@dataclass(frozen=True, slots=True)
class RailRow:
    """An offering's cash in our books beside the rail's statement, without our own transfers. Minor units."""

    offering: Offering
    ledger_minor: int
    rail_minor: int

    @property
    def matches(self) -> bool:
        return self.ledger_minor == self.rail_minor


def rail_rows(session: Session) -> list[RailRow]:
    """Compare every launched offering's cash with the sandbox's statement lines, in three queries."""
    offerings = session.scalars(
        sa.select(Offering).where(Offering.launched_at.is_not(None)).order_by(Offering.id)
    ).all()
    moves = ledger.moves_by_kind(session, "cash", [offering.id for offering in offerings])
    lines = {
        (row.offering_ref, row.asset): int(row.total)
        for row in session.execute(
            sa.select(SandboxLine.offering_ref, SandboxLine.asset, sa.func.sum(SandboxLine.amount_minor).label("total"))
            .group_by(SandboxLine.offering_ref, SandboxLine.asset)
        )
    }
    return [
        RailRow(
            offering,
            sum(moved for kind, moved in moves[offering.id].items() if kind not in payments.OWN_TRANSFERS),
            lines.get((offering.public_id, offering.currency), 0),
        )
        for offering in offerings
    ]


@dataclass(frozen=True, slots=True)
class Overdue:
    """How many things of one kind are past their date, and the oldest date."""

    kind: str
    count: int
    oldest_at: dt.datetime | None


def overdue(session: Session, now: dt.datetime) -> list[Overdue]:
    """Return what should have happened already, by kind; kinds without any are left out.

    The dates of a halted offering are not past: its clock stands still (OFF-13).
    """
    ended = states.TERMINAL["offering"]
    clock_runs = sa.select(Offering.id).where(halts.is_running())
    looks = {
        "offering": (Offering, Offering.step_due_at, sa.and_(
            Offering.state.not_in(ended), halts.is_running(),
            sa.not_(sa.and_(Offering.state == "live", undecided.waits())))),
        "milestone": (
            Milestone, Milestone.deadline_at,
            sa.and_(Milestone.state.in_(MOVING),
                    Milestone.offering_id.in_(clock_runs.where(Offering.state.in_(RUNNING)))),
        ),
        "appointment": (Appointment, Appointment.answer_by, Appointment.state == "appointed"),
        "commitment": (
            Commitment, Commitment.pay_by,
            sa.and_(Commitment.status.in_(["awaiting_payment", "payment_failed"]),
                    Commitment.offering_id.in_(clock_runs)),
        ),
        "halt": (Halt, Halt.ends_at, Halt.state == "open"),
        "wind_down_order": (WindDownOrder, WindDownOrder.decide_by, WindDownOrder.state == "proposed"),
        "change": (OfferingChange, OfferingChange.decide_by, sa.and_(
            OfferingChange.state == "proposed", OfferingChange.offering_id.in_(clock_runs))),
        "verification": (Verification, Verification.due_at, Verification.state == "pending"),
        "complaint": (Complaint, Complaint.due_at, Complaint.state.in_(["received", "in_review"])),
        "refund": (Refund, Refund.due_at, Refund.status.in_(["open", "sending", "unclaimed"])),
    }
    found = []
    for kind, (model, due_at, where) in looks.items():
        count, oldest = session.execute(
            sa.select(sa.func.count(), sa.func.min(due_at)).select_from(model).where(where, due_at < now)
        ).one()
        if count:
            found.append(Overdue(kind, count, oldest))
    return found


def proposed_changes(session: Session) -> list[tuple[OfferingChange, Offering]]:
    """Return the changes of open offerings that an operator must decide about, the most urgent first (OFF-8)."""
    query = (
        sa.select(OfferingChange, Offering)
        .join(Offering, Offering.id == OfferingChange.offering_id)
        .where(OfferingChange.state == "proposed")
        .order_by(OfferingChange.decide_by, OfferingChange.id)
        .limit(100)
    )
    return [(change, offering) for change, offering in session.execute(query)]


def halted(session: Session) -> list[tuple[Halt, Offering]]:
    """Return the halts that run with their offerings, the one that ends first first."""
    query = (
        sa.select(Halt, Offering)
        .join(Offering, Offering.id == Halt.offering_id)
        .where(Halt.ended_at.is_(None))
        .order_by(Halt.ends_at, Halt.id)
        .limit(100)
    )
    return [(halt, offering) for halt, offering in session.execute(query)]


@dataclass(frozen=True, slots=True)
class Stuck:
    """Jobs that failed and messages that could not be handled, quarantined first."""

    jobs: Sequence[JobFailure]
    messages: Sequence[OutboxMessage]

    @property
    def quarantined(self) -> int:
        return sum(row.quarantined_at is not None for row in (*self.jobs, *self.messages))


def stuck_work(session: Session, *, limit: int = 100) -> Stuck:
    """Return what the worker failed at and has not done yet, what waits for a person first."""
    jobs = session.scalars(
        sa.select(JobFailure).order_by(JobFailure.quarantined_at.is_(None), JobFailure.id).limit(limit)
    ).all()
    messages = session.scalars(
        sa.select(OutboxMessage)
        .where(OutboxMessage.done_at.is_(None), OutboxMessage.last_error.is_not(None))
        .order_by(OutboxMessage.quarantined_at.is_(None), OutboxMessage.id)
        .limit(limit)
    ).all()
    return Stuck(jobs, messages)


def waiting_messages(session: Session) -> int:
    """Return how many messages of the outbox are not handled yet."""
    return session.execute(
        sa.select(sa.func.count()).select_from(OutboxMessage).where(OutboxMessage.done_at.is_(None))
    ).scalar_one()


@dataclass(frozen=True, slots=True)
class Health:
    """Everything the console's first page says."""

    sums: Sequence[AssetSum]
    rails: Sequence[RailRow]
    overdue: Sequence[Overdue]
    quarantined: int
    failing: int
    waiting_messages: int
    payments: payments.Health
    stopped: Sequence[Offering]

    @property
    def books_balance(self) -> bool:
        return all(each.balances for each in self.sums)

    @property
    def differing(self) -> Sequence[RailRow]:
        return [each for each in self.rails if not each.matches]


def health(session: Session, now: dt.datetime) -> Health:
    """Return the platform's health at business time ``now``."""
    stuck = stuck_work(session)
    return Health(
        sums=asset_sums(session), rails=rail_rows(session), overdue=overdue(session, now),
        quarantined=stuck.quarantined, failing=len(stuck.jobs) + len(stuck.messages),
        waiting_messages=waiting_messages(session), payments=payments.health(session, now=now),
        stopped=session.scalars(
            sa.select(Offering).where(Offering.releases_stopped.is_not(None)).order_by(Offering.id)
        ).all(),
    )


@dataclass(frozen=True, slots=True)
class OfferingRow:
    """An offering with its company, for lists of operators and supervisors."""

    offering: Offering
    issuer: Issuer


def offerings(
    session: Session, *, in_states: Sequence[str] | None = None, before_id: int | None = None, limit: int = 50
) -> list[OfferingRow]:
    """Return offerings in these states (all when None), newest first, one page by key."""
    query = sa.select(Offering, Issuer).join(Issuer, Issuer.id == Offering.issuer_id).order_by(Offering.id.desc())
    if in_states is not None:
        query = query.where(Offering.state.in_(in_states))
    if before_id is not None:
        query = query.where(Offering.id < before_id)
    return [OfferingRow(*row) for row in session.execute(query.limit(limit))]


def review_queue(session: Session) -> list[OfferingRow]:
    """Return the offerings that operators must review, the one due first first."""
    query = (
        sa.select(Offering, Issuer)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .where(Offering.state == "in_review")
        .order_by(Offering.step_due_at, Offering.id)
        .limit(100)
    )
    return [OfferingRow(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class MilestoneRow:
    """A milestone under review or suspended, with its offering."""

    milestone: Milestone
    offering: Offering


def milestones_in(session: Session, in_states: Sequence[str]) -> list[MilestoneRow]:
    """Return the milestones of running offerings in these states, the one due first first."""
    query = (
        sa.select(Milestone, Offering)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.state.in_(in_states), Offering.state.in_(RUNNING))
        .order_by(Milestone.deadline_at, Milestone.id)
        .limit(100)
    )
    return [MilestoneRow(*row) for row in session.execute(query)]


# -- what comes next --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Coming:
    """One instant at which silence has an effect; ``subject`` and ``state`` are of the table of states."""

    at: dt.datetime
    subject: str
    state: str
    name: str
    zone: str


def coming(session: Session, now: dt.datetime, *, limit: int = 20) -> list[Coming]:
    """Return the next deadlines of offerings, milestones and unpaid commitments, the nearest first."""
    found = [
        Coming(row.step_due_at, "offering", row.state, row.name, row.zone)
        for row in session.execute(
            sa.select(Offering.step_due_at, Offering.state, Offering.name, Offering.zone)
            .where(Offering.step_due_at > now, Offering.state.not_in(states.TERMINAL["offering"]))
            .order_by(Offering.step_due_at)
            .limit(limit)
        )
    ]
    found += [
        Coming(row.deadline_at, "milestone", row.state, f"{row.name}: {row.title}", row.zone)
        for row in session.execute(
            sa.select(Milestone.deadline_at, Milestone.state, Milestone.title, Offering.name, Offering.zone)
            .join(Offering, Offering.id == Milestone.offering_id)
            .where(Milestone.deadline_at > now, Milestone.state.in_(MOVING), Offering.state.in_(RUNNING))
            .order_by(Milestone.deadline_at)
            .limit(limit)
        )
    ]
    found += [
        Coming(row.at, "commitment", row.status, row.name, row.zone)
        for row in session.execute(
            sa.select(sa.func.min(Commitment.pay_by).label("at"), Commitment.status, Offering.name, Offering.zone)
            .join(Offering, Offering.id == Commitment.offering_id)
            .where(Commitment.pay_by > now, Commitment.status.in_(UNPAID), Offering.state == "live")
            .group_by(Commitment.status, Offering.id, Offering.name, Offering.zone)
            .order_by(sa.func.min(Commitment.pay_by))
            .limit(limit)
        )
    ]
    return sorted(found, key=lambda each: (each.at, each.subject, each.name))[:limit]


# -- names and what a person may see of a journal ---------------------------------------------------


def investors_of(session: Session, commitment_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Return (public id of the commitment, name of the investor) by the commitment's id; one query."""
    rows = session.execute(
        sa.select(Commitment.id, Commitment.public_id, Party.name)
        .join(Party, Party.id == Commitment.party_id)
        .where(Commitment.id.in_(list(commitment_ids)))
    )
    return {row.id: (row.public_id, row.name) for row in rows}


@dataclass(frozen=True, slots=True)
class OwnRow:
    """An investor's own part of a journal."""

    commitment: str
    row: EscrowStatement


def own_rows(session: Session, journal_id: int, party_ids: Sequence[int] | frozenset[int]) -> list[OwnRow]:
    """Return the statement rows that a journal wrote for these parties, never anybody else's."""
    rows = session.execute(
        sa.select(Commitment.public_id, EscrowStatement)
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .where(EscrowStatement.journal_id == journal_id, EscrowStatement.party_id.in_(list(party_ids)))
        .order_by(EscrowStatement.id)
    )
    return [OwnRow(*row) for row in rows]


def is_own_cause(session: Session, journal: JournalView, party_ids: Sequence[int] | frozenset[int]) -> bool:
    """Whether a journal is about a payment or refund of one of these parties' own commitments."""
    causes = sa.union_all(
        sa.select(Operation.public_id.label("cause"), Commitment.party_id)
        .join(Commitment, Commitment.id == Operation.commitment_id),
        sa.select(Refund.public_id, Refund.party_id),
        sa.select(Operation.public_id, Refund.party_id).join(Refund, Refund.id == Operation.refund_id),
        sa.select(Receipt.public_id, Commitment.party_id).join(Commitment, Commitment.id == Receipt.commitment_id),
        sa.select(Commitment.public_id, Commitment.party_id),
    ).subquery("causes")
    query = sa.select(sa.exists().where(causes.c.cause == journal.cause, causes.c.party_id.in_(list(party_ids))))
    return bool(session.scalar(query))


def has_part_in(session: Session, offering_id: int, party_ids: Sequence[int] | frozenset[int]) -> bool:
    """Whether one of these parties committed to an offering."""
    return bool(party_ids) and bool(
        session.scalar(
            sa.select(
                sa.exists().where(Commitment.offering_id == offering_id, Commitment.party_id.in_(list(party_ids)))
            )
        )
    )
