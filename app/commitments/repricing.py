"""Carry a commitment over to another price: whole tokens for the same money, never a cent more (ADR 0009).

Only a reconfirmation does this; the change itself leaves every commitment as it was made.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.commitments import escrow, places
from app.commitments import service as commitments
from app.commitments.models import Commitment
from app.errors import Refused
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Offering
from milestones import money


def at_price(offering: Offering, amount_minor: int) -> tuple[int, int]:
    """Return (tokens, charge) that an amount buys at the offering's price; the charge is never above the amount."""
    asset = money.Asset.parse(offering.currency)
    tokens = money.tokens_for(amount_minor, offering.price_micro, asset)
    return tokens, money.cost_minor(tokens, offering.price_micro, asset)


def reprice(session: Session, offering: Offering, commitment: Commitment, *, now: dt.datetime) -> int:
    """Give a commitment the offering's price and return the money that goes back, minor units; locks are held.

    Money in escrow is taken out at the old price and put back at the new one, in two journals; what does not buy
    a whole token becomes a refund. Of an unpaid commitment only its figures change: what is paid above them goes
    back by COM-5. The minimum ticket is not asked again of those who are in. Raises ``Refused`` ``buys_nothing``.
    """
    if commitment.price_micro == offering.price_micro:
        return 0
    before = commitment.amount_minor
    tokens, charge = at_price(offering, before)
    if tokens < 1:
        raise Refused(
            "At the new price your money buys no whole token, so this commitment cannot go on. Cancel it, or do "
            "nothing: all of it goes back.",
            code="buys_nothing",
        )
    if commitment.status == "held":
        _move_money(session, offering, commitment, tokens, charge, now)
    if charge != before:
        places.shrink(session, commitment, charge)
    commitment.tokens, commitment.amount_minor, commitment.price_micro = tokens, charge, offering.price_micro
    session.flush()
    return before - charge if commitment.status == "held" else 0


def _move_money(
    session: Session, offering: Offering, commitment: Commitment, tokens: int, charge: int, now: dt.datetime
) -> None:
    """Take the money out of escrow and put back what the new price takes; both journals stand or fall together."""
    amount = escrow.position(session, commitment.id).unreleased_minor
    in_escrow = chart.escrow(offering.public_id, offering.currency)
    between = chart.unapplied(offering.rail, offering.public_id, offering.currency)
    key = f"commitment:{commitment.public_id}:version:{offering.version_number}"
    out = ledger.post(
        session, kind="repriced_out", key=f"{key}:out", cause=commitment.public_id, offering_id=offering.id,
        occurred_at=now, lines=[ledger.debit(in_escrow, amount), ledger.credit(between, amount)],
    )
    back = ledger.post(
        session, kind="repriced", key=f"{key}:in", cause=commitment.public_id, offering_id=offering.id,
        occurred_at=now,
        lines=[
            ledger.debit(between, amount),
            ledger.credit(in_escrow, charge),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), amount - charge),
        ],
    )
    for kind, moved, entitled, posted in (
        ("repriced_out", -amount, 0, out), ("repriced", charge, tokens, back),
    ):
        escrow.append(
            session, offering_id=offering.id, commitment_id=commitment.id, party_id=commitment.party_id,
            ordinal=commitment.ordinal, kind=kind, amount_minor=moved, entitled_tokens=entitled,
            journal_id=posted.journal_id, now=now,
        )
    if amount > charge:
        commitments.owe_refund(
            session, commitment=commitment, amount_minor=amount - charge, reason="repriced", journal=back, now=now
        )
