"""Say what waits for a person, and how every cent that is owed to somebody gets out (TIM-5).

The dates are the rows' own, the owners and defaults those of the one table of states.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import waits
from app.commitments.models import Refund
from app.db import Database
from app.forecast import subjects
from app.ledger import chart
from app.ledger import queries as ledger
from app.models import metadata
from app.offerings import awaited
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from app.outbox.models import JobFailure, OutboxMessage
from app.payments.models import Operation, Payout, Receipt
from milestones import states

#: Owners in the table of states who are people. The others are clocks, rails and the worker.
PEOPLE = frozenset({
    "founder", "operator", "a second operator", "investor", "investors", "auditors", "auditor", "holders", "panel",
})
RUNNING = ("active", "winding_down")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that a person must or may do, by when, and what silence does; ``at`` is None where nothing ends it."""

    at: dt.datetime | None
    zone: str
    owner: str
    action: str
    default: str
    thing: str
    state: str


def waiting(session: Session, now: dt.datetime) -> list[Waiting]:
    """Return what waits for people at business time ``now``, the nearest first, what has no date last."""
    found = [
        Waiting(at, zone, row.owner, row.action, row.default, thing, state)
        for subject, state, at, zone, thing in _rows(session)
        if (row := states.waiting_for(subject, state)) is not None and row.owner in PEOPLE
    ]
    found += [
        Waiting(None, "UTC", "operator", "look at it and let it go again", "it stays", f"{each.job}: {each.object_id}",
                "quarantined")
        for each in session.scalars(sa.select(JobFailure).where(JobFailure.quarantined_at.is_not(None)))
    ]
    found += [
        Waiting(None, "UTC", "operator", "look at it and let it go again", "it stays", f"message {each.key}",
                "quarantined")
        for each in session.scalars(sa.select(OutboxMessage).where(OutboxMessage.quarantined_at.is_not(None)))
    ]
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(found, key=lambda each: (each.at or last, each.thing, each.action))


def _rows(session: Session) -> Iterator[tuple[str, str, dt.datetime | None, str, str]]:
    """Yield (subject, state, deadline, zone, words for the thing) of everything that people have a part in."""
    for look in waits.LOOKS:
        table = metadata.tables[look.table]
        deadline = table.c[look.deadline] if look.deadline else sa.null()
        for row in states.WAITING:
            if row.subject != look.subject or row.owner not in PEOPLE or (row.subject, row.state) in waits.ELSEWHERE:
                continue
            state = table.c[look.state]
            written = waits.WRITTEN.get((row.subject, row.state), row.state)
            query = subjects.of_offering(table).add_columns(deadline.label("deadline"))
            query = query.where(state.is_(None) if written is None else state == written)
            if look.subject == "milestone":
                query = query.where(metadata.tables["offering"].c.state.in_(RUNNING))
            for found in session.execute(query):
                number = f", milestone {found.number}" if found.number is not None else ""
                own = "" if look.subject in ("offering", "milestone") else f", {look.subject} {found.public_id or ''}"
                thing = f"{found.offering}{number}{own}" if found.offering else own.lstrip(", ")
                yield row.subject, row.state, found.deadline, found.zone or "UTC", thing.strip()
    third = awaited.is_third().label("is_third")
    proposed = sa.select(OfferingChange, Offering, third).join(Offering, Offering.id == OfferingChange.offering_id)
    for change, offering, last in session.execute(proposed.where(OfferingChange.state == "proposed")):
        row = awaited.subject_of(change, is_first=offering.commitment_count == 0, is_third=bool(last))
        yield *row, change.decide_by, offering.zone, f"{offering.name}, change {change.public_id}"
    owed = sa.select(Refund, Offering).join(Offering, Offering.id == Refund.offering_id)
    for refund, offering in session.execute(owed.where(Refund.status == "unclaimed")):
        yield "commitment", "unclaimed", refund.due_at, offering.zone, f"{offering.name}, refund {refund.public_id}"
    unsigned = sa.select(Offering).where(
        Offering.state == "active", Offering.proceeds_minor.is_not(None), Offering.funding_stated_at.is_(None)
    )
    for offering in session.scalars(unsigned):
        yield "funding", "unstated", None, offering.zone, f"{offering.name}, statement of funding"


# -- every cent -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exit:
    """How what stands on an account when the window ends gets out, in minor units.

    ``emptied_at`` is when it has left if nobody acts, worked out by rehearsing on, past the window. ``left_minor``
    stays even then, with an ``owner`` who has to act and the reason; a sound platform has no other.
    """

    address: str
    asset: str
    offering: str
    zone: str
    amount_minor: int
    emptied_at: dt.datetime | None
    left_minor: int
    owner: str
    reason: str

    @property
    def is_dated(self) -> bool:
        return self.emptied_at is not None and not self.left_minor


#: So much later than its last date reviews, halts and votes may still move a plan (MIL-14, OFF-13).
TOLLING = dt.timedelta(days=200)


def last_deadline(session: Session, at_least: dt.datetime) -> dt.datetime:
    """Return when the last plan of all that run must have ended, with all that may toll it."""
    latest = session.scalar(
        sa.select(sa.func.max(Offering.long_stop_at)).where(Offering.state.not_in(states.OFFERING_TERMINAL))
    )
    return max(latest + TOLLING, at_least) if latest is not None else at_least


def owed(copy: Database) -> list[ledger.OfferingAccount]:
    """Return what offerings owe to anybody: escrow, refunds, unapplied, unclaimed, payable and paying money."""
    with copy.read() as session:
        return ledger.accounts_not_empty(session, chart.OWED)


def exits(
    copy: Database, before: list[ledger.OfferingAccount], emptied: Mapping[tuple[str, str], dt.datetime | None],
    ends_at: dt.datetime,
) -> Iterator[Exit]:
    """Yield the exit of each balance, from the copy as it stands when all has come to rest.

    What only came to be owed after the window and never leaves is told as well: no cent is left out.
    """
    after = {(each.account.address, each.account.asset): each for each in owed(copy)}
    earlier = {(each.account.address, each.account.asset): each for each in before}
    with copy.read() as session:
        for key, each in {**after, **earlier}.items():
            offering = session.get_one(Offering, each.offering_id)
            left = after[key].balance if key in after else 0
            emptied_at = None if left else emptied.get(key)
            owner, reason = _who_holds(session, each.account, offering, left) if left else ("", "")
            yield Exit(
                each.account.address, each.account.asset, offering.name, offering.zone,
                earlier[key].balance if key in earlier else 0, emptied_at, left, owner, reason,
            )


def _who_holds(session: Session, account: chart.Account, offering: Offering, left: int) -> tuple[str, str]:
    """Return (who has to act, why it stays) for money that no job moves on; nobody when that cannot be said."""
    undecided = session.execute(
        sa.select(sa.func.count()).where(
            Operation.offering_id == offering.id, Operation.state.in_(["needs_operator", "unknown"])
        )
    ).scalar_one()
    if account.kind == "unclaimed":
        due_at = session.scalar(
            sa.select(sa.func.min(Refund.due_at)).where(
                Refund.offering_id == offering.id, Refund.status == "unclaimed"
            )
        )
        row = states.waiting_for("commitment", "unclaimed")
        return (row.owner, f"to {row.action}; to be looked at by {due_at:%Y-%m-%d}") if row and due_at else ("", "")
    if account.kind in ("payable", "paying"):
        return _payout_holder(session, offering)
    if undecided:
        return "operator", f"{undecided} operation(s) wait for a decision"
    if account.kind == "unapplied":
        found = session.scalar(
            sa.select(sa.func.count()).where(Receipt.offering_id == offering.id, Receipt.status == "open")
        )
        return ("operator", f"{found} late payment(s) wait for cash") if found else ("", "")
    if account.kind == "refunds":
        found = session.scalar(
            sa.select(sa.func.sum(Refund.amount_minor)).where(
                Refund.offering_id == offering.id, Refund.status.in_(["open", "sending"])
            )
        )
        return ("operator", "the offering's cash does not cover its refunds: fund the float") if found == left else (
            "", "")
    if offering.releases_stopped:
        return "operator", offering.releases_stopped
    if offering.proceeds_minor is not None and offering.funding_stated_at is None:
        return "founder", "nothing is released before the statement of funding is signed"
    return "", ""


def _payout_holder(session: Session, offering: Offering) -> tuple[str, str]:
    payout = session.scalars(
        sa.select(Payout).where(Payout.offering_id == offering.id, Payout.status != "paid").order_by(Payout.id)
    ).first()
    if payout is None:
        return "", ""
    waits_for = payout.waits_for or "the rail's answer"
    owner = payout.waits_on if payout.waits_on in ("founder", "operator") else "operator"
    return owner, f"the payout waits for {waits_for}"
