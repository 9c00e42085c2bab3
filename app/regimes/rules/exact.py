"""Exact arithmetic that several rules share: shares of an amount, spans of months, sums within a window."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable

WHOLE_BP = 10_000


def share(amount_minor: int, rate_bp: int) -> int:
    """Return a share of an amount, rounded down to the minor unit so that rounding never lifts a limit."""
    return amount_minor * rate_bp // WHOLE_BP


def months_after(day: dt.date, months: int) -> dt.date:
    """Return the same day so many months later (or earlier, below 0); a day that month lacks becomes its last.

    29 February becomes 28 February, 31 August plus six months 28 February (regimes.md §0).
    """
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def years_after(day: dt.date, years: int) -> dt.date:
    """Return the anniversary; 29 February becomes 28 February."""
    return months_after(day, 12 * years)


def within(day: dt.date, until: dt.date, months: int) -> bool:
    """Say whether a day lies in the window ``(until − months, until]``: open at its old end."""
    return months_after(until, -months) < day <= until


def reasons(found: Iterable[tuple[bool, str]]) -> tuple[str, ...]:
    """Return the reasons whose condition holds, in the order given."""
    return tuple(reason for stands, reason in found if stands)
