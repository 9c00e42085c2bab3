"""Findings of the review: who pays in time keeps the place, who does not loses it, nobody is charged in vain."""

from __future__ import annotations

from app.payments import ports
from app.payments.sandbox import Fault
from tests.functional.payments.conftest import Till

# -- 9: nobody is charged for a place that is gone ------------------------------------------------------


def test_com_4_a_lost_payment_of_a_cancelled_commitment_is_not_charged_anew(till: Till) -> None:
    commitment_id = till.invest("lost")
    assert till.payment(commitment_id).state == "unknown"
    till.cancel(commitment_id)
    till.work()
    operation = till.payment(commitment_id)
    assert (operation.state, operation.epoch) == ("cancelled", 1)
    assert till.rail.balances() == {}
    assert till.balances() == {}


def test_com_4_a_payment_cancelled_between_the_question_and_the_answer_is_not_charged_anew(till: Till) -> None:
    till.scripted(Fault("down", "collect", 1))
    commitment_id = till.invest()
    lookup = till.rail.lookup

    def slow_lookup(request: ports.FrozenRequest) -> ports.Outcome | ports.Absent:
        found = lookup(request)
        till.cancel(commitment_id)
        return found

    till.rail.lookup = slow_lookup  # type: ignore[method-assign]
    till.work("send_operations")
    operation = till.payment(commitment_id)
    assert (operation.state, operation.epoch) == ("cancelled", 1)
    assert till.rail.balances() == {}


def test_com_4_a_payment_that_arrived_before_it_was_cancelled_goes_back(till: Till) -> None:
    commitment_id = till.invest("times_out")
    till.cancel(commitment_id)
    till.work()
    assert till.payment(commitment_id).state == "succeeded"
    assert [(each.status, each.reason) for each in till.refunds()] == [("done", "late_payment")]
    assert till.rail.balances() == {"USD/2": 0}
    assert till.balances() == {}
