"""An offering's figures of its regime: the arm in force on the day of its launch, or of now while it is not launched.

A change of law while a round is open changes nothing for that round.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo

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
