"""The engine that runs a contract: what each event does to milestones, tranches and money.

Every function takes a `Plan` and returns a `Step`: the new plan, events (facts, for the log and notices) and
instructions the caller must carry out in the same transaction (post a release, return money, wind down, complete).
The application and the simulator run the same functions. When an event happens is the caller's; who gets which part
of an amount is `apportion`'s; gates outside the contract (halts, seasoned money) are the caller's too (MIL-12).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from milestones import states
from milestones.apportion import recompute_tranches, tranche_amounts
from milestones.events import (
    Complete,
    Event,
    Instruction,
    MilestoneApproved,
    MilestoneFailed,
    MilestoneLapsed,
    MilestoneOpened,
    MilestoneReleased,
    MilestoneReopened,
    MilestoneResumed,
    MilestoneSubmitted,
    MilestoneSuspended,
    PlanCompleted,
    ReleaseTranche,
    ReturnMoney,
    TranchesRecomputed,
    VerdictReached,
    WindDown,
    WindDownStarted,
)
from milestones.terms import CLOSING_ORDINAL, RETURN_TRANCHE, SEQUENTIAL, WIND_DOWN, Terms

APPROVED = "approved"
UNDER_REVIEW = frozenset({"submitted", "challengeable", "suspended", "disputed", "appealable"})
# Still to be decided or paid once a wind-down has begun (WND-2); everything else lapses.
PENDING = UNDER_REVIEW | {APPROVED}


class PlanError(Exception):
    """A step the contract does not allow now. `code` is stable, `message` says what stands in the way."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class MilestoneState:
    """Where one milestone stands. `tranche_minor` of a settled one is what it was when it settled.

    `tries_left` counts submissions still allowed after a "not met" (MIL-6). Ordinal 0 is the closing tranche.
    """

    ordinal: int
    key: str
    state: str
    tranche_minor: int
    tries_left: int
    bp: int
    on_failure: str = WIND_DOWN

    @property
    def is_settled(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in states.MILESTONE_TERMINAL


@dataclass(frozen=True, slots=True)
class Plan:
    """All milestones of one offering in contract order, and the money that has not left escrow.

    While it is not winding down, the unsettled tranches sum to `unreleased_minor`.
    """

    order: str
    milestones: tuple[MilestoneState, ...]
    unreleased_minor: int
    winding_down: bool = False

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


def start(terms: Terms, proceeds_minor: int) -> Step:
    """Turn a contract into a running plan at close, tranches in money (MIL-1).

    The closing tranche is approved by reaching `active`; the first milestone opens (all of them when parallel).
    """
    tranches = terms.tranches
    amounts = tranche_amounts(proceeds_minor, [tranche.bp for tranche in tranches])
    milestones = []
    for tranche, amount_minor in zip(tranches, amounts, strict=True):
        closing = tranche.ordinal == CLOSING_ORDINAL
        agreed = None if closing else terms.milestone(tranche.ordinal)
        milestones.append(
            MilestoneState(
                ordinal=tranche.ordinal,
                key=tranche.key,
                state="locked",
                tranche_minor=amount_minor,
                tries_left=agreed.resubmissions if agreed else 0,
                bp=tranche.bp,
                on_failure=agreed.on_failure if agreed else WIND_DOWN,
            )
        )
    plan, events = Plan(terms.order, tuple(milestones), proceeds_minor), []
    if terms.closing_bp:
        plan = _move(plan, CLOSING_ORDINAL, "reach_active", states.WORKER)
        events.append(MilestoneApproved(CLOSING_ORDINAL))
    plan, opened = _open_what_may_open(plan)
    return Step(plan, (*events, *opened))


def submit(plan: Plan, ordinal: int) -> Step:
    """Record a complete submission (MIL-6). Refused unless the milestone is open and the plan runs on."""
    if plan.winding_down:
        raise PlanError(
            "plan_winding_down", "The contract is being wound down, so nothing more can be submitted."
        )
    return Step(_move(plan, ordinal, "submit", states.FOUNDER), (MilestoneSubmitted(ordinal),))


def decide(plan: Plan, ordinal: int, met: bool) -> Step:
    """Apply the verdict on a submission: challengeable, or open again while tries remain, or appealable (MIL-7).

    During a wind-down nothing can be submitted again, so "not met" is final, but for an appeal (`disputes`, MIL-10).
    """
    verdict = VerdictReached(ordinal, met)
    if met:
        return Step(_move(plan, ordinal, "met", states.WORKER), (verdict,))
    milestone = plan.milestone(ordinal)
    if milestone.tries_left > 0 and not plan.winding_down:
        reopened = _move(plan, ordinal, "not_met", states.WORKER, tries_left=milestone.tries_left - 1)
        return Step(reopened, (verdict, MilestoneOpened(ordinal)))
    return Step(_move(plan, ordinal, "not_met_final", states.WORKER), (verdict,))


def window_over(plan: Plan, ordinal: int) -> Step:
    """Approve a milestone whose challenge window ended without a suspension (MIL-10)."""
    return Step(_move(plan, ordinal, "window_over", states.CLOCK), (MilestoneApproved(ordinal),))


def suspend(plan: Plan, ordinal: int) -> Step:
    """Suspend a release within its window."""
    return Step(_move(plan, ordinal, "suspend", states.OPERATOR), (MilestoneSuspended(ordinal),))


def resume(plan: Plan, ordinal: int) -> Step:
    """Lift a suspension; the caller starts the challenge window anew."""
    return Step(_move(plan, ordinal, "resume", states.OPERATOR), (MilestoneResumed(ordinal),))


def suspension_over(plan: Plan, ordinal: int) -> Step:
    """End a suspension nobody decided: open again with all tries; in a wind-down its money goes back instead."""
    return _undecided(plan, ordinal, "suspension_over")


def review_abandoned(plan: Plan, ordinal: int) -> Step:
    """End a review too few auditors signed (MIL-9): open again with all tries; in a wind-down its money goes back."""
    return _undecided(plan, ordinal, "review_abandoned")


def release(plan: Plan, ordinal: int) -> Step:
    """Release an approved tranche; the amount is decided here, at execution (MIL-12).

    Sequential plans open the next milestone; the last release completes the plan. Raises PlanError
    `predecessor_unsettled` in a sequential plan while an earlier tranche is neither released nor gone.
    """
    milestone = plan.milestone(ordinal)
    if plan.order == SEQUENTIAL and any(m.ordinal < ordinal for m in plan.unsettled):
        raise PlanError("predecessor_unsettled", "The milestone before this one has to be settled first.")
    plan = _move(plan, ordinal, "release", states.WORKER)
    amount_minor = milestone.tranche_minor
    plan = replace(plan, unreleased_minor=plan.unreleased_minor - amount_minor)
    plan, opened = _open_what_may_open(plan)
    ended = _completion(plan)
    events = (MilestoneReleased(ordinal, amount_minor), *opened, *ended.events)
    return Step(plan, events, (ReleaseTranche(ordinal, amount_minor), *ended.instructions))


def lapse_approved(plan: Plan, ordinal: int, reason: str) -> Step:
    """Return an approved tranche in a wind-down: what the founder had to do for its release was never done.

    Raises PlanError `plan_running` while the contract is not being wound down.
    """
    if not plan.winding_down:
        raise PlanError("plan_running", "An approved tranche lapses only when the contract is being wound down.")
    plan = _move(plan, ordinal, "lapse", states.WORKER)
    plan, returned = _return_tranche(plan, ordinal, reason)
    return Step(plan, (MilestoneLapsed(ordinal),), returned)


def fail(plan: Plan, ordinal: int, reason: str) -> Step:
    """Fail an open milestone by its terms: its long-stop passed without a complete submission (MIL-14).

    `on_failure` decides: that tranche returns and the others go on, or the contract is wound down. Milestones that
    depend on it (all later ones of a sequential plan) lapse, so there both come to a wind-down of the rest.
    """
    return _after_failure(_move(plan, ordinal, "long_stop", states.CLOCK), ordinal, reason, ())


def shrink(plan: Plan, unreleased_minor: int) -> Step:
    """Recompute unsettled tranches after unreleased money changed, in contract order (MIL-1)."""
    amounts = recompute_tranches(unreleased_minor, [m.bp for m in plan.unsettled])
    tranche_of = {m.ordinal: amount for m, amount in zip(plan.unsettled, amounts, strict=True)}
    milestones = tuple(
        replace(m, tranche_minor=tranche_of.get(m.ordinal, m.tranche_minor)) for m in plan.milestones
    )
    event = TranchesRecomputed(plan.unreleased_minor, unreleased_minor)
    return Step(replace(plan, milestones=milestones, unreleased_minor=unreleased_minor), (event,))


def wind_down(plan: Plan, reason: str, *, everything: bool = False) -> Step:
    """End the contract early (WND-2).

    Open and locked milestones lapse and their money returns at once; approved ones are still released, submitted ones
    run to their verdict. With `everything` these lapse too: too little was raised to begin with (OFF-11). Raises
    PlanError `plan_winding_down` when it already is.
    """
    if plan.winding_down:
        raise PlanError("plan_winding_down", "The contract is already being wound down.")
    pending = [m.ordinal for m in plan.milestones if everything and m.state in PENDING]
    for ordinal in pending:
        plan = _move(plan, ordinal, "lapse", states.WORKER)
    return _start_wind_down(plan, reason, tuple(MilestoneLapsed(ordinal) for ordinal in pending))


def finish(plan: Plan) -> Step:
    """Complete a plan in which every milestone is settled and escrow is empty. Raises PlanError otherwise."""
    ended = _completion(plan)
    if not ended.instructions:
        raise PlanError("plan_unfinished", "Milestones are unsettled or money is still in escrow.")
    return ended


def returnable_minor(plan: Plan) -> int:
    """Count what a wind-down returns at once: unreleased money less the tranches still pending (WND-2)."""
    return plan.unreleased_minor - sum(m.tranche_minor for m in plan.milestones if m.state in PENDING)


def if_stopped_today(plan: Plan) -> IfStopped:
    """Say what a wind-down started now would do; equal to the cent to what `wind_down` instructs (MIL-5)."""
    return IfStopped(
        returned_minor=returnable_minor(plan),
        still_to_release_minor=sum(m.tranche_minor for m in plan.milestones if m.state == APPROVED),
        under_review_minor=sum(m.tranche_minor for m in plan.milestones if m.state in UNDER_REVIEW),
    )


def _move(plan: Plan, ordinal: int, event: str, who: str, **changes: int) -> Plan:
    milestone = plan.milestone(ordinal)
    state = states.next_state(states.MILESTONE_TRANSITIONS, milestone.state, event, who)
    moved = replace(milestone, state=state, **changes)
    return replace(plan, milestones=tuple(moved if m.ordinal == ordinal else m for m in plan.milestones))


def _undecided(plan: Plan, ordinal: int, event: str) -> Step:
    plan = _move(plan, ordinal, event, states.CLOCK)
    if not plan.winding_down:
        return Step(plan, (MilestoneReopened(ordinal),))
    plan = _move(plan, ordinal, "lapse", states.WORKER)
    plan, returned = _return_tranche(plan, ordinal, event)
    return Step(plan, (MilestoneReopened(ordinal), MilestoneLapsed(ordinal)), returned)


def _open_what_may_open(plan: Plan) -> tuple[Plan, tuple[MilestoneOpened, ...]]:
    """Open locked milestones whose predecessor is settled. The closing tranche gates nothing: it has no evidence."""
    if plan.winding_down:
        return plan, ()
    waiting = [m for m in plan.unsettled if m.ordinal != CLOSING_ORDINAL]
    if plan.order == SEQUENTIAL:
        waiting = waiting[:1]
    opening = tuple(MilestoneOpened(m.ordinal) for m in waiting if m.state == "locked")
    for opened in opening:
        plan = _move(plan, opened.ordinal, "open", states.WORKER)
    return plan, opening


def _after_failure(plan: Plan, ordinal: int, reason: str, events: Iterable[Event]) -> Step:
    events = (*events, MilestoneFailed(ordinal, reason))
    if plan.winding_down:
        plan, returned = _return_tranche(plan, ordinal, reason)
        return Step(plan, events, returned)
    alone = plan.order != SEQUENTIAL or not any(m.ordinal > ordinal for m in plan.milestones)
    anything_to_complete = bool(plan.unsettled) or any(m.state == "released" for m in plan.milestones)
    if plan.milestone(ordinal).on_failure != RETURN_TRANCHE or not alone or not anything_to_complete:
        return _start_wind_down(plan, reason, events)
    plan, returned = _return_tranche(plan, ordinal, reason)
    ended = _completion(plan)
    return Step(plan, (*events, *ended.events), (*returned, *ended.instructions))


def _start_wind_down(plan: Plan, reason: str, events: Iterable[Event]) -> Step:
    returned_minor = returnable_minor(plan)
    lapsing = tuple(MilestoneLapsed(m.ordinal) for m in plan.milestones if m.state in ("open", "locked"))
    for lapsed in lapsing:
        plan = _move(plan, lapsed.ordinal, "lapse", states.WORKER)
    plan = replace(plan, winding_down=True, unreleased_minor=plan.unreleased_minor - returned_minor)
    returned = (ReturnMoney(returned_minor, reason),) if returned_minor else ()
    return Step(plan, (*events, WindDownStarted(reason), *lapsing), (WindDown(reason), *returned))


def _return_tranche(plan: Plan, ordinal: int, reason: str) -> tuple[Plan, tuple[ReturnMoney, ...]]:
    amount_minor = plan.milestone(ordinal).tranche_minor
    plan = replace(plan, unreleased_minor=plan.unreleased_minor - amount_minor)
    return plan, (ReturnMoney(amount_minor, reason, ordinal),) if amount_minor else ()


def _completion(plan: Plan) -> Step:
    if plan.winding_down or plan.unsettled or plan.unreleased_minor:
        return Step(plan)
    return Step(plan, (PlanCompleted(),), (Complete(),))


# What the engine's other files build their steps of (`disputes`).
move, undecided, after_failure = _move, _undecided, _after_failure
