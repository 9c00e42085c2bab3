"""Read a contract from a YAML or JSON file, naming the line of everything that is wrong, and write it as one.

Values are text, whole numbers, true or false, lists and groups: no tags, no aliases, no floats, no nulls. What
a contract's fields mean is ``milestones.document``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from app import calendars
from app.errors import Refused
from milestones import document as documents
from milestones.terms import Terms

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_FRACTION = re.compile(
    r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?[0-9]+e[-+]?[0-9]+|[-+]?\.(inf|nan)", re.IGNORECASE
)
_TEXT_TAG = "tag:yaml.org,2002:str"


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing wrong with a file: its line (None when it has none), the place as a JSON pointer, code, words."""

    line: int | None
    path: str
    code: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        return f"{place}: {self.message}" if place else self.message


class ContractFileError(Refused):
    """The file is not a contract; ``problems`` lists everything that is wrong with it."""

    code = "contract_file_unreadable"

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__(" ".join(str(problem) for problem in problems), field="file")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ContractFile:
    """A contract as read: its terms, its document, and the line at which each place begins."""

    terms: Terms
    document: Mapping[str, Any]
    lines: Mapping[str, int]


def read_contract(data: bytes) -> ContractFile:
    """Read a file of at most 256 KB. Raises :class:`ContractFileError` with lines and places; never repairs."""
    text = _text_of(data)
    is_json = text.lstrip().startswith("{")
    tree = _Tree()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            tree.take(event)
    except yaml.YAMLError as error:
        if not is_json:
            raise ContractFileError([_yaml_problem(error)]) from error
    except _Stop:
        pass
    document, wrong = _json_of(text) if is_json else (tree.root, [])
    if tree.problems or wrong:
        raise ContractFileError(tree.problems or wrong)
    try:
        terms = documents.parse_document(document)  # type: ignore[arg-type] - anything else is a problem it names
    except documents.ContractError as error:
        raise ContractFileError(
            [FileProblem(line_of(tree.lines, each.path), each.path, each.code, each.message)
             for each in error.problems]
        ) from error
    if terms.calendar not in calendars.CALENDARS:
        raise ContractFileError(
            [FileProblem(line_of(tree.lines, "/calendar"), "/calendar", "calendar_unknown",
                         f"There is no calendar “{terms.calendar}”. Known are: {', '.join(calendars.CALENDARS)}.")]
        )
    return ContractFile(terms, document, tree.lines)  # type: ignore[arg-type] - it was just read as a map


def write_yaml(terms: Terms) -> str:
    """Write terms as YAML with every default written in; reading it back gives the same hash (MIL-3)."""
    return yaml.safe_dump(
        documents.to_document(terms), sort_keys=False, allow_unicode=True, width=100, default_flow_style=False
    )


def line_of(lines: Mapping[str, int], path: str) -> int | None:
    """Return the line of a place, or of the nearest thing around it that stands in the file."""
    while path and path not in lines:
        path = path.rpartition("/")[0]
    return lines.get(path)


def _text_of(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ContractFileError(
            [FileProblem(None, "", "file_too_large", f"The file is larger than {MAX_BYTES // 1024} KB. Shorten it.")]
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ContractFileError(
            [FileProblem(line, "", "file_not_utf8", "The file is not UTF-8 text. Save it as UTF-8 and try again.")]
        ) from error
    if not text.strip():
        raise ContractFileError([FileProblem(None, "", "file_empty", "The file is empty. Choose the contract's file.")])
    return text


def _yaml_problem(error: yaml.YAMLError) -> FileProblem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or "it cannot be read as YAML"
    return FileProblem(mark.line + 1 if mark else None, "", "file_not_yaml", f"This is not YAML: {said}.")


def _json_of(text: str) -> tuple[object, list[FileProblem]]:
    """Read JSON strictly: a group's key stands once, numbers are whole. Raises on what is not JSON at all."""
    problems: list[FileProblem] = []

    def group(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen: set[str] = set()
        for key, _value in pairs:
            if key in seen:
                problems.append(FileProblem(None, "", "key_twice", f"“{key[:60]}” stands twice in one group."))
            seen.add(key)
        return dict(pairs)

    def refuse(number: str) -> str:
        problems.append(_fraction(None, "", number))
        return number

    try:
        found = json.loads(text, object_pairs_hook=group, parse_float=refuse, parse_constant=refuse)
    except RecursionError as error:
        raise ContractFileError([FileProblem(None, "", "file_too_deep", "The file is nested too deep.")]) from error
    except ValueError as error:
        line = getattr(error, "lineno", None)
        said = getattr(error, "msg", "it cannot be read")
        raise ContractFileError([FileProblem(line, "", "file_not_json", f"This is not JSON: {said}.")]) from error
    return found, problems


def _fraction(line: int | None, path: str, text: str) -> FileProblem:
    return FileProblem(
        line, path, "number_not_whole", f"Write {text[:40]} in quotes, or as a whole number: a number with a point is "
        "not exact in a file.",
    )


class _Stop(Exception):
    """Reading on makes no sense."""


@dataclass(slots=True)
class _Open:
    """A list or group that is being read; ``key`` waits for its value."""

    value: list[Any] | dict[str, Any]
    path: str
    key: str | None = None


@dataclass(slots=True)
class _Tree:
    """Builds the values of a YAML file from its events, without recursion, and notes the line of each place."""

    root: object = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event. Raises ``_Stop`` when the rest need not be read."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse(line, "", "documents_many", "The file has several documents. Keep one.")
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(line, self._here(), "alias", "Write the value out: “*” references are not read.")
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if event.tag is not None or event.anchor is not None:
                self._refuse(line, self._here(), "tag", "Remove “!” tags and “&” names: they are not read.")
            if len(self.stack) >= MAX_DEPTH:
                self._refuse(line, self._here(), "file_too_deep", "The file is nested too deep.")
            path = self._here()
            value: list[Any] | dict[str, Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._put(value, line)
            self.stack.append(_Open(value, path))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.stack.pop()

    def _refuse(self, line: int, path: str, code: str, message: str) -> None:
        self.problems.append(FileProblem(line, path, code, message))
        raise _Stop

    def _here(self) -> str:
        """Return the place of the value that comes next."""
        if not self.stack:
            return ""
        top = self.stack[-1]
        step = str(len(top.value)) if isinstance(top.value, list) else top.key or ""
        return f"{top.path}/{step.replace('~', '~0').replace('/', '~1')}"

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if event.anchor is not None or event.tag not in (None, _TEXT_TAG, "!"):
            self._refuse(line, self._here(), "tag", "Remove “!” tags and “&” names: they are not read.")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if event.value in top.value:
                self._refuse(line, f"{top.path}/{event.value}", "key_twice",
                             f"“{event.value[:60]}” stands twice in one group. Keep one.")
            top.key = event.value
            return
        self._put(self._value_of(event, line), line)

    def _value_of(self, event: yaml.ScalarEvent, line: int) -> object:
        text = event.value
        if event.style or event.tag is not None:
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            words = "Here a value is missing. Fill it in or remove the line."
            self.problems.append(FileProblem(line, self._here(), "value_missing", words))
            return text
        if text in ("true", "false"):
            return text == "true"
        if _WHOLE.fullmatch(text):
            return int(text)
        if _FRACTION.fullmatch(text):
            self.problems.append(_fraction(line, self._here(), text))
        return text

    def _put(self, value: object, line: int) -> None:
        path = self._here()
        self.lines[path] = line
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            self._refuse(line, path, "key_not_text", "The name of a field must be text.")
        else:
            top.value[top.key] = value
            top.key = None
