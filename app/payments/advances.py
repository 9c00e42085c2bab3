"""Our own money that stands in while a payment is taken back, and how it comes home (WND-4, ledger.md).

A rail that takes a payment takes all of it, also what was released long ago. What the payer's own money in the offering
does not cover is lent here, so that the offering's cash still covers everybody else: by the reserve where it was set
apart for that (COM-10), else by the float. It comes home as soon as the offering holds more than it owes.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.payments import treasury

#: Kinds of journals that lend to an offering and bring it home; the rail's statement knows none of them.
LENT, HOME = "advanced", "advance_returned"


def lend(
    session: Session, offering: Offering, reference: str, amount_minor: int, *, needed_minor: int,
    from_reserve: bool, now: dt.datetime,
) -> int | None:
    """Lend an offering up to ``amount_minor``; return what of it the reserve gave.

    None, and nothing lent, when its cash would not hold ``needed_minor`` even then. A float that is short is made up
    for by ``treasury.cover_fees`` once it is funded. ``reference`` is the reversal's public id.
    """
    rail, public, asset = offering.rail, offering.public_id, offering.currency
    cash = chart.cash(rail, public, asset)
    reserve, platform = chart.reserve_cash(rail, asset), chart.platform_cash(rail, asset)
    of_reserve = min(amount_minor, ledger_queries.balance(session, reserve)) if from_reserve else 0
    of_float = min(amount_minor - of_reserve, ledger_queries.balance(session, platform))
    if ledger_queries.balance(session, cash) + of_reserve + of_float < needed_minor:
        treasury.cover_fees(session, offering.id, now=now)
        of_float = min(amount_minor - of_reserve, ledger_queries.balance(session, platform))
        if ledger_queries.balance(session, cash) + of_reserve + of_float < needed_minor:
            return None
    if of_reserve + of_float:
        ledger.post(
            session, kind=LENT, key=f"{LENT}:{reference}:{_count(session, cash, LENT)}", cause=reference,
            offering_id=offering.id, occurred_at=now,
            lines=[
                ledger.debit(cash, of_reserve + of_float), ledger.credit(reserve, of_reserve),
                ledger.credit(platform, of_float),
            ],
        )
    return of_reserve


def bring_home(
    session: Session, offering: Offering, reference: str, *, reserve_minor: int, now: dt.datetime
) -> int:
    """Take out of an offering's cash what it holds above all it owes; return what of it went to the reserve.

    The reserve gets back what it lent first, ``reserve_minor`` at most; the rest is the float's.
    """
    rail, public, asset = offering.rail, offering.public_id, offering.currency
    cash = chart.cash(rail, public, asset)
    balances = ledger_queries.balances(session, offering_id=offering.id)
    above = balances.get(cash, 0) - treasury.owed_minor(balances, asset)
    if above <= 0:
        return 0
    to_reserve = min(above, reserve_minor)
    ledger.post(
        session, kind=HOME, key=f"{HOME}:{reference}:{_count(session, cash, HOME)}", cause=reference,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.reserve_cash(rail, asset), to_reserve),
            ledger.debit(chart.platform_cash(rail, asset), above - to_reserve), ledger.credit(cash, above),
        ],
    )
    return to_reserve


def _count(session: Session, cash: chart.Account, kind: str) -> int:
    """Return what tells this step of a reversal from the steps before: how much the offering was lent or gave home."""
    return abs(ledger_queries.moved(session, cash, (kind,)))
