"""Business-day calendars: which days are holidays, by the ``holidays`` library.

The arithmetic is ``milestones.calendar``; an offering names its calendar and its time zone (TIM-1).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import holidays

from milestones import calendar

#: code → (what people read, holidays of given years)
CALENDARS: Mapping[str, tuple[str, Callable[[range], Mapping[dt.date, str]]]] = MappingProxyType(
    {
        "US": ("United States, federal", lambda years: holidays.country_holidays("US", years=years)),
        "GB": ("United Kingdom, England", lambda years: holidays.country_holidays("GB", "ENG", years=years)),
        "TARGET": ("Euro area, TARGET", lambda years: holidays.financial_holidays("ECB", years=years)),
        "DE": ("Germany", lambda years: holidays.country_holidays("DE", years=years)),
        "NONE": ("Weekends only", lambda _years: {}),
    }
)


@lru_cache(maxsize=256)
def holiday_dates(code: str, year: int) -> frozenset[dt.date]:
    """Return the calendar's holidays from the year before ``year`` to two years after it."""
    _words, of_years = CALENDARS[code]
    return frozenset(of_years(range(year - 1, year + 3)))


def holidays_between(code: str, first_year: int, last_year: int) -> frozenset[dt.date]:
    """Return the calendar's holidays of some years, and of some beside them."""
    return frozenset().union(*(holiday_dates(code, year) for year in range(first_year, last_year + 1, 2)))


def add_business_days(start: dt.datetime, days: int, *, code: str, zone: str) -> dt.datetime:
    """Return the instant ``days`` business days after ``start``, same local time, UTC."""
    return calendar.add_business_days(start, days, holiday_dates(code, start.year), zone)


def window_end(
    start: dt.datetime, business_days: int, *, code: str, zone: str, min_calendar_days: int = 0
) -> dt.datetime:
    """Return when a window of ``business_days`` ends, never under ``min_calendar_days`` (TIM-1), UTC."""
    return calendar.window_end(start, business_days, holiday_dates(code, start.year), zone, min_calendar_days)
