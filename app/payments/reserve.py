"""Our own money that stands in for released money which can still be taken back (COM-10).

It lies in ``cash:{rail}:reserve``, apart from the float, and covers what was released of unseasoned payments, of all
offerings of a rail and currency together. While it covers a tranche the tranche moves at once. Its balance is the whole
setting: nothing is covered where nothing was put in.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.commitments.models import CarriedShare, Commitment, EscrowStatement
from app.db import public_id
from app.errors import Refused
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.ledger.models import LedgerAccount
from app.offerings.models import Offering
from app.payments import rules
from app.payments.reversal_models import Reversal
from milestones import money


@dataclass(frozen=True, slots=True)
class Standing:
    """A reserve, minor units: what lies in it, what was released of unseasoned payments, what of tranches waits."""

    rail: str
    asset: str
    held_minor: int
    exposure_minor: int
    waiting_minor: int

    @property
    def free_minor(self) -> int:
        """What covers nothing yet."""
        return max(0, self.held_minor - self.exposure_minor)


def fund_reserve(
    session: Session, *, actor: Actor, amount_minor: int, asset: str, now: dt.datetime, rail: str = "sandbox",
    key: str | None = None,
) -> str:
    """Put our own money into the reserve: D cash:R:reserve / C capital. Return the journal's public id.

    A negative amount takes out what nothing needs. For operators with a fresh second factor; the same ``key`` posts
    once (COM-1). Raises ``Refused`` ``amount_zero``, ``amount_too_large``, or ``reserve_needed`` with what is free.
    """
    accounts.demand(actor, "operator", second_factor=True)
    words = money.display_amount(rules.FLOAT_STEP_AT_MOST_MINOR, money.Asset.parse(asset))
    if amount_minor == 0:
        raise Refused("Enter an amount above zero.", code="amount_zero", field="amount")
    if abs(amount_minor) > rules.FLOAT_STEP_AT_MOST_MINOR:
        raise Refused(f"Enter {words} or less: more at once is a slip.", code="amount_too_large", field="amount")
    fields = {"amount_minor": amount_minor, "asset": asset, "rail": rail}
    key = key or public_id("rsv")
    earlier = idempotency.claim(session, actor=actor, operation="fund_reserve", key=key, fields=fields, now=now)
    if earlier is not None:
        return earlier
    if amount_minor < 0 and free_minor(session, rail, asset, now=now) < -amount_minor:
        free = money.display_amount(max(0, free_minor(session, rail, asset, now=now)), money.Asset.parse(asset))
        raise Refused(f"Take out {free} or less: the rest covers money that was released.", code="reserve_needed",
                      field="amount")
    reference = public_id("rsv")
    posted = ledger.post(
        session, kind="reserve_funded" if amount_minor > 0 else "reserve_taken_out", key=f"reserve:{reference}",
        cause=reference, occurred_at=now,
        lines=[
            ledger.Line(chart.reserve_cash(rail, asset), amount_minor),
            ledger.Line(chart.capital(asset), -amount_minor),
        ],
    )
    idempotency.settle(session, actor=actor, operation="fund_reserve", key=key, result_ref=posted.public_id)
    audit.record(
        session, actor=actor, action="reserve.changed", object_id=reference, now=now,
        after={"amount_minor": amount_minor, "asset": asset, "rail": rail, "journal": posted.public_id},
    )
    return posted.public_id


def covers(session: Session, offering: Offering, amount_minor: int, *, now: dt.datetime) -> bool:
    """Say whether the reserve bears ``amount_minor`` more of unseasoned money, released now.

    The reserve is locked, so that two offerings cannot both count on the same money.
    """
    account = chart.reserve_cash(offering.rail, offering.currency)
    if not ledger_queries.balance(session, account):
        return False
    session.execute(
        sa.select(LedgerAccount.id)
        .where(LedgerAccount.address == account.address, LedgerAccount.asset == account.asset)
        .with_for_update()
    )
    return free_minor(session, offering.rail, offering.currency, now=now) >= amount_minor


def free_minor(session: Session, rail: str, asset: str, *, now: dt.datetime) -> int:
    """Return what of the reserve covers nothing yet, minor units."""
    return ledger_queries.balance(session, chart.reserve_cash(rail, asset)) - exposure_minor(
        session, rail, asset, now=now
    )


def standing(session: Session, *, now: dt.datetime) -> list[Standing]:
    """Return the reserve of every rail and currency in which an offering was made, with what it covers."""
    assets = session.scalars(sa.select(Offering.currency).distinct().order_by(Offering.currency)).all()
    found = []
    for rail in rules.RAIL_NUMBERS:
        for asset in assets:
            waiting = session.scalar(
                sa.select(sa.func.coalesce(sa.func.sum(CarriedShare.amount_minor), 0))
                .join(Offering, Offering.id == CarriedShare.offering_id)
                .where(CarriedShare.status == "carried", Offering.rail == rail, Offering.currency == asset)
            )
            held = ledger_queries.balance(session, chart.reserve_cash(rail, asset))
            covers_now = exposure_minor(session, rail, asset, now=now)
            found.append(Standing(rail, asset, held, covers_now, int(waiting or 0)))
    return found


def exposure_minor(session: Session, rail: str, asset: str, *, now: dt.datetime) -> int:
    """Return how much was released of payments that can still be taken back, minor units.

    What of it was taken back already, the reserve or the float has lent meanwhile: it is no exposure any more.
    """
    newest = (
        sa.select(EscrowStatement.commitment_id, sa.func.max(EscrowStatement.seq).label("seq"))
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .join(Offering, Offering.id == Commitment.offering_id)
        .where(Commitment.seasons_at > now, Offering.rail == rail, Offering.currency == asset)
        .group_by(EscrowStatement.commitment_id)
        .subquery("newest")
    )
    released = sa.select(sa.func.coalesce(sa.func.sum(EscrowStatement.released_after_minor), 0)).join(
        newest,
        sa.and_(newest.c.commitment_id == EscrowStatement.commitment_id, newest.c.seq == EscrowStatement.seq),
    )
    disputed = (
        sa.select(
            sa.func.coalesce(sa.func.sum(Reversal.amount_minor - Reversal.escrow_minor - Reversal.owed_minor), 0)
        )
        .join(newest, newest.c.commitment_id == Reversal.commitment_id)
        .where(Reversal.state == "open")
    )
    return int(session.scalar(released) or 0) - int(session.scalar(disputed) or 0)
