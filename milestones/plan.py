"""The engine that runs a contract: what each event does to milestones, tranches and money.

Every function takes a `Plan` and returns a `Step`: the new plan, events (facts, for the log and notices) and
instructions the caller must carry out in the same transaction (post a release, return money, wind down, complete).
The application and the simulator run the same functions. When an event happens is the caller's; who gets which part
of an amount is `apportion`'s; gates outside the contract (halts, seasoned money) are the caller's too (MIL-12).
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from milestones import states
from milestones.apportion import tranche_amounts
from milestones.events import (
    AskInvestors,
    Complete,
    Event,
    MilestoneApproved,
    MilestoneFailed,
    MilestoneOpened,
    MilestoneReleased,
    MilestoneReopened,
    MilestoneResumed,
    MilestoneSubmitted,
    MilestoneSuspended,
    ReleaseTranche,
    RetainedReturned,
    ReturnMoney,
    VerdictReached,
    WindDown,
    WindDownStarted,
)
from milestones.running import (
    PENDING,
    UNDER_REVIEW,
    IfStopped,
    Plan,
    PlanError,
    Step,
    completion,
    finish,
    give_back,
    go_back,
    if_stopped_today,
    lapse,
    move,
    payable_minor,
    pending_minor,
    put,
    returnable_minor,
    shrink,
    trim,
    waits_for_others,
)
from milestones.terms import (
    CLOSING_ORDINAL,
    INVESTORS_DECIDE,
    RETURN_TRANCHE,
    SEQUENTIAL,
    MilestoneTerms,
    Terms,
    Tranche,
)
from milestones.tranche import APPROVED, WHOLE_PCT, MilestoneState, paid, returned

__all__ = [
    "APPROVED",
    "PENDING",
    "UNDER_REVIEW",
    "WHOLE_PCT",
    "AskInvestors",
    "Complete",
    "IfStopped",
    "MilestoneState",
    "Plan",
    "PlanError",
    "ReleaseTranche",
    "ReturnMoney",
    "Step",
    "WindDown",
    "after_failure",
    "approve",
    "decide",
    "fail",
    "finish",
    "go_back",
    "if_stopped_today",
    "judge_again",
    "lapse_approved",
    "locked",
    "move",
    "payable_minor",
    "reject",
    "release",
    "report_received",
    "resume",
    "retention_over",
    "returnable_minor",
    "review_abandoned",
    "shrink",
    "start",
    "states",
    "submit",
    "suspend",
    "suspension_over",
    "undecided",
    "waits_for_others",
    "wind_down",
    "window_over",
]


def start(terms: Terms, proceeds_minor: int) -> Step:
    """Turn a contract into a running plan at close, tranches in money (MIL-1).

    The closing tranche is approved by reaching `active`; the first milestone opens (all of them when parallel).
    """
    amounts = tranche_amounts(proceeds_minor, [tranche.bp for tranche in terms.tranches])
    milestones = tuple(
        locked(tranche, amount_minor, terms.milestone(tranche.ordinal) if tranche.ordinal else None)
        for tranche, amount_minor in zip(terms.tranches, amounts, strict=True)
    )
    plan, events = Plan(terms.order, milestones, proceeds_minor, tail_waits=terms.tail_waits), []
    if terms.closing_bp:
        plan = move(plan, CLOSING_ORDINAL, "reach_active", states.WORKER, verdict_pct=WHOLE_PCT)
        events.append(MilestoneApproved(CLOSING_ORDINAL))
    plan, opened = _open_what_may_open(plan)
    return Step(plan, (*events, *opened))


def locked(tranche: Tranche, amount_minor: int, agreed: MilestoneTerms | None) -> MilestoneState:
    """Give a milestone as it begins, with what was agreed of it; None for the closing tranche."""
    if agreed is None:
        return MilestoneState(tranche.ordinal, tranche.key, "locked", amount_minor, 0, tranche.bp)
    return MilestoneState(
        tranche.ordinal, tranche.key, "locked", amount_minor, agreed.resubmissions, tranche.bp, agreed.on_failure,
        partial_releases=agreed.partial_releases,
        retainage_bp=agreed.retainage.bp if agreed.retainage else 0,
        reporting_bp=agreed.reporting_retainage_bp,
    )  # fmt: skip


def submit(plan: Plan, ordinal: int) -> Step:
    """Record a complete submission (MIL-6). Refused unless the milestone is open and the plan runs on."""
    if plan.winding_down:
        raise PlanError(
            "plan_winding_down", "The contract is being wound down, so nothing more can be submitted."
        )
    return Step(move(plan, ordinal, "submit", states.FOUNDER), (MilestoneSubmitted(ordinal),))


def decide(plan: Plan, ordinal: int, share_pct: int) -> Step:
    """Apply the verdict on a submission, 100 where all is met, 0 where nothing: challengeable, or back, or appealable.

    A part counts only when it is more than was released on before and a partial release is left (MIL-7, MIL-11). During
    a wind-down nothing can be submitted again, so "not met" is final, but for an appeal (`disputes`, MIL-10).
    """
    milestone = plan.milestone(ordinal)
    counts_pct = milestone.share_that_counts(share_pct)
    verdict = VerdictReached(ordinal, counts_pct)
    if counts_pct:
        return Step(move(plan, ordinal, "met", states.WORKER, verdict_pct=counts_pct), (verdict,))
    if milestone.tries_left > 0 and not plan.winding_down:
        reopened = go_back(plan, ordinal, "not_met", states.WORKER, tries_left=milestone.tries_left - 1)
        return Step(reopened, (verdict, MilestoneOpened(ordinal)))
    return Step(move(plan, ordinal, "not_met_final", states.WORKER), (verdict,))


def judge_again(plan: Plan, ordinal: int) -> Step:
    """Take a verdict back whose release is not posted, because an attestation was withdrawn (MIL-15)."""
    return Step(move(plan, ordinal, "judge_again", states.AUDITOR, verdict_pct=0))


def window_over(plan: Plan, ordinal: int) -> Step:
    """Approve a milestone whose challenge window ended without a suspension (MIL-10)."""
    return approve(plan, ordinal, "window_over", states.CLOCK)


def approve(plan: Plan, ordinal: int, event: str, who: str, **changes: int) -> Step:
    """Approve a milestone by an event of the table; in a wind-down all but what is due of it goes back (WND-2)."""
    plan = move(plan, ordinal, event, who, **changes)
    returns: tuple[ReturnMoney, ...] = ()
    if plan.winding_down:
        plan, amount_minor = trim(plan, ordinal)
        returns = (ReturnMoney(amount_minor, "wind_down", ordinal),) if amount_minor else ()
    return Step(plan, (MilestoneApproved(ordinal),), returns)


def suspend(plan: Plan, ordinal: int) -> Step:
    """Suspend a release within its window."""
    return Step(move(plan, ordinal, "suspend", states.OPERATOR), (MilestoneSuspended(ordinal),))


def resume(plan: Plan, ordinal: int) -> Step:
    """Lift a suspension; the caller starts the challenge window anew."""
    return Step(move(plan, ordinal, "resume", states.OPERATOR), (MilestoneResumed(ordinal),))


def suspension_over(plan: Plan, ordinal: int) -> Step:
    """End a suspension nobody decided: open again with all tries; in a wind-down its money goes back instead."""
    return undecided(plan, ordinal, "suspension_over")


def review_abandoned(plan: Plan, ordinal: int) -> Step:
    """End a review too few auditors signed (MIL-9): open again with all tries; in a wind-down its money goes back."""
    return undecided(plan, ordinal, "review_abandoned")


def release(plan: Plan, ordinal: int) -> Step:
    """Release what is due of an approved milestone; the amount is decided here, at execution (MIL-11, MIL-12).

    It is released whole, or in part, or but for what is retained or waits for a report. Sequential plans open the next
    milestone once it is met; the last release completes the plan. Raises PlanError `predecessor_unsettled` while
    it waits for other milestones.
    """
    if waits_for_others(plan, ordinal):
        raise PlanError("predecessor_unsettled", "Other milestones have to be settled first.")
    milestone = plan.milestone(ordinal)
    states.next_state(states.MILESTONE_TRANSITIONS, milestone.state, "release", states.WORKER)
    amount_minor = payable_minor(plan, ordinal)
    held_minor = 0 if plan.winding_down else milestone.due_minor(milestone.verdict_pct) - amount_minor
    after = paid(milestone, amount_minor + held_minor, held_minor)
    plan = put(plan, after)
    plan = move(plan, ordinal, _release_event(plan, after), states.WORKER)
    if plan.winding_down and not after.is_met:
        plan = move(plan, ordinal, "lapse", states.WORKER)
    plan = replace(plan, unreleased_minor=plan.unreleased_minor - amount_minor)
    plan, opened = _open_what_may_open(plan)
    ended = completion(plan)
    events = (MilestoneReleased(ordinal, amount_minor), *opened, *ended.events)
    return Step(plan, events, (ReleaseTranche(ordinal, amount_minor), *ended.instructions))


def _release_event(plan: Plan, after: MilestoneState) -> str:
    if not after.is_met:
        return "release_part"
    if plan.winding_down or not after.remaining_minor:
        return "release"
    return "release_retaining" if after.undealt_minor else "release_reporting"


def report_received(plan: Plan, ordinals: Collection[int]) -> Step:
    """Release what waited for a report, of these milestones; that it was received after they did is the caller's."""
    instructions, events = [], []
    for milestone in plan.milestones:
        if milestone.ordinal not in ordinals or not milestone.reporting_minor or plan.winding_down:
            continue
        amount_minor = milestone.reporting_minor
        after = replace(milestone, reporting_minor=0, released_minor=milestone.released_minor + amount_minor)
        plan = replace(put(plan, after), unreleased_minor=plan.unreleased_minor - amount_minor)
        if after.state == "report_due":
            plan = move(plan, after.ordinal, "report", states.WORKER)
        instructions.append(ReleaseTranche(after.ordinal, amount_minor))
        events.append(MilestoneReleased(after.ordinal, amount_minor))
    ended = completion(plan)
    return Step(plan, (*events, *ended.events), (*instructions, *ended.instructions))


def retention_over(plan: Plan, ordinal: int, reason: str = "retention_over") -> Step:
    """Send a retained part back whose event was not shown in time, or one whose report never came (MIL-11)."""
    return _end_retention(plan, ordinal, states.CLOCK, reason, ())


def _end_retention(plan: Plan, ordinal: int, who: str, reason: str, events: Iterable[Event]) -> Step:
    milestone = plan.milestone(ordinal)
    waits = milestone.reporting_minor and milestone.state != "report_due" and not plan.winding_down
    amount_minor = milestone.undealt_minor if waits else milestone.remaining_minor
    plan = move(plan, ordinal, "retention_over" if waits else "part_over", who, verdict_pct=0)
    plan, back = give_back(plan, ordinal, reason, amount_minor)
    ended = completion(plan)
    done = (*events, RetainedReturned(ordinal, amount_minor), *ended.events)
    return Step(plan, done, (*back, *ended.instructions))


def lapse_approved(plan: Plan, ordinal: int, reason: str) -> Step:
    """Return an approved tranche in a wind-down: what the founder had to do for its release was never done.

    Raises PlanError `plan_running` while the contract is not being wound down.
    """
    if not plan.winding_down:
        raise PlanError("plan_running", "An approved tranche lapses only when the contract is being wound down.")
    plan, events = lapse(plan, ordinal)
    plan, back = give_back(plan, ordinal, reason)
    return Step(plan, events, back)


def fail(plan: Plan, ordinal: int, reason: str) -> Step:
    """Fail an open or partly released milestone: its long-stop passed without a complete submission (MIL-14).

    `on_failure` decides: what is left of that tranche returns and the others go on, or the contract is wound down.
    Milestones that depend on it (all later ones of a sequential plan) lapse, so there both come to a wind-down.
    """
    return _fails(plan, ordinal, "long_stop", states.CLOCK, reason, ())


def reject(plan: Plan, ordinal: int, event: str, who: str, events: Iterable[Event] = ()) -> Step:
    """Apply a "not met" that is final: the milestone fails, or where it was met before its retained part goes back."""
    if plan.milestone(ordinal).is_met:
        return _end_retention(plan, ordinal, who, "not_met", events)
    return _fails(plan, ordinal, event, who, "not_met", events)


def _fails(plan: Plan, ordinal: int, event: str, who: str, reason: str, events: Iterable[Event]) -> Step:
    """Fail a milestone by its terms, or ask the investors first where the contract says so, once (MIL-2)."""
    milestone = plan.milestone(ordinal)
    if milestone.on_failure == INVESTORS_DECIDE and not milestone.was_asked and not plan.winding_down:
        asked = move(plan, ordinal, "ask", who, verdict_pct=0, was_asked=True)
        return Step(asked, tuple(events), (AskInvestors(ordinal),))
    return after_failure(move(plan, ordinal, event, who, verdict_pct=0), ordinal, reason, events)


def follow_amendment(plan: Plan) -> Step:
    """Open what amended terms let open: in a parallel plan a milestone that they add (MIL-13)."""
    return Step(*_open_what_may_open(plan))


def wind_down(plan: Plan, reason: str, *, everything: bool = False) -> Step:
    """End the contract early (WND-2).

    Open, locked and partly released milestones lapse and what is left of them returns at once, with every retained
    part; what is due of approved ones is still released, submitted ones run to their verdict. With `everything` these
    lapse too: too little was raised to begin with (OFF-11). Raises PlanError `plan_winding_down` when it already is.
    """
    if plan.winding_down:
        raise PlanError("plan_winding_down", "The contract is already being wound down.")
    events: tuple[Event, ...] = ()
    for milestone in plan.milestones:
        if everything and milestone.state in PENDING:
            plan, lapsed = lapse(plan, milestone.ordinal)
            events += lapsed
    return _start_wind_down(plan, reason, events)


def undecided(plan: Plan, ordinal: int, event: str) -> Step:
    plan = go_back(plan, ordinal, event, states.CLOCK)
    if not plan.winding_down:
        return Step(plan, (MilestoneReopened(ordinal),))
    plan, ended = lapse(plan, ordinal)
    plan, back = give_back(plan, ordinal, event)
    return Step(plan, (MilestoneReopened(ordinal), *ended), back)


def _open_what_may_open(plan: Plan) -> tuple[Plan, tuple[MilestoneOpened, ...]]:
    """Open locked milestones whose predecessor is settled. The closing tranche gates nothing: it has no evidence."""
    if plan.winding_down:
        return plan, ()
    waiting = [m for m in plan.milestones if m.gates and m.ordinal != CLOSING_ORDINAL]
    if plan.order == SEQUENTIAL:
        waiting = waiting[:1]
    opening = tuple(MilestoneOpened(m.ordinal) for m in waiting if m.state == "locked")
    for opened in opening:
        plan = move(plan, opened.ordinal, "open", states.WORKER)
    return plan, opening


def after_failure(plan: Plan, ordinal: int, reason: str, events: Iterable[Event]) -> Step:
    events = (*events, MilestoneFailed(ordinal, reason))
    if plan.winding_down:
        plan, back = give_back(plan, ordinal, reason)
        return Step(plan, events, back)
    alone = plan.order != SEQUENTIAL or not any(m.ordinal > ordinal for m in plan.milestones)
    anything_to_complete = bool(plan.unsettled) or any(m.share_pct for m in plan.milestones)
    if plan.milestone(ordinal).on_failure != RETURN_TRANCHE or not alone or not anything_to_complete:
        return _start_wind_down(plan, reason, events)
    plan, back = give_back(plan, ordinal, reason)
    ended = completion(plan)
    return Step(plan, (*events, *ended.events), (*back, *ended.instructions))


def _start_wind_down(plan: Plan, reason: str, events: Iterable[Event]) -> Step:
    returned_minor = returnable_minor(plan)
    ends: tuple[Event, ...] = ()
    for milestone in plan.milestones:
        if milestone.state == APPROVED:
            plan, _ = trim(plan, milestone.ordinal)
        elif not milestone.is_settled and milestone.state not in UNDER_REVIEW:
            plan, lapsed = lapse(plan, milestone.ordinal)
            ends += lapsed
        if plan.milestone(milestone.ordinal).is_settled:
            settled = plan.milestone(milestone.ordinal)
            plan = put(plan, returned(settled, settled.remaining_minor))
    left_minor = sum(pending_minor(replace(plan, winding_down=True)))
    plan = replace(plan, winding_down=True, unreleased_minor=left_minor)
    back = (ReturnMoney(returned_minor, reason),) if returned_minor else ()
    return Step(plan, (*events, WindDownStarted(reason), *ends), (WindDown(reason), *back))
