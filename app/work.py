"""What a job is: a question ("which objects are due at this business time?") and an act on one of them.

The act runs in one unit of work, locks its object and asks again, so that two workers, a repeat or a late
run do nothing the second time (TIM-2). A job that talks to the outside (``outside=True``) opens its own
units of work around the call, because no network call may happen inside one. Features declare their jobs
in ``tasks.py``; the table of all of them is ``app.jobs``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from app.config import Settings
    from app.db import Database

BATCH = 200


class Witness(Protocol):
    """Who is told what the worker did instead of the log: a rehearsal, whose failures are nobody's alarm."""

    def did(self, job: str, object_id: int, now: dt.datetime, error: str | None) -> None: ...

    def handled(self, topic: str, error: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a job that talks to the outside may use; ``left_out`` names jobs that are not done here."""

    db: Database
    settings: Settings
    rails: Mapping[str, Any]
    left_out: frozenset[str] = frozenset()
    witness: Witness | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """``due(session, now, limit)`` gives ids; ``act(session, id, now)`` or, outside, ``act(context, id, now)``."""

    name: str
    due: Callable[[Session, dt.datetime, int], Sequence[int]]
    act: Callable[..., None]
    outside: bool = False


#: A handler of outbox messages: ``(session, payload, now)``; re-reads state and may be called twice.
Handler = Callable[[Session, Mapping[str, Any], dt.datetime], None]
