"""Play all records on one timeline: launch them together, and let the time of all of them pass."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.accounts.actor import Actor
from app.demo.stage import Stage
from app.replay import amended, crowd, drafting, fates, timeline
from app.replay.course import Course
from app.replay.records import Record, RecordError
from app.replay.revising import Revision
from milestones.document import parse_document, to_document
from milestones.money import Asset

#: All offerings share their investors: the most of one offering, and some more for each.
INVESTORS_AT_MOST, INVESTORS_PER_RECORD = 120, 4
#: Auditors for milestones that nobody evaluated: those who evaluated most in the file.
USUAL_PANEL = 8
#: Our own money behind the fees of providers, as a part of all that is raised in a currency.
FLOAT_PART = 20
#: The longest that a replay may take in the story's time; a record that is not over then is a defect.
MOST_DAYS = 20 * 366


@dataclass(slots=True)
class Played:
    """What happened on the stage: the courses, what was counted, what was changed to fit, and how long it took."""

    courses: list[Course] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    inexact: list[drafting.Inexact] = field(default_factory=list)
    relaxed: Counter[str] = field(default_factory=Counter)
    days: int = 0
    wakes: int = 0


def play(stage: Stage, records: Sequence[Record], *, seed: int, out: Callable[[str], None]) -> Played:
    """Play the records from their launch to their ends and return what happened."""
    played = Played()
    panel = _usual_panel(records)
    launch_at, people = stage.now, min(INVESTORS_AT_MOST, crowd.MOST_INVESTORS + INVESTORS_PER_RECORD * len(records))
    # All are drafted before anything happens, so that a record that cannot be played leaves nothing behind.
    scripts = [_script(record, panel, launch_at, people, seed, played) for record in records]
    cast = _Cast(stage, records, panel, people)
    for script in scripts:
        played.courses.append(_launch(stage, cast, script, launch_at, played))
    out(f"Launched {len(played.courses)} offerings; {len(cast.investors)} people invest, {len(cast.auditors)} audit.")
    _fund_float(stage, cast.operator, played.courses)
    played.days, played.wakes = timeline.run(
        stage, dict.fromkeys(played.courses, stage.now), most_days=MOST_DAYS, out=out
    )
    return played


@dataclass(frozen=True, slots=True)
class _Script:
    """What is to be played of one record.

    ``draft`` and ``fates`` are of what is launched; ``revised`` is what it was amended to, None where it was not.
    """

    record: Record
    fates: Sequence[fates.Fate]
    draft: drafting.Draft
    pledges: Sequence[crowd.Pledge]
    revised: _Revised | None


@dataclass(frozen=True, slots=True)
class _Revised:
    """The terms a contract was amended to, a resolved document, and what happens to its milestones under them."""

    document: Mapping[str, Any]
    fates: Sequence[fates.Fate]


def _usual_panel(records: Sequence[Record]) -> list[str]:
    evaluators = Counter(
        each.evaluator for record in records for milestone in record.milestones for each in milestone.evaluations
    )
    return [name for name, _count in evaluators.most_common(USUAL_PANEL)] or ["E01"]


def _script(
    record: Record, panel: Sequence[str], launch_at: dt.datetime, people: int, seed: int, played: Played
) -> _Script:
    dice = random.Random(f"{seed}:{record.id}")  # noqa: S311 - a story, not a secret
    course = fates.fates_of(record, panel, played.notes)
    draft = drafting.draft(record, course, launch_at=launch_at, dice=dice, notes=played.notes)
    played.ends.update(fate.end for fate in course)
    first, revised = _first_agreed(record, draft, panel, launch_at, seed, played), None
    if first is not None:
        revised = _Revised(to_document(parse_document(draft.document)), course)
        course, draft = first
        played.counts["amendments recorded"] += 1
    fields = draft.fields
    pledges = crowd.crowd(
        target_minor=fields.target_minor, minimum_minor=fields.minimum_minor, ticket_minor=fields.minimum_ticket_minor,
        open_days=(fields.deadline_at - launch_at).days, people=people, dice=dice,
    )
    played.relaxed.update(draft.relaxed)
    if draft.inexact is not None:
        played.inexact.append(draft.inexact)
    return _Script(record, course, draft, pledges, revised)


def _first_agreed(
    record: Record, draft: drafting.Draft, panel: Sequence[str], launch_at: dt.datetime,
    seed: int, played: Played,
) -> tuple[Sequence[fates.Fate], drafting.Draft] | None:
    """Return what is launched of a record that was amended later: its first terms and what happens under them."""
    if not record.first_agreed:
        return None
    fields = draft.fields
    # The same throws as for the final terms, so that both have the same deadline, from which their days count.
    dice = random.Random(f"{seed}:{record.id}")  # noqa: S311 - a story, not a secret
    try:
        first = amended.as_first_agreed(record, fields.target_minor, Asset.parse(fields.currency), played.notes)
        first_course = fates.fates_of(first, panel, Counter())
        found = drafting.draft(first, first_course, launch_at=launch_at, dice=dice, notes=Counter())
    except RecordError:
        played.notes["amended, but its first terms make no contract: launched as amended"] += 1
        return None
    if found.document["milestones"] == draft.document["milestones"]:
        played.notes["recorded as amended, but costs and durations are the same: launched as it is"] += 1
        return None
    return first_course, found


class _Cast:
    """The people all offerings share."""

    def __init__(self, stage: Stage, records: Sequence[Record], panel: Sequence[str], people: int) -> None:
        evaluators = {each.evaluator for record in records for one in record.milestones for each in one.evaluations}
        self.operator = stage.person("operator", "Replay operator")
        # Each of a firm of their own: auditors who share a mail domain are not independent of each other (MIL-8).
        self.auditors = {
            name: stage.person("auditor", f"Evaluator {name}", email=f"office@{stage.key()}.example")
            for name in sorted({*evaluators, *panel})
        }
        self.investors = [
            stage.person("investor", f"Investor {number}", email=f"{stage.key()}@investors.example")
            for number in range(1, people + 1)
        ]


def _launch(stage: Stage, cast: _Cast, script: _Script, launch_at: dt.datetime, played: Played) -> Course:
    record, draft = script.record, script.draft
    founder, issuer_id = stage.company(
        stage.person("founder", f"Founder of {record.project}"[:80], email=f"{stage.key()}@founders.example"),
        record.project,
    )
    class_id = stage.token_class(founder, issuer_id, draft.code, authorised=draft.authorised_tokens)
    offering_id = stage.draft(founder, class_id, draft.fields, draft.document)
    stage.submit_offering(offering_id, founder)
    panels = {
        f"m{number}": [cast.auditors[name] for name in fate.auditors] for number, fate in enumerate(script.fates, 1)
    }
    stage.appoint_each(offering_id, cast.operator, panels)
    stage.open_offering(offering_id, founder, cast.operator)
    revision = None
    if script.revised is not None:
        revision = Revision(
            document=script.revised.document, fates=script.revised.fates,
            panels={
                f"m{number}": [cast.auditors[name] for name in fate.auditors]
                for number, fate in enumerate(script.revised.fates, 1)
            },
            dice=random.Random(f"{record.id}:votes"),  # noqa: S311 - a story, not a secret
        )
    return Course(
        stage, offering_id=offering_id, founder=founder, auditors=cast.auditors, fates=script.fates,
        pledges=script.pledges, investors=cast.investors, launched_at=launch_at, counts=played.counts,
        revision=revision,
    )


def _fund_float(stage: Stage, operator: Actor, courses: Sequence[Course]) -> None:
    raised: Counter[str] = Counter()
    for course in courses:
        offering = stage.offering(course.offering_id)
        raised[offering.currency] += offering.maximum_minor
    for currency, amount in sorted(raised.items()):
        stage.fund_float(operator, amount // FLOAT_PART + 1, currency)
