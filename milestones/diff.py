"""What changed between two versions of a contract or of a whole offer, field by field, for people and for rules.

Compares resolved documents, so a default written out is no change. Whether a change is material is `offer`'s table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from milestones.document import to_document
from milestones.terms import Terms


@dataclass(frozen=True, slots=True)
class Change:
    """One changed field. `before` is None for something added, `after` for something removed.

    The path names milestones and criteria by their keys (`/milestones/prototype/tranche_bp`), so that inserting one
    does not make all later ones look changed.
    """

    path: str
    before: Any
    after: Any


def diff(old: Terms, new: Terms) -> tuple[Change, ...]:
    """List every difference, in the order of the document; empty exactly when both have the same hash."""
    return diff_documents(to_document(old), to_document(new))


def diff_documents(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """List every difference between two plain documents; lists of things with a `key` are compared key by key."""
    return tuple(_changes("", old, new))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in (*before, *(key for key in after if key not in before)):
            yield from _changes(f"{path}/{key}", before.get(key), after.get(key))
    elif _are_keyed(before, after):
        old_items, new_items = {item["key"]: item for item in before}, {item["key"]: item for item in after}
        kept_before = [key for key in old_items if key in new_items]
        kept_after = [key for key in new_items if key in old_items]
        if kept_before != kept_after:
            yield Change(path, list(old_items), list(new_items))
        yield from _changes(path, old_items, new_items)
    else:
        yield Change(path, before, after)


def _are_keyed(before: Any, after: Any) -> bool:
    """Say whether both are lists of things with keys; one of them may be empty."""
    if not (isinstance(before, list) and isinstance(after, list)):
        return False
    return all(isinstance(each, Mapping) and "key" in each for each in (*before, *after))
