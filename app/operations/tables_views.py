"""Pieces that pages with long tables share: keys in the address, days, files of comma-separated values."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, request

MAX_DIGITS = 18


def number_arg(name: str) -> int | None:
    """Return a whole number from the address, None when there is none that makes sense."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def text_arg(name: str, most: int = 100) -> str:
    """Return a text from the address, trimmed and cut."""
    return request.args.get(name, "").strip()[:most]


def day_arg(name: str, zone: str = "UTC") -> tuple[str, dt.datetime | None, bool]:
    """Return (what was typed, the last instant of that day in the zone, whether it could be read)."""
    typed = text_arg(name, 10)
    if not typed:
        return "", None, True
    try:
        day = dt.date.fromisoformat(typed)
        start = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), tzinfo=zoneinfo.ZoneInfo(zone))
        return typed, start.astimezone(dt.UTC) - dt.timedelta(microseconds=1), True
    except (ValueError, OverflowError):
        return typed, None, False


def csv_answer(filename: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Send rows as a file, line by line, so that its length does not matter."""

    def lines() -> Iterator[str]:
        yield _line(header)
        for row in rows:
            yield _line(row)

    response = Response(lines(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _line(row: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(value) for value in row])
    return buffer.getvalue()


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    text = "" if value is None else str(value)
    if isinstance(value, int) or not text.startswith(("=", "+", "-", "@", "\t")):
        return text
    return f"'{text}"
