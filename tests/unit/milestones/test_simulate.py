"""The simulator runs the real engine: exact totals, everyone ends whole, and dates a person would expect (MIL-5)."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milestones.apportion import bp_from_costs
from milestones.document import parse_document
from milestones.money import Asset, tokens_for
from milestones.plan import IfStopped
from milestones.simulate import PARTIAL, CashMonth, HolderStep, Outcome, SimulationError, simulate
from milestones.terms import SCHEMA_1, SCHEMA_2
from tests.unit.milestones.documents import contract, document, milestone

USD = Asset("USD", 2)
HOLDERS = (100_001, 50_000, 33_333)


def play(terms, holders=HOLDERS, scenario=None, price_micro=10_000, fee_bp=500, **more):
    return simulate(
        terms,
        proceeds_minor=sum(holders),
        holders=holders,
        price_micro=price_micro,
        asset=USD,
        fee_bp=fee_bp,
        scenario=scenario or {},
        **more,
    )


def test_rel_2_and_rel_4_the_example_of_the_rules_with_its_fee():
    played = play(contract(3333, 3334, 3333))
    assert played.ends == "completed"
    assert [(s.kind, s.released_minor, s.fee_minor, s.to_company_minor) for s in played.steps] == [
        ("released", 61_105, 3055, 58_050),
        ("released", 61_123, 3056, 58_067),
        ("released", 61_106, 3055, 58_051),
    ]
    assert [tuple(h.released_minor for h in s.per_holder) for s in played.steps] == [
        (33_330, 16_665, 11_110),
        (33_340, 16_670, 11_113),
        (33_331, 16_665, 11_110),
    ]
    assert played.totals.per_holder == tuple(HolderStep(amount, 0, amount) for amount in HOLDERS)
    assert (played.totals.released_minor, played.totals.fee_minor, played.totals.tokens) == (
        183_334,
        9166,
        183_334,
    )


def test_mil_5_dates_follow_review_and_challenge_window():
    played = play(contract(5000, 5000), closes_on=date(2027, 1, 4))
    # Thursday 28 January and Sunday 28 February, each plus ten business days of review and seven calendar days.
    assert [step.at for step in played.steps] == [date(2027, 2, 18), date(2027, 3, 19)]
    late = play(contract(5000, 5000), scenario={1: Outcome("late", 20)})
    assert late.steps[0].at == date(2027, 3, 10)
    holiday = play(contract(5000, 5000), holidays={date(2027, 1, 29)})
    assert holiday.steps[0].at == date(2027, 2, 19)


def test_mil_5_cash_of_the_company_by_month_with_its_empty_months():
    terms = contract(milestones=[milestone(1, 4000), milestone(4, 4000)], closing_bp=2000)
    played = play(terms, holders=(100_000,), fee_bp=0, closes_on=date(2026, 12, 31))
    assert played.cash_by_month == (
        CashMonth("2026-12", 20_000, 20_000),
        CashMonth("2027-01", 0, 20_000),
        CashMonth("2027-02", 40_000, 60_000),
        CashMonth("2027-03", 0, 60_000),
        CashMonth("2027-04", 0, 60_000),
        CashMonth("2027-05", 40_000, 100_000),
    )


def test_mil_5_a_failed_milestone_returns_the_rest_without_a_fee():
    played = play(contract(3333, 3334, 3333), scenario={2: Outcome("failed")})
    assert played.ends == "wound_down"
    assert [
        (s.at, s.kind, s.label, s.released_minor, s.returned_minor, s.fee_minor) for s in played.steps
    ] == [
        (date(2027, 2, 18), "released", "Step 1", 61_105, 0, 3055),
        (date(2028, 2, 28), "returned", "Step 2", 0, 122_229, 0),
    ]
    assert played.steps[0].stopped == IfStopped(122_229, 0, 0)
    assert [h.returned_minor for h in played.totals.per_holder] == [66_671, 33_335, 22_223]
    assert [h.tokens for h in played.totals.per_holder] == [33_330, 16_665, 11_110]


def test_mil_5_late_beyond_the_long_stop_is_failed():
    played = play(contract(5000, 5000), scenario={1: Outcome("late", 400)})
    assert [(s.at, s.kind, s.returned_minor) for s in played.steps] == [
        (date(2028, 1, 28), "returned", 183_334)
    ]


def test_wnd_2_a_milestone_under_review_when_another_fails_is_still_paid():
    steps = [
        milestone(1, 4000, long_stop="2027-03-01"),
        milestone(2, 3000, target_date="2027-02-25"),
        milestone(3, 3000),
    ]
    played = play(
        contract(milestones=steps, order="parallel"), holders=(10_000,), scenario={1: Outcome("failed")}
    )
    assert [(s.kind, s.milestone_ordinal, s.released_minor + s.returned_minor) for s in played.steps] == [
        ("returned", 1, 7000),
        ("released", 2, 3000),
    ]
    assert played.steps[0].stopped == IfStopped(0, 0, 3000)
    assert played.ends == "wound_down"


def test_wnd_3_after_a_returned_tranche_the_last_release_issues_only_what_was_paid():
    steps = [milestone(1, 5000, on_failure="return_tranche"), milestone(2, 5000)]
    played = play(
        contract(milestones=steps, order="parallel"), holders=(10_000,), scenario={2: Outcome("met")}
    )
    assert played.totals.tokens == 10_000
    played = play(
        contract(milestones=steps, order="parallel"), holders=(10_000,), scenario={1: Outcome("failed")}
    )
    assert played.totals.per_holder == (HolderStep(5000, 5000, 5000),)
    assert played.ends == "completed"


def test_questions_that_do_not_fit_the_contract_are_refused():
    terms = contract(5000, 5000)
    for holders, scenario, code in [
        ((1, 2), {3: Outcome()}, "milestone_unknown"),
        ((1, 2), {0: Outcome("failed")}, "milestone_unknown"),
        ((1, 2), {1: Outcome("late", -1)}, "outcome_unknown"),
        ((1, 2), {1: Outcome("perhaps")}, "outcome_unknown"),
        ((5, -1), {}, "holders_not_proceeds"),
    ]:
        with pytest.raises(SimulationError) as refused:
            play(terms, holders=holders, scenario=scenario)
        assert refused.value.code == code


def drawn_terms(weights, closing, parallel, on_failure):
    shares = bp_from_costs(weights)
    closing_bp, shares = (shares[0], shares[1:]) if closing and len(shares) > 1 else (0, shares)
    steps = [milestone(i, bp, on_failure=on_failure) for i, bp in enumerate(shares, start=1)]
    order = "parallel" if parallel else "sequential"
    return parse_document(document(closing_bp=closing_bp, order=order, milestones=steps))


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.integers(1, 100), min_size=1, max_size=8),
    closing=st.booleans(),
    parallel=st.booleans(),
    on_failure=st.sampled_from(["wind_down", "return_tranche"]),
    holders=st.lists(st.integers(0, 10**7), min_size=1, max_size=12),
    price_micro=st.integers(1, 10**8),
    fee_bp=st.integers(0, 1000),
    outcomes=st.lists(
        st.builds(Outcome, st.sampled_from(["met", "late", "failed"]), st.integers(0, 500)), max_size=8
    ),
)
def test_rel_2_totals_are_exact_and_everyone_ends_whole(
    weights, closing, parallel, on_failure, holders, price_micro, fee_bp, outcomes
):
    terms = drawn_terms(weights, closing, parallel, on_failure)
    scenario = dict(enumerate(outcomes[: len(terms.milestones)], start=1))
    played = play(terms, tuple(holders), scenario, price_micro, fee_bp)
    totals, proceeds = played.totals, sum(holders)
    assert totals.released_minor + totals.returned_minor == proceeds
    assert totals.fee_minor + totals.to_company_minor == totals.released_minor
    assert [step.at for step in played.steps] == sorted(step.at for step in played.steps)
    left = proceeds
    for step in played.steps:
        assert sum(h.released_minor for h in step.per_holder) == step.released_minor
        assert sum(h.returned_minor for h in step.per_holder) == step.returned_minor
        assert all(min(h.released_minor, h.returned_minor, h.tokens) >= 0 for h in step.per_holder)
        left -= step.released_minor + step.returned_minor
        assert sum(step.stopped) == left
    assert left == 0
    assert sum(h.tokens for step in played.steps for h in step.per_holder) == totals.tokens
    for amount, holder in zip(holders, totals.per_holder, strict=True):
        assert holder.released_minor + holder.returned_minor == amount
        assert holder.tokens <= tokens_for(holder.released_minor, price_micro, USD)
        if holder.returned_minor == 0:
            assert holder.tokens == tokens_for(amount, price_micro, USD)
    if played.cash_by_month:
        assert played.cash_by_month[-1].total_minor == totals.to_company_minor


def test_mil_5_a_part_then_the_rest_with_retainage_and_reports_to_the_cent():
    """30,000.00 of 100,000.00: 70 % of it, then the rest; a tenth retained, a tenth of each release for the report."""
    retainage = {"bp": 1000, "event": "No defect is open.", "procedure": "Read it.", "after_days": 60, "days": 120}
    first = milestone(1, 3000, retainage=retainage, reporting_retainage_bp=1000)
    terms = contract(3000, 7000, schema=SCHEMA_2, milestones=[first, milestone(2, 7000)])
    found = simulate(
        terms, proceeds_minor=10_000_000, holders=[6_000_001, 3_999_999], price_micro=1_000_000, asset=USD, fee_bp=500,
        scenario={1: Outcome(PARTIAL, share_pct=70, rest_days=30)}, closes_on=date(2027, 1, 4),
    )
    told = [(step.at.isoformat(), step.kind, step.label, step.released_minor) for step in found.steps]
    # 2,100,000 less a tenth is 1,890,000, of which 189,000 waits; then 810,000 less 81,000; then 270,000 retained.
    assert told == [
        ("2027-02-18", "released", "Step 1", 1_701_000),
        ("2027-03-19", "released", "Step 1", 729_000),
        ("2027-04-04", "released", "Step 1", 270_000),  # the report three months after the close
        ("2027-04-09", "released", "Step 2", 7_000_000),  # step 2 opened with the rest of step 1
        ("2027-06-08", "released", "Step 1", 300_000),  # what was retained
    ]
    assert (found.ends, found.totals.released_minor, found.totals.tokens) == ("completed", 10_000_000, 99_999)
    assert [each.released_minor for each in found.totals.per_holder] == [6_000_001, 3_999_999]


@pytest.mark.parametrize(
    ("outcome", "released", "returned"),
    [
        (Outcome(PARTIAL, share_pct=60), 1_620_000, 8_380_000),  # the rest never comes: failed, and wound down
        (Outcome(is_shown=False), 9_700_000, 300_000),  # all met, nothing shown for the retained part
    ],
)
def test_mil_5_a_rest_or_retained_part_that_never_comes_goes_back(outcome, released, returned):
    retainage = {"bp": 1000, "event": "No defect is open.", "procedure": "Read it.", "days": 120}
    terms = contract(
        3000, 7000, schema=SCHEMA_2, milestones=[milestone(1, 3000, retainage=retainage), milestone(2, 7000)]
    )
    found = simulate(
        terms, proceeds_minor=10_000_000, holders=[10_000_000], price_micro=1_000_000, asset=USD, fee_bp=0,
        scenario={1: outcome}, closes_on=date(2027, 1, 4),
    )
    assert (found.totals.released_minor, found.totals.returned_minor) == (released, returned)


@pytest.mark.parametrize(
    ("schema", "share", "code"), [(SCHEMA_1, 70, "no_partial_release"), (SCHEMA_2, 55, "share_unknown")]
)
def test_mil_5_a_part_that_cannot_be_is_refused(schema, share, code):
    with pytest.raises(SimulationError) as refused:
        simulate(
            contract(3000, 7000, schema=schema), proceeds_minor=100, holders=[100], price_micro=1, asset=USD, fee_bp=0,
            scenario={1: Outcome(PARTIAL, share_pct=share)},
        )
    assert refused.value.code == code
