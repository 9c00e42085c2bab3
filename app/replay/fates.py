"""Decide from a record what happens to its milestones, and when: who finds what, and how it ends.

Pure. The rules are said in :data:`ENDS` and counted, so that whoever reads the table knows what was made of the file.
Days are counted from the close of the offering, which stands for the day the contract was agreed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.replay.records import Evaluation, Record, RecordedMilestone

#: Evaluations within so many days of the first are one panel's; later ones are of a later submission.
SAME_PANEL_DAYS = 3
#: How many days after its target a milestone is evaluated where the record says only that it was: the median of those
#: that have a date.
USUAL_LATENESS_DAYS = 35
#: A resignation follows so many days after the target date of the first milestone that was not met.
RESIGNS_AFTER_DAYS = 30
#: From handing in to the findings, and from the findings to the release when nobody objects.
REVIEW_DAYS = 5
WINDOW_DAYS = 8

MET, REJECTED, LONG_STOP, RESIGNS, UNREACHED = "met", "rejected", "long_stop", "resigns", "unreached"

#: how a milestone ends → what in the record makes it end so
ENDS = {
    MET: "evaluated as accepted, or not evaluated and the programme recorded as completed",
    REJECTED: "evaluated as rejected, with no later acceptance",
    LONG_STOP: "no evaluation and no status, or last evaluated as in progress: it passes its long-stop",
    RESIGNS: "programme recorded as terminated: the founder resigns",
    UNREACHED: "an earlier milestone of its contract was not met",
}


@dataclass(frozen=True, slots=True)
class Round:
    """One submission: the day of its findings and who found what."""

    day: int
    findings: tuple[Evaluation, ...]
    met: bool


@dataclass(frozen=True, slots=True)
class Fate:
    """The course of one milestone: its submissions in order, and its end.

    ``approvals`` of ``auditors`` decide. ``last_day`` is when its last act falls, seen from the record.
    """

    target_day: int
    rounds: tuple[Round, ...]
    end: str
    auditors: tuple[str, ...]
    approvals: int
    resubmissions: int
    last_day: int


def fates_of(record: Record, panel: Sequence[str], notes: Counter[str]) -> list[Fate]:
    """Return the fate of each milestone in order. ``panel`` names auditors for milestones that nobody evaluated."""
    found: list[Fate] = []
    target_day = settled_day = 0
    reached = True
    for index, milestone in enumerate(record.milestones):
        target_day += _duration(record, milestone, notes)
        fate = _fate(record, milestone, index, target_day, settled_day, panel, notes)
        if not reached:
            if any(each.met for each in fate.rounds):
                notes["accepted in the record, but an earlier milestone was not: never reached"] += 1
            fate = Fate(fate.target_day, (), UNREACHED, fate.auditors, fate.approvals, 0, settled_day)
        reached = reached and fate.end == MET
        settled_day = fate.last_day
        found.append(fate)
    return found


def _duration(record: Record, milestone: RecordedMilestone, notes: Counter[str]) -> int:
    if milestone.days is not None and milestone.days > 0:
        return milestone.days
    notes["planned duration missing: 30 days"] += 1
    return 30


def _fate(
    record: Record, milestone: RecordedMilestone, index: int, target_day: int, opens_day: int, panel: Sequence[str],
    notes: Counter[str],
) -> Fate:
    rounds = _rounds(milestone.evaluations, notes)
    is_believed = record.completed or (record.first_delivery and index == 0)
    if is_believed and not (rounds and rounds[-1].met) and not _is_rejected(rounds):
        notes["no acceptance found, believed from the programme's status"] += 1
        day = max(target_day + USUAL_LATENESS_DAYS, rounds[-1].day + USUAL_LATENESS_DAYS if rounds else 0)
        items = len(milestone.deliverables)
        by = rounds[-1].findings[0].evaluator if rounds else panel[(record.line + index) % len(panel)]
        rounds.append(Round(day, (Evaluation(day, "accepted", by, items, items),), met=True))
    end = _end(record, rounds)
    rounds, shifted = _in_order(rounds, opens_day)
    if shifted:
        notes["evaluated before there was something to evaluate here: moved behind the step before"] += 1
    auditors = tuple(dict.fromkeys(each.evaluator for one in rounds for each in one.findings))
    not_met = sum(not one.met for one in rounds)
    last_day = rounds[-1].day + WINDOW_DAYS if rounds else target_day
    return Fate(
        target_day=target_day, rounds=tuple(rounds), end=end,
        auditors=auditors or (panel[(record.line + index) % len(panel)],),
        approvals=_approvals(rounds),
        # A rejection is final at once; after anything else the founder may try again.
        resubmissions=not_met - 1 if end == REJECTED else not_met,
        last_day=max(last_day, target_day + RESIGNS_AFTER_DAYS) if end == RESIGNS else last_day,
    )


def _rounds(evaluations: Sequence[Evaluation], notes: Counter[str]) -> list[Round]:
    """Group evaluations into submissions; whatever follows an acceptance changed nothing and is left out."""
    groups: list[list[Evaluation]] = []
    for each in evaluations:
        if groups and each.day - groups[-1][0].day <= SAME_PANEL_DAYS:
            if any(other.evaluator == each.evaluator for other in groups[-1]):
                notes["second evaluation by the same evaluator within days: the first counts"] += 1
            else:
                groups[-1].append(each)
        elif groups and any(other.is_met for other in groups[-1]):
            notes["evaluated again after its acceptance: the first counts"] += 1
        else:
            groups.append([each])
    return [Round(group[-1].day, tuple(group), any(each.is_met for each in group)) for group in groups]


def _is_rejected(rounds: Sequence[Round]) -> bool:
    return bool(rounds) and any(each.status == "rejected" for each in rounds[-1].findings)


def _end(record: Record, rounds: Sequence[Round]) -> str:
    if rounds and rounds[-1].met:
        return MET
    if record.terminated:
        return RESIGNS
    return REJECTED if _is_rejected(rounds) else LONG_STOP


def _in_order(rounds: Sequence[Round], opens_day: int) -> tuple[list[Round], bool]:
    """Move findings behind the day on which there can be something to find."""
    moved, earliest = [], opens_day + REVIEW_DAYS + 1
    for each in rounds:
        moved.append(Round(max(each.day, earliest), each.findings, each.met))
        earliest = moved[-1].day + REVIEW_DAYS + 1
    return moved, [each.day for each in moved] != [each.day for each in rounds]


def _approvals(rounds: Sequence[Round]) -> int:
    """Return the largest k under which the panel decides as the record did, whoever of it was silent."""
    fewest = min((len(each.findings) for each in rounds), default=1)
    met = min((sum(one.is_met for one in each.findings) for each in rounds if each.met), default=fewest)
    return max(1, min(fewest, met))
