"""Read what an investor wants to know before committing: the offering, the room, the share, the failures.

Nothing here writes; ``quotes.quote`` says what an amount buys.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import UNPAID, Commitment
from app.commitments.queries import PositionView
from app.errors import NotFound
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import versions
from app.offerings.models import Issuer, Offering, TokenClass
from milestones import money, offer, simulate
from milestones.terms import Terms

#: Before these an offering is nobody's to commit to.
HIDDEN = ("draft", "in_review", "approved")
SHARE_UNIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Investable:
    """An offering as the pages of committing need it."""

    offering: Offering
    issuer: Issuer
    token_class: TokenClass

    @property
    def asset(self) -> money.Asset:
        return money.Asset.parse(self.offering.currency)

    @property
    def room_minor(self) -> int:
        return self.offering.free_minor

    def is_open(self, now: dt.datetime) -> bool:
        return self.offering.state == "live" and self.offering.halted_since is None and now < self.offering.deadline_at


def investable(session: Session, slug: str) -> Investable:
    """Return the offering at this address; raises ``NotFound`` before it is launched."""
    row = session.execute(
        sa.select(Offering, Issuer, TokenClass)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .join(TokenClass, TokenClass.id == Offering.token_class_id)
        .where(Offering.slug == slug)
    ).one_or_none()
    if row is None or row[0].state in HIDDEN:
        raise NotFound("There is no such offering.", code="offering_not_found")
    return Investable(*row)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the company, in millionths rounded down, if the offering ends at its minimum or maximum."""

    at_minimum: int
    at_maximum: int


def share_of_company(session: Session, target: Investable, tokens: int) -> Share:
    """Return which part of everything ``tokens`` would be, fully diluted (OFF-3).

    Everything is the equity outside the class, what is issued of it or promised to other offerings, and
    what this offering would issue.
    """
    token_class = target.token_class
    unissued = ledger.balance(session, chart.unissued(token_class.public_id, token_class.asset))
    promised_here = ledger.balance(session, chart.reserved(target.offering.public_id, token_class.asset))
    before = token_class.existing_tokens + token_class.authorised_tokens - unissued - promised_here

    def part(raised_minor: int) -> int:
        total = before + max(tokens, money.tokens_for(raised_minor, target.offering.price_micro, target.asset))
        return tokens * SHARE_UNIT // total if total else 0

    return Share(part(target.offering.minimum_minor), part(target.offering.maximum_minor))


@dataclass(frozen=True, slots=True)
class IfFailed:
    """Where an amount would end if one milestone failed and all others were met. Minor units."""

    ordinal: int
    title: str
    released_minor: int
    tokens: int
    back_minor: int


def if_milestone_failed(target: Investable, terms: Terms, amount_minor: int) -> list[IfFailed]:
    """Play the contract once for each milestone that could fail, at the target raise (MIL-5)."""
    proceeds = max(target.offering.target_minor, amount_minor)
    holders = [amount_minor, proceeds - amount_minor] if proceeds > amount_minor else [amount_minor]
    found = []
    for ordinal, milestone in enumerate(terms.milestones, start=1):
        played = simulate.simulate(
            terms, proceeds_minor=proceeds, holders=holders, price_micro=target.offering.price_micro,
            asset=target.asset, fee_bp=target.offering.fee_bp,
            scenario={ordinal: simulate.Outcome(simulate.FAILED)},
        )
        mine = played.totals.per_holder[0]
        found.append(IfFailed(ordinal, milestone.title, mine.released_minor, mine.tokens, mine.returned_minor))
    return found


@dataclass(frozen=True, slots=True)
class Kept:
    """What a paid order would keep if the offering closed as it stands, about, minor units (OFF-7)."""

    paid_in_all_minor: int
    kept_minor: int
    back_minor: int


def kept_if_closed_now(session: Session, view: PositionView) -> Kept | None:
    """Return what would stay of a paid order whose offering divides its places; None where nothing is cut.

    In proportion only: what the smallest commitment adds to one and takes from another is known at the close.
    """
    offering, mine = view.offering, view.position
    if offering.allotment != "pro_rata" or offering.state not in ("live", "clearing") or not mine.unreleased_minor:
        return None
    paid = ledger.balance(session, chart.escrow(offering.public_id, offering.currency))
    if paid <= offering.maximum_minor:
        return Kept(paid, mine.unreleased_minor, 0)
    tokens = mine.entitled_tokens * offering.maximum_minor // paid
    kept = money.cost_minor(tokens, view.commitment.price_micro, view.asset)
    return Kept(paid, kept, mine.unreleased_minor - kept)


def what_changed(session: Session, offering: Offering, old_hash: str) -> tuple[offer.Judged, ...]:
    """Return what differs between the offering's version with this hash and the present one (COM-2)."""
    old = versions.by_hash(session, offering, old_hash)
    return () if old is None else versions.between(session, offering, old.number)


def unpaid_commitment(session: Session, offering_id: int, party_ids: Sequence[int]) -> Commitment | None:
    """Return the commitment that these parties have not finished paying (COM-13), None when there is none."""
    return session.scalars(
        sa.select(Commitment)
        .where(
            Commitment.offering_id == offering_id, Commitment.party_id.in_(list(party_ids)),
            Commitment.status.in_(UNPAID),
        )
        .order_by(Commitment.id)
        .limit(1)
    ).one_or_none()
