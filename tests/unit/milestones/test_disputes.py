"""Challenges, disputes and appeals in the engine: when they count, and what they leave of the disputed sum (MIL-10)."""

import pytest

from milestones import disputes
from milestones import plan as engine
from milestones.disputes import Split, Support
from milestones.events import (
    DisputeOpened,
    MilestoneApproved,
    MilestoneFailed,
    MilestoneLapsed,
    MilestoneOpened,
    MilestoneReopened,
    ReturnMoney,
    VerdictReached,
    WindDown,
)
from milestones.states import TransitionError
from milestones.verdict import Finding, verdict
from tests.unit.milestones.documents import contract
from tests.unit.milestones.test_plan import approve, started, states


def judged(met, *bps, tries=2, **options):
    """Return a plan whose first milestone has a verdict, with so many tries left at the submission."""
    plan = started(*(bps or (5000, 5000)), **options)
    for _ in range(2 - tries):
        plan = engine.decide(engine.submit(plan, 1).plan, 1, 0).plan
    return engine.decide(engine.submit(plan, 1).plan, 1, 100 if met else 0).plan


@pytest.mark.parametrize(
    ("money", "total", "heads", "total_heads", "one", "counts"),
    [
        (4_999, 100_000, 1, 20, False, False),
        (5_000, 100_000, 1, 20, False, True),  # exactly 5 % suffices
        (5_000, 100_001, 1, 20, False, False),
        (10, 100_000, 4, 10, False, False),  # 40 % of the heads, but fewer than five
        (10, 100_000, 5, 50, False, True),  # exactly 10 %, and five
        (10, 100_000, 5, 51, False, False),
        (1, 100_000, 1, 500, True, True),  # an auditor said "not met": one holder suffices
        (0, 100_000, 0, 500, True, False),  # nobody behind it
        (0, 0, 0, 0, False, False),
        (0, 0, 6, 6, True, False),  # heads without arm's-length money are nobody
    ],
)
def test_mil_10_a_challenge_counts_at_its_exact_threshold(money, total, heads, total_heads, one, counts):
    assert Support(money, total, heads, total_heads, one).counts is counts


def test_mil_10_what_a_challenge_needs_is_told_to_the_unit():
    support = Support(0, 100_001, 0, 73)
    assert (support.needs_minor, support.needs_heads) == (5_001, 8)
    assert Support(5_001, 100_001, 1, 73).counts
    assert Support(1, 100_001, 8, 73).counts
    assert (Support(0, 0, 0, 0).needs_minor, Support(0, 0, 0, 9).needs_heads) == (1, 5)


def test_mil_10_a_panel_decides_by_the_same_verdict_with_two_of_three():
    terms = disputes.panel_terms(contract(5000, 5000).milestone(1))
    met = [Finding(c.key, "met", 100) for c in terms.criteria]
    not_met = [Finding(c.key, "not_met", 0) for c in terms.criteria]
    # One finding decides nothing, neither at once nor at the time limit.
    assert verdict(terms, {"a": met}, at_time_limit=True) is None
    assert verdict(terms, {"a": met, "b": met}, at_time_limit=False) is None
    assert verdict(terms, {"a": met, "b": met, "c": not_met}, at_time_limit=False).met is True
    assert verdict(terms, {"a": met, "b": not_met, "c": not_met}, at_time_limit=False).met is False
    # A tie of two never favours who raises money.
    assert verdict(terms, {"a": met, "b": not_met}, at_time_limit=True).met is False


def test_mil_10_a_dispute_found_met_is_approved_without_another_window():
    plan = judged(True)
    opened = disputes.dispute(plan, 1)
    assert (opened.events, opened.instructions) == ((DisputeOpened(1),), ())
    for act in (engine.release, engine.window_over, engine.suspend, engine.submit):
        with pytest.raises(TransitionError):
            act(opened.plan, 1)
    step = disputes.find_met(opened.plan, 1)
    assert step.events == (VerdictReached(1, 100), MilestoneApproved(1))
    assert disputes.split_of(opened.plan, step, 1) == Split(50_000, 0, 0)
    assert engine.release(step.plan, 1).plan.unreleased_minor == 50_000


def test_mil_10_a_dispute_found_not_met_uses_a_try_up_and_the_last_one_fails():
    plan = disputes.dispute(judged(True), 1).plan
    step = disputes.find_not_met(plan, 1, appealed=False)
    assert step.events == (VerdictReached(1, 0), MilestoneOpened(1))
    assert (states(step.plan), step.plan.milestone(1).tries_left) == (["open", "locked"], 1)
    assert disputes.split_of(plan, step, 1) == Split(0, 0, 50_000)
    plan = disputes.dispute(judged(True, tries=0), 1).plan
    step = disputes.find_not_met(plan, 1, appealed=False)
    assert states(step.plan) == ["failed", "lapsed"]
    assert step.instructions == (WindDown("not_met"), ReturnMoney(100_000, "not_met"))
    assert disputes.split_of(plan, step, 1) == Split(0, 50_000, 0)


def test_mil_10_a_rejected_milestone_is_not_payable():
    """A milestone that auditors or a panel rejected has no way to money but a new verdict."""
    rejected = disputes.find_not_met(disputes.dispute(judged(True), 1).plan, 1, appealed=False).plan
    for plan in (rejected, judged(False), judged(False, tries=0), disputes.dispute(judged(True), 1).plan):
        for act in (engine.release, engine.window_over, disputes.find_met if plan is rejected else engine.release):
            with pytest.raises(TransitionError):
                act(plan, 1)


def test_mil_10_an_undecided_dispute_opens_again_with_nothing_used_up():
    plan = disputes.dispute(judged(True), 1).plan
    step = disputes.leave_undecided(plan, 1)
    assert step.events == (MilestoneReopened(1),)
    assert step.plan == started(5000, 5000)
    assert disputes.split_of(plan, step, 1) == Split(0, 0, 50_000)


def test_mil_10_no_milestone_fails_before_its_appeal_is_over():
    plan = judged(False, tries=0)
    assert states(plan) == ["appealable", "locked"]
    with pytest.raises(TransitionError):
        engine.fail(plan, 1, "long_stop")
    appealed = disputes.appeal(plan, 1)
    assert appealed.events == (DisputeOpened(1),)
    lost = disputes.find_not_met(appealed.plan, 1, appealed=True, exhausted=True)
    assert lost.events[:2] == (VerdictReached(1, 0), MilestoneFailed(1, "not_met"))
    assert lost.instructions == (WindDown("not_met"), ReturnMoney(100_000, "not_met"))
    won = disputes.find_met(appealed.plan, 1)
    assert states(won.plan) == ["approved", "locked"]
    over = disputes.appeal_over(plan, 1)
    assert over.instructions == lost.instructions


def test_mil_10_an_appeal_that_is_lost_uses_up_no_further_try_and_gives_none():
    plan = judged(False)
    assert plan.milestone(1).tries_left == 1
    appealed = disputes.appeal(plan, 1).plan
    lost = disputes.find_not_met(appealed, 1, appealed=True)
    assert lost.plan == plan
    undecided = disputes.leave_undecided(appealed, 1, restores_try=True)
    assert (undecided.plan.milestone(1).state, undecided.plan.milestone(1).tries_left) == ("open", 2)


def test_mil_10_a_dispute_holds_up_no_independent_milestone():
    plan = judged(True, 3000, 3000, 4000, order="parallel")
    plan = disputes.dispute(plan, 1).plan
    step = engine.release(approve(plan, 2), 2)
    assert step.plan.milestone(2).state == "released"
    assert step.plan.milestone(1).state == "disputed"
    # In a sequential plan the next one waits.
    with pytest.raises(TransitionError):
        engine.submit(disputes.dispute(judged(True), 1).plan, 2)


def test_wnd_2_a_dispute_runs_on_in_a_wind_down_and_its_sum_is_set_aside():
    plan = judged(True, 3000, 3000, 4000, order="parallel")
    plan = disputes.dispute(plan, 1).plan
    plan = engine.decide(engine.submit(plan, 2).plan, 2, 0).plan
    plan = engine.decide(engine.submit(plan, 2).plan, 2, 0).plan
    plan = engine.decide(engine.submit(plan, 2).plan, 2, 0).plan
    assert states(plan) == ["disputed", "appealable", "open"]
    step = engine.wind_down(plan, "founder_resigned")
    assert step.instructions == (WindDown("founder_resigned"), ReturnMoney(40_000, "founder_resigned"))
    assert step.plan.unreleased_minor == 60_000
    met = disputes.find_met(step.plan, 1)
    assert engine.release(met.plan, 1).plan.unreleased_minor == 30_000
    back = disputes.find_not_met(step.plan, 1, appealed=False)
    assert back.instructions == (ReturnMoney(30_000, "not_met", 1),)
    assert disputes.split_of(step.plan, back, 1) == Split(0, 30_000, 0)
    nobody = disputes.leave_undecided(step.plan, 1)
    assert nobody.events == (MilestoneReopened(1), MilestoneLapsed(1))
    assert nobody.instructions == (ReturnMoney(30_000, "undecided", 1),)
    appealed = disputes.appeal(step.plan, 2).plan
    assert disputes.find_not_met(appealed, 2, appealed=True).instructions == (ReturnMoney(30_000, "not_met", 2),)
