"""Move an offering's deadline and its cut-off together, with the figures told again (OFF-2, OFF-6, OFF-12, OFF-13)."""

from __future__ import annotations

import datetime as dt
import zoneinfo

from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.offerings import figures, rules, service
from app.offerings.models import Offering


def cut_off(offering: Offering, deadline_at: dt.datetime) -> dt.datetime:
    """Return the last moment to cancel before a deadline (COM-6)."""
    return deadline_at - dt.timedelta(hours=figures.of(offering).cancel_hours)


def move(
    session: Session,
    offering: Offering,
    *,
    deadline_at: dt.datetime,
    cancel_until: dt.datetime,
    reason: str,
    actor: Actor = SYSTEM,
    now: dt.datetime,
) -> None:
    """Write both instants and log all figures anew; the offering's row must be locked.

    While it is live its next step is the deadline. Whoever moves it tells the investors.
    """
    offering.deadline_at, offering.cancel_until = deadline_at, cancel_until
    if offering.state == "live":
        offering.step_due_at = deadline_at
    session.flush()
    audit.record(
        session, actor=actor, action="offering.deadline_moved", object_id=offering.public_id, now=now, reason=reason,
        after=service.told_figures(session, offering),
    )


def is_rushed(cancelled_minor: int, minimum_minor: int) -> bool:
    """Whether more than 20 % of the minimum was cancelled (OFF-12); exactly 20 % is not."""
    return cancelled_minor * 100 > minimum_minor * rules.RUSH_PERCENT


def extended(offering: Offering, instant: dt.datetime) -> dt.datetime:
    """Return an instant 3 business days later, at the same local time (OFF-12)."""
    return calendars.add_business_days(instant, rules.RUSH_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone)


def extend_once(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Move deadline and cut-off by 3 business days, because much was cancelled at the last moment (OFF-12)."""
    offering.extended_at = now
    move(
        session, offering, deadline_at=extended(offering, offering.deadline_at),
        cancel_until=extended(offering, offering.cancel_until),
        reason="More than 20 % of the minimum was cancelled in the last 72 hours before the cut-off.", now=now,
    )
    audit.record(
        session, actor=SYSTEM, action="offering.extended", object_id=offering.public_id, now=now,
        after={"deadline_at": offering.deadline_at, "cancel_until": offering.cancel_until},
    )



def same_time_after(offering: Offering, instant: dt.datetime) -> dt.datetime:
    """Return the first instant at or after ``instant`` that has the deadline's local time of day, UTC (OFF-8)."""
    zone = zoneinfo.ZoneInfo(offering.zone)
    at = offering.deadline_at.astimezone(zone).time()
    day = instant.astimezone(zone).date()
    found = dt.datetime.combine(day, at, zone).astimezone(dt.UTC)
    return found if found >= instant else dt.datetime.combine(day + dt.timedelta(days=1), at, zone).astimezone(dt.UTC)
