"""An offering's figures of its regime: the arm in force on the day of its launch, or of now while it is not launched.

A change of law while a round is open changes nothing for that round.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

from app import calendars
from app.offerings import halts
from app.offerings.models import Offering
from app.regimes import records, settings
from app.regimes.records import Arm
from app.regimes.settings import RegimeSettings


def of(offering: Offering, now: dt.datetime | None = None) -> RegimeSettings:
    """Return the figures that judge the raise. ``now`` counts only before the launch.

    Raises ``NoFigures`` for a regime that does not exist or had not begun (fail closed).
    """
    return settings.of(offering.regime, deciding_day(offering, now))


def arm_of(offering: Offering, now: dt.datetime | None = None) -> Arm:
    """Return the arm behind these figures, which rules are asked by."""
    return records.arm_on(offering.regime, deciding_day(offering, now))


def deciding_day(offering: Offering, now: dt.datetime | None = None) -> dt.date:
    """Return the day whose figures count, in the offering's time zone."""
    return day_of(offering, offering.launched_at or now or offering.created_at)


def day_of(offering: Offering, instant: dt.datetime) -> dt.date:
    """Return the local day of an instant in the offering's time zone (TIM-1)."""
    return instant.astimezone(zoneinfo.ZoneInfo(offering.zone)).date()


def refund_due(offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return when a refund owed now must have left (OFF-9)."""
    return calendars.add_business_days(
        now, of(offering, now).refund_bd, code=offering.calendar, zone=offering.zone
    )


def may_cancel(offering: Offering, committed_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether cancelling a commitment is free: as the offering says, or while its days to think run (COM-6).

    Under ECSPR every investor has four days from the commitment, the last instant inside (Art 22); the law knows none
    for sophisticated ones, and we give it to everybody.
    """
    if halts.may_cancel(offering, now):
        return True
    ends = reflection_ends(offering, committed_at)
    return ends is not None and offering.state in ("live", "clearing") and now <= ends


def cancel_until(offering: Offering, committed_at: dt.datetime) -> dt.datetime:
    """Return the last moment to cancel a commitment: the offering's, or the end of its days to think if later."""
    return max(offering.cancel_until, reflection_ends(offering, committed_at) or offering.cancel_until)


def reflection_ends(offering: Offering, committed_at: dt.datetime) -> dt.datetime | None:
    """Return when the days to think about a commitment end; None where the regime has none."""
    days = of(offering).reflection_days
    return committed_at + dt.timedelta(days=days) if days else None
