"""Let the time of a story pass: wake on each day on which something happens, and skip the others.

All courses of a replay run side by side on one clock that only goes forward. On the days it wakes, the worker does all
its jobs, as it does anywhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Protocol

import sqlalchemy as sa

from app.commitments.models import Refund
from app.demo.stage import DAY, Stage
from app.payments.models import Operation
from app.payments.rules import UNDECIDED
from app.payments.sandbox_models import SandboxTransfer

TOLD_EVERY = 90 * DAY


class Course(Protocol):
    """One thread of the story."""

    def play(self) -> dt.datetime | None:
        """Do what is due now and return when to ask again; None once it is over."""


def run(
    stage: Stage, asks: Mapping[Course, dt.datetime], *, most_days: int, out: Callable[[str], None]
) -> tuple[int, int]:
    """Play courses, each from its instant on, until all are over and no money moves; return (days, wakes).

    Raises ``RuntimeError`` for courses without an end: a defect.
    """
    began_at = told_at = stage.now
    open_asks, total, wakes = dict(asks), len(asks), 0
    while True:
        now = stage.now
        for course in [each for each, at in open_asks.items() if at <= now]:
            at = course.play()
            if at is None:
                del open_asks[course]
            else:
                open_asks[course] = at
        days, wakes = (now - began_at).days, wakes + 1
        if now - told_at >= TOLD_EVERY:
            told_at = now
            out(f"Day {days}: {len(open_asks)} of {total} offerings still run.")
        if days > most_days:
            raise RuntimeError(f"{len(open_asks)} offerings have no end after {days} days")
        tomorrow = now + DAY
        if _is_under_way(stage):
            stage.advance_to(tomorrow)
        elif open_asks:
            # On the hour of the first day, so that all of a day's events are met by one waking.
            ahead = (min(open_asks.values()) - began_at) // DAY + 1
            stage.advance_to(max(tomorrow, began_at + ahead * DAY))
        else:
            return days, wakes


def _is_under_way(stage: Stage) -> bool:
    """Whether money moves at the rail or waits to move, so that tomorrow may bring something."""
    with stage.db.read() as session:
        queries = (
            sa.exists().where(SandboxTransfer.due_at.is_not(None)),
            sa.exists().where(Refund.status.in_(["open", "sending"])),
            sa.exists().where(Operation.state.in_([each for each in UNDECIDED if each != "needs_operator"])),
        )
        return any(session.execute(sa.select(query)).scalar() for query in queries)
