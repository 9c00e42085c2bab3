"""Dividing money and tokens: exact totals, nobody negative, everyone ends whole (REL-2, REL-3, MIL-1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.apportion import (
    ApportionError,
    apportion,
    bp_from_costs,
    entitlement_for,
    recompute_tranches,
    tokens_after,
    tranche_amounts,
)
from milestones.money import Asset, cost_minor, tokens_for

USD = Asset("USD", 2)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)
tranche_bps = st.lists(st.integers(1, 1000), min_size=1, max_size=8).map(bp_from_costs)


def test_rel_2_the_worked_example_to_the_cent():
    left = [100_001, 50_000, 33_333]
    proceeds = sum(left)
    amounts = tranche_amounts(proceeds, (3333, 3334, 3333))
    assert amounts == (61_105, 61_123, 61_106)
    rows = []
    for amount in amounts:
        rows.append(tuple(apportion(amount, left)))
        left = [have - share for have, share in zip(left, rows[-1], strict=True)]
    assert rows == [(33_330, 16_665, 11_110), (33_340, 16_670, 11_113), (33_331, 16_665, 11_110)]
    assert left == [0, 0, 0]


def test_rel_2_ties_go_to_the_lower_ordinal():
    assert apportion(2, [1, 1, 1]) == [1, 1, 0]
    assert apportion(1, [5, 5]) == [1, 0]


def test_rel_2_those_with_nothing_left_get_nothing():
    assert apportion(7, [0, 10, 0]) == [0, 7, 0]
    assert apportion(0, [3, 4]) == [0, 0]
    assert apportion(0, []) == []


@pytest.mark.parametrize(
    ("amount", "weights", "code"),
    [
        (-1, [1], "amount_negative"),
        (3, [1, 1], "amount_above_weights"),
        (1, [2, -1], "weight_negative"),
        (1, [], None),
    ],
)
def test_rel_2_impossible_divisions_are_refused(amount, weights, code):
    with pytest.raises(ApportionError) as refused:
        apportion(amount, weights)
    assert refused.value.code == (code or "amount_above_weights")


@given(weights, st.data())
def test_rel_2_shares_are_exact_and_within_what_each_has(weights, data):
    amount = data.draw(st.integers(0, sum(weights)))
    shares = apportion(amount, weights)
    assert sum(shares) == amount
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))
    total = sum(weights) or 1
    assert all(
        abs(share * total - amount * weight) < total for share, weight in zip(shares, weights, strict=True)
    )


@given(weights, tranche_bps)
def test_rel_2_over_a_whole_plan_everyone_ends_whole(weights, bps):
    left = list(weights)
    for amount in tranche_amounts(sum(weights), bps):
        shares = apportion(amount, left)
        left = [have - share for have, share in zip(left, shares, strict=True)]
        assert min(left) >= 0
    assert left == [0] * len(weights)


def test_mil_1_five_cents_at_half_and_half():
    assert tranche_amounts(5, (5000, 5000)) == (2, 3)


def test_mil_1_the_smallest_tranche_is_one_basis_point():
    assert tranche_amounts(1_000_000, (1, 9999)) == (100, 999_900)


@pytest.mark.parametrize("bps", [(5000, 4999), (9999,), (10_000, 1), ()])
def test_mil_1_tranches_must_sum_to_ten_thousand(bps):
    with pytest.raises(ApportionError) as refused:
        tranche_amounts(100, bps)
    assert refused.value.code == "tranches_not_whole"


def test_mil_1_no_tranche_is_zero():
    with pytest.raises(ApportionError) as refused:
        tranche_amounts(100, (0, 10_000))
    assert refused.value.code == "tranche_zero"


def test_mil_1_unsettled_tranches_are_recomputed_from_what_is_left():
    assert recompute_tranches(100_001, (3334, 3333)) == (50_007, 49_994)
    assert recompute_tranches(0, (3334, 3333)) == (0, 0)
    assert recompute_tranches(0, ()) == ()
    with pytest.raises(ApportionError):
        recompute_tranches(1, ())


@given(st.integers(0, 10**15), tranche_bps)
def test_mil_1_tranches_sum_to_the_proceeds_by_cumulative_floors(proceeds, bps):
    amounts = tranche_amounts(proceeds, bps)
    assert sum(amounts) == proceeds
    for k in range(len(bps)):
        assert sum(amounts[:k]) == proceeds * sum(bps[:k]) // 10_000


def test_rel_3_tokens_follow_released_money():
    price_micro = 3_000_000
    assert tokens_after(33_330, 66_671, price_micro, USD, 333) == 111
    assert tokens_after(66_670, 33_331, price_micro, USD, 333) == 222
    assert tokens_after(100_001, 0, price_micro, USD, 333) == 333


def test_rel_3_the_last_release_after_a_return_gives_only_what_was_paid_for():
    price_micro = 1_000_000
    assert entitlement_for(7_000, price_micro, USD, 100) == 70
    assert tokens_after(7_000, 0, price_micro, USD, 100) == 70


@given(st.integers(1, 10**7), st.integers(1, 10**9), tranche_bps)
def test_rel_3_never_above_the_allotment_and_whole_at_the_end(allotted, price_micro, bps):
    committed = cost_minor(allotted, price_micro, USD)
    released, held = 0, 0
    for amount in tranche_amounts(committed, bps):
        released += amount
        after = tokens_after(released, committed - released, price_micro, USD, allotted)
        assert held <= after <= allotted
        assert after <= tokens_for(released, price_micro, USD)
        held = after
    assert held == allotted


@pytest.mark.parametrize(
    ("costs", "bps"),
    [
        ((4500, 4500), (5000, 5000)),
        ((1, 1, 1), (3334, 3333, 3333)),
        ((0, 1, 100_000), (1, 1, 9998)),
        ((30_000, 25_000), (5455, 4545)),
        ((1,), (10_000,)),
    ],
)
def test_mil_1_costs_become_basis_points_by_largest_remainder(costs, bps):
    assert bp_from_costs(costs) == bps


@pytest.mark.parametrize("costs", [(), (0, 0), (5, -1), (1,) * 10_001])
def test_mil_1_costs_that_cannot_be_shares_are_refused(costs):
    with pytest.raises(ApportionError):
        bp_from_costs(costs)


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=60).filter(any))
def test_mil_1_basis_points_are_whole_and_none_is_zero(costs):
    bps = bp_from_costs(costs)
    assert sum(bps) == 10_000
    assert min(bps) >= 1
