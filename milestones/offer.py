"""The document of an offering's version: what an investor binds to, what a change alters, and whether it is material.

A version is plain data in groups: figures, the class's rights, texts, disclosures, material updates and the resolved
contract. `MATERIAL` is the one table of OFF-8; who may add to it and what follows is the services' work.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milestones.apportion import WHOLE_BP
from milestones.diff import Change, diff_documents

SCHEMA_NAME = "milestake/offering/1"

#: What stays as it is while an offering is open: changing it would be another offering.
FIXED = (
    "/figures/currency", "/figures/zone", "/figures/calendar", "/figures/rail", "/figures/regime", "/figures/holding",
    "/schema",
)

ALWAYS, FROM_TEN_PERCENT, NEVER = "always", "from_10_percent", "never"
USE_OF_PROCEEDS = "/disclosures/use_of_proceeds"
USE_THRESHOLD_BP = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of what is material: every path at or under `path`."""

    path: str
    when: str
    subject: str


MATERIAL: tuple[Row, ...] = (
    Row("/figures/price_micro", ALWAYS, "price"),
    Row("/figures/minimum_minor", ALWAYS, "amounts"),
    Row("/figures/target_minor", ALWAYS, "amounts"),
    Row("/figures/maximum_minor", ALWAYS, "amounts"),
    Row("/figures/minimum_ticket_minor", ALWAYS, "amounts"),
    Row("/figures/fee_bp", ALWAYS, "amounts"),
    Row("/figures/deadline_at", ALWAYS, "deadline"),
    Row("/class", ALWAYS, "class rights"),
    Row("/contract", ALWAYS, "contract"),
    Row("/contract/title", NEVER, "contract"),
    Row(USE_OF_PROCEEDS, FROM_TEN_PERCENT, "use of proceeds"),
    Row("/disclosures/officers", ALWAYS, "officers"),
    Row("/disclosures/litigation", ALWAYS, "litigation"),
    Row("/disclosures/insolvency", ALWAYS, "insolvency"),
    Row("/disclosures/financial_statements", ALWAYS, "financial statements"),
    Row("/updates", ALWAYS, "update"),
    Row("/texts", NEVER, "texts"),
)


@dataclass(frozen=True, slots=True)
class Judged:
    """One change with the row of the table that it falls under."""

    change: Change
    when: str
    subject: str
    is_material: bool


def row_for(path: str) -> Row:
    """Return the most exact row of the table for a path; a path that no row names is always material."""
    under = [row for row in MATERIAL if path == row.path or path.startswith(row.path + "/")]
    return max(under, key=lambda row: len(row.path), default=Row(path, ALWAYS, "other"))


def judge(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Judged, ...]:
    """List every difference between two versions, each judged by the table (OFF-8)."""
    moved_bp = moved_share_bp(_uses(old), _uses(new))
    found = []
    for change in diff_documents(old, new):
        row = row_for(change.path)
        is_material = row.when == ALWAYS or (row.when == FROM_TEN_PERCENT and moved_bp >= USE_THRESHOLD_BP)
        found.append(Judged(change, row.when, row.subject, is_material))
    return tuple(found)


def is_material(judged: Sequence[Judged]) -> bool:
    """Say whether the table makes these changes together material."""
    return any(each.is_material for each in judged)


def fixed_paths(judged: Sequence[Judged]) -> tuple[str, ...]:
    """List the changed paths that may not change while the offering is open."""
    return tuple(each.change.path for each in judged if each.change.path in FIXED)


def _uses(document: Mapping[str, Any]) -> Mapping[str, int]:
    uses = document["disclosures"].get("use_of_proceeds", ())
    return {each["key"]: each["share_bp"] for each in uses}


def moved_share_bp(old: Mapping[str, int], new: Mapping[str, int]) -> int:
    """Return which part of the proceeds goes elsewhere than before, in basis points of all of them.

    A use is known by its words: other words are another use, so a renamed one counts as moved.
    """
    more = sum(max(0, share - old.get(key, 0)) for key, share in new.items())
    less = sum(max(0, share - new.get(key, 0)) for key, share in old.items())
    return max(more, less)


def use_key(text: str) -> str:
    """Return what a use of the proceeds is known by: its words, in lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-") or "use"


def use_problems(uses: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with a list of uses: it is empty, or names each once and sums to the whole."""
    keys = [each["key"] for each in uses]
    if len(set(keys)) != len(keys):
        yield "Name each use of the proceeds once."
    if uses and sum(each["share_bp"] for each in uses) != WHOLE_BP:
        yield "The uses of the proceeds must add up to exactly 100 %."


def patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return only what differs, group by group; `merge` of it onto `old` gives `new`.

    A change keeps its patch, so that what another rule moves meanwhile (a deadline) is not moved back.
    """
    found: dict[str, Any] = {}
    for group, values in new.items():
        if group == "updates":
            added = [each for each in values if each not in old[group]]
            if added:
                found[group] = added
        elif group == "contract":
            if values != old[group]:
                found[group] = values
        elif isinstance(values, Mapping):
            changed = {name: value for name, value in values.items() if value != old[group].get(name)}
            if changed:
                found[group] = changed
    return found


def merge(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version's document with a patch applied."""
    result = copy.deepcopy(dict(document))
    for group, values in changes.items():
        if group == "updates":
            result[group] += [dict(each) for each in values if each not in result[group]]
        elif group == "contract":
            result[group] = copy.deepcopy(values)
        else:
            result[group].update(copy.deepcopy(values))
    return result
