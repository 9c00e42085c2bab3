"""Read a file of real offerings with their filings: one JSON object a line, as ``SOURCES`` of such a file describes it.

Only reads, and says of every line that cannot be read what is wrong with it. What becomes of a filing is
``filing_terms`` (the figures) and ``filing_course`` (the events).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from app.replay.records import RecordError, plain

OUTCOMES = frozenset({
    "closed_at_or_above_target", "closed_below_target", "no_closing_filed", "withdrawn", "updated_amount_not_stated",
})
FIRST_COME, PRO_RATA, OTHER = "First-come, first-served basis", "Pro-rata basis", "Other"
#: What ``term_changes`` may change; the rest of an amendment is words.
CHANGED = ("deadline", "max", "target", "price", "units")
#: So many faulty lines are told at once.
FAULTS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Amendment:
    """A filing after the first: its form, its day, the terms it changes (by name, as texts) and its words."""

    filed_on: dt.date
    form: str
    changes: Mapping[str, str]
    words: str


@dataclass(frozen=True, slots=True)
class Filing:
    """One offering as it was filed. Amounts and price are exact decimals, None where the filing has none."""

    line: int
    file_number: str
    issuer: str
    filed_on: dt.date
    security: str
    price: str | None
    target: Decimal
    maximum: Decimal | None
    accepts_more: bool
    allocation: str | None
    deadline: dt.date
    outcome: str
    closing_amount: Decimal | None
    withdrawn_on: dt.date | None
    amendments: tuple[Amendment, ...]
    anomalies: tuple[str, ...]


def read(path: Path) -> list[Filing]:
    """Return the filings of a file in the order of their days; raise :class:`RecordError` naming every faulty line."""
    found, faults = [], []
    with path.open(encoding="utf-8") as lines:
        for number, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                found.append(_filing(number, text))
            except RecordError as error:
                faults.append(str(error))
    if faults:
        more = [f"… and {len(faults) - FAULTS_TOLD} more lines."] if len(faults) > FAULTS_TOLD else []
        raise RecordError("\n".join([*faults[:FAULTS_TOLD], *more]))
    if not found:
        raise RecordError("The file holds no filings.")
    return sorted(found, key=lambda each: (each.filed_on, each.line))


def _filing(line: int, text: str) -> Filing:
    row = _Row(line, _object(line, text))
    outcome = row.text("outcome")
    if outcome not in OUTCOMES:
        raise row.fault("outcome", "is none of " + ", ".join(sorted(OUTCOMES)))
    accepted = row.text("oversub_accepted")
    if accepted not in ("Y", "N"):
        raise row.fault("oversub_accepted", "is neither Y nor N")
    allocation = row.text("oversub_allocation", required=False) or None
    if allocation not in (None, FIRST_COME, PRO_RATA, OTHER):
        raise row.fault("oversub_allocation", f"is none of {FIRST_COME}, {PRO_RATA}, {OTHER}")
    target = row.amount("target_amount")
    if target is None or target <= 0:
        raise row.fault("target_amount", "must be above 0")
    price = row.text("price", required=False) or None
    if price is not None and (row.amount("price") or 0) <= 0:
        raise row.fault("price", "must be above 0")
    return Filing(
        line=line, file_number=row.text("file_number"), issuer=row.text("issuer"), filed_on=row.day("filed_on"),
        security=row.text("security_type", required=False), price=price, target=target,
        maximum=row.amount("max_amount"), accepts_more=accepted == "Y", allocation=allocation,
        deadline=row.day("deadline"), outcome=outcome, closing_amount=row.amount("closing_amount"),
        withdrawn_on=row.day("withdrawn_on") if row.fields.get("withdrawn_on") else None,
        amendments=tuple(sorted(_amendments(row), key=lambda each: each.filed_on)),
        anomalies=tuple(str(each) for each in row.array("anomalies")),
    )


def _object(line: int, text: str) -> Mapping[str, Any]:
    try:
        row = json.loads(text, parse_float=str, parse_int=str)
    except ValueError as error:
        raise RecordError(f"Line {line} is not JSON: {error}.") from error
    if not isinstance(row, dict):
        raise RecordError(f"Line {line} is not an offering: a JSON object with its filing is expected.")
    return row


def _amendments(row: _Row) -> Iterator[Amendment]:
    for number, event in enumerate(row.array("events"), start=1):
        if not isinstance(event, dict):
            raise row.fault("events", f"has no object as its entry {number}")
        inner = _Row(row.line, event, f"events[{number}].")
        form = inner.text("form")
        if form == "C":
            continue
        yield Amendment(
            inner.day("filed_on"), form, _changes(inner), inner.text("text", required=False),
        )


def _changes(row: _Row) -> Mapping[str, str]:
    """Read ``deadline:2016-11-13>2016-10-10;max:…``: what each term becomes, empty for one that is taken away."""
    found: dict[str, str] = {}
    for part in filter(None, row.text("term_changes", required=False).split(";")):
        name, colon, change = part.partition(":")
        _before, arrow, after = change.partition(">")
        if name not in CHANGED or not colon or not arrow:
            raise row.fault("term_changes", f"has “{part}”; expected is like deadline:2016-11-13>2016-10-10")
        value = _Row(row.line, {name: after}, row.prefix + "term_changes ")
        if after:
            value.day(name) if name == "deadline" else value.amount(name)
        found[name] = after
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """The fields of one line, read one by one; each fault names line, field and value."""

    line: int
    fields: Mapping[str, Any]
    prefix: str = ""

    def fault(self, name: str, why: str) -> RecordError:
        value = str(self.fields.get(name, ""))
        shown = f" “{plain(value)[:60]}”" if value else ""
        return RecordError(f"Line {self.line}: {self.prefix}{name}{shown} {why}.")

    def text(self, name: str, *, required: bool = True) -> str:
        value = self.fields.get(name)
        if value is None and not required:
            return ""
        if value is None:
            raise self.fault(name, "is missing")
        if not isinstance(value, str):
            raise self.fault(name, "is not a text")
        found = plain(value)
        if required and not found:
            raise self.fault(name, "is empty")
        return found

    def day(self, name: str) -> dt.date:
        text = self.text(name)
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise self.fault(name, "is not a date such as 2016-11-13") from None

    def amount(self, name: str) -> Decimal | None:
        text = self.text(name, required=False)
        if not text:
            return None
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise self.fault(name, "is not a number") from None
        if not value.is_finite() or value < 0 or value.adjusted() > 12:
            raise self.fault(name, "is not an amount from 0 to a million million")
        return value

    def array(self, name: str) -> list[Any]:
        value = self.fields.get(name, [])
        if not isinstance(value, list):
            raise self.fault(name, "is not a list")
        return value
