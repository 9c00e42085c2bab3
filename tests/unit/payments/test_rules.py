"""The tables of payments: fees, ways from state to state, and words for every choice."""

from __future__ import annotations

import pytest

from app.payments import models, rules


def test_provider_fee_of_5000_is_145_30() -> None:
    assert rules.provider_fee(rules.METHODS["fee_card"], 500_000) == 14_530


@pytest.mark.parametrize(("amount", "fee"), [(1, 1), (30, 30), (31, 30), (35, 31), (10_000, 320), (99_999, 2_929)])
def test_provider_fee_is_rounded_down_and_never_more_than_the_amount(amount: int, fee: int) -> None:
    assert rules.provider_fee(rules.METHODS["fee_card"], amount) == fee


def test_other_methods_cost_nothing() -> None:
    assert {rules.provider_fee(m, 500_000) for code, m in rules.METHODS.items() if code != "fee_card"} == {0}


def test_every_state_is_decided_or_undecided_and_stands_in_the_table() -> None:
    assert set(rules.FOLLOWS) == set(rules.UNDECIDED) | rules.DECIDED
    assert models.UNDECIDED == rules.UNDECIDED
    assert set(rules.SENDABLE) < set(rules.UNDECIDED)


@pytest.mark.parametrize("state", sorted(rules.DECIDED))
def test_decided_states_never_go_back_but_to_a_person(state: str) -> None:
    assert rules.FOLLOWS[state] == {"needs_operator"}


@pytest.mark.parametrize("state", sorted(rules.UNDECIDED))
def test_every_undecided_state_can_be_decided(state: str) -> None:
    assert rules.FOLLOWS[state] >= rules.DECIDED


def test_unknown_is_only_a_state_of_what_was_sent_or_is_asked_again() -> None:
    assert {state for state in rules.FOLLOWS if rules.may_become(state, "unknown")} == {"sending", "needs_operator"}


def test_every_method_and_payee_has_words_for_people() -> None:
    for method in rules.METHODS.values():
        assert method.words and method.hint.endswith(".")
        assert (method.then is None) == (method.after is None)
        assert (method.refund_then is None) == (method.refund_after is None)
    assert all(reference.startswith(rules.PAYEE_PREFIX) and words for reference, words in rules.PAYEES.items())
