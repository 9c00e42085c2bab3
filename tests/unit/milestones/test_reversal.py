"""The waterfall of a payment taken back: exact figures, and what holds for every sequence (WND-4, REL-3)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from milestones.money import Asset, tokens_for
from milestones.reversal import Holding, restore, set_apart, take

USD = Asset.parse("USD/2")


def test_wnd_4_1000_lost_of_which_400_released_and_100_not_paid_out():
    taken = take(Holding(60_000, 40_000, 800, 2_000), 100_000, 10_000, 500_000, USD)
    assert (taken.unreleased_minor, taken.set_off_minor, taken.claim_minor, taken.loss_minor) == (
        60_000, 10_000, 30_000, 0
    )
    assert (taken.cancelled_tokens, taken.lapsed_tokens, taken.holding) == (800, 1_200, Holding(0, 0, 0, 0))


def test_wnd_4_what_the_holding_does_not_have_any_more_is_a_loss():
    taken = take(Holding(0, 0, 0, 0), 100, 50, 500_000, USD)
    assert (taken.loss_minor, taken.set_off_minor, taken.claim_minor) == (100, 0, 0)


def test_rel_3_a_part_of_released_money_cancels_the_tokens_that_the_rest_does_not_buy():
    taken = take(Holding(0, 1_001, 20, 20), 1, 0, 500_000, USD)
    assert (taken.cancelled_tokens, taken.holding) == (0, Holding(0, 1_000, 20, 20))
    assert take(taken.holding, 1, 0, 500_000, USD).cancelled_tokens == 1


@st.composite
def holdings(draw):
    """Return a price, and a holding as releases leave it: issued is what released money buys."""
    price = draw(st.integers(1, 5_000_000))
    released, unreleased = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
    entitled = tokens_for(released + unreleased, price, USD)
    issued = tokens_for(released, price, USD) if unreleased else entitled
    return price, Holding(unreleased, released, issued, entitled)


@settings(max_examples=300, deadline=None)
@given(holdings(), st.integers(1, 2 * 10**9), st.integers(0, 10**9))
def test_the_parts_sum_to_the_amount_and_tokens_to_what_money_buys(given_, amount, payable):
    price, before = given_
    taken = take(before, amount, payable, price, USD)
    after = taken.holding
    assert taken.unreleased_minor + taken.released_minor + taken.loss_minor == amount
    assert min(after) >= 0 and taken.set_off_minor <= payable
    assert before.unreleased_minor - after.unreleased_minor == taken.unreleased_minor
    assert before.released_minor - after.released_minor == taken.released_minor
    assert before.issued_tokens - after.issued_tokens == taken.cancelled_tokens >= 0
    assert before.entitled_tokens - after.entitled_tokens == taken.cancelled_tokens + taken.lapsed_tokens
    assert taken.released_minor == 0 or after.unreleased_minor == 0, "own unreleased money comes first"
    assert after.issued_tokens <= tokens_for(after.released_minor, price, USD)
    assert after.entitled_tokens <= tokens_for(after.unreleased_minor + after.released_minor, price, USD)


@settings(max_examples=300, deadline=None)
@given(holdings(), st.lists(st.integers(1, 10**9), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_disputes_that_are_all_won_leave_no_trace_in_any_order(given_, amounts, order):
    price, before = given_
    at, apart = before, []
    for amount in amounts:
        found = set_apart(at, amount, price, USD)
        at = found.holding
        apart.append([found.minor, found.tokens])
        assert at.issued_tokens == before.issued_tokens <= at.entitled_tokens
    order.shuffle(apart)
    while apart:
        minor, tokens = apart.pop()
        back = restore(at, minor, 0, tokens, price, USD)
        at = back.holding
        assert back.reissued_tokens == 0
        if apart:
            apart[0][1] += back.left_tokens
        else:
            assert back.left_tokens == 0
    assert at == before
