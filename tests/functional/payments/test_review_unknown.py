"""Findings of the review: a rail that was down for a day and more resumes by itself (TIM-3)."""

from __future__ import annotations

from app.payments.sandbox import Fault
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


def _unknown_too_long(till: Till, *script: Fault) -> str:
    """Pay while the rail cannot be reached, for a day."""
    till.scripted(*script, *(Fault("down", "lookup", nth) for nth in range(1, 9)))
    commitment_id = till.invest()
    till.unknown_for(hours=25)
    till.work("escalate_unknown")
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "unknown_too_long")
    return commitment_id


def test_tim_3_what_never_arrived_while_the_rail_was_down_is_sent_when_it_is_back(till: Till) -> None:
    commitment_id = _unknown_too_long(till, Fault("down", "collect", 1))
    till.work("ask_unknown")
    assert till.payment(commitment_id).state == "needs_operator"
    assert till.balances() == {}
    till.scripted()
    till.work()
    assert till.payment(commitment_id).state == "needs_operator", "it is asked once an hour"
    till.pauses_pass()
    till.work()
    operation = till.payment(commitment_id)
    assert (operation.state, operation.epoch) == ("succeeded", 2)
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_tim_3_what_arrived_is_found_and_nothing_is_sent(till: Till) -> None:
    commitment_id = _unknown_too_long(till, Fault("timeout_after", "collect", 1))
    till.scripted(Fault("down", "collect", 1), Fault("down", "collect", 2))
    till.pauses_pass()
    till.work("ask_unknown")
    operation = till.payment(commitment_id)
    assert (operation.state, operation.epoch) == ("succeeded", 1)
    assert till.balances() == PAID


def test_com_4_what_nobody_wants_any_more_is_cancelled_when_the_rail_is_back(till: Till) -> None:
    commitment_id = _unknown_too_long(till, Fault("down", "collect", 1))
    till.cancel(commitment_id)
    till.scripted()
    till.pauses_pass()
    till.work()
    assert till.payment(commitment_id).state == "cancelled"
    assert till.rail.balances() == {}
    assert till.balances() == {}
