"""Findings of the review: a payment that its bank took back stops what depends on it until it is settled (WND-4)."""

from __future__ import annotations

from app.payments import ports
from tests.functional.payments.conftest import Till

#: 2.9 % and 0.30 of 5,000.00.
FEE = 14_530
SHORT = {"cash:sandbox:O": 500_000 - FEE, "expense:sandbox:O": FEE}


def test_wnd_4_a_return_that_the_cash_does_not_cover_stops_releases_until_it_is_posted(till: Till) -> None:
    commitment_id = till.invest("fee_card")
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    assert operation.public_id in (till.offering().releases_stopped or "")
    assert till.balances() == {**SHORT, "escrow:O": 500_000}
    till.fund(FEE)
    till.tell_returned(commitment_id)
    assert till.payment(commitment_id).state == "succeeded"
    assert till.commitment(commitment_id).status == "reversed"
    assert till.offering().releases_stopped is None
    assert till.logged("offering.releases_resumed") == 1
    assert till.balances() == {"expense:sandbox:O": FEE}


def test_wnd_4_nothing_goes_back_to_a_payer_whose_bank_took_it_back_already(till: Till) -> None:
    commitment_id = till.invest("fee_card")
    till.cancel(commitment_id)
    till.tell_returned(commitment_id)
    assert till.payment(commitment_id).failure_code == "float_short"
    till.fund(FEE)
    till.work("cover_fees", "start_refunds", "send_operations")
    assert till.operations("refund") == [], "the cash would cover it now, but the bank gave the same money back"
    assert [each.status for each in till.refunds()] == ["open"]
    assert till.balances() == {"cash:sandbox:O": 500_000, "expense:sandbox:O": FEE, "refunds:O": 500_000}
    till.tell_returned(commitment_id)
    assert [(each.status, each.reason) for each in till.refunds()] == [("done", "returned by the bank")]
    assert till.offering().releases_stopped is None
    assert till.balances() == {"expense:sandbox:O": FEE}


def test_wnd_4_a_return_after_the_refund_was_sent_waits_for_the_float(till: Till) -> None:
    commitment_id = till.invest()
    till.cancel(commitment_id)
    till.work()
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    assert operation.public_id in (till.offering().releases_stopped or "")
    assert till.logged("offering.releases_stopped") == 1
    assert till.balances() == {}


def test_wnd_4_a_bank_that_takes_back_a_part_ends_the_commitment_and_the_rest_goes_back(till: Till) -> None:
    commitment_id = till.invest()
    operation = till.payment(commitment_id)
    effects = (
        ports.Effect(ports.CLEARED, 500_000, operation.created_at),
        ports.Effect(ports.RETURNED, 499_999, till.life.stage.now),
    )
    till.tell(operation.id, ports.Done(operation.provider_ref or "", effects))
    assert till.commitment(commitment_id).status == "reversed"
    assert till.journals("payment_returned") == [
        {"escrow:O": 500_000, "refunds:O": -1, "cash:sandbox:O": -499_999}
    ]
    till.work()
    assert [(each.amount_minor, each.status) for each in till.refunds()] == [(1, "done")]
    assert till.balances() == {}
