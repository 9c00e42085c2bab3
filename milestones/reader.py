"""Reading plain data field by field, collecting every problem with its place instead of stopping at the first.

Knows kinds of values and where they stand, not what a contract is: that is `document`'s.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_REQUIRED: Any = object()
# Tabs and line ends may stand in a text; other controls and lone surrogates cannot be stored, shown or hashed.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document: where (a JSON pointer), a stable code, and words that say what to do."""

    path: str
    code: str
    message: str


class ContractError(ValueError):
    """A document that is not a contract. `problems` lists all of them in the order of the document."""

    code = "contract_unreadable"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        self.message = "; ".join(f"{problem.path or '/'}: {problem.message}" for problem in problems)
        super().__init__(self.message)


class Reader:
    """Reads values out of plain data. A value that cannot be read is None, and a problem says why."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refuse(self, path: str, code: str, message: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, code, message))

    def fields(
        self, value: object, path: str, required: Sequence[str], optional: Sequence[str] = ()
    ) -> Mapping[str, Any] | None:
        """Read a map that has all required fields and no unknown one."""
        if not isinstance(value, Mapping):
            self.refuse(path, "not_a_map", f"Here a group of fields is needed ({', '.join(required)}).")
            return None
        for key in value:
            if key not in required and key not in optional:
                name = str(key)[:64]
                message = f"There is no field “{name}” here. Known are: {', '.join((*required, *optional))}."
                self.refuse(f"{path}/{name.replace('~', '~0').replace('/', '~1')}", "field_unknown", message)
        for key in required:
            if key not in value:
                self.refuse(f"{path}/{key}", "field_missing", f"“{key}” is missing. Add it.")
        return value

    def _field(self, node: Mapping[str, Any] | None, key: str, default: T, read: Callable[[object], T]) -> T:
        if node is None or key not in node:
            # A missing required field was noted by fields().
            return None if default is _REQUIRED else default
        return read(node[key])

    def text(self, node: Mapping[str, Any] | None, key: str, path: str, longest: int) -> str:
        """Read a required text: NFC, line ends as \\n, no space around it, 1 to `longest` characters."""
        return self._field(node, key, _REQUIRED, lambda value: self._text(value, f"{path}/{key}", longest))

    def _text(self, value: object, path: str, longest: int) -> str | None:
        if not isinstance(value, str):
            self.refuse(
                path, "not_text", "Here text is needed. Put it in quotes if it looks like a number or a date."
            )
            return None
        text = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
        if not text:
            self.refuse(path, "text_empty", "This text is empty. Fill it in.")
        elif max(len(value), len(text)) > longest:
            self.refuse(
                path, "text_too_long", f"This text has {len(value):,} characters; at most {longest:,} fit."
            )
        elif _UNREADABLE.search(text):
            self.refuse(
                path, "text_control_character", "This text has characters that cannot be shown. Remove them."
            )
        else:
            return text
        return None

    def whole(
        self,
        node: Mapping[str, Any] | None,
        key: str,
        path: str,
        least: int,
        most: int,
        default: int = _REQUIRED,
    ) -> int:
        """Read a whole number within bounds."""
        return self._field(node, key, default, lambda value: self._whole(value, f"{path}/{key}", least, most))

    def _whole(self, value: object, path: str, least: int, most: int) -> int | None:
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(path, "not_a_whole_number", f"Here a whole number from {least} to {most} is needed.")
        elif not least <= value <= most:
            self.refuse(path, "number_out_of_range", f"This must be from {least} to {most}.")
        else:
            return int(value)
        return None

    def yes_or_no(self, node: Mapping[str, Any] | None, key: str, path: str, default: bool) -> bool:
        """Read true or false."""
        return self._field(node, key, default, lambda value: self._yes_or_no(value, f"{path}/{key}"))

    def _yes_or_no(self, value: object, path: str) -> bool | None:
        if isinstance(value, bool):
            return value
        self.refuse(path, "not_yes_or_no", "Here true or false is needed.")
        return None

    def choice(
        self,
        node: Mapping[str, Any] | None,
        key: str,
        path: str,
        choices: Sequence[str],
        default: str = _REQUIRED,
    ) -> str:
        """Read one of some words."""
        return self._field(node, key, default, lambda value: self.one_of(value, f"{path}/{key}", choices))

    def one_of(self, value: object, path: str, choices: Sequence[str]) -> str | None:
        """Read one of some words out of a value."""
        if isinstance(value, str) and value in choices:
            return value
        self.refuse(path, "choice_unknown", f"This must be one of: {', '.join(choices)}.")
        return None

    def pattern(
        self,
        node: Mapping[str, Any] | None,
        key: str,
        path: str,
        pattern: re.Pattern[str],
        example: str,
        default: str = _REQUIRED,
    ) -> str:
        """Read a text of one exact form."""
        return self._field(
            node, key, default, lambda value: self.matching(value, f"{path}/{key}", pattern, example)
        )

    def matching(self, value: object, path: str, pattern: re.Pattern[str], example: str) -> str | None:
        """Read a text of one exact form out of a value."""
        if not isinstance(value, str):
            self.refuse(path, "not_text", f"Here text is needed: {example}. Put it in quotes.")
        elif not pattern.fullmatch(value):
            self.refuse(path, "text_form", f"This must be {example}.")
        else:
            return value
        return None

    def items(
        self,
        node: Mapping[str, Any] | None,
        key: str,
        path: str,
        read: Callable[["Reader", object, str], T],
        least: int,
        most: int,
        default: tuple[T, ...] = _REQUIRED,
        *,
        distinct: bool = False,
    ) -> tuple[T, ...]:
        """Read a list, each item by `read`; items that cannot be read are left out where they must be distinct."""
        path = f"{path}/{key}"
        if node is None or key not in node:
            return () if default is _REQUIRED else default
        value = node[key]
        if not isinstance(value, list | tuple):
            self.refuse(path, "not_a_list", "Here a list is needed.")
            return ()
        if not least <= len(value) <= most:
            self.refuse(
                path, "list_length", f"This list has {len(value)} items; {least} to {most} are possible."
            )
            return ()
        items = tuple(read(self, item, f"{path}/{index}") for index, item in enumerate(value))
        if not distinct:
            return items
        found = tuple(item for item in items if item is not None)
        if len(set(found)) != len(found):
            self.refuse(path, "list_repeated", "The same item stands in this list twice. Keep one.")
        return found
