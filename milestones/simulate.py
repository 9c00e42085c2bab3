"""What a contract would do if it raised this much and these milestones were met, late, met in part or failed (MIL-5).

Runs `plan` and `apportion`, the engine that runs the real contract, on imagined dates: a milestone is submitted on its
target date plus the days it is late (not before it opens), reviewed and challengeable for the full windows, then
released at once; a failed one fails on its long-stop date. One met in part is released on that share, and its rest is
handed in later, or never. What is retained is asked for as soon as it may be, or never; reports come when they are due.
Gates outside the contract are not imagined, nor the days that reviews give back (MIL-14).
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from milestones import deciding, following
from milestones import plan as engine
from milestones.apportion import WHOLE_BP, apportion, tokens_after
from milestones.calendar import business_day_after
from milestones.disputes import VOTE_BUSINESS_DAYS
from milestones.events import Complete, MilestoneOpened, ReleaseTranche, ReturnMoney
from milestones.following import Amended
from milestones.lateness import months_after
from milestones.money import Asset, tokens_for
from milestones.terms import CLOSING_ORDINAL, Terms
from milestones.verdict import LEAST_PART_PCT, STEP_PCT

MET, LATE, PARTIAL, FAILED = "met", "late", "partial", "failed"
LEAST_WINDOW_DAYS = 7


class SimulationError(ValueError):
    """A question that cannot be asked of this contract. `code` is stable, `message` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one milestone is imagined to do: `met`, `late` by some days, `partial`, or `failed`.

    A partial one is handed in like any other and found met on `share_pct`; its rest `rest_days` after that, or never
    where that is None. `is_shown` says whether what its retained part waits for is shown to the auditors.
    """

    kind: str = MET
    days_late: int = 0
    share_pct: int = 100
    rest_days: int | None = None
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class HolderStep:
    """What one investor got in one step (or in all, in the totals)."""

    released_minor: int
    returned_minor: int
    tokens: int


@dataclass(frozen=True, slots=True)
class SimStep:
    """One movement of money. `kind` is `released` or `returned`; `label` the title of the milestone that caused it.

    `stopped` says what a wind-down right after this step would do.
    """

    at: date
    kind: str
    label: str
    milestone_ordinal: int
    released_minor: int
    fee_minor: int
    to_company_minor: int
    returned_minor: int
    per_holder: tuple[HolderStep, ...]
    stopped: engine.IfStopped


@dataclass(frozen=True, slots=True)
class CashMonth:
    """What the company received in a month (`2027-03`) and in all until its end."""

    month: str
    received_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class SimTotals:
    """Sums over all steps. released + returned = proceeds, released = fee + to_company."""

    released_minor: int
    fee_minor: int
    to_company_minor: int
    returned_minor: int
    tokens: int
    per_holder: tuple[HolderStep, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The imagined life of a contract; `ends` is `completed` or `wound_down`."""

    steps: tuple[SimStep, ...]
    cash_by_month: tuple[CashMonth, ...]
    totals: SimTotals
    ends: str


@dataclass(slots=True)
class _Holder:
    unreleased_minor: int
    allotted: int
    released_minor: int = 0
    returned_minor: int = 0
    tokens: int = 0


@dataclass(slots=True)
class _Run:
    """The state of one simulation while it runs."""

    terms: Terms
    price_micro: int
    asset: Asset
    fee_bp: int
    scenario: Mapping[int, Outcome]
    holidays: Set[date]
    holders: list[_Holder]
    plan: engine.Plan
    opened_on: dict[int, date] = field(default_factory=dict)
    submitted_on: dict[int, date] = field(default_factory=dict)
    handed_in_on: dict[int, date] = field(default_factory=dict)
    released_on: dict[int, date] = field(default_factory=dict)
    closed_on: date = date.max
    steps: list[SimStep] = field(default_factory=list)
    completed: bool = False
    amended: Amended | None = None


def simulate(
    terms: Terms,
    *,
    proceeds_minor: int,
    holders: Sequence[int],
    price_micro: int,
    asset: Asset,
    fee_bp: int,
    scenario: Mapping[int, Outcome],
    closes_on: date | None = None,
    holidays: Set[date] = frozenset(),
    amended: Amended | None = None,
) -> Simulation:
    """Play a contract to its end, from a day on in amended terms where some are given.

    `holders` are amounts in minor units in the order of their ordinals and sum to `proceeds_minor`; `scenario` maps
    ordinals of evidence milestones to outcomes, `met` where it says nothing. `closes_on` is the day the offering
    closes, the first target date when not known. Everyone ends whole: released + returned = their amount. Raises
    SimulationError when the holders do not sum to the proceeds, an outcome is not for a milestone of the contract, or
    it cannot be amended so on that day. With `amended` the ordinals of the scenario are those of the amended terms.
    """
    _check_question(amended.terms if amended else terms, proceeds_minor, holders, scenario)
    day = closes_on or min(milestone.target_date for milestone in terms.milestones)
    run = _Run(
        terms, price_micro, asset, fee_bp, _by_ordinal(scenario, amended.terms if amended else terms, terms), holidays,
        holders=[_Holder(amount, tokens_for(amount, price_micro, asset)) for amount in holders],
        plan=engine.start(terms, proceeds_minor).plan, amended=amended,
    )  # fmt: skip
    run.closed_on = day
    run.opened_on = {m.ordinal: day for m in run.plan.milestones if m.state == "open"}
    if terms.closing_bp:
        _apply(run, engine.release(run.plan, CLOSING_ORDINAL), CLOSING_ORDINAL, day)
    while (upcoming := _next_event(run)) is not None:
        if run.amended is not None and run.amended.on <= upcoming[0]:
            _amend(run, run.amended, scenario)
        else:
            _play(run, *upcoming)
    if run.amended is not None:
        raise SimulationError("amendment_overtaken", "By then the plan has ended, so it cannot be amended.")
    ends = "completed" if run.completed else "wound_down"
    return Simulation(tuple(run.steps), _cash_by_month(run.steps), _totals(run), ends)


def _check_question(
    terms: Terms, proceeds_minor: int, holders: Sequence[int], scenario: Mapping[int, Outcome]
) -> None:
    if any(amount < 0 for amount in holders) or sum(holders) != proceeds_minor:
        raise SimulationError(
            "holders_not_proceeds", "The investors' amounts have to sum to what the offering raises."
        )
    for ordinal, outcome in scenario.items():
        if not 1 <= ordinal <= len(terms.milestones):
            raise SimulationError("milestone_unknown", f"This contract has no milestone {ordinal}.")
        if outcome.kind not in (MET, LATE, PARTIAL, FAILED) or outcome.days_late < 0 or (outcome.rest_days or 0) < 0:
            raise SimulationError("outcome_unknown", "A milestone can be met, late by some days, in part, or failed.")
        if outcome.kind == PARTIAL:
            _check_part(terms, ordinal, outcome.share_pct)


def _by_ordinal(found: Mapping[int, Any], theirs: Terms, ours: Terms) -> dict[int, Any]:
    """Give what is known of milestones by their ordinals in other terms by those in ours; keys never change."""
    now = {milestone.key: ordinal for ordinal, milestone in enumerate(ours.milestones, 1)}
    keys = {ordinal: milestone.key for ordinal, milestone in enumerate(theirs.milestones, 1)}
    return {now[keys[ordinal]]: each for ordinal, each in found.items() if keys.get(ordinal) in now}


def _amend(run: _Run, amended: Amended, scenario: Mapping[int, Outcome]) -> None:
    """Put amended terms in force; what is open is handed in on that day at the earliest."""
    before, day = run.terms, amended.on
    try:
        step, run.terms = following.follow(run.plan, before, amended, before)
    except engine.PlanError as error:
        raise SimulationError(error.code, error.message) from error
    run.amended, run.scenario = None, scenario
    for kept in (run.opened_on, run.submitted_on, run.handed_in_on, run.released_on):
        moved = _by_ordinal(kept, before, run.terms)
        kept.clear()
        kept.update(moved)
    _apply(run, step, CLOSING_ORDINAL, day)
    run.opened_on.update({m.ordinal: day for m in run.plan.milestones if m.state == "open"})


def _check_part(terms: Terms, ordinal: int, share_pct: int) -> None:
    if not terms.milestone(ordinal).partial_releases:
        message = f"Milestone {ordinal} of this contract is not released in part: it is met, or it is not."
        raise SimulationError("no_partial_release", message)
    if share_pct not in range(LEAST_PART_PCT, engine.WHOLE_PCT, STEP_PCT):
        raise SimulationError("share_unknown", "A part is 50 to 90 percent, in steps of 10.")


SUBMIT, FAIL, RELEASE, REPORT, OVER = "submit", "fail", "release", "report", "over"


def _next_event(run: _Run) -> tuple[date, int, str] | None:
    """Find what happens next: the earliest day, the lowest ordinal; None when nothing can happen any more."""
    return min((event for m in run.plan.unsettled for event in _events_of(run, m)), default=None)


def _events_of(run: _Run, milestone: engine.MilestoneState) -> Iterator[tuple[date, int, str]]:
    """Yield what waits to happen to one milestone."""
    ordinal = milestone.ordinal
    agreed, outcome = run.terms.milestone(ordinal), run.scenario.get(ordinal, Outcome())
    if milestone.reporting_minor:
        yield _report_after(run, run.released_on[ordinal]), ordinal, REPORT
    match milestone.state:
        case "open":
            submits_on = max(agreed.target_date + timedelta(days=outcome.days_late), run.opened_on[ordinal])
            yield _in_time(run, ordinal, None if outcome.kind == FAILED else submits_on)
        case "partly_released" if outcome.rest_days is None:
            yield _in_time(run, ordinal, None)
        case "partly_released":
            submits_on = run.handed_in_on[ordinal] + timedelta(days=outcome.rest_days)
            yield _in_time(run, ordinal, max(submits_on, run.released_on[ordinal]))
        case "submitted":
            yield _releases_on(run, ordinal), ordinal, RELEASE
        case "retained" if agreed.retainage is not None:
            days = agreed.retainage.after_days if outcome.is_shown else agreed.retainage.days
            day = min(run.released_on[ordinal] + timedelta(days=days), run.terms.long_stop)
            yield day, ordinal, SUBMIT if outcome.is_shown else OVER


def _in_time(run: _Run, ordinal: int, submits_on: date | None) -> tuple[date, int, str]:
    """Say that a milestone is handed in on a day, or fails where that is never, or after its long-stop."""
    long_stop = run.terms.milestone(ordinal).long_stop
    if submits_on is None or submits_on > long_stop:
        return max(long_stop, run.released_on.get(ordinal, run.opened_on[ordinal])), ordinal, FAIL
    return submits_on, ordinal, SUBMIT


def _report_after(run: _Run, day: date) -> date:
    """Find the first day after another on which a report is due."""
    due, number = run.closed_on, 0
    while due <= day:
        number += 1
        due = months_after(run.closed_on, number * run.terms.report_months)
    return due


def _releases_on(run: _Run, ordinal: int) -> date:
    agreed = run.terms.milestone(ordinal)
    decided = business_day_after(run.submitted_on[ordinal], agreed.review_business_days, run.holidays)
    unchallenged = business_day_after(decided, agreed.challenge_business_days, run.holidays)
    return max(unchallenged, decided + timedelta(days=LEAST_WINDOW_DAYS))


def _play(run: _Run, day: date, ordinal: int, action: str) -> None:
    milestone = run.plan.milestone(ordinal)
    if action == SUBMIT:
        run.plan = engine.submit(run.plan, ordinal).plan
        run.submitted_on[ordinal] = day
        run.handed_in_on.setdefault(ordinal, day)
    elif action == RELEASE:
        outcome = run.scenario.get(ordinal, Outcome())
        is_first_part = outcome.kind == PARTIAL and not milestone.share_pct
        share_pct = outcome.share_pct if is_first_part else engine.WHOLE_PCT
        run.plan = engine.window_over(engine.decide(run.plan, ordinal, share_pct).plan, ordinal).plan
        # In parallel a release may wait for the others; it is tried again when another one has moved (MIL-4).
        _release_what_may(run, day)
    elif action == REPORT:
        waiting = {m.ordinal for m in run.plan.unsettled if m.reporting_minor and run.released_on[m.ordinal] < day}
        _apply(run, engine.report_received(run.plan, waiting), ordinal, day)
    elif action == OVER:
        _apply(run, engine.retention_over(run.plan, ordinal), ordinal, day)
    else:
        _apply(run, engine.fail(run.plan, ordinal, "long_stop"), ordinal, day)
        if run.plan.milestone(ordinal).state == "deciding":
            # Where the investors are asked the play assumes that too few answer, which ends the plan.
            voted_on = business_day_after(day, VOTE_BUSINESS_DAYS, run.holidays)
            ends_on = max(voted_on, day + timedelta(days=LEAST_WINDOW_DAYS))
            _apply(run, deciding.give_up(run.plan, ordinal), ordinal, ends_on)
        _release_what_may(run, day)


def _release_what_may(run: _Run, day: date) -> None:
    """Release every approved milestone that waits for no other."""
    for milestone in run.plan.milestones:
        if milestone.state == engine.APPROVED and not engine.waits_for_others(run.plan, milestone.ordinal):
            run.released_on[milestone.ordinal] = day
            _apply(run, engine.release(run.plan, milestone.ordinal), milestone.ordinal, day)


def _apply(run: _Run, step: engine.Step, ordinal: int, day: date) -> None:
    """Take over the engine's step and carry out its instructions on the imagined holders."""
    run.plan = step.plan
    for event in step.events:
        if isinstance(event, MilestoneOpened):
            run.opened_on[event.ordinal] = day
    for instruction in step.instructions:
        if isinstance(instruction, ReleaseTranche):
            run.steps.append(_release(run, instruction.amount_minor, instruction.ordinal, day))
        elif isinstance(instruction, ReturnMoney):
            run.steps.append(_return(run, instruction.amount_minor, ordinal, day))
        elif isinstance(instruction, Complete):
            run.completed = True


def _release(run: _Run, amount_minor: int, ordinal: int, day: date) -> SimStep:
    shares = apportion(amount_minor, [holder.unreleased_minor for holder in run.holders])
    per_holder = []
    for holder, share in zip(run.holders, shares, strict=True):
        holder.unreleased_minor -= share
        holder.released_minor += share
        tokens = tokens_after(
            holder.released_minor, holder.unreleased_minor, run.price_micro, run.asset, holder.allotted
        )
        per_holder.append(HolderStep(share, 0, tokens - holder.tokens))
        holder.tokens = tokens
    fee_minor = amount_minor * run.fee_bp // WHOLE_BP
    return SimStep(
        day, "released", _label(run.terms, ordinal), ordinal, amount_minor, fee_minor, amount_minor - fee_minor, 0,
        tuple(per_holder), engine.if_stopped_today(run.plan),
    )  # fmt: skip


def _return(run: _Run, amount_minor: int, ordinal: int, day: date) -> SimStep:
    shares = apportion(amount_minor, [holder.unreleased_minor for holder in run.holders])
    for holder, share in zip(run.holders, shares, strict=True):
        holder.unreleased_minor -= share
        holder.returned_minor += share
    return SimStep(
        day, "returned", _label(run.terms, ordinal), ordinal, 0, 0, 0, amount_minor,
        tuple(HolderStep(0, share, 0) for share in shares), engine.if_stopped_today(run.plan),
    )  # fmt: skip


def _label(terms: Terms, ordinal: int) -> str:
    return "Closing" if ordinal == CLOSING_ORDINAL else terms.milestone(ordinal).title


def _cash_by_month(steps: Sequence[SimStep]) -> tuple[CashMonth, ...]:
    """List every month from the first step to the last, also those in which nothing came."""
    months: list[CashMonth] = []
    if not steps:
        return ()
    year, month, total_minor = steps[0].at.year, steps[0].at.month, 0
    last = steps[-1].at
    while (year, month) <= (last.year, last.month):
        received = [step.to_company_minor for step in steps if (step.at.year, step.at.month) == (year, month)]
        total_minor += sum(received)
        months.append(CashMonth(f"{year}-{month:02d}", sum(received), total_minor))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return tuple(months)


def _totals(run: _Run) -> SimTotals:
    return SimTotals(
        released_minor=sum(step.released_minor for step in run.steps),
        fee_minor=sum(step.fee_minor for step in run.steps),
        to_company_minor=sum(step.to_company_minor for step in run.steps),
        returned_minor=sum(step.returned_minor for step in run.steps),
        tokens=sum(holder.tokens for holder in run.holders),
        per_holder=tuple(HolderStep(h.released_minor, h.returned_minor, h.tokens) for h in run.holders),
    )
