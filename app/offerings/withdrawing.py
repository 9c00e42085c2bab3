"""Withdraw an offering, by its founder or an operator (OFF-9).

How the money goes back is ``closing``.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.errors import Refused
from app.offerings import figures, halts, service, undecided
from app.offerings.models import Offering


def may_withdraw(session: Session, offering: Offering, now: dt.datetime) -> bool:
    """Whether an offering can be withdrawn: until its deadline, and while that waits for a change (OFF-8, OFF-9)."""
    if offering.state == "live":
        is_open = halts.clock(offering, now) < offering.deadline_at
        return is_open or undecided.is_held_open(session, offering)
    return offering.state in ("draft", "approved")


def withdraw(session: Session, *, actor: Actor, offering_id: str, reason: str, now: dt.datetime) -> Offering:
    """Withdraw before launch, or a live offering: then everybody is refunded (OFF-9).

    After the deadline only while it waits for a change that nobody decided (OFF-8), else ``Refused`` ``not_open``.
    """
    offering = service.locked(session, offering_id)
    who = "operator" if actor.has_role("operator") else "founder"
    accounts.demand(actor, who, second_factor=True)
    if who == "founder":
        offering = service.owned(session, actor, offering_id)
    if not reason.strip():
        raise Refused("Say why; the reason is published.", code="reason_empty", field="reason")
    if offering.state == "live" and not may_withdraw(session, offering, now):
        raise Refused("The deadline has passed; what follows is decided by the cleared money.", code="not_open")
    due = figures.refund_due(offering, now) if offering.state == "live" else None
    service.move(session, offering, "withdraw", who, actor=actor, now=now, reason=reason, due=due)
    offering.end_trigger, offering.end_reason = "withdrawn", reason.strip()
    if offering.state == "withdrawn":
        offering.ended_at = now
    return offering
