"""Divide the places of an oversubscribed offering at its close: paid money is cut to the maximum (OFF-7).

The division is ``milestones.allot``; here it is fed from the statements and written to them. Each investor whose order
is cut gets one statement row, and one refund of the rest at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import escrow
from app.commitments.models import Commitment, CommitmentLink, EscrowStatement
from app.offerings.models import Offering
from milestones import allot, money

CUT = "cut"
#: Statement rows written in one statement: memory stays bounded however many investors there are.
ROWS_TOGETHER = 2_000
#: A link counts until an operator has lifted it (COM-11).
STANDING = ("stands", "contested", "upheld")


@dataclass(frozen=True, slots=True)
class Order:
    """A paid commitment at the close: what it asked for and where its statement stands. Minor units, whole tokens."""

    commitment_id: int
    party_id: int
    ordinal: int
    seq: int
    paid_minor: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Division:
    """The orders of an offering with what each gets, in the order of their ordinals.

    ``linked`` lists the ordinals of orders that counted as one because their investors are linked; ``served_last``
    those of linked or contested orders that share only what the others leave.
    """

    orders: Sequence[Order]
    allotted: allot.Allotted
    linked: Sequence[Sequence[int]]
    served_last: Sequence[int] = ()

    @property
    def tokens(self) -> int:
        """All tokens that are allotted."""
        return sum(self.allotted.tokens)

    @property
    def proceeds_minor(self) -> int:
        """What they cost, never above the maximum."""
        return sum(self.allotted.cost_minor)

    def cut(self) -> Iterator[tuple[Order, int, int]]:
        """Yield each order that gets less than it paid for, with its tokens and their cost."""
        for order, tokens, cost in zip(self.orders, self.allotted.tokens, self.allotted.cost_minor, strict=True):
            if cost < order.paid_minor:
                yield order, tokens, cost


def divide(session: Session, offering: Offering) -> Division:
    """Work out what each paid order gets when the places are divided in proportion; writes nothing (OFF-7).

    Linked money never makes a minimum (COM-11): where its part would leave the others with less than the minimum,
    they are served first and linked orders share what is left. An order whose payment its bank took back, of which a
    person still decides, always shares only what is left: it takes nobody's room (OFF-12).
    """
    last = escrow.last_rows(offering.id)
    rows = session.execute(
        sa.select(
            last.c.commitment_id, last.c.party_id, last.c.ordinal, last.c.seq, last.c.unreleased_after_minor,
            last.c.entitled_after_tokens, Commitment.is_linked, Commitment.is_contested,
        )
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .where(last.c.unreleased_after_minor > 0)
        .order_by(last.c.ordinal)
    ).all()
    orders = [Order(*row[:-2]) for row in rows]
    contested = [row.ordinal for row in rows if row.is_contested]
    uncounted = {row.ordinal for row in rows if row.is_linked or row.is_contested}
    linked = _linked_orders(orders, linked_groups(session, offering.id))
    division = Division(orders, division_of(offering, orders, linked, contested), linked, contested)
    at_arms_length = sum(
        cost for order, cost in zip(orders, division.allotted.cost_minor, strict=True)
        if order.ordinal not in uncounted
    )
    if len(uncounted) == len(contested) or at_arms_length >= offering.minimum_minor:
        return division
    last_ones = sorted(uncounted)
    return Division(orders, division_of(offering, orders, linked, last_ones), linked, last_ones)


def division_of(
    offering: Offering, orders: Sequence[Order], linked: Sequence[Sequence[int]], served_last: Sequence[int] = ()
) -> allot.Allotted:
    """Return what these orders get: per investor, or per group of investors that are linked (COM-11)."""
    groups = {ordinal: f"linked {number}" for number, ordinals in enumerate(linked) for ordinal in ordinals}
    later, got, left = set(served_last), dict[int, tuple[int, int]](), offering.maximum_minor
    for is_later in (False, True):
        served = [order for order in orders if (order.ordinal in later) is is_later]
        part = allot.allot(
            [allot.Paid(order.tokens, groups.get(order.ordinal, order.party_id)) for order in served],
            maximum_minor=left, ticket_minor=offering.minimum_ticket_minor,
            price_micro=offering.price_micro, asset=money.Asset.parse(offering.currency),
        )
        left -= sum(part.cost_minor)
        got |= {order.ordinal: (tokens, cost)
                for order, tokens, cost in zip(served, part.tokens, part.cost_minor, strict=True)}
    found = [got[order.ordinal] for order in orders]
    return allot.Allotted(tuple(tokens for tokens, _ in found), tuple(cost for _, cost in found))


def _linked_orders(orders: Sequence[Order], groups: Mapping[int, int]) -> list[list[int]]:
    found: dict[int, list[Order]] = {}
    for order in orders:
        if order.party_id in groups:
            found.setdefault(groups[order.party_id], []).append(order)
    return [
        [order.ordinal for order in members] for members in found.values()
        if len({order.party_id for order in members}) > 1
    ]


def linked_groups(session: Session, offering_id: int) -> dict[int, int]:
    """Return the group of each linked investor: the lowest id among all who hang together."""
    pairs = session.execute(
        sa.select(Commitment.party_id, CommitmentLink.other_party_id)
        .join(Commitment, Commitment.id == CommitmentLink.commitment_id)
        .where(
            Commitment.offering_id == offering_id, CommitmentLink.status.in_(STANDING),
            CommitmentLink.is_issuer.is_(False),
        )
        .order_by(CommitmentLink.id)
    )
    root: dict[int, int] = {}

    def find(party: int) -> int:
        while root.setdefault(party, party) != party:
            party = root[party]
        return party

    for one, other in pairs:
        first, second = sorted((find(one), find(other)))
        root[second] = first
    return {party: find(party) for party in list(root)}


def write(session: Session, offering: Offering, division: Division, *, journal_id: int, now: dt.datetime) -> int:
    """Write a statement row for each order that is cut, in chunks, and return how many."""
    count, cut = 0, division.cut()
    while chunk := list(islice(cut, ROWS_TOGETHER)):
        session.execute(
            sa.insert(EscrowStatement),
            [
                {
                    "offering_id": offering.id, "commitment_id": order.commitment_id, "party_id": order.party_id,
                    "ordinal": order.ordinal, "seq": order.seq + 1, "kind": CUT,
                    "amount_minor": cost - order.paid_minor, "tokens_issued": 0, "unreleased_after_minor": cost,
                    "released_after_minor": 0, "issued_after_tokens": 0, "entitled_after_tokens": tokens,
                    "milestone_id": None, "journal_id": journal_id, "occurred_at": now,
                }
                for order, tokens, cost in chunk
            ],
        )
        count += len(chunk)
    return count
