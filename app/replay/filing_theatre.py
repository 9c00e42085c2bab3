"""Play all filings on one timeline, on their real days: the clock starts at the first filing and only goes forward."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app import clock
from app.accounts.actor import Actor
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.replay import filing_crowd, filing_terms, timeline
from app.replay.filing_course import GIVES_UP, IS_SILENT, REPORTS, FilingCourse, People
from app.replay.filings import Filing

HOUR = dt.time(9, 0)
#: Investors of half a year: their declarations are fresh for twelve months (PPL-3).
CROWD = 40
MONTHS_OF_A_CROWD = 6
#: Our own money behind the fees of providers, put in once.
FLOAT_MINOR = 50_000_000
#: What companies do after their close, of a hundred.
AFTER_CLOSE = ((REPORTS, 70), (GIVES_UP, 20), (IS_SILENT, 10))
MOST_DAYS = 15 * 366


class PastStage(Stage):
    """A stage on which both clocks stand at a moment of the past, and go on as the story does."""

    def __init__(self, db: Database, settings: Settings, pretended: clock.Imagined) -> None:
        super().__init__(db, settings)
        self._pretended = pretended

    def advance_to(self, instant: dt.datetime) -> int:
        """Let time pass until just after ``instant`` and the worker act; does nothing for the past."""
        self.work()
        self._pretended.at = max(self._pretended.at, instant + dt.timedelta(seconds=1))
        return self.work()


@dataclass(slots=True)
class PlayedFilings:
    """What happened: the courses, what was counted, what was changed to read the figures, what was skipped."""

    courses: list[FilingCourse] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    skipped: list[Filing] = field(default_factory=list)
    days: int = 0
    wakes: int = 0


class _Crowd:
    """Makes an investor when they first commit in a half-year."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._made: dict[tuple[int, int, int], Actor] = {}

    def investor(self, number: int, now: dt.datetime) -> Actor:
        half = (now.month - 1) // MONTHS_OF_A_CROWD
        key = (now.year, half, number)
        if key not in self._made:
            self._made[key] = self._stage.person(
                "investor", f"Investor {number} of {now.year}/{half + 1}",
                email=f"{self._stage.key()}@investors.example",
            )
        return self._made[key]


def begins_at(filings: Sequence[Filing]) -> dt.datetime:
    """Return when the clock starts: at the first filing, or a deadline before it."""
    return dt.datetime.combine(min(each.filed_on for each in filings), HOUR, dt.UTC)


def play(stage: Stage, filings: Sequence[Filing], *, seed: int, out: Callable[[str], None]) -> PlayedFilings:
    """Play the filings from their days to their ends and return what happened."""
    played = PlayedFilings()
    people = People(
        operator=stage.person("operator", "Replay operator"),
        auditor=stage.person("auditor", "Replay auditor", email="office@auditor.example"),
        investor=_Crowd(stage).investor,
    )
    stage.fund_float(people.operator, FLOAT_MINOR, str(filing_terms.CURRENCY))
    asks: dict[timeline.Course, dt.datetime] = {}
    for filing in filings:
        course = _course(stage, people, filing, seed, played)
        if course is not None:
            played.courses.append(course)
            asks[course] = dt.datetime.combine(filing.filed_on, HOUR, dt.UTC)
    out(f"{len(played.courses)} filings are played from {stage.now:%Y-%m-%d} on; "
        f"{len(played.skipped)} without a price are skipped.")
    played.days, played.wakes = timeline.run(stage, asks, most_days=MOST_DAYS, out=out)
    return played


def _course(
    stage: Stage, people: People, filing: Filing, seed: int, played: PlayedFilings
) -> FilingCourse | None:
    dice = random.Random(f"{seed}:{filing.file_number}")  # noqa: S311 - a story, not a secret
    plan = filing_terms.plan(filing, played.notes)
    if plan is None:
        played.skipped.append(filing)
        return None
    entered = filing_terms.fields(plan, plan.terms)
    demand = filing_crowd.demand(plan, entered.minimum_ticket_minor, CROWD, dice, played.notes)
    words, weights = zip(*AFTER_CLOSE, strict=True)
    return FilingCourse(
        stage, people, plan, demand.pledges, after_close=dice.choices(words, weights)[0], counts=played.counts,
        filed_at=dt.datetime.combine(filing.filed_on, HOUR, dt.UTC),
    )
