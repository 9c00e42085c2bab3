"""Releases in part, retained parts and reporting parts in the engine, and cheats that must not pay (MIL-4, MIL-11)."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milestones import disputes, lint
from milestones import plan as engine
from milestones.apportion import apportion
from milestones.document import ContractError, parse_document
from milestones.events import MilestoneReleased, PlanCompleted, ReleaseTranche, RetainedReturned, ReturnMoney
from milestones.plan import IfStopped, PlanError
from milestones.terms import SCHEMA_2
from milestones.verdict import Finding, verdict
from tests.unit.milestones.documents import criterion, document, milestone

RETAINAGE = {"bp": 1000, "event": "No defect is open.", "procedure": "Read the certificate."}
#: Three criteria of 40, 35 and 25 %, the first of which must be met.
WEIGHED = [
    criterion(key="works", weight_bp=4000), criterion(key="sold", weight_bp=3500, must=False),
    criterion(key="known", weight_bp=2500, must=False),
]  # fmt: skip


def agreed(*bps, first=None, **changes):
    """Terms of version 2 whose first milestone has these fields."""
    doc = document(*bps, schema=SCHEMA_2, long_stop="2030-12-31", **changes)
    doc["milestones"][0] |= first or {}
    return parse_document(doc)


def started(*bps, proceeds=100_000, first=None, **changes):
    return engine.start(agreed(*bps, first=first, **changes), proceeds).plan


def approve(plan, ordinal, share_pct=100):
    plan = engine.decide(engine.submit(plan, ordinal).plan, ordinal, share_pct).plan
    return engine.window_over(plan, ordinal).plan


def paid(plan, ordinal, share_pct=100):
    step = engine.release(approve(plan, ordinal, share_pct), ordinal)
    return step.plan, next(i.amount_minor for i in step.instructions if isinstance(i, ReleaseTranche))


def share_of(works, sold, known, *, quorum=1, partial=2):
    terms = agreed(4000, 3000, 3000, first={
        "criteria": WEIGHED, "quorum": {"approvals": quorum, "auditors": 3}, "partial_releases": partial})  # fmt: skip

    def finding(key, share):
        return Finding(key, {0: "not_met", 100: "met"}.get(share, "partly"), share)

    found = [
        [finding("works", w), finding("sold", s), finding("known", k)]
        for w, s, k in zip(works, sold, known, strict=True)
    ]
    result = verdict(terms.milestone(1), dict(zip("abc", found, strict=True)), at_time_limit=False)
    return result.share_pct, result.result


@pytest.mark.parametrize(
    ("works", "sold", "known", "expected"),
    [
        ((100, 100, 100), (100, 100, 100), (100, 100, 100), (100, "met")),
        ((100, 100, 0), (100, 50, 50), (0, 0, 100), (50, "partly")),  # 40 + 17.5 = 57.5, down to 50
        ((100, 100, 0), (70, 70, 0), (60, 60, 60), (70, "partly")),  # 40 + 24.5 + 15 = 79.5, down to 70
        ((100, 100, 0), (20, 20, 100), (0, 0, 0), (0, "not_met")),  # 47 is under 50
        ((100, 90, 90), (100, 100, 100), (100, 100, 100), (0, "not_met")),  # the `must` is at 90 for two of three
        ((100, 100, 0), (100, 100, 0), (90, 90, 90), (90, "partly")),  # 97.5
    ],
)
def test_mil_11_the_share_weighs_kth_highest_results_down_to_tens(works, sold, known, expected):
    assert share_of(works, sold, known, quorum=2) == expected


def test_mil_11_a_contract_without_partial_releases_has_no_share_but_all():
    assert share_of((100,) * 3, (90,) * 3, (90,) * 3, partial=0) == (0, "not_met")
    old = parse_document(document(4000, 6000))
    assert (old.milestone(1).partial_releases, old.milestone(1).retainage) == (0, None)


def test_mil_11_due_is_the_floor_of_the_share_less_what_was_released():
    plan = started(4000, 3000, 3000, proceeds=100_003, first={"partial_releases": 2})
    assert plan.milestone(1).tranche_minor == 40_001
    plan, first = paid(plan, 1, 70)
    assert (first, plan.milestone(1).state, plan.milestone(2).state) == (28_000, "partly_released", "locked")
    plan, second = paid(plan, 1, 90)
    plan, last = paid(plan, 1)
    assert (second, last, first + second + last) == (8_000, 4_001, 40_001)
    assert (plan.milestone(1).state, plan.milestone(2).state) == ("released", "open")


def test_mil_11_partial_verdicts_repeated_do_not_empty_the_escrow():
    """The cheat: the same half, claimed again and again. A share only rises, and only twice."""
    plan, first = paid(started(4000, 3000, 3000), 1, 50)
    again = engine.decide(engine.submit(plan, 1).plan, 1, 50)
    assert (again.plan.milestone(1).state, again.instructions) == ("partly_released", ())
    assert again.plan.milestone(1).tries_left == 1
    plan, second = paid(plan, 1, 60)
    third = engine.decide(engine.submit(plan, 1).plan, 1, 90)  # no partial release is left
    assert (third.plan.milestone(1).state, third.plan.unreleased_minor) == ("partly_released", 100_000 - 24_000)
    assert (first, second) == (20_000, 4_000)
    used = engine.decide(engine.submit(third.plan, 1).plan, 1, 90).plan
    final = engine.decide(engine.submit(used, 1).plan, 1, 90).plan
    assert final.milestone(1).state == "appealable"
    over = disputes.appeal_over(final, 1)
    assert over.instructions[-1] == ReturnMoney(76_000, "not_met")


def test_mil_11_retainage_stays_without_tokens_and_gates_nothing():
    plan = started(4000, 3000, 3000, first={"retainage": RETAINAGE})
    step = engine.release(approve(plan, 1), 1)
    assert step.instructions == (ReleaseTranche(1, 36_000),)
    assert [m.state for m in step.plan.milestones] == ["retained", "open", "locked"]
    with pytest.raises(PlanError):
        engine.finish(step.plan)
    shown = engine.release(approve(step.plan, 1), 1)
    assert (shown.instructions, shown.plan.milestone(1).state) == ((ReleaseTranche(1, 4_000),), "released")
    over = engine.retention_over(step.plan, 1)
    assert over.events == (RetainedReturned(1, 4_000),)
    assert over.instructions == (ReturnMoney(4_000, "retention_over", 1),)
    assert (over.plan.milestone(1).state, over.plan.unreleased_minor) == ("released", 60_000)


def test_mil_11_the_last_retained_part_completes_the_plan_either_way():
    last = milestone(2, 6000, retainage=RETAINAGE)
    plan = started(4000, 6000, milestones=[milestone(1, 4000), last])
    plan, _ = paid(plan, 1)
    plan, amount = paid(plan, 2)
    assert (amount, plan.unreleased_minor) == (54_000, 6_000)
    for step in (engine.retention_over(plan, 2), engine.release(approve(plan, 2), 2)):
        assert step.events[-1] == PlanCompleted()
        assert (step.plan.unreleased_minor, step.plan.unsettled) == (0, ())


def test_mil_14_a_reporting_part_waits_for_a_report_and_blocks_nothing():
    plan = started(4000, 6000, first={"reporting_retainage_bp": 500})
    plan, amount = paid(plan, 1)
    assert (amount, plan.milestone(1).state, plan.milestone(2).state) == (38_000, "report_due", "open")
    assert engine.report_received(plan, {2}).instructions == ()
    step = engine.report_received(plan, {1})
    assert (step.events, step.instructions) == ((MilestoneReleased(1, 2_000),), (ReleaseTranche(1, 2_000),))
    assert step.plan.milestone(1).state == "released"
    assert engine.retention_over(plan, 1).instructions == (ReturnMoney(2_000, "retention_over", 1),)


def test_mil_4_in_parallel_the_last_quarter_waits_for_all_others():
    """The engine enforces it: what the check promises does not hang on the founder's order of work."""
    plan = started(3000, 3000, 4000, order="parallel")
    plan, _ = paid(plan, 3)
    plan = approve(plan, 1)
    plan = engine.release(plan, 1).plan
    plan = approve(plan, 2)
    assert not engine.waits_for_others(plan, 2)  # all others are settled
    plan = started(3000, 3000, 4000, order="parallel")
    plan, _ = paid(plan, 3)
    eager = approve(plan, 1)  # 70 %: still before the tail
    assert not engine.waits_for_others(eager, 1)
    small = started(2000, 2000, 3000, 3000, order="parallel")
    small, _ = paid(small, 4)
    small, _ = paid(small, 3)
    waits = approve(small, 2)  # 80 % with the first still open
    assert engine.waits_for_others(waits, 2)
    with pytest.raises(PlanError, match="settled first"):
        engine.release(waits, 2)
    # Once every other one is decided none waits for the others: no deadlock.
    both = approve(waits, 1)
    assert engine.release(engine.release(both, 1).plan, 2).plan.unsettled == ()
    relaxed = started(2000, 2000, 3000, 3000, order="parallel", relaxed=["parallel_tail"])
    assert not relaxed.tail_waits


def test_wnd_2_a_wind_down_pays_what_is_due_of_a_part_and_returns_its_rest_at_once():
    plan = started(4000, 6000, first={"retainage": RETAINAGE, "reporting_retainage_bp": 500})
    plan = approve(plan, 1, 60)
    # 24,000 less a tenth is 21,600; 1,080 of it would wait for a report that never comes.
    assert engine.if_stopped_today(plan) == IfStopped(79_480, 20_520, 0)
    step = engine.wind_down(plan, "stop")
    assert step.instructions[-1] == ReturnMoney(79_480, "stop")
    ended = engine.release(step.plan, 1)
    assert (ended.instructions, ended.plan.milestone(1).state) == ((ReleaseTranche(1, 20_520),), "lapsed")
    assert ended.plan.unreleased_minor == 0


def test_mil_1_money_taken_back_after_a_part_keeps_every_proportion():
    plan, _ = paid(started(4000, 6000, first={"retainage": RETAINAGE}), 1, 50)
    assert plan.unreleased_minor == 82_000
    plan = engine.shrink(plan, 41_000).plan
    first = plan.milestone(1)
    assert (first.remaining_minor, plan.milestone(2).remaining_minor) == (11_000, 30_000)
    # Half of what is left of the milestone is due at 75 %, as it would have been before.
    assert (first.counted_minor, first.due_minor(70), first.due_minor(100)) == (9_000, 3_600, 9_000)


@pytest.mark.parametrize("bps", [(7000, 7000), (10_000, 10_000), (4000, 3000, 2999), (4000, 3000, 3001)])
def test_mil_1_shares_that_are_not_the_whole_are_refused(bps):
    """The cheat: the same money promised twice (140 % and 200 % were live on other platforms)."""
    with pytest.raises(ContractError) as refused:
        agreed(*bps)
    assert "tranches_not_whole" in {problem.code for problem in refused.value.problems}


def codes(terms, **facts):
    return {finding.code for finding in lint.lint(terms, lint.LintContext(**facts))}


def test_mil_4_front_loaded_plans_and_unweighed_milestones_are_found():
    assert {"tranche_over_40", "last_under_15"} <= codes(agreed(9000, 1000))
    assert codes(agreed(4000, 3000, 3000, first={"criteria": WEIGHED})) == set()
    loose = [{**each, "must": False} for each in WEIGHED]
    assert "no_must" in codes(agreed(4000, 3000, 3000, first={"criteria": loose}))
    heavy = [criterion(key="a", weight_bp=5001), criterion(key="b", weight_bp=4999)]
    assert "weight_over_50" in codes(agreed(4000, 3000, 3000, first={"criteria": heavy}))
    # The only criterion has all of the weight, and is a `must`: it is met or it is not.
    assert codes(agreed(4000, 3000, 3000)) == set()
    assert "no_must" in codes(agreed(4000, 3000, 3000, first={"criteria": [criterion(must=False)]}))
    late = dataclasses.replace(agreed(4000, 3000, 3000, first={"retainage": RETAINAGE}))
    assert codes(late) == set()
    assert codes(dataclasses.replace(late, long_stop=late.milestones[0].long_stop)) >= {"dates_out_of_order"}
    side = agreed(4000, 3000, 3000, order="parallel")
    assert "parallel_tail" not in codes(side)
    assert "parallel_tail" in codes(agreed(4000, 3000, 3000, order="parallel", relaxed=["parallel_tail"]))


def test_off_10_a_price_so_high_that_parts_issue_no_token_is_refused():
    terms = agreed(4000, 3000, 3000)
    assert lint.grain_problem(terms, 10_000, 300_000, terms.asset) is None  # 30.00 ÷ 0.30 is 100 tokens
    assert lint.grain_problem(terms, 10_000, 300_001, terms.asset) == 300_000


def test_rel_2_refunds_by_whole_percents_would_keep_a_remainder_and_ours_keep_none():
    plan, _ = paid(started(3333, 3334, 3333, proceeds=100_001), 1)
    step = engine.wind_down(plan, "stop")
    back = step.instructions[-1].amount_minor
    assert (back, step.plan.unreleased_minor) == (66_671, 0)
    assert sum(apportion(back, [22_224, 22_224, 22_223])) == back


OPERATIONS = ("submit", "met", "half", "most", "not_met", "release", "report", "over", "long_stop", "shrink", "appeal")


@settings(max_examples=150, deadline=None)
@given(
    proceeds=st.integers(0, 100_000),
    order=st.sampled_from(["sequential", "parallel"]),
    retainage=st.sampled_from([None, 1, 500, 1000]),
    reporting=st.sampled_from([0, 1, 1000]),
    failing=st.sampled_from(["wind_down", "return_tranche"]),
    moves=st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 3), st.integers(0, 100)), max_size=40),
)
def test_mil_11_no_cent_is_lost_and_every_plan_can_close(proceeds, order, retainage, reporting, failing, moves):
    """Whatever happens in whatever order: tranches are the money, and stopping now returns what it says."""
    terms = parse_document(document(4000, 3000, 3000, schema=SCHEMA_2, order=order, long_stop="2030-12-31", milestones=[
        milestone(n, bp, on_failure=failing, reporting_retainage_bp=reporting,
                  **({"retainage": {**RETAINAGE, "bp": retainage}} if retainage else {}))
        for n, bp in enumerate((4000, 3000, 3000), start=1)]))  # fmt: skip
    plan, gone = engine.start(terms, proceeds).plan, 0
    for operation, ordinal, number in moves:
        step = take(plan, operation, ordinal, number)
        if step is None:
            continue
        if operation == "shrink":
            gone += plan.unreleased_minor - step.plan.unreleased_minor
        gone += sum(i.amount_minor for i in step.instructions if isinstance(i, ReleaseTranche | ReturnMoney))
        plan = step.plan
        assert plan.unreleased_minor + gone == proceeds
        assert sum(m.remaining_minor for m in plan.unsettled) == plan.unreleased_minor
        for each in plan.milestones:
            assert min(each.remaining_minor, each.undealt_minor, each.reporting_minor) >= 0
        if not plan.winding_down and plan.unsettled:
            stopped, wound = engine.if_stopped_today(plan), engine.wind_down(plan, "stop")
            back = sum(i.amount_minor for i in wound.instructions if isinstance(i, ReturnMoney))
            assert back == stopped.returned_minor
            assert wound.plan.unreleased_minor == stopped.still_to_release_minor + stopped.under_review_minor
    assert not close(plan).unsettled
    assert close(plan).unreleased_minor == 0


def take(plan, operation, ordinal, number):
    """Let one thing happen, or None where it cannot."""
    acts = {
        "submit": lambda: engine.submit(plan, ordinal), "met": lambda: engine.decide(plan, ordinal, 100),
        "half": lambda: engine.decide(plan, ordinal, 50), "most": lambda: engine.decide(plan, ordinal, 90),
        "not_met": lambda: engine.decide(plan, ordinal, 0),
        "release": lambda: engine.release(engine.window_over(plan, ordinal).plan, ordinal)
        if not plan.winding_down else engine.window_over(plan, ordinal),
        "report": lambda: engine.report_received(plan, {ordinal}),
        "over": lambda: engine.retention_over(plan, ordinal), "long_stop": lambda: engine.fail(plan, ordinal, "late"),
        "shrink": lambda: engine.shrink(plan, plan.unreleased_minor * number // 100) if plan.unsettled else None,
        "appeal": lambda: disputes.appeal_over(plan, ordinal),
    }  # fmt: skip
    try:
        return acts[operation]()
    except (PlanError, engine.states.TransitionError):
        return None


def close(plan):
    """Wind a plan down and let everything still under way be decided."""
    if not plan.winding_down and plan.unsettled:
        plan = engine.wind_down(plan, "stop").plan
    for each in plan.milestones:
        for operation in ("not_met", "appeal", "release"):
            step = take(plan, operation, each.ordinal, 0)
            plan = step.plan if step else plan
        if plan.milestone(each.ordinal).state == "approved":
            plan = engine.release(plan, each.ordinal).plan
    return plan
