"""Read a file of real milestone contracts: one JSON object a line, as ``SOURCES`` of such a file describes them.

Only reads and says what cannot be read. What becomes of a record is ``drafting`` (the terms) and ``fates`` (the
course of events).
"""

from __future__ import annotations

import datetime as dt
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

ACCEPTED = frozenset({"accepted", "accepted_implied"})


class RecordError(ValueError):
    """A line that is not a milestone contract; the message names the line and what is wrong with it."""

    code = "record_unreadable"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluator's word on a delivered milestone, ``day`` days after the contract was agreed."""

    day: int
    status: str
    evaluator: str
    accepted_items: int
    items: int

    @property
    def is_met(self) -> bool:
        return self.status in ACCEPTED


@dataclass(frozen=True, slots=True)
class RecordedMilestone:
    """A milestone as it was agreed and what became of it. ``cost`` is a decimal text, ``days`` the planned duration."""

    number: int
    title: str
    cost: str
    days: int | None
    deliverables: tuple[tuple[str, str], ...]
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True, slots=True)
class FirstAgreed:
    """A milestone as it stood before the contract was amended; its cost may be in another currency."""

    number: int
    cost: str
    days: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """One contract with its milestones in order. The three flags are those of the programme; all False if unknown.

    ``first_agreed`` has the milestones as first accepted where they were amended later, else nothing.
    """

    line: int
    id: str
    project: str
    currency: str
    milestones: tuple[RecordedMilestone, ...]
    terminated: bool
    first_delivery: bool
    completed: bool
    first_agreed: tuple[FirstAgreed, ...] = ()


def read(path: Path) -> Iterator[Record]:
    """Yield the records of a file in order; raise :class:`RecordError` at the first line that cannot be read."""
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, start=1):
            if text.strip():
                yield _record(number, text)


def _record(line: int, text: str) -> Record:
    try:
        # Durations stand as 30.0 in such files; read as decimals they stay exact.
        row = json.loads(text, parse_float=Decimal)
        agreed_at = dt.datetime.fromisoformat(row["accepted_at"])
        status: Mapping[str, Any] = row.get("programme_status") or {}
        record = Record(
            line=line,
            id=row["id"],
            project=plain(row["project"]) or row["id"],
            currency=row["currency"],
            milestones=tuple(_milestone(each, agreed_at) for each in row["milestones"]),
            terminated=bool(status.get("terminated")),
            first_delivery=bool(status.get("first_delivery")),
            completed=bool(status.get("completed")),
            first_agreed=tuple(_first(each) for each in (row.get("as_accepted") or {}).get("milestones") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RecordError(f"Line {line} is not a milestone contract: {error!r}.") from error
    if not record.milestones:
        raise RecordError(f"Line {line} has no milestones.")
    return record


def _first(row: Mapping[str, Any]) -> FirstAgreed:
    days = row.get("days")
    return FirstAgreed(int(row["number"]), str(row["cost"]), None if days is None else int(days))


def _milestone(row: Mapping[str, Any], agreed_at: dt.datetime) -> RecordedMilestone:
    return RecordedMilestone(
        number=int(row["number"]),
        title=plain(row.get("title") or "") or f"Milestone {row['number']}",
        cost=str(row["cost"]),
        days=None if row.get("duration_days") is None else int(row["duration_days"]),
        deliverables=tuple((str(number), plain(name)) for number, name in row.get("deliverables") or ()),
        evaluations=tuple(
            sorted(
                (_evaluation(each, agreed_at) for each in row.get("evaluations") or ()), key=lambda each: each.day
            )
        ),
    )


def _evaluation(row: Mapping[str, Any], agreed_at: dt.datetime) -> Evaluation:
    at = dt.datetime.fromisoformat(row["at"])
    return Evaluation(
        day=(at - agreed_at).days, status=row["status"], evaluator=str(row.get("evaluator") or "unnamed"),
        accepted_items=int(row.get("accepted_items") or 0), items=int(row.get("items") or 0),
    )


def plain(text: str) -> str:
    """Return a text on one line, without characters that cannot be shown."""
    shown = "".join(" " if unicodedata.category(each).startswith("C") else each for each in text)
    return " ".join(shown.split())
