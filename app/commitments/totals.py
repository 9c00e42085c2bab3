"""Add up an investor's commitments over all offerings, from their statements, by currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import UNPAID, Commitment, EscrowStatement, Refund
from app.offerings.models import Offering


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything in one currency, minor units: committed = unpaid + escrow + released + refunded.

    ``returning_minor`` is the part of refunded that has not arrived yet.
    """

    currency: str
    committed_minor: int
    unpaid_minor: int
    escrow_minor: int
    released_minor: int
    refunded_minor: int
    returning_minor: int


def totals_of(session: Session, party_ids: Sequence[int] | frozenset[int]) -> list[Totals]:
    """Return the sums over all commitments of parties, from their statements, by currency."""
    parties = list(party_ids)
    moved = dict(_by_currency(session, EscrowStatement, {
        "escrow": sa.func.sum(EscrowStatement.amount_minor),
        "released": _released_after(),
        "refunded": _sum_of(("returned", "left", "cancelled", "cut", "repriced_out", "repriced")),
    }, EscrowStatement.party_id.in_(parties)))
    unpaid = dict(_by_currency(session, Commitment, {"unpaid": sa.func.sum(Commitment.amount_minor)},
                               Commitment.party_id.in_(parties), Commitment.status.in_(UNPAID)))
    under_way = dict(_by_currency(session, Refund, {"under_way": sa.func.sum(Refund.amount_minor)},
                                  Refund.party_id.in_(parties), Refund.status != "done"))
    found = []
    for currency in sorted({*moved, *unpaid, *under_way}):
        row = {"escrow": 0, "released": 0, "refunded": 0, "unpaid": 0, "under_way": 0}
        row |= moved.get(currency, {}) | unpaid.get(currency, {}) | under_way.get(currency, {})
        committed = row["unpaid"] + row["escrow"] + row["released"] + row["refunded"]
        found.append(Totals(currency, committed, row["unpaid"], row["escrow"], row["released"], row["refunded"],
                            row["under_way"]))
    return found


def _released_after() -> sa.ColumnElement[int]:
    """Add up what is released now: the last row of each commitment, which a payment taken back lowers (WND-4)."""
    newer = sa.orm.aliased(EscrowStatement)
    is_last = ~sa.exists().where(
        newer.commitment_id == EscrowStatement.commitment_id, newer.seq > EscrowStatement.seq
    )
    return sa.func.sum(sa.case((is_last, EscrowStatement.released_after_minor), else_=0))


def _sum_of(kinds: Sequence[str]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((EscrowStatement.kind.in_(kinds), -EscrowStatement.amount_minor), else_=0))


def _by_currency(
    session: Session, table: type, sums: dict[str, sa.ColumnElement[int]], *where: sa.ColumnElement[bool]
) -> list[tuple[str, dict[str, int]]]:
    rows = session.execute(
        sa.select(Offering.currency, *(total.label(name) for name, total in sums.items()))
        .select_from(table)
        .join(Offering, Offering.id == table.offering_id)
        .where(*where)
        .group_by(Offering.currency)
    )
    return [(row.currency, {name: int(getattr(row, name)) for name in sums}) for row in rows]
