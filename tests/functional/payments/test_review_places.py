"""Findings of the review: who pays in time keeps the place, who does not loses it, nobody is charged in vain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from app.commitments import tasks as commitments
from app.errors import Refused
from app.payments import gateway, ports, service
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


# -- 10: who paid in time keeps the place ---------------------------------------------------------------


def _expire(till: Till) -> None:
    """Let the job that expires come before those that ask the rail, as another worker's may."""
    job = next(each for each in commitments.JOBS if each.name == "expire_commitment")
    till.act(lambda session, now: [job.act(session, each, now) for each in job.due(session, now, 10)])


def test_tim_1_paid_in_time_keeps_the_place_although_the_answer_was_lost(till: Till) -> None:
    till.scripted(Fault("timeout_after", "collect"), *(Fault("down", "lookup", nth) for nth in range(1, 9)))
    commitment_id = till.invest()
    till.skip(hours=25)
    _expire(till)
    assert till.commitment(commitment_id).status == "awaiting_payment"
    assert till.offering().committed_minor == 500_000
    till.scripted()
    till.pauses_pass()
    till.life.stage.work()
    assert till.commitment(commitment_id).status == "held"
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


def test_tim_1_a_place_is_kept_while_an_operator_has_to_explain_its_payment(till: Till) -> None:
    operation = till.start(till.commit())
    request = till.claim(operation.id)
    till.act(
        lambda session, now: service.record_outcome(
            session, operation.id, request.fence, ports.Unknown("key used twice", ask_operator=True), now=now
        )
    )
    till.skip(hours=25)
    _expire(till)
    assert till.offering().committed_minor == 500_000


def test_tim_1_confirmed_in_time_keeps_the_place_although_it_is_heard_late(till: Till) -> None:
    commitment_id = till.invest("action")
    till.work()
    operation = till.payment(commitment_id)
    till.rail.confirm(operation.provider_ref or "")
    till.skip(hours=25)
    _expire(till)
    assert till.commitment(commitment_id).status == "awaiting_payment", "nobody has asked the rail since"
    till.life.stage.work()
    assert till.commitment(commitment_id).status == "held"


# -- 12: what a payer does after the time to pay does not count -------------------------------------------


def test_com_4_confirming_after_the_time_to_pay_is_refused_and_changes_nothing(till: Till) -> None:
    commitment_id = till.invest("action")
    operation = till.payment(commitment_id)
    till.skip(hours=25)
    with pytest.raises(Refused) as refused:
        gateway.confirm_payment(till.db, till.life.stage.rails, operation.public_id)
    assert refused.value.code == "payment_too_late"
    assert till.payment(commitment_id).state == "action_required"
    assert till.rail.balances() == {}


def test_com_4_money_confirmed_at_the_provider_after_the_time_to_pay_goes_back(till: Till) -> None:
    commitment_id = till.invest("action")
    till.skip(hours=25)
    till.rail.confirm(till.payment(commitment_id).provider_ref or "")
    till.work("poll_rails", "refresh_operations")
    assert till.journals("payment_cleared") == []
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 500_000, "unapplied:sandbox:O": -500_000}]
    till.life.stage.work()
    assert till.commitment(commitment_id).status == "expired"
    assert [(each.status, each.reason) for each in till.refunds()] == [("done", "late_payment")]
    assert till.balances() == {}


def test_tim_1_a_payment_ordered_in_time_that_needs_no_more_of_its_payer_counts(till: Till) -> None:
    commitment_id = till.invest("lost")
    till.skip(hours=25)
    till.life.stage.work()
    assert till.commitment(commitment_id).status == "held"
    assert till.effects(till.payment(commitment_id)) == [("cleared", 500_000, 0)]


# -- 14: a place is kept once -----------------------------------------------------------------------------


def test_com_4_a_place_is_kept_after_the_first_failure_only(make_till: Callable[..., Till]) -> None:
    # So large that this place need not be paid at once (COM-13).
    till = make_till(fields={"maximum_minor": 3_000_000})
    commitment_id = till.invest("declined")
    kept = till.commitment(commitment_id)
    assert kept.status == "payment_failed"
    assert dt.timedelta(days=6) < kept.pay_by - till.life.stage.now <= dt.timedelta(days=7)
    till.pay(commitment_id, "declined")
    assert till.commitment(commitment_id).status == "expired"
    assert till.offering().committed_minor == 0
    with pytest.raises(Refused, match="The time to pay"):
        till.start(commitment_id, key="k3")


def test_com_4_slow_failures_do_not_hold_a_place_until_the_deadline(till: Till) -> None:
    commitment_id = till.invest("fails_late")
    till.life.stage.advance(days=3)
    assert till.commitment(commitment_id).status == "payment_failed"
    till.pay(commitment_id, "fails_late")
    till.life.stage.advance(days=3)
    assert [each.state for each in till.operations("collect")] == ["failed", "failed"]
    assert till.commitment(commitment_id).status == "expired"
    assert till.offering().committed_minor == 0


def test_com_4_a_failure_then_a_payment_holds(till: Till) -> None:
    commitment_id = till.invest("declined")
    till.pay(commitment_id)
    assert till.commitment(commitment_id).status == "held"
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000}
