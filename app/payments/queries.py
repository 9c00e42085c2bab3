"""Read payments: operations, what is undecided, what waits for a person, and whether the rail agrees."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, Refund
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings.models import Offering
from app.payments import advances, charges, receipts, rules, subjects, tracker, treasury
from app.payments.models import Operation, Payout, RailCursor, Receipt
from app.payments.sandbox_models import SandboxLine

#: Journals that move our own money in or out of an offering's cash; the rail's statement knows none of them.
OWN_TRANSFERS = ("fees_covered", "fees_swept", advances.LENT, advances.HOME)


# -- operations -------------------------------------------------------------------------------------


def operations_of(session: Session, commitment_id: int) -> Sequence[Operation]:
    """Return a commitment's payments and refunds, oldest first."""
    return session.scalars(
        sa.select(Operation).where(Operation.commitment_id == commitment_id).order_by(Operation.id)
    ).all()


def latest_collection(session: Session, commitment_id: int) -> Operation | None:
    """Return a commitment's newest payment that its payer began here, None before the first."""
    found = [each for each in subjects.collections_of(session, commitment_id) if each.kind == "collect"]
    return found[-1] if found else None


def operation_by_public_id(session: Session, public_id: str) -> Operation | None:
    """Return the operation with this public id."""
    return session.scalars(sa.select(Operation).where(Operation.public_id == public_id)).one_or_none()


def undecided_count(session: Session, offering_id: int, *, kind: str | None = None) -> int:
    """Return how many operations of an offering have no outcome yet; it cannot end before they have."""
    query = sa.select(sa.func.count()).where(
        Operation.offering_id == offering_id, Operation.state.in_(rules.UNDECIDED)
    )
    if kind is not None:
        query = query.where(Operation.kind == kind)
    return session.execute(query).scalar_one()


def operations_for_operator(session: Session, *, limit: int = 100) -> Sequence[Operation]:
    """Return the operations that nobody can explain or settle but a person, oldest first."""
    return session.scalars(
        sa.select(Operation)
        .where(Operation.state.in_(["unknown", "needs_operator"]))
        .order_by(Operation.state_since, Operation.id)
        .limit(limit)
    ).all()


def unwanted_collections() -> sa.Select[tuple[int]]:
    """Select payments whose commitment or offering takes no money any more."""
    return (
        sa.select(Operation.id)
        .join(Commitment, Commitment.id == Operation.commitment_id)
        .join(Offering, Offering.id == Operation.offering_id)
        .where(
            Operation.kind == "collect",
            sa.or_(
                Commitment.status.not_in(charges.TAKES_MONEY), Offering.state.not_in(charges.OFFERING_TAKES_MONEY)
            ),
        )
    )


def operations_to_look_at(now: dt.datetime) -> sa.Select[tuple[int]]:
    """Select what the rail has under way and must be asked about, because no event told of it.

    That is hourly once its usual time is over, and once when a deadline that depends on it has passed: the close
    of its offering, or the time to pay. So nothing that happened is missed because an event was lost (TIM-3).
    """
    usually_over = sa.or_(
        Operation.method.not_in(list(rules.USUAL_TIMES)),
        *(
            sa.and_(Operation.method == method, Operation.created_at <= now - usual)
            for method, usual in rules.USUAL_TIMES.items()
        ),
    )
    close_is_due = sa.and_(
        Operation.kind == "collect", Offering.state == "clearing", Offering.step_due_at <= now,
        Operation.changed_at < Offering.step_due_at,
    )
    place_is_due = sa.and_(
        Operation.kind == "collect", Operation.state == "action_required", Commitment.pay_by <= now,
        Operation.changed_at < Commitment.pay_by,
    )
    return (
        sa.select(Operation.id)
        .join(Offering, Offering.id == Operation.offering_id)
        .outerjoin(Commitment, Commitment.id == Operation.commitment_id)
        .where(
            Operation.state.in_(rules.UNDER_WAY),
            sa.or_(
                sa.and_(Operation.changed_at <= now - rules.LOOK_AGAIN_AFTER, usually_over), close_is_due, place_is_due
            ),
        )
    )


def is_heard_until(session: Session, offering: Offering, instant: dt.datetime) -> bool:
    """Say whether all payments that cleared or came back before an instant are in the books (TIM-1).

    The rail was polled at or after it, what was heard is applied, nothing is being sent, what the rail has under
    way was asked about since. What an operator has to explain waits for nobody.
    """
    if session.scalar(sa.select(Operation.id).where(Operation.offering_id == offering.id).limit(1)) is None:
        return True
    cursor = session.get(RailCursor, rules.RAIL_NUMBERS[offering.rail])
    if cursor is None or cursor.polled_at < instant:
        return False
    is_open = sa.or_(
        Operation.state.in_(rules.SENDABLE),
        sa.and_(Operation.state.in_(rules.UNDER_WAY), Operation.changed_at < instant),
    )
    unheard = (
        sa.select(Operation.id)
        .join(Commitment, Commitment.id == Operation.commitment_id)
        .where(
            Operation.offering_id == offering.id,
            Operation.kind == "collect",
            sa.or_(
                Operation.events_applied < Operation.events_heard,
                sa.and_(is_open, Commitment.status.in_(charges.TAKES_MONEY)),
            ),
        )
        .limit(1)
    )
    return session.scalar(unheard) is None


def payouts_of(session: Session, offering_id: int) -> Sequence[Payout]:
    """Return an offering's payouts, oldest first."""
    return session.scalars(sa.select(Payout).where(Payout.offering_id == offering_id).order_by(Payout.id)).all()


def receipts_of(session: Session, commitment_id: int) -> Sequence[Receipt]:
    """Return what a commitment's payer paid too late, oldest first."""
    return session.scalars(
        sa.select(Receipt).where(Receipt.commitment_id == commitment_id).order_by(Receipt.id)
    ).all()


def missing_minor(session: Session, commitment: Commitment) -> int:
    """Return how much of a commitment has not arrived, minor units."""
    return receipts.missing_minor(session, commitment)


def refund_tracks(session: Session, commitment_id: int) -> list[tracker.Track]:
    """Return a commitment's refunds step by step, oldest first."""
    return tracker.tracks_of(session, commitment_id)


def refund_sums(tracks: list[tracker.Track]) -> tracker.Sums:
    """Return what refunds come to by where they are, minor units."""
    return tracker.sums_of(tracks)


def doubted_receipts(session: Session) -> Sequence[tuple[Receipt, Offering]]:
    """Return the payments of which an operator must say whose account they came from, the one due first first."""
    rows = session.execute(
        sa.select(Receipt, Offering)
        .join(Offering, Offering.id == Receipt.offering_id)
        .where(Receipt.status == "doubted")
        .order_by(Receipt.decide_by, Receipt.id)
        .limit(100)
    )
    return [(row[0], row[1]) for row in rows]


# -- what can be sent back --------------------------------------------------------------------------


def refunds_to_send(session: Session, *, now: dt.datetime, limit: int) -> list[int]:
    """Return open refunds that their offering's cash covers and whose pause is over, oldest first."""
    due: list[int] = []
    offerings = session.scalars(
        sa.select(Offering)
        .where(Offering.id.in_(sa.select(Refund.offering_id).where(Refund.status == "open")))
        .order_by(Offering.id)
    ).all()
    for offering in offerings:
        free_minor = subjects.free_cash_minor(session, offering)
        for refund in session.scalars(_open_refunds(offering.id, now).limit(limit - len(due))):
            if refund.amount_minor <= free_minor:
                free_minor -= refund.amount_minor
                due.append(refund.id)
        if len(due) >= limit:
            break
    return due


def _open_refunds(offering_id: int, now: dt.datetime) -> sa.Select[tuple[Refund]]:
    """Select open refunds but those that failed less than a day ago (one failure is all that stays open).

    What goes to a payer whose bank took a payment back waits until a person has decided.
    """
    tried_lately = sa.exists().where(
        Operation.refund_id == Refund.id, Operation.changed_at > now - rules.REFUND_RETRY_AFTER
    )
    return (
        sa.select(Refund)
        .where(Refund.offering_id == offering_id, Refund.status == "open", ~subjects.is_return_open())
        .where(sa.or_(Refund.failures == 0, ~tried_lately))
        .order_by(Refund.id)
    )


# -- our own money ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Provider fees of an offering that nothing has covered yet, and what we earned there; minor units."""

    offering_id: int
    rail: str
    asset: str
    amount_minor: int
    earned_minor: int


def uncovered_fees(session: Session) -> list[Uncovered]:
    """Return the offerings whose cash lacks something; the float covers them in this order.

    That is what providers kept, and what a rail took back of released money while the float was short.
    """
    balances: dict[int, dict[chart.Account, int]] = defaultdict(dict)
    for each in ledger.accounts_not_empty(session, (*chart.OWED, "fees", "cash", "expense", "receivable", "loss")):
        balances[each.offering_id][each.account] = each.balance
    short = [
        offering_id for offering_id, accounts in balances.items()
        if any(account.kind in ("expense", "receivable", "loss") for account in accounts)
    ]
    found = []
    for offering in session.scalars(sa.select(Offering).where(Offering.id.in_(short)).order_by(Offering.id)):
        public, accounts = offering.public_id, balances[offering.id]
        amount_minor = treasury.uncovered_minor(accounts, offering.rail, public, offering.currency)
        if amount_minor:
            earned = accounts.get(chart.fees(public, offering.currency), 0)
            found.append(Uncovered(offering.id, offering.rail, offering.currency, amount_minor, earned))
    return found


def floats(session: Session) -> Mapping[tuple[str, str], int]:
    """Return our own cash by (rail, asset), for every asset in which an offering was made."""
    assets = session.scalars(sa.select(Offering.currency).distinct()).all()
    return {
        (rail, asset): ledger.balance(session, chart.platform_cash(rail, asset))
        for rail in rules.RAIL_NUMBERS
        for asset in assets
    }


def offerings_to_sweep(session: Session) -> list[int]:
    """Return the offerings that hold fees we earned and whose cash covers the rest of what they owe."""
    waiting = {each.offering_id for each in uncovered_fees(session)}
    earned = {each.offering_id for each in ledger.accounts_not_empty(session, ("fees",))}
    return sorted(earned - waiting)


# -- health -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Health:
    """What an operator sees of payments at a glance."""

    operations: Mapping[str, int]
    refunds: Mapping[str, int]
    payouts: Mapping[str, int]
    oldest_undecided_at: dt.datetime | None
    overdue_refunds: int
    uncovered: Sequence[Uncovered]
    floats: Mapping[tuple[str, str], int]
    polls: Sequence[RailCursor]

    @property
    def needs_attention(self) -> bool:
        stuck = self.operations.get("needs_operator", 0) + self.refunds.get("unclaimed", 0) + self.overdue_refunds
        short = any(self.floats.get((each.rail, each.asset), 0) < each.amount_minor for each in self.uncovered)
        return bool(stuck or short or any(poll.failures for poll in self.polls))


def health(session: Session, *, now: dt.datetime) -> Health:
    """Return counts by state, what is overdue, and how far each rail has been heard."""

    def counts(column: sa.orm.InstrumentedAttribute[str], *where: sa.ColumnElement[bool]) -> dict[str, int]:
        rows = session.execute(sa.select(column, sa.func.count()).where(*where).group_by(column))
        return dict(rows.all())

    return Health(
        operations=counts(Operation.state, Operation.state.in_(rules.UNDECIDED)),
        refunds=counts(Refund.status, Refund.status != "done"),
        payouts=counts(Payout.status, Payout.status != "paid"),
        oldest_undecided_at=session.scalar(
            sa.select(sa.func.min(Operation.created_at)).where(Operation.state.in_(rules.UNDECIDED))
        ),
        overdue_refunds=session.execute(
            sa.select(sa.func.count()).where(Refund.status.in_(["open", "sending"]), Refund.due_at < now)
        ).scalar_one(),
        uncovered=uncovered_fees(session),
        floats=floats(session),
        polls=session.scalars(sa.select(RailCursor).order_by(RailCursor.id)).all(),
    )


@dataclass(frozen=True, slots=True)
class RailComparison:
    """An offering's cash in our ledger beside what the rail's statement says, in minor units."""

    ledger_minor: int
    rail_minor: int
    undecided: int

    @property
    def matches(self) -> bool:
        return self.ledger_minor == self.rail_minor


def compare_with_rail(session: Session, offering: Offering) -> RailComparison:
    """Compare an offering's cash, without our own transfers, with the sum of the sandbox's statement lines.

    While operations are undecided, or their events not heard, the two may differ for a moment.
    """
    cash = chart.cash(offering.rail, offering.public_id, offering.currency)
    on_statement = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(SandboxLine.amount_minor), 0)).where(
            SandboxLine.offering_ref == offering.public_id, SandboxLine.asset == offering.currency
        )
    )
    return RailComparison(
        ledger_minor=ledger.balance(session, cash) - ledger.moved(session, cash, OWN_TRANSFERS),
        rail_minor=int(on_statement or 0),
        undecided=undecided_count(session, offering.id),
    )


def rail_matches_ledger(session: Session, offering: Offering) -> bool:
    """Say whether the rail's statement and our cash account tell the same of an offering."""
    return compare_with_rail(session, offering).matches
