"""What being late means: the one extension, grace, reports and how long silence is borne (MIL-14).

Pure dates and counts. When somebody asked, reported or stayed silent is the caller's; what follows for the plan is
`plan`'s.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from milestones.terms import end_of_day

# What is written earlier than this before a due date is no report on the time that it is for.
REPORT_OPENS_DAYS = 30
REPORT_REMIND_DAYS = 14
# So many due reports missed in a row, or so many days without any sign after one, start the days to failure.
MISSED_IN_A_ROW = 2
SILENCE_DAYS = 90
FAILURE_DAYS = 90

DUE, FILED, MISSED, ENDED = "due", "filed", "missed", "ended"


def extension_seconds(seconds: int, long_stop_at: datetime, plan_long_stop_at: datetime) -> int:
    """Give by how many whole seconds an extension moves one milestone: never past the plan's own long-stop."""
    left = (plan_long_stop_at - long_stop_at) // timedelta(seconds=1)
    return max(0, min(seconds, left))


def grace_ends_at(target_at: datetime, grace_days: int) -> datetime:
    """Give until when being late is no reason for anybody to act; `target_at` with all that moved it."""
    return target_at + timedelta(days=grace_days)


def report_due_at(previous: datetime, months: int, zone: str) -> datetime:
    """Give the end of the local day `months` after the one that holds the instant before `previous`, in UTC.

    A month without that day ends sooner: 31 January is followed by 30 April.
    """
    day = (previous - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date()
    return end_of_day(months_after(day, months), zone)


def months_after(day: date, months: int) -> date:
    """Give the same day some months later, or the month's last where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def missed_in_a_row(states: Sequence[str]) -> int:
    """Count the due reports missed since the last that was filed; `states` are in order, the one now due last."""
    count = 0
    for state in reversed([each for each in states if each != DUE]):
        if state != MISSED:
            break
        count += 1
    return count


def failure_starts_at(missed: Sequence[datetime], last_sign_at: datetime) -> datetime | None:
    """Give the instant from which the days to failure run; None while there is no cause.

    `missed` are the due dates of the reports missed in a row, oldest first; `last_sign_at` is when the founder last
    reported, submitted or told investors anything.
    """
    starts = []
    if len(missed) >= MISSED_IN_A_ROW:
        starts.append(missed[MISSED_IN_A_ROW - 1])
    if missed:
        starts.append(max(missed[0], last_sign_at) + timedelta(days=SILENCE_DAYS))
    return min(starts) if starts else None
