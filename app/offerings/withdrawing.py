"""Withdraw an offering: by its founder, before launch also by an operator, later by two of them (OFF-9, PPL-2).

How the money goes back is ``closing``.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.errors import Forbidden, Refused
from app.offerings import figures, halts, service, undecided
from app.offerings.models import Offering


def may_withdraw(session: Session, offering: Offering, now: dt.datetime) -> bool:
    """Whether an offering can be withdrawn: until its deadline, and while that waits for a change (OFF-8, OFF-9)."""
    if offering.state == "live":
        is_open = halts.clock(offering, now) < offering.deadline_at
        return is_open or undecided.is_held_open(session, offering)
    return offering.state in ("draft", "approved")


def demand_in_time(session: Session, offering: Offering, now: dt.datetime) -> None:
    """Refuse a live offering whose deadline has come, unless that waits for a change (``not_open``; OFF-8)."""
    if offering.state == "live" and not may_withdraw(session, offering, now):
        raise Refused("The deadline has passed; what follows is decided by the cleared money.", code="not_open")


def withdraw(session: Session, *, actor: Actor, offering_id: str, reason: str, now: dt.datetime) -> Offering:
    """Withdraw before launch, or as its founder a live offering: then everybody is refunded (OFF-9).

    After the deadline only while it waits for a change that nobody decided (OFF-8), else ``Refused`` ``not_open``. A
    live one moves money, so that an operator alone is refused: ``Forbidden`` ``second_operator_needed`` (PPL-2).
    """
    offering = service.locked(session, offering_id)
    who = "operator" if actor.has_role("operator") else "founder"
    accounts.demand(actor, who, second_factor=True)
    if who == "founder":
        offering = service.owned(session, actor, offering_id)
    _demand_reason(reason)
    demand_in_time(session, offering, now)
    if who == "operator" and offering.state == "live":
        raise Forbidden("One operator proposes to withdraw it and another confirms it.", code="second_operator_needed")
    return _end(session, offering, who, "withdrawn", actor=actor, reason=reason, now=now)


def by_order(session: Session, *, actor: Actor, offering_id: str, reason: str, now: dt.datetime) -> Offering:
    """Withdraw a live offering by the order of one operator that another confirmed; the caller knows both (PPL-2)."""
    accounts.demand(actor, "operator", second_factor=True)
    offering = service.locked(session, offering_id)
    _demand_reason(reason)
    demand_in_time(session, offering, now)
    return _end(session, offering, "operator", "operator_order", actor=actor, reason=reason, now=now)


def _demand_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why; the reason is published.", code="reason_empty", field="reason")


def _end(
    session: Session, offering: Offering, who: str, trigger: str, *, actor: Actor, reason: str, now: dt.datetime
) -> Offering:
    due = figures.refund_due(offering, now) if offering.state == "live" else None
    service.move(session, offering, "withdraw", who, actor=actor, now=now, reason=reason, due=due)
    offering.end_trigger, offering.end_reason = trigger, reason.strip()
    if offering.state == "withdrawn":
        offering.ended_at = now
    return offering
