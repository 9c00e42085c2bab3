"""The engine: what each event does to milestones and money, and that no cent is lost on any road (MIL, WND-2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milestones import disputes
from milestones import plan as engine
from milestones.apportion import bp_from_costs
from milestones.document import parse_document
from milestones.events import (
    Complete,
    MilestoneApproved,
    MilestoneFailed,
    MilestoneLapsed,
    MilestoneOpened,
    MilestoneReleased,
    MilestoneReopened,
    PlanCompleted,
    ReleaseTranche,
    ReturnMoney,
    TranchesRecomputed,
    VerdictReached,
    WindDown,
    WindDownStarted,
)
from milestones.plan import IfStopped, PlanError, if_stopped_today, returnable_minor
from milestones.states import TransitionError
from tests.unit.milestones.documents import contract, document, milestone


def started(*bps, proceeds=100_000, on_failure="wind_down", **changes):
    terms = contract(
        *bps,
        milestones=[milestone(i, bp, on_failure=on_failure) for i, bp in enumerate(bps, start=1)],
        **changes,
    )
    return engine.start(terms, proceeds).plan


def states(plan):
    return [m.state for m in plan.milestones]


def approve(plan, ordinal):
    plan = engine.submit(plan, ordinal).plan
    plan = engine.decide(plan, ordinal, 100).plan
    return engine.window_over(plan, ordinal).plan


def test_mil_1_closing_tranche_is_approved_by_reaching_active():
    step = engine.start(contract(4000, 4000, closing_bp=2000), 100_003)
    assert step.events == (MilestoneApproved(0), MilestoneOpened(1))
    assert step.instructions == ()
    assert [(m.ordinal, m.key, m.state, m.tranche_minor, m.bp) for m in step.plan.milestones] == [
        (0, "closing", "approved", 20_000, 2000),
        (1, "step-1", "open", 40_001, 4000),
        (2, "step-2", "locked", 40_002, 4000),
    ]
    released = engine.release(step.plan, 0)
    assert released.instructions == (ReleaseTranche(0, 20_000),)
    assert released.plan.unreleased_minor == 80_003


def test_mil_2_parallel_opens_everything_and_sequential_one_at_a_time():
    assert states(started(4000, 3000, 3000, order="parallel")) == ["open", "open", "open"]
    plan = started(4000, 3000, 3000)
    assert states(plan) == ["open", "locked", "locked"]
    step = engine.release(approve(plan, 1), 1)
    assert step.events == (MilestoneReleased(1, 40_000), MilestoneOpened(2))
    assert states(step.plan) == ["released", "open", "locked"]


def test_mil_6_submitting_a_locked_milestone_is_refused():
    with pytest.raises(TransitionError) as refused:
        engine.submit(started(5000, 5000), 2)
    assert refused.value.code == "transition_refused"


def test_mil_6_a_milestone_has_two_more_tries_and_then_fails():
    plan = started(4000, 6000)
    for tries_left in (1, 0):
        step = engine.decide(engine.submit(plan, 1).plan, 1, 0)
        assert step.events == (VerdictReached(1, 0), MilestoneOpened(1))
        assert step.instructions == ()
        plan = step.plan
        assert plan.milestone(1).tries_left == tries_left
    step = engine.decide(engine.submit(plan, 1).plan, 1, 0)
    assert (step.events, step.instructions) == ((VerdictReached(1, 0),), ())
    assert states(step.plan) == ["appealable", "locked"]
    step = disputes.appeal_over(step.plan, 1)
    assert step.events == (
        MilestoneFailed(1, "not_met"),
        WindDownStarted("not_met"),
        MilestoneLapsed(2),
    )
    assert step.instructions == (WindDown("not_met"), ReturnMoney(100_000, "not_met"))
    assert (states(step.plan), step.plan.unreleased_minor) == (["failed", "lapsed"], 0)


def test_mil_12_a_release_needs_approval_and_happens_once():
    plan = engine.decide(engine.submit(started(5000, 5000), 1).plan, 1, 100).plan
    with pytest.raises(TransitionError) as refused:
        engine.release(plan, 1)
    assert refused.value.code == "transition_refused"
    released = engine.release(engine.window_over(plan, 1).plan, 1).plan
    with pytest.raises(TransitionError) as refused:
        engine.release(released, 1)
    assert refused.value.code == "transition_already"


def test_mil_12_a_sequential_release_waits_for_its_predecessor():
    plan = approve(started(4000, 4000, closing_bp=2000), 1)
    with pytest.raises(PlanError) as refused:
        engine.release(plan, 1)
    assert refused.value.code == "predecessor_unsettled"
    assert engine.release(engine.release(plan, 0).plan, 1).instructions == (ReleaseTranche(1, 40_000),)


def test_mil_10_a_suspension_is_lifted_or_runs_out_with_nothing_used_up():
    plan = engine.decide(engine.submit(started(5000, 5000), 1).plan, 1, 100).plan
    suspended = engine.suspend(plan, 1).plan
    assert states(suspended) == ["suspended", "locked"]
    assert states(engine.resume(suspended, 1).plan) == ["challengeable", "locked"]
    over = engine.suspension_over(suspended, 1)
    assert over.events == (MilestoneReopened(1),)
    assert over.plan.milestone(1).tries_left == 2
    assert over.plan == started(5000, 5000)


def test_the_last_release_completes_the_plan():
    plan = engine.release(approve(started(5000, 5000), 1), 1).plan
    with pytest.raises(PlanError) as refused:
        engine.finish(plan)
    assert refused.value.code == "plan_unfinished"
    step = engine.release(approve(plan, 2), 2)
    assert step.events == (MilestoneReleased(2, 50_000), PlanCompleted())
    assert step.instructions == (ReleaseTranche(2, 50_000), Complete())
    assert engine.finish(step.plan).instructions == (Complete(),)


def test_mil_2_return_tranche_returns_it_and_parallel_others_go_on():
    plan = started(4000, 3000, 3000, order="parallel", on_failure="return_tranche")
    step = engine.fail(plan, 2, "long_stop")
    assert step.events == (MilestoneFailed(2, "long_stop"),)
    assert step.instructions == (ReturnMoney(30_000, "long_stop", 2),)
    assert (states(step.plan), step.plan.unreleased_minor) == (["open", "failed", "open"], 70_000)
    plan = engine.release(approve(step.plan, 1), 1).plan
    assert engine.release(approve(plan, 3), 3).instructions == (ReleaseTranche(3, 30_000), Complete())


def test_mil_2_return_tranche_in_sequence_winds_down_the_rest():
    plan = engine.release(approve(started(4000, 3000, 3000, on_failure="return_tranche"), 1), 1).plan
    step = engine.fail(plan, 2, "long_stop")
    assert step.instructions == (WindDown("long_stop"), ReturnMoney(60_000, "long_stop"))
    assert (states(step.plan), step.plan.unreleased_minor) == (["released", "failed", "lapsed"], 0)


def test_mil_2_return_tranche_of_the_last_milestone_completes_what_was_released():
    plan = engine.release(approve(started(6000, 4000, on_failure="return_tranche"), 1), 1).plan
    step = engine.fail(plan, 2, "long_stop")
    assert step.instructions == (ReturnMoney(40_000, "long_stop", 2), Complete())


def test_mil_2_a_plan_that_never_released_anything_is_not_called_completed():
    step = engine.fail(started(10_000, on_failure="return_tranche"), 1, "long_stop")
    assert step.instructions == (WindDown("long_stop"), ReturnMoney(100_000, "long_stop"))


def wound_down_with_everything_pending():
    """Approved, submitted, challengeable, suspended and open at once, then the founder resigns."""
    plan = approve(started(2000, 2000, 2000, 2000, 1000, 1000, order="parallel"), 1)
    for ordinal in (2, 3, 4):
        plan = engine.submit(plan, ordinal).plan
    for ordinal in (3, 4):
        plan = engine.decide(plan, ordinal, 100).plan
    plan = engine.suspend(plan, 4).plan
    assert if_stopped_today(plan) == IfStopped(20_000, 20_000, 60_000)
    return engine.wind_down(plan, "founder_resigned")


def test_wnd_2_approved_is_still_released_and_submitted_runs_to_its_verdict():
    step = wound_down_with_everything_pending()
    assert step.events == (WindDownStarted("founder_resigned"), MilestoneLapsed(5), MilestoneLapsed(6))
    assert step.instructions == (WindDown("founder_resigned"), ReturnMoney(20_000, "founder_resigned"))
    plan = step.plan
    assert states(plan) == ["approved", "submitted", "challengeable", "suspended", "lapsed", "lapsed"]
    assert (plan.unreleased_minor, returnable_minor(plan)) == (80_000, 0)

    step = engine.release(plan, 1)
    assert step.instructions == (ReleaseTranche(1, 20_000),)
    step = engine.decide(step.plan, 2, 0)
    assert (step.events, step.instructions) == ((VerdictReached(2, 0),), ())
    step = disputes.appeal_over(step.plan, 2)
    assert step.events == (MilestoneFailed(2, "not_met"),)
    assert step.instructions == (ReturnMoney(20_000, "not_met", 2),)
    step = engine.release(engine.window_over(step.plan, 3).plan, 3)
    assert step.instructions == (ReleaseTranche(3, 20_000),)
    step = engine.suspension_over(step.plan, 4)
    assert step.events == (MilestoneReopened(4), MilestoneLapsed(4))
    assert step.instructions == (ReturnMoney(20_000, "suspension_over", 4),)
    assert step.plan.unreleased_minor == 0
    assert step.plan.unsettled == ()


def test_wnd_2_a_wind_down_starts_once_and_takes_no_new_submission():
    plan = wound_down_with_everything_pending().plan
    with pytest.raises(PlanError) as refused:
        engine.wind_down(plan, "again")
    assert refused.value.code == "plan_winding_down"
    with pytest.raises(PlanError) as refused:
        engine.submit(plan, 5)
    assert refused.value.code == "plan_winding_down"
    with pytest.raises(PlanError):
        engine.finish(plan)


def test_mil_1_a_reversal_shrinks_every_unsettled_tranche():
    plan = engine.release(approve(started(3333, 3334, 3333, proceeds=183_334), 1), 1).plan
    assert plan.unreleased_minor == 122_229
    step = engine.shrink(plan, 100_001)
    assert step.events == (TranchesRecomputed(122_229, 100_001),)
    assert [m.tranche_minor for m in step.plan.milestones] == [61_105, 50_007, 49_994]
    assert states(step.plan) == states(plan)


def test_a_milestone_that_is_not_there_is_refused():
    with pytest.raises(PlanError) as refused:
        engine.release(started(10_000), 2)
    assert refused.value.code == "milestone_unknown"


OPERATIONS = (
    "submit",
    "met",
    "not_met",
    "window_over",
    "suspend",
    "resume",
    "suspension_over",
    "release",
    "fail",
    "dispute",
    "appeal",
    "appeal_over",
    "find_met",
    "find_not_met",
    "lose_appeal",
    "leave_undecided",
)


def perform(plan, operation, ordinal):
    match operation:
        case "met" | "not_met":
            return engine.decide(plan, ordinal, 100 if operation == "met" else 0)
        case "fail":
            return engine.fail(plan, ordinal, "long_stop")
        case "dispute" | "appeal" | "appeal_over" | "find_met" | "leave_undecided":
            return getattr(disputes, operation)(plan, ordinal)
        case "find_not_met" | "lose_appeal":
            return disputes.find_not_met(plan, ordinal, appealed=operation == "lose_appeal")
        case _:
            return getattr(engine, operation)(plan, ordinal)


def moved(step, kind):
    return sum(i.amount_minor for i in step.instructions if isinstance(i, kind))


@settings(max_examples=250, deadline=None)
@given(
    bps=st.lists(st.integers(1, 100), min_size=1, max_size=8),
    closing=st.booleans(),
    parallel=st.booleans(),
    on_failure=st.sampled_from(["wind_down", "return_tranche"]),
    proceeds=st.integers(0, 10**9),
    roads=st.lists(
        st.tuples(st.sampled_from([*OPERATIONS, "shrink", "wind_down"]), st.integers(0, 8)), max_size=60
    ),
)
def test_nothing_is_lost_on_any_road(bps, closing, parallel, on_failure, proceeds, roads):
    shares = bp_from_costs(bps)
    closing_bp, shares = (shares[0], shares[1:]) if closing and len(shares) > 1 else (0, shares)
    milestones = [milestone(i, bp, on_failure=on_failure) for i, bp in enumerate(shares, start=1)]
    order = "parallel" if parallel else "sequential"
    terms = parse_document(document(closing_bp=closing_bp, order=order, milestones=milestones))
    plan = engine.start(terms, proceeds).plan
    released = returned = reversed_minor = 0
    completed = False
    for operation, number in roads:
        before = plan
        try:
            if operation == "shrink":
                step = engine.shrink(plan, plan.unreleased_minor * number // 8) if plan.unsettled else None
                reversed_minor += plan.unreleased_minor - step.plan.unreleased_minor if step else 0
            elif operation == "wind_down":
                # Asked for rarely, so that most roads get further.
                step = engine.wind_down(plan, "operator") if number == 8 and plan.unsettled else None
                if step:
                    assert moved(step, ReturnMoney) == if_stopped_today(before).returned_minor
            else:
                step = perform(plan, operation, number)
        except (TransitionError, PlanError):
            step = None
        if step is None:
            continue
        plan = step.plan
        released += moved(step, ReleaseTranche)
        returned += moved(step, ReturnMoney)
        completed = completed or Complete() in step.instructions
        assert proceeds == released + returned + reversed_minor + plan.unreleased_minor
        assert plan.unreleased_minor == sum(m.tranche_minor for m in plan.unsettled)
        assert all(m.tranche_minor >= 0 for m in plan.milestones)
        assert sum(if_stopped_today(plan)) == plan.unreleased_minor
        assert not (completed and plan.winding_down)
        if not plan.unsettled:
            assert plan.unreleased_minor == 0
            assert completed or plan.winding_down
