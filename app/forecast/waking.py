"""Find the next instant at which something falls due, by the dates in the rows and by the jobs' own questions.

The decisive dates in the rows are candidates. Before the nearest, each job is asked whether it would have anything to
do earlier, and if so, since when: so dates that are worked out and stand in no row are found as well. What was done
without any effect and is due again soon (a rail asked once more) does not wake anybody for a day, then for longer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock, jobs, work, worker
from app.db import UTCDateTime
from app.models import metadata

SECOND, INSTANT = dt.timedelta(seconds=1), dt.timedelta(microseconds=1)

#: How the names of columns end that hold a time to come in business time.
AHEAD = ("due_at", "_by", "_until", "deadline_at", "stop_at", "target_at", "expires_at", "ends_at", "effective_at",
         "opens_at", "closes_at", "close_at", "releases_at", "seasoned_at")
#: Columns that end so and hold system time: leases, retries.
NOT_BUSINESS = frozenset({"claimed_until", "lease_until"})
#: The pause after which something that had no effect wakes the worker again doubles from the first to the second.
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(days=1), dt.timedelta(days=32)


def dates_ahead() -> list[sa.Column[dt.datetime]]:
    """Return the columns whose dates make something happen."""
    return [
        column
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, UTCDateTime) and column.name.endswith(AHEAD) and column.name not in NOT_BUSINESS
    ]


#: Dates at which a job has something to do only once another has heard of what happened until then. All others are
#: found by asking the jobs.
DECISIVE = ("offering.step_due_at", "offering.deadline_at", "commitment.pay_by", "sandbox_transfer.due_at")


def decisive_dates() -> list[sa.Column[dt.datetime]]:
    """Return the columns of :data:`DECISIVE`."""
    return [column for column in dates_ahead() if f"{column.table.name}.{column.name}" in DECISIVE]


def _nearest(columns: Sequence[sa.Column[dt.datetime]]) -> sa.Select[tuple[dt.datetime]]:
    after = sa.bindparam("after", type_=UTCDateTime())
    found = sa.union_all(
        *(sa.select(sa.func.min(column).label("at")).where(column > after) for column in columns)
    ).subquery()
    return sa.select(sa.func.min(found.c.at, type_=UTCDateTime()))


@dataclass(slots=True)
class Waking:
    """Where the next instant is looked for. ``left_out`` jobs are never asked."""

    offset: dt.timedelta
    left_out: frozenset[str]
    _any: sa.Select[tuple[dt.datetime]] = field(default_factory=lambda: _nearest(dates_ahead()))
    _decisive: sa.Select[tuple[dt.datetime]] = field(default_factory=lambda: _nearest(decisive_dates()))
    #: (job, object) → until when it wakes nobody, and how long the next pause is
    _paused: dict[tuple[str, int], tuple[dt.datetime, dt.timedelta]] = field(default_factory=dict)

    def had_effect(self, job: str, object_id: int) -> None:
        """Let a job on an object wake the worker again whenever it is due."""
        self._paused.pop((job, object_id), None)

    def had_no_effect(self, job: str, object_id: int, now: dt.datetime) -> None:
        """Let a job that changed nothing on an object wake the worker only after a while, and longer each time."""
        until, pause = self._paused.get((job, object_id), (now, FIRST_PAUSE))
        if until <= now:
            self._paused[job, object_id] = (now + pause, min(2 * pause, LONGEST_PAUSE))

    def nearest_date(self, session: Session, now: dt.datetime) -> dt.datetime | None:
        """Return the nearest date after ``now`` that stands in any row, None if none does."""
        return session.scalar(self._any, {"after": now})

    def next_instant(self, session: Session, now: dt.datetime, until: dt.datetime) -> dt.datetime | None:
        """Return the first instant after ``now`` and not after ``until`` at which something is due; None if none is."""
        nearest = session.scalar(self._decisive, {"after": now})
        best = min(nearest, until) if nearest is not None else until
        found = nearest is not None and nearest <= until
        failures = worker.failures_by_object(session)
        for job in jobs.JOBS:
            if job.name in self.left_out:
                continue
            just_before = best - INSTANT if found else best
            if just_before > now and self._wakes(session, job, just_before, failures):
                best, found = self._since_when(session, job, now, just_before, failures), True
        return best if found else None

    def _since_when(
        self, session: Session, job: work.Job, low: dt.datetime, high: dt.datetime, failures: worker.Failures
    ) -> dt.datetime:
        """Return, to the second, since when a job that is due at ``high`` and was not at ``low`` is due."""
        while high - low > SECOND:
            middle = low + (high - low) // 2
            if self._wakes(session, job, middle, failures):
                high = middle
            else:
                low = middle
        return high

    def _wakes(self, session: Session, job: work.Job, at: dt.datetime, failures: worker.Failures) -> bool:
        with clock.imagined(at - self.offset):
            due = worker.due_of(session, job, at, failures)
        return any(self._may_wake(job.name, each, at) for each in due)

    def _may_wake(self, job: str, object_id: int, at: dt.datetime) -> bool:
        until, _pause = self._paused.get((job, object_id), (at, FIRST_PAUSE))
        return until <= at

