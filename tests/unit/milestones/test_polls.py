"""Polls: the cap against its definition, quorum, majorities, heads and ties (MIL-13, OFF-13, WND-6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones import polls
from milestones.polls import RULES, Tally, capped, carries, level


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([80, 4, 4, 4, 4, 4], 5),  # 5 of 25 is a fifth; uncapped it were 80 of 100
        ([100, 100, 100, 100, 100], 100),
        ([100, 100, 100, 100, 1], 1),  # five can only be a fifth each
        ([900, 5], 5),  # fewer than five: alike
        ([7], 7),
        ([100, 100, 100, 100, 100, 1], 100),
        ([], 0),
    ],
)
def test_mil_13_nobody_weighs_more_than_a_fifth(weights: list[int], expected: int) -> None:
    assert level(weights, polls.FIFTH_BP) == expected


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=40))
def test_mil_13_the_level_is_the_largest_that_keeps_the_share(weights: list[int]) -> None:
    top = level(weights, polls.FIFTH_BP)
    counted = capped(weights, polls.FIFTH_BP)
    assert all(0 < mine <= own for mine, own in zip(counted, weights, strict=True))
    if len(weights) <= 5:
        assert set(counted) == {min(weights)}
        return
    assert max(counted) * 5 <= sum(counted)
    if top < max(weights):
        higher = [min(weight, top + 1) for weight in weights]
        assert max(higher) * 5 > sum(higher)


def test_mil_13_quorum_majority_heads_and_ties() -> None:
    plain, adverse = RULES[polls.AMENDMENT], RULES[polls.ADVERSE_AMENDMENT]
    assert carries(plain, Tally(1000, 126, 124, 1, 9))
    assert not carries(plain, Tally(1000, 249, 0, 9, 0))
    assert not carries(plain, Tally(1000, 125, 125, 9, 1))
    assert carries(adverse, Tally(1000, 200, 50, 3, 2))
    assert not carries(adverse, Tally(1000, 200, 50, 2, 2))
    assert not carries(adverse, Tally(1000, 125, 125, 9, 1))
    assert not carries(plain, Tally(0, 0, 0))


def test_wnd_6_without_cause_three_quarters_of_everything() -> None:
    assert carries(RULES[polls.WIND_DOWN], Tally(1000, 750, 250))
    assert not carries(RULES[polls.WIND_DOWN], Tally(1000, 749, 0))
    cause = RULES[polls.WIND_DOWN_FOR_CAUSE]
    assert carries(cause, Tally(1000, 330, 0))
    assert not carries(cause, Tally(1000, 329, 0))
