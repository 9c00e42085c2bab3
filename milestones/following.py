"""Let a running plan follow amended terms: what each milestone is worth and may still do under them (MIL-13).

What may be amended, and how shares become money, is `amend`; the application writes the same to its rows.
"""

from dataclasses import dataclass, replace
from datetime import date

from milestones import amend
from milestones import plan as engine
from milestones.plan import MilestoneState, Plan, PlanError, Step
from milestones.terms import CLOSING_KEY, MilestoneTerms, Terms


@dataclass(frozen=True, slots=True)
class Amended:
    """Other terms that take effect on a day, before anything else of that day."""

    terms: Terms
    on: date


def follow(plan: Plan, current: Terms, amended: Amended, first: Terms) -> tuple[Step, Terms]:
    """Put amended terms in force, without what was submitted meanwhile; give the step and the terms that follow.

    Money that is submitted or decided keeps its tranche; what is unreleased of the others is divided anew (MIL-1).
    Raises PlanError with the code of the first objection, `amendment_overtaken` where nothing is left of it, or
    `amendment_date_past` for a last date that has passed by then.
    """
    proposed = amended.terms
    states = {m.key: m.state for m in plan.milestones}
    dropped = {
        key for key in amend.touched(current, proposed) if states.get(key, "locked") not in amend.AMENDABLE
    }
    left = amend.without(current, proposed, dropped)
    if left is None:
        raise PlanError("amendment_overtaken", "By then nothing is left to amend: what it changes was submitted.")
    for objection in amend.judge(current, left, first, states).objections:
        raise PlanError(objection.code, objection.message)
    for m in left.milestones:
        if states.get(m.key, "locked") in amend.AMENDABLE and m.long_stop <= amended.on:
            raise PlanError("amendment_date_past", f"“{m.title}” would be past its last date when this takes effect.")
    fixed = {m.key: m.remaining_minor for m in plan.unsettled if not _is_free(m)}
    settled = {m.key for m in plan.milestones if m.is_settled}
    amounts = amend.tranches(left, fixed, plan.unreleased_minor, settled)
    before, was = {m.key: m for m in current.milestones}, {m.key: m for m in plan.milestones}
    milestones = tuple(
        replace(was[tranche.key], ordinal=tranche.ordinal)
        if tranche.key not in amounts
        else _followed(
            was.get(tranche.key), engine.locked(tranche, amounts[tranche.key], left.milestone(tranche.ordinal)),
            before.get(tranche.key),
        )
        for tranche in left.tranches
    )  # fmt: skip
    return engine.follow_amendment(replace(plan, milestones=milestones, tail_waits=left.tail_waits)), left


def _is_free(milestone: MilestoneState) -> bool:
    return milestone.state in amend.AMENDABLE and milestone.key != CLOSING_KEY


def _followed(was: MilestoneState | None, new: MilestoneState, before: MilestoneTerms | None) -> MilestoneState:
    """Give a milestone its new figures; tries already used stay used."""
    if was is None or before is None:
        return new
    used = before.resubmissions - was.tries_left
    return replace(new, state=was.state, tries_left=max(0, new.tries_left - used), was_asked=was.was_asked)
