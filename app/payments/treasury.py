"""Our own money at the rails: the float that covers providers' fees, and the fees we earned.

An offering's cash is short of what it owes by exactly the providers' fees, and what a rail took back of released
money, that nobody covered yet, because every other journal moves cash and debt together.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import Refused
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings.models import Offering
from app.payments import rules, subjects
from milestones import money


def fund_float(
    session: Session, *, actor: Actor, amount_minor: int, asset: str, now: dt.datetime, rail: str = "sandbox",
    key: str | None = None,
) -> str:
    """Put our own money behind the float: D cash:R:platform / C capital. Return the journal's public id.

    Minor units of ``asset``. For operators with a fresh second factor; the same ``key`` posts once (COM-1).
    """
    accounts.demand(actor, "operator", second_factor=True)
    if amount_minor <= 0:
        raise Refused("Enter an amount above zero.", code="amount_not_above_zero", field="amount")
    if amount_minor > rules.FLOAT_STEP_AT_MOST_MINOR:
        words = money.display_amount(rules.FLOAT_STEP_AT_MOST_MINOR, money.Asset.parse(asset))
        raise Refused(f"Enter {words} or less: more at once is a slip.", code="amount_too_large", field="amount")
    fields = {"amount_minor": amount_minor, "asset": asset, "rail": rail}
    key = key or public_id("flt")
    earlier = idempotency.claim(session, actor=actor, operation="fund_float", key=key, fields=fields, now=now)
    if earlier is not None:
        return earlier
    reference = public_id("flt")
    posted = ledger.post(
        session, kind="float_funded", key=f"float:{reference}:funded", cause=reference, occurred_at=now,
        lines=[
            ledger.debit(chart.platform_cash(rail, asset), amount_minor),
            ledger.credit(chart.capital(asset), amount_minor),
        ],
    )
    idempotency.settle(session, actor=actor, operation="fund_float", key=key, result_ref=posted.public_id)
    audit.record(
        session, actor=actor, action="float.funded", object_id=reference, now=now,
        after={"amount_minor": amount_minor, "asset": asset, "rail": rail, "journal": posted.public_id},
    )
    return posted.public_id


def uncovered_minor(balances: dict[chart.Account, int], rail: str, offering: str, asset: str) -> int:
    """Return how much cash an offering lacks for what it owes: provider fees, or what a rail took back of released
    money, that nothing covered yet; 0 at least."""
    return max(0, owed_minor(balances, asset) - balances.get(chart.cash(rail, offering, asset), 0))


def owed_minor(balances: dict[chart.Account, int], asset: str) -> int:
    """Return what an offering's cash must cover: all that it owes, and what we earned there."""
    return sum(
        amount
        for account, amount in balances.items()
        if account.asset == asset and account.kind in (*chart.OWED, "fees")
    )


def cover_fees(session: Session, offering_id: int, *, now: dt.datetime) -> None:
    """Cover an offering's provider fees: first by what we earned there, then out of the float, as far as it goes.

    What we earned stays where it is and is no longer ours to take: D fees / C capital. The float pays the rest:
    D cash:R:O / C cash:R:platform. Journals are unique per cumulative amount covered.
    """
    offering = subjects.lock_offering(session, offering_id)
    rail, public, asset = offering.rail, offering.public_id, offering.currency
    balances = ledger_queries.balances(session, offering_id=offering.id)
    missing = uncovered_minor(balances, rail, public, asset)
    fees, cash, platform = chart.fees(public, asset), chart.cash(rail, public, asset), chart.platform_cash(rail, asset)
    set_off = min(missing, balances.get(fees, 0))
    if set_off:
        _cover(session, offering, "fees_set_off", fees, chart.capital(asset), set_off, now)
    covered = min(missing - set_off, ledger_queries.balance(session, platform))
    if covered:
        _cover(session, offering, "fees_covered", cash, platform, covered, now)


def _cover(
    session: Session, offering: Offering, kind: str, debited: chart.Account, credited: chart.Account,
    amount_minor: int, now: dt.datetime,
) -> None:
    total = ledger_queries.moved(session, debited, (kind,)) + amount_minor
    ledger.post(
        session, kind=kind, key=f"{kind}:{offering.rail}:{offering.public_id}:{total}", cause=offering.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[ledger.debit(debited, amount_minor), ledger.credit(credited, amount_minor)],
    )


def sweep_fees(session: Session, offering_id: int, *, now: dt.datetime) -> None:
    """Take what we earned out of an offering's cash: D cash:R:platform / C cash:R:O and D fees / C capital.

    Only when the cash left covers everything that the offering still owes to others.
    """
    offering = subjects.lock_offering(session, offering_id)
    rail, public, asset = offering.rail, offering.public_id, offering.currency
    balances = ledger_queries.balances(session, offering_id=offering.id)
    earned = balances.get(chart.fees(public, asset), 0)
    if not earned or uncovered_minor(balances, rail, public, asset):
        return
    posted = ledger.post(
        session, kind="fees_swept", key=public_id("swp"), cause=public, offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.platform_cash(rail, asset), earned),
            ledger.credit(chart.cash(rail, public, asset), earned),
            ledger.debit(chart.fees(public, asset), earned),
            ledger.credit(chart.capital(asset), earned),
        ],
    )
    audit.record(
        session, actor=SYSTEM, action="fees.swept", object_id=public, now=now,
        after={"amount_minor": earned, "asset": asset, "journal": posted.public_id},
    )
