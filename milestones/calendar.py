"""Business days and the windows counted in them (TIM-1).

Which days are holidays comes in as a set of dates; Saturday and Sunday are never business days. Results are UTC.
"""

from collections.abc import Set
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

SATURDAY = 5
# A calendar with a holiday on every day would never end; no real one closes for this long.
MOST_DAYS_PER_BUSINESS_DAY = 60


class CalendarError(ValueError):
    """A time that cannot be counted from. `code` is stable, `message` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_business_day(day: date, holidays: Set[date]) -> bool:
    """Say whether a local day counts."""
    return day.weekday() < SATURDAY and day not in holidays


def business_day_after(day: date, business_days: int, holidays: Set[date]) -> date:
    """Give the n-th business day strictly after a day; the day itself for 0. Raises CalendarError below 0."""
    if business_days < 0:
        raise CalendarError("business_days_negative", "Business days are counted forward, from 0.")
    last_tried = day + timedelta(days=7 + business_days * MOST_DAYS_PER_BUSINESS_DAY)
    while business_days > 0:
        day += timedelta(days=1)
        if day > last_tried:
            raise CalendarError("calendar_never_opens", "This calendar has no business days in sight.")
        business_days -= is_business_day(day, holidays)
    return day


def add_business_days(start: datetime, n: int, holidays: Set[date], zone: str) -> datetime:
    """Give the same local wall time on the n-th business day strictly after `start`, in UTC.

    A wall time that a clock change skips is the instant it would have been before the change (PEP 495). Raises
    CalendarError for a time without a zone or n below 0.
    """
    local = _local(start, zone)
    return _at_wall_time(local, business_day_after(local.date(), n, holidays))


def window_end(
    start: datetime, business_days: int, holidays: Set[date], zone: str, min_calendar_days: int = 0
) -> datetime:
    """Give the end of a window of business days, never sooner than `min_calendar_days` after its start, in UTC.

    Voting and challenge windows pass 7 (TIM-1). An act counts when it is strictly before the end.
    """
    local = _local(start, zone)
    day = business_day_after(local.date(), business_days, holidays)
    return _at_wall_time(local, max(day, local.date() + timedelta(days=min_calendar_days)))


def _local(start: datetime, zone: str) -> datetime:
    if start.tzinfo is None:
        raise CalendarError("time_without_zone", "A window starts at an instant, which needs a time zone.")
    return start.astimezone(ZoneInfo(zone))


def _at_wall_time(local: datetime, day: date) -> datetime:
    return datetime.combine(day, local.time(), tzinfo=local.tzinfo).astimezone(UTC)
