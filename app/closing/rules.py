"""When an offering may close early, counted in days of its own calendar and zone (OFF-6). Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set

from milestones import calendar


def earliest_day(
    launched_on: dt.date, notice_on: dt.date, holidays: Set[dt.date], *, min_open_days: int, notice_business_days: int
) -> dt.date:
    """Return the first day on which an early deadline may fall.

    That is the n-th business day strictly after the day of the notice, and not before the offering was open for its
    minimum of calendar days.
    """
    noticed = calendar.business_day_after(notice_on, notice_business_days, holidays)
    return max(noticed, launched_on + dt.timedelta(days=min_open_days))


def is_open_long_enough(launched_on: dt.date, deadline_on: dt.date, *, min_open_days: int) -> bool:
    """Whether the offering will have been open for its minimum of days when it closes."""
    return deadline_on >= launched_on + dt.timedelta(days=min_open_days)
