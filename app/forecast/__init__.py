"""Say what will happen next: which jobs will act when on what, and which cents will move (TIM-4).

The real worker does its real jobs on a copy of the database that nobody else sees (``copying``), while the clock of
this thread jumps from one instant at which something is due to the next (``rehearsal``, ``waking``). So there is no
second opinion on what a job would do. ``standing`` says what waits for a person, and how every cent that is owed gets
out; ``words`` and ``told`` say it to people and programs. The database itself is only read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from app import clock
from app.config import Settings
from app.db import Database
from app.forecast import copying, rehearsal, standing
from app.forecast.rehearsal import Act


@dataclass(frozen=True, slots=True)
class Forecast:
    """What happens in a window of business time when nobody acts.

    ``waiting`` is what people may do now; ``exits`` how each balance that is owed gets out, also after the window.
    ``quiet`` counts acts that changed nothing, such as asking a rail; ``cut_short`` says that there was more to come
    than a rehearsal does.
    """

    begins_at: dt.datetime
    ends_at: dt.datetime
    acts: tuple[Act, ...]
    waiting: tuple[standing.Waiting, ...]
    exits: tuple[standing.Exit, ...]
    quiet: Mapping[str, int]
    assumptions: tuple[str, ...]
    cut_short: bool

    @property
    def is_sound(self) -> bool:
        """Whether the rehearsal came to its end and no cent stands in a state that nothing and nobody ends."""
        return not self.cut_short and all(each.is_dated or each.owner for each in self.exits)


def forecast(db: Database, settings: Settings, *, days: int, nothing_arrives: bool = False) -> Forecast:
    """Return what will happen in the coming ``days`` of business time; reads the database and changes nothing.

    With ``nothing_arrives`` rails keep what they have under way, also the sandbox, whose own books would say when
    it arrives. Takes a copy of the whole database in a temporary directory, so its disk must have room for one.
    """
    with copying.copied(db) as copy:
        with copy.read() as session:
            begins_at = clock.business_now(session)
        ends_at = begins_at + dt.timedelta(days=days)
        with copy.read() as session:
            waiting = tuple(standing.waiting(session, begins_at))
        played = rehearsal.Rehearsal(copy, settings, begins_at=begins_at, nothing_arrives=nothing_arrives)
        played.play(until=ends_at)
        acts, quiet = tuple(played.acts), dict(played.quiet)
        owed = standing.owed(copy)
        with copy.read() as session:
            latest = standing.last_deadline(session, ends_at)
        played.play_until_paid(latest)
        exits = tuple(standing.exits(copy, owed, played.emptied, ends_at))
    return Forecast(
        begins_at=begins_at, ends_at=ends_at, acts=acts, waiting=waiting, exits=exits, quiet=quiet,
        assumptions=rehearsal.assumptions(nothing_arrives=nothing_arrives), cut_short=played.cut_short,
    )
