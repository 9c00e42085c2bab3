"""Refunds and payouts that fail, at once or later (OFF-9, REL-5, WND-5)."""

from __future__ import annotations

import json

import pytest

from app.errors import InvariantBroken
from app.payments import ports, service
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


# -- 8 and 9: money out -------------------------------------------------------------------------------


def test_fault_9_a_refund_refused_at_once_is_tried_again_then_unclaimed(till: Till) -> None:
    commitment_id = till.invest()
    source = till.payment(commitment_id)
    till.cancel(commitment_id)
    # Somebody gave it back in the provider's own pages, so the provider refuses a second time.
    fields = {**json.loads(source.request or "{}"), "operation": "opn_x", "kind": "refund",
              "source_ref": source.provider_ref}
    till.rail.refund(ports.FrozenRequest("opn_x", "refund", "sandbox", 1, json.dumps(fields)))
    till.work()
    assert [(each.status, each.failures) for each in till.refunds()] == [("open", 1)]
    assert [each.failure_code for each in till.operations("refund")] == ["over_refund"]
    assert till.journals("refund_done") == []
    till.pass_time(days=1, seconds=10)
    assert [(each.status, each.failures) for each in till.refunds()] == [("unclaimed", 2)]
    assert till.balances() == {"cash:sandbox:O": 500_000, "unclaimed:O": 500_000}


def test_fault_9_a_refund_that_failed_and_is_then_said_to_be_done_calls_an_operator(till: Till) -> None:
    till.scripted()
    commitment_id = till.invest()
    till.cancel(commitment_id)
    till.work("start_refunds")
    [refund] = till.operations("refund")
    request = till.claim(refund.id)
    till.act(
        lambda session, now: service.record_outcome(
            session, refund.id, request.fence, ports.Rejected("closed", "Closed."), now=now
        )
    )
    before = till.balances()
    till.tell(refund.id, ports.Done("sbx", (ports.Effect(ports.DONE, 500_000, refund.created_at),)))
    assert till.operation(refund.id).state == "needs_operator"
    assert till.balances() == before == {"cash:sandbox:O": 500_000, "refunds:O": 500_000}


def test_fault_8_a_payout_that_comes_back_is_payable_again(till: Till) -> None:
    till.invest()
    till.life.stage.close(till.life.offering_id)
    [payout] = till.operations("payout")
    done = ports.Effect(ports.DONE, 71_250, payout.created_at)
    bounced = ports.Effect(ports.BOUNCED, 71_250, till.life.stage.now)
    till.tell(payout.id, ports.Done(payout.provider_ref or "", (done, bounced)))
    assert till.journals("payout_returned") == [{"cash:sandbox:O": 71_250, "payable:I:O": -71_250}]
    [row] = till.payouts()
    assert (row.status, row.failures, row.paid_at) == ("waiting", 1, None)


def test_an_effect_with_a_fee_beyond_its_amount_is_refused_whole(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    operation = till.payment(commitment_id)
    effect = ports.Effect(ports.CLEARED, 500_000, operation.created_at, fee_minor=500_001)
    with pytest.raises(InvariantBroken):
        till.tell(operation.id, ports.Done("sbx", (effect,)))
    assert till.payment(commitment_id).state == "pending"
    assert till.balances() == {}


def test_com_5_a_cleared_amount_below_the_commitments_waits_for_the_rest(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    operation = till.payment(commitment_id)
    till.tell(operation.id, ports.Done("sbx", (ports.Effect(ports.CLEARED, 499_999, operation.created_at),)))
    assert till.balances() == {"cash:sandbox:O": 499_999, "unapplied:sandbox:O": 499_999}
    assert till.commitment(commitment_id).status == "underpaid"
