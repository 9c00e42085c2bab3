"""Cutting paid orders to the maximum: exact sums, never above the ask, the ticket or nothing (OFF-7)."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.allot import Allotted, Paid, allot
from milestones.apportion import ApportionError
from milestones.money import Asset, cost_minor, tokens_for

USD = Asset.parse("USD/2")


def cut(tokens, *, maximum, ticket=1, price=10_000, groups=None):
    orders = [Paid(each, (groups or {}).get(n, n)) for n, each in enumerate(tokens)]
    return allot(orders, maximum_minor=maximum, ticket_minor=ticket, price_micro=price, asset=USD)


@pytest.mark.parametrize(
    ("asks", "maximum", "expected"),
    [
        # Tokens at 0.01, so that a token is a cent: the worked cases of the design.
        ((10_000, 10_000, 10_000), 10_000, (3334, 3333, 3333)),
        ((100_000_00, 50_000_00, 50_000_00), 150_000_00, (75_000_00, 37_500_00, 37_500_00)),
        ((60_000_00, 50_000_00, 70_000_00), 150_000_00, (50_000_00, 4_166_667, 5_833_333)),
        ((1_000, 2_000), 5_000, (1_000, 2_000)),
        ((), 5_000, ()),
    ],
)
def test_off_7_everybody_gets_the_same_part_in_whole_tokens(asks, maximum, expected):
    assert cut(asks, maximum=maximum) == Allotted(expected, expected)


def test_off_7_whoever_would_fall_below_the_ticket_gets_the_ticket():
    assert cut((900, 50, 50), maximum=500, ticket=50).tokens == (400, 50, 50)
    # Nobody is raised above their own ask.
    assert cut((900, 20, 80), maximum=500, ticket=50).tokens == (430, 20, 50)


def test_off_7_where_not_even_the_ticket_is_enough_for_all_the_first_get_it():
    assert cut((80, 80, 80), maximum=100, ticket=50).tokens == (50, 50, 0)


def test_off_7_linked_orders_count_as_one():
    alone = cut((600, 100, 100, 100), maximum=300, ticket=60)
    linked = cut((600, 100, 100, 100), maximum=300, ticket=60, groups={1: "x", 2: "x", 3: "x"})
    assert alone.tokens == (120, 60, 60, 60)
    assert linked.tokens == (200, 34, 33, 33)


def test_off_7_a_limit_bounds_what_is_given():
    orders = [Paid(500, 1, most_tokens=100), Paid(500, 2)]
    assert allot(orders, maximum_minor=400, ticket_minor=1, price_micro=10_000, asset=USD).tokens == (67, 333)
    assert allot(orders, maximum_minor=900, ticket_minor=1, price_micro=10_000, asset=USD).tokens == (100, 500)


def test_off_7_costs_that_are_rounded_up_stay_within_the_maximum():
    found = cut((10_001,) * 7, maximum=10_000, price=333_333)
    assert sum(found.cost_minor) <= 10_000
    assert sum(found.cost_minor) > 10_000 - 2 * 34


def test_off_7_amounts_below_zero_are_refused():
    for orders, maximum in (([Paid(-1, 1)], 100), ([Paid(1, 1)], -1)):
        with pytest.raises(ApportionError):
            allot(orders, maximum_minor=maximum, ticket_minor=1, price_micro=10_000, asset=USD)


ORDERS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 5)), min_size=1, max_size=25)


@given(ORDERS, st.integers(1, 10**7), st.integers(1, 5_000), st.sampled_from([1_000, 10_000, 333_333, 1_250_000]))
def test_off_7_properties_of_every_cut(asks, maximum, ticket, price):
    orders = [Paid(tokens, group if group else f"alone {n}") for n, (tokens, group) in enumerate(asks)]
    found = allot(orders, maximum_minor=maximum, ticket_minor=ticket, price_micro=price, asset=USD)

    assert all(0 <= got <= order.tokens for got, order in zip(found.tokens, orders, strict=True))
    assert found.cost_minor == tuple(cost_minor(got, price, USD) for got in found.tokens)
    assert sum(found.cost_minor) <= maximum
    asked, given_ = defaultdict(int), defaultdict(int)
    for order, got in zip(orders, found.tokens, strict=True):
        asked[order.group] += order.tokens
        given_[order.group] += got
    least = max(1, tokens_for(ticket, price, USD))
    assert all(got == 0 or got >= min(least, asked[group]) for group, got in given_.items())
    if price == 10_000:
        # A token is a cent: nothing is rounded, so either everybody has all or the maximum is used up, unless it was
        # too small to give everybody the ticket.
        wanted, floors = sum(asked.values()), sum(min(least, each) for each in asked.values())
        if wanted <= maximum:
            assert list(found.tokens) == [order.tokens for order in orders]
        elif floors <= maximum:
            assert sum(found.tokens) == maximum
            assert 0 not in given_.values()


@given(ORDERS, st.integers(1, 10**6), st.randoms(use_true_random=False))
def test_off_7_the_order_matters_only_for_the_last_unit_of_a_tie(asks, maximum, random):
    orders = [Paid(tokens, n) for n, (tokens, _group) in enumerate(asks)]
    mixed = list(orders)
    random.shuffle(mixed)

    def by_investor(given_orders):
        found = allot(given_orders, maximum_minor=maximum, ticket_minor=1, price_micro=10_000, asset=USD)
        return {order.group: got for order, got in zip(given_orders, found.tokens, strict=True)}

    first, second = by_investor(orders), by_investor(mixed)
    if len(orders) <= maximum:
        assert all(abs(first[group] - second[group]) <= 1 for group in first)
    assert sum(first.values()) == sum(second.values())
