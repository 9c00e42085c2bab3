"""When investors may vote to end a plan, and with what it is counted (WND-6).

Pure. Who calls the vote and what stands behind the call is the caller's; how votes are counted is `polls`', how many
must stand behind a call `disputes.Support`'s.
"""

from datetime import datetime, timedelta

from milestones.polls import WIND_DOWN, WIND_DOWN_FOR_CAUSE

LATE, REPORTS, BREACH = "late", "reports", "breach"
CAUSES = (LATE, REPORTS, BREACH)
# Without a cause a plan has so long to begin, and after a no the same question waits.
QUIET_DAYS, PAUSE_DAYS = 90, 60
GATHERING_BUSINESS_DAYS, GATHERING_CALENDAR_DAYS = 10, 7


def kind_of(cause: str | None) -> str:
    """Give the kind of poll that a call leads to."""
    return WIND_DOWN if cause is None else WIND_DOWN_FOR_CAUSE


def opens_at(cause: str | None, began_at: datetime, last_no_at: datetime | None) -> datetime:
    """Give from when a vote may be called: at once for a cause, after 90 days without, 60 days after a no."""
    earliest = began_at + timedelta(days=QUIET_DAYS) if cause is None else began_at
    return earliest if last_no_at is None else max(earliest, last_no_at + timedelta(days=PAUSE_DAYS))
