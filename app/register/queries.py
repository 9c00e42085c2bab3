"""Read the register: holdings now or at any past moment, and the cap table (OFF-3, TOK-3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment
from app.ledger import chart
from app.ledger import queries as ledger
from app.ledger.models import Journal
from app.offerings.models import Offering, TokenClass
from app.register.models import RegisterEntry
from milestones import money


@dataclass(frozen=True, slots=True)
class Holding:
    """What a party holds of a class, whole tokens."""

    party_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class CapRow:
    """One step of the cap table: tokens existing outside the offering, issued by it, and the investors' share of all.

    ``label`` is ``now``, ``minimum``, ``maximum`` or ``tranche:`` with an ordinal. ``existing`` counts what is
    promised to other offerings too: the share is fully diluted (OFF-3).
    """

    label: str
    existing: int
    issued: int

    @property
    def total(self) -> int:
        return self.existing + self.issued

    @property
    def share_bp(self) -> int:
        """The investors' share of everything, in basis points, rounded down."""
        return self.issued * 10_000 // self.total if self.total else 0


def cap_table(
    session: Session, offering: Offering, token_class: TokenClass, tranches: Sequence[tuple[int, int]]
) -> list[CapRow]:
    """Return the cap table now, at minimum and maximum while it raises, and after each tranche (OFF-3).

    ``tranches`` are (ordinal, minor units) in contract order, as they are or as they would be. Tokens after
    a tranche are at most what all released money buys; whole tokens per investor may make it a few less.
    """
    asset = money.Asset.parse(offering.currency)
    reserved = ledger.moves_by_kind(session, "reserved", [offering.id])[offering.id]
    issued = -reserved.get("released", 0) + _changed(session, offering.id)
    unissued = ledger.balance(session, chart.unissued(token_class.public_id, token_class.asset))
    promised_here = sum(reserved.values()) + issued
    elsewhere = token_class.existing_tokens + token_class.authorised_tokens - unissued - promised_here
    rows = [CapRow("now", elsewhere, issued)]
    if offering.proceeds_minor is None:
        for label, amount in (("minimum", offering.minimum_minor), ("maximum", offering.maximum_minor)):
            rows.append(CapRow(label, elsewhere, money.tokens_for(amount, offering.price_micro, asset)))
    total = 0
    for ordinal, amount in tranches:
        total += amount
        tokens = money.tokens_for(total, offering.price_micro, asset)
        rows.append(CapRow(f"tranche:{ordinal}", elsewhere, tokens))
    return rows


def _changed(session: Session, offering_id: int) -> int:
    """Return how many tokens of an offering were restored less those cancelled with payments taken back (WND-4)."""
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(RegisterEntry.quantity), 0))
        .join(Commitment, Commitment.id == RegisterEntry.commitment_id)
        .where(Commitment.offering_id == offering_id, RegisterEntry.kind != "issued")
    )
    return int(total or 0)


def holdings(session: Session, token_class_id: int, *, as_of: dt.datetime | None = None) -> list[Holding]:
    """Return who holds how much of a class, largest first; ``as_of`` replays a past moment."""
    query = (
        sa.select(RegisterEntry.party_id, sa.func.sum(RegisterEntry.quantity).label("quantity"))
        .where(RegisterEntry.token_class_id == token_class_id)
        .group_by(RegisterEntry.party_id)
        .having(sa.func.sum(RegisterEntry.quantity) != 0)
        .order_by(sa.func.sum(RegisterEntry.quantity).desc(), RegisterEntry.party_id)
    )
    if as_of is not None:
        query = query.where(RegisterEntry.occurred_at <= as_of)
    return [Holding(row.party_id, int(row.quantity)) for row in session.execute(query)]


def held_by(session: Session, party_id: int) -> dict[int, int]:
    """Return a party's tokens by token class."""
    rows = session.execute(
        sa.select(RegisterEntry.token_class_id, sa.func.sum(RegisterEntry.quantity))
        .where(RegisterEntry.party_id == party_id)
        .group_by(RegisterEntry.token_class_id)
    )
    return {token_class: int(quantity) for token_class, quantity in rows}


def lots(session: Session, party_id: int, token_class_id: int) -> list[RegisterEntry]:
    """Return a party's lots of a class, oldest first."""
    return list(
        session.execute(
            sa.select(RegisterEntry)
            .where(RegisterEntry.party_id == party_id, RegisterEntry.token_class_id == token_class_id)
            .order_by(RegisterEntry.id)
        ).scalars()
    )


@dataclass(frozen=True, slots=True)
class LotView:
    """A lot with its class and the journal that issued it."""

    entry: RegisterEntry
    token_class: TokenClass
    journal: str


def lots_of_parties(session: Session, party_ids: Collection[int]) -> list[LotView]:
    """Return all lots of parties, by class, oldest first; one query."""
    rows = session.execute(
        sa.select(RegisterEntry, TokenClass, Journal.public_id)
        .join(TokenClass, TokenClass.id == RegisterEntry.token_class_id)
        .join(Journal, Journal.id == RegisterEntry.journal_id)
        .where(RegisterEntry.party_id.in_(list(party_ids)))
        .order_by(TokenClass.code, RegisterEntry.id)
    )
    return [LotView(entry, token_class, journal) for entry, token_class, journal in rows]
