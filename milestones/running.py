"""A running contract as a value, what can be read off it, and the small pieces that the engine's steps are made of.

`plan` has one function for every event; whoever adds events to the engine builds them from these pieces. Nothing here
decides when something happens.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from milestones import states
from milestones.apportion import recompute_tranches
from milestones.events import (
    Complete,
    Event,
    Instruction,
    MilestoneLapsed,
    PlanCompleted,
    RetainedReturned,
    ReturnMoney,
    TranchesRecomputed,
)
from milestones.terms import SEQUENTIAL
from milestones.tranche import APPROVED, WHOLE_PCT, MilestoneState, resized, returned

UNDER_REVIEW = frozenset({"submitted", "challengeable", "suspended", "disputed", "appealable"})
# Still to be decided or paid once a wind-down has begun (WND-2); everything else lapses.
PENDING = UNDER_REVIEW | {APPROVED}
# In a parallel contract the last quarter of the money waits for all milestones (MIL-4).
BEFORE_TAIL_BP = 7_500


class PlanError(Exception):
    """A step the contract does not allow now. `code` is stable, `message` says what stands in the way."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Plan:
    """All milestones of one offering in contract order, and the money that has not left escrow.

    What remains of the unsettled tranches, retained parts included, sums to `unreleased_minor`. `tail_waits` says
    whether the last quarter of a parallel contract waits for all of it (MIL-4).
    """

    order: str
    milestones: tuple[MilestoneState, ...]
    unreleased_minor: int
    winding_down: bool = False
    tail_waits: bool = False

    def milestone(self, ordinal: int) -> MilestoneState:
        """Give the milestone with this ordinal; raises PlanError `milestone_unknown`."""
        for milestone in self.milestones:
            if milestone.ordinal == ordinal:
                return milestone
        raise PlanError("milestone_unknown", f"This contract has no milestone {ordinal}.")

    @property
    def unsettled(self) -> tuple[MilestoneState, ...]:
        """Milestones to which something can still happen."""
        return tuple(m for m in self.milestones if not m.is_settled)


@dataclass(frozen=True, slots=True)
class Step:
    """What one event did: the new plan, the facts, and what must be carried out with it."""

    plan: Plan
    events: tuple[Event, ...] = ()
    instructions: tuple[Instruction, ...] = ()


class IfStopped(NamedTuple):
    """What a wind-down started now would do with every unreleased minor unit (MIL-5)."""

    returned_minor: int
    still_to_release_minor: int
    under_review_minor: int


def waits_for_others(plan: Plan, ordinal: int) -> bool:
    """Whether an approved milestone's release waits for other milestones.

    In a sequential plan those before it are settled first. In a parallel one a release that takes more than three
    quarters of the contract waits until every other milestone is decided (MIL-4).
    """
    milestone = plan.milestone(ordinal)
    if milestone.is_met:
        return False
    if plan.order == SEQUENTIAL:
        return any(m.gates and m.ordinal < ordinal for m in plan.milestones)
    taken = sum(m.bp * m.share_pct for m in plan.milestones if m.ordinal != ordinal)
    in_tail = taken + milestone.bp * milestone.verdict_pct > BEFORE_TAIL_BP * WHOLE_PCT
    others = (m for m in plan.milestones if m.ordinal != ordinal)
    return plan.tail_waits and in_tail and any(m.gates and m.state != APPROVED for m in others)


def payable_minor(plan: Plan, ordinal: int) -> int:
    """Count what an approved milestone's release pays out now: what is due of it, less what waits for a report."""
    milestone = plan.milestone(ordinal)
    if plan.winding_down:
        return milestone.remaining_minor
    due_minor = milestone.due_minor(milestone.verdict_pct)
    return due_minor - milestone.held_minor(due_minor)


def returnable_minor(plan: Plan) -> int:
    """Count what a wind-down returns at once: all but what is due of approved tranches, and reviewed ones (WND-2)."""
    return plan.unreleased_minor - sum(pending_minor(plan))


def if_stopped_today(plan: Plan) -> IfStopped:
    """Say what a wind-down started now would do; equal to the cent to what `wind_down` instructs (MIL-5)."""
    approved_minor, reviewed_minor = pending_minor(plan)
    return IfStopped(
        returned_minor=plan.unreleased_minor - approved_minor - reviewed_minor,
        still_to_release_minor=approved_minor,
        under_review_minor=reviewed_minor,
    )


def pending_minor(plan: Plan) -> tuple[int, int]:
    """Count what would still be released of approved milestones, and what is under review."""
    approved_minor = sum(payable_minor(plan, m.ordinal) for m in plan.milestones if m.state == APPROVED)
    return approved_minor, sum(m.remaining_minor for m in plan.milestones if m.state in UNDER_REVIEW)


def go_back(plan: Plan, ordinal: int, event: str, who: str, **changes: int) -> Plan:
    """Lead a milestone back to where it waits for its founder: open, partly released, or retained."""
    milestone = plan.milestone(ordinal)
    waits_in = "retained" if milestone.is_met else "partly_released" if milestone.share_pct else "open"
    return move(plan, ordinal, states.back_event(event, waits_in), who, verdict_pct=0, **changes)


def move(plan: Plan, ordinal: int, event: str, who: str, **changes: Any) -> Plan:
    milestone = plan.milestone(ordinal)
    state = states.next_state(states.MILESTONE_TRANSITIONS, milestone.state, event, who)
    return put(plan, replace(milestone, state=state, **changes))


def put(plan: Plan, milestone: MilestoneState) -> Plan:
    return replace(
        plan, milestones=tuple(milestone if m.ordinal == milestone.ordinal else m for m in plan.milestones)
    )


def lapse(plan: Plan, ordinal: int) -> tuple[Plan, tuple[Event, ...]]:
    """End a milestone that will not be met any more; one that is met stays released, whatever was retained of it."""
    milestone = plan.milestone(ordinal)
    if milestone.is_met:
        ended = (RetainedReturned(ordinal, milestone.remaining_minor),)
        return move(plan, ordinal, "part_over", states.WORKER, verdict_pct=0), ended
    return move(plan, ordinal, "lapse", states.WORKER, verdict_pct=0), (MilestoneLapsed(ordinal),)


def trim(plan: Plan, ordinal: int) -> tuple[Plan, int]:
    """Leave of an approved milestone only what is due of it, in a wind-down; give what goes back."""
    milestone = plan.milestone(ordinal)
    due_minor = milestone.due_minor(milestone.verdict_pct)
    back_minor = milestone.remaining_minor - (due_minor - milestone.held_minor(due_minor))
    plan = put(plan, returned(milestone, back_minor))
    return replace(plan, unreleased_minor=plan.unreleased_minor - back_minor), back_minor


def give_back(
    plan: Plan, ordinal: int, reason: str, amount_minor: int | None = None
) -> tuple[Plan, tuple[ReturnMoney, ...]]:
    """Send back what remains of a milestone's tranche, or an amount of it."""
    milestone = plan.milestone(ordinal)
    back_minor = milestone.remaining_minor if amount_minor is None else amount_minor
    plan = put(plan, returned(milestone, back_minor))
    plan = replace(plan, unreleased_minor=plan.unreleased_minor - back_minor)
    return plan, (ReturnMoney(back_minor, reason, ordinal),) if back_minor else ()


def completion(plan: Plan) -> Step:
    if plan.winding_down or plan.unsettled or plan.unreleased_minor:
        return Step(plan)
    return Step(plan, (PlanCompleted(),), (Complete(),))


def shrink(plan: Plan, unreleased_minor: int) -> Step:
    """Recompute unsettled tranches after unreleased money changed, in contract order (MIL-1)."""
    pieces = plan.unsettled
    weights = [m.bp for m in pieces]
    if plan.winding_down or any(m.share_pct or m.returned_minor for m in pieces):
        # Where parts have left, what is left of each tranche stands for its share.
        remaining = [m.remaining_minor for m in pieces]
        weights = remaining if any(remaining) else weights
    kept = [index for index, weight in enumerate(weights) if weight]
    amounts = recompute_tranches(unreleased_minor, [weights[index] for index in kept])
    amount_of = dict(zip(kept, amounts, strict=True))
    event = TranchesRecomputed(plan.unreleased_minor, unreleased_minor)
    for index, piece in enumerate(pieces):
        plan = put(plan, resized(piece, amount_of.get(index, 0)))
    return Step(replace(plan, unreleased_minor=unreleased_minor), (event,))


def finish(plan: Plan) -> Step:
    """Complete a plan in which every milestone is settled and escrow is empty. Raises PlanError otherwise."""
    ended = completion(plan)
    if not ended.instructions:
        raise PlanError("plan_unfinished", "Milestones are unsettled or money is still in escrow.")
    return ended
