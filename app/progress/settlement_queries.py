"""Read what became of each commitment's money when its plan was wound down: the statement of each (WND-2, REL-6)."""

from __future__ import annotations

import datetime as dt
from dataclasses import astuple, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, EscrowStatement, Refund
from app.offerings.models import Offering
from milestones import money

ENDED = ("winding_down", "wound_down", "completed")
#: Rows of the statement by which money left escrow back to its investor, or came back into it at another price.
_BACK = ("returned", "cut", "cancelled", "left", "repriced_out", "repriced")
COLUMNS = (
    "commitment", "paid_in", "released", "tokens", "returned", "in_escrow", "disputed_or_taken_back",
    "refunds_arrived", "refunds_under_way", "refunds_unclaimed", "less_than_one_token", "currency",
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one commitment. Minor units; ``paid_in`` = released + returned + in escrow + apart.

    ``apart_minor`` is what its bank disputes or took back. Refunds are all that were ever owed to it, also of money
    that came too late for escrow. ``remainder_minor`` is released money that is less than one token (REL-6).
    """

    commitment: str
    paid_in_minor: int
    released_minor: int
    tokens: int
    returned_minor: int
    in_escrow_minor: int
    apart_minor: int
    arrived_minor: int
    under_way_minor: int
    unclaimed_minor: int
    remainder_minor: int
    unclaimed_due_at: dt.datetime | None

    def fields(self, asset: money.Asset) -> list[str]:
        """Return the statement for a file, in the order of ``COLUMNS``; amounts are exact decimals."""
        name, paid, released, tokens, *rest, _due_at = astuple(self)
        first = [money.format_amount(paid, asset), money.format_amount(released, asset), str(tokens)]
        return [name, *first, *(money.format_amount(each, asset) for each in rest), asset.code]


def settlements(session: Session, offering: Offering, commitment_id: int | None = None) -> dict[int, Settlement]:
    """Return the statement of every commitment that was paid, or of one, by its id; none before the plan ends."""
    if offering.state not in ENDED:
        return {}
    asset = money.Asset.parse(offering.currency)
    rows = session.execute(
        sa.select(EscrowStatement, Commitment.public_id, Commitment.price_micro)
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .where(EscrowStatement.offering_id == offering.id,
               sa.true() if commitment_id is None else EscrowStatement.commitment_id == commitment_id)
        .order_by(EscrowStatement.ordinal, EscrowStatement.seq)
    )
    paid: dict[int, int] = {}
    back: dict[int, int] = {}
    last: dict[int, tuple[EscrowStatement, str, int]] = {}
    for row, public_id, price_micro in rows:
        key = row.commitment_id
        paid[key] = paid.get(key, 0) + (row.amount_minor if row.kind == "paid" else 0)
        back[key] = back.get(key, 0) - (row.amount_minor if row.kind in _BACK else 0)
        last[key] = row, public_id, price_micro
    refunds, due = _refunds(session, offering.id)
    found = {}
    for key, (row, public_id, price_micro) in last.items():
        cost = money.cost_minor(row.issued_after_tokens, price_micro, asset)
        is_settled = not row.unreleased_after_minor
        found[key] = Settlement(
            public_id, paid[key], row.released_after_minor, row.issued_after_tokens, back[key],
            row.unreleased_after_minor,
            paid[key] - row.released_after_minor - back[key] - row.unreleased_after_minor,
            *(refunds.get((key, where), 0) for where in ("arrived", "under_way", "unclaimed")),
            max(0, row.released_after_minor - cost) if is_settled else 0, due.get(key),
        )
    return found


def _refunds(
    session: Session, offering_id: int
) -> tuple[dict[tuple[int, str], int], dict[int, dt.datetime]]:
    """Return refunds by commitment and by where they are, and when an operator must have looked at unclaimed ones."""
    sums: dict[tuple[int, str], int] = {}
    due: dict[int, dt.datetime] = {}
    for refund in session.scalars(sa.select(Refund).where(Refund.offering_id == offering_id).order_by(Refund.id)):
        where = {"done": "arrived", "unclaimed": "unclaimed"}.get(refund.status, "under_way")
        key = refund.commitment_id, where
        sums[key] = sums.get(key, 0) + refund.amount_minor
        if where == "unclaimed":
            due[refund.commitment_id] = min(refund.due_at, due.get(refund.commitment_id, refund.due_at))
    return sums, due
