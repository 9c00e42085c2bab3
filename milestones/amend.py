"""Amending a running contract: what a proposal touches, whether it may, whether it is adverse, what is left (MIL-13).

Pure comparison of terms: in force, proposed, and those the plan began with. Who votes and how votes are counted is
`polls`; when a proposal takes effect, and what leavers get, is the application's.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from milestones.apportion import WHOLE_BP, recompute_tranches
from milestones.diff import Change, diff
from milestones.document import to_document
from milestones.terms import PARALLEL, MilestoneTerms, Terms

#: No cumulative share rises further above that of the first version, over all amendments together.
MOST_RISE_BP = 1_000
#: A date moved further than this is adverse, from the version in force or from the first.
MOST_DAYS = 30
#: The same subject waits this long after a no.
WAIT_DAYS = 60

#: Parts of the contract that no amendment changes: what they mean was decided when money came in.
FIXED = ("schema", "currency", "zone", "calendar", "order", "closing_bp")

#: States in which a milestone can be amended at all; every other one is submitted, released or gone.
AMENDABLE = frozenset({"locked", "open"})

MONEY, DATES, CRITERIA, AUDITORS, FAILURE, TERMS, WORDS = (
    "money", "dates", "criteria", "auditors", "failure", "terms", "words"
)  # fmt: skip

#: field of a milestone → the subject it belongs to; what is not named here is `terms`.
SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "tranche_bp": MONEY, "retainage": MONEY, "reporting_retainage_bp": MONEY, "target_date": DATES,
        "long_stop": DATES, "grace_days": DATES, "extension_days": DATES, "criteria": CRITERIA, "deliverable": CRITERIA,
        "auditors": AUDITORS, "quorum": AUDITORS, "auditor_fee_minor": AUDITORS, "on_failure": FAILURE, "title": WORDS,
    }
)  # fmt: skip

#: Fields where only one direction harms investors: a change this way is not adverse.
MORE_IS_BETTER = frozenset({"challenge_business_days", "review_business_days"})
LESS_IS_BETTER = frozenset({"grace_days", "extension_days", "resubmissions"})
HARMLESS = frozenset({"title"})
_DATES = frozenset({"target_date", "long_stop"})


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a proposal cannot be put to the vote: a stable code, words, and the milestone's key where it is about one."""

    code: str
    message: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason why a proposal is adverse: a code of the table, and where."""

    code: str
    path: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A proposal compared with the terms in force.

    `touched` are the keys of the milestones it changes or adds; `subjects` what it is about, for the wait after a no.
    """

    changes: tuple[Change, ...]
    touched: tuple[str, ...]
    subjects: tuple[str, ...]
    grounds: tuple[Ground, ...]
    objections: tuple[Objection, ...]

    @property
    def is_adverse(self) -> bool:
        """Whether heads count too and everybody who did not vote for it may leave."""
        return bool(self.grounds)


def judge(current: Terms, proposed: Terms, first: Terms, states: Mapping[str, str]) -> Judged:
    """Compare a proposal with the terms in force and the first ones, by the milestones' states (by key)."""
    return Judged(
        changes=diff(current, proposed),
        touched=touched(current, proposed),
        subjects=subjects(current, proposed),
        grounds=tuple(_grounds(current, proposed, first)),
        objections=tuple(_objections(current, proposed, first, states)),
    )


def touched(current: Terms, proposed: Terms) -> tuple[str, ...]:
    """Give the keys of milestones that a proposal changes, moves or adds, in its own order."""
    before = {m.key: (index, m) for index, m in enumerate(current.milestones)}
    return tuple(
        m.key for index, m in enumerate(proposed.milestones) if before.get(m.key) != (index, m)
    )


def subjects(current: Terms, proposed: Terms) -> tuple[str, ...]:
    """Name what a proposal is about: `money` of the whole plan, else a milestone's key and the kind of term.

    Coarse on purpose: a proposal about the same criteria in other words is about the same subject.
    """
    old, new = to_document(current), to_document(proposed)
    before = {m["key"]: m for m in old["milestones"]}
    found = {f"contract:{name}" for name in {*old, *new} - {"milestones"} if old.get(name) != new.get(name)}
    if [m["key"] for m in old["milestones"]] != [m["key"] for m in new["milestones"] if m["key"] in before]:
        found.add(MONEY)
    for milestone in new["milestones"]:
        earlier = before.get(milestone["key"])
        if earlier is None:
            found |= {MONEY, f"{milestone['key']}:{TERMS}"}
            continue
        for name in {*earlier, *milestone}:
            if earlier.get(name) != milestone.get(name):
                subject = SUBJECTS.get(name, TERMS)
                found.add(MONEY if subject == MONEY else f"{milestone['key']}:{subject}")
    return tuple(sorted(found))


# -- what may not be ----------------------------------------------------------------------------------


def _objections(
    current: Terms, proposed: Terms, first: Terms, states: Mapping[str, str]
) -> Iterator[Objection]:
    if current == proposed:
        yield Objection("amendment_empty", "Nothing differs from the terms in force.")
        return
    old, new = to_document(current), to_document(proposed)
    for name in FIXED:
        if old.get(name) != new.get(name):
            yield Objection("amendment_fixed", f"“{name}” cannot be amended: it was decided when the money came in.")
    before = {m.key: (index, m) for index, m in enumerate(current.milestones)}
    after = {m.key: (index, m) for index, m in enumerate(proposed.milestones)}
    for key, (index, milestone) in before.items():
        if key not in after:
            yield Objection(
                "milestone_removed", f"“{milestone.title}” is missing. A milestone can be changed, never removed.", key
            )
            continue
        moved, changed = after[key]
        state = states.get(key, "locked")
        if state not in AMENDABLE and changed != milestone:
            yield Objection(
                "milestone_settled",
                f"“{milestone.title}” is {state.replace('_', ' ')}. What is submitted or decided cannot be amended.",
                key,
            )
        elif state != "locked" and moved != index:
            yield Objection("milestone_moved", f"“{milestone.title}” has begun, so it keeps its place.", key)
    yield from _rises(proposed, first)


def _rises(proposed: Terms, first: Terms) -> Iterator[Objection]:
    """Compare cumulative shares with those of the first version, at every step.

    A step is a milestone of the first version: what may be out before it, and with it. So neither a new milestone put
    before it nor another order lets more go first. In a parallel plan any order can come true: each share counts too.
    """
    for key, most_before, most_with, before, with_it in _steps(proposed, first):
        if before > most_before + MOST_RISE_BP or with_it > most_with + MOST_RISE_BP:
            yield Objection(
                "amendment_too_soon",
                f"By “{key}” more than 10 points above the first version could be out of escrow.", key,
            )
    if proposed.order == PARALLEL:
        own = {m.key: m.tranche_bp for m in first.milestones}
        for milestone in proposed.milestones:
            if milestone.tranche_bp > own.get(milestone.key, 0) + MOST_RISE_BP:
                yield Objection(
                    "amendment_too_soon",
                    f"“{milestone.title}” alone releases more than 10 points above the first version.", milestone.key,
                )


def _steps(proposed: Terms, earlier: Terms) -> Iterator[tuple[str, int, int, int, int]]:
    """Give, for each milestone of the earlier terms: its key, earlier shares before and with it, and proposed ones."""
    then, now = _cumulative(earlier), _cumulative(proposed)
    for key, (before, with_it) in then.items():
        if key in now:
            yield key, before, with_it, *now[key]


def _cumulative(terms: Terms) -> dict[str, tuple[int, int]]:
    found, total = {}, terms.closing_bp
    for milestone in terms.milestones:
        found[milestone.key] = (total, total + milestone.tranche_bp)
        total += milestone.tranche_bp
    return found


# -- what is adverse ----------------------------------------------------------------------------------


def _grounds(current: Terms, proposed: Terms, first: Terms) -> Iterator[Ground]:
    old, new = to_document(current), to_document(proposed)
    began = to_document(first)
    if set(new.get("relaxed", ())) - set(old.get("relaxed", ())):
        yield Ground("relaxed", "/relaxed")
    for name in {*old, *new} - {"milestones", "title", "relaxed", "long_stop"}:
        if old.get(name) != new.get(name):
            yield Ground("contract_term", f"/{name}")
    yield from _date_grounds("/long_stop", old["long_stop"], new["long_stop"], began["long_stop"])
    for key, most_before, most_with, before, with_it in _steps(proposed, current):
        if before > most_before or with_it > most_with:
            yield Ground("more_money", f"/milestones/{key}/tranche_bp")
    earlier = {m["key"]: m for m in old["milestones"]}
    at_first = {m["key"]: m for m in began["milestones"]}
    for milestone in new["milestones"]:
        key = milestone["key"]
        if key in earlier:
            yield from _milestone_grounds(earlier[key], milestone, at_first.get(key, earlier[key]), proposed.order)


def _milestone_grounds(
    old: Mapping[str, Any], new: Mapping[str, Any], first: Mapping[str, Any], order: str
) -> Iterator[Ground]:
    base = f"/milestones/{old['key']}"
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        path = f"{base}/{name}"
        if before == after or name in HARMLESS:
            continue
        if name in _DATES:
            yield from _date_grounds(path, before, after, first.get(name, before))
        elif name == "criteria":
            yield from _criteria_grounds(path, before, after)
        elif name == "tranche_bp":
            # In a sequential plan the steps say what comes sooner; in a parallel one each share can be first.
            if order == PARALLEL and after > before:
                yield Ground("more_money", path)
        elif name in MORE_IS_BETTER | LESS_IS_BETTER:
            if (after < before) == (name in MORE_IS_BETTER):
                yield Ground(SUBJECTS.get(name, TERMS), path)
        else:
            yield Ground(SUBJECTS.get(name, TERMS), path)


def _date_grounds(path: str, before: str, after: str, first: str) -> Iterator[Ground]:
    """Judge a moved date: by more than 30 days from the version in force, or further than that from the first one."""
    if before == after:
        return
    began, was, now = (date.fromisoformat(each) for each in (first, before, after))
    from_first = abs((now - began).days)
    if abs((now - was).days) > MOST_DAYS or (from_first > MOST_DAYS and from_first > abs((was - began).days)):
        yield Ground("date_moved", path)


def _criteria_grounds(
    path: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterator[Ground]:
    """Judge criteria: one removed, or weaker. Other words are weaker too: no program can tell that they are not."""
    kept = {each["key"]: each for each in after}
    for criterion in before:
        place = f"{path}/{criterion['key']}"
        new = kept.get(criterion["key"])
        if new is None:
            yield Ground("criterion_removed", place)
        elif _is_weaker(criterion, new):
            yield Ground("criterion_weaker", place)


def _is_weaker(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    for name in {*old, *new}:
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == "evidence":
            harmless = set(before or ()) <= set(after or ())
        elif name == "measure":
            harmless = before is None or _is_tighter(before, after)
        elif name == "weight_bp":
            harmless = after > before
        else:
            harmless = name == "must" and after
        if not harmless:
            return True
    return False


def _is_tighter(before: Mapping[str, Any], after: Mapping[str, Any] | None) -> bool:
    """Say whether a measure asks for more of the same quantity."""
    if after is None or {*before} != {*after}:
        return False
    if any(before[name] != after[name] for name in before if name not in ("at_least", "at_most")):
        return False
    if "at_least" in before:
        return Decimal(after["at_least"]) >= Decimal(before["at_least"])
    return Decimal(after["at_most"]) <= Decimal(before["at_most"])


# -- what takes effect --------------------------------------------------------------------------------


def without(current: Terms, proposed: Terms, dropped: Collection[str]) -> Terms | None:
    """Give what is left of a proposal when milestones were submitted meanwhile; None when nothing is.

    They keep the terms in force. Where the proposal moved money to or from them, no tranche changes at all; where it
    also adds milestones, which need that money, nothing of it is left.
    """
    if not dropped:
        return proposed
    before = {m.key: m for m in current.milestones}
    milestones = [before[m.key] if m.key in dropped and m.key in before else m for m in proposed.milestones]
    if proposed.closing_bp + sum(m.tranche_bp for m in milestones) != WHOLE_BP:
        if any(m.key not in before for m in milestones):
            return None
        milestones = [_with_bp(m, before[m.key]) for m in milestones]
    places = {m.key: index for index, m in enumerate(current.milestones)}
    if any(places.get(m.key, index) != index for index, m in enumerate(milestones) if m.key in dropped):
        return None
    left = replace(proposed, milestones=tuple(milestones))
    return None if left == current else left


def _with_bp(milestone: MilestoneTerms, other: MilestoneTerms) -> MilestoneTerms:
    return replace(milestone, tranche_bp=other.tranche_bp)


def tranches(
    proposed: Terms, fixed_minor: Mapping[str, int], unreleased_minor: int, settled: Collection[str]
) -> dict[str, int]:
    """Divide what is unreleased over the tranches not yet decided, in contract order (MIL-1); minor units by key.

    `fixed_minor` are unreleased tranches that keep their money: submitted, approved or disputed ones. `settled` have
    none left.
    """
    free = [m for m in proposed.milestones if m.key not in fixed_minor and m.key not in settled]
    amounts = recompute_tranches(unreleased_minor - sum(fixed_minor.values()), [m.tranche_bp for m in free])
    return {m.key: amount for m, amount in zip(free, amounts, strict=True)}
