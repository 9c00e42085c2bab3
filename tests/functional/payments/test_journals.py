"""Each event of payments with exactly its journal (docs/ledger.md), on figures of a person's payment."""

from __future__ import annotations

from collections.abc import Callable

from app.payments import queries
from tests.functional.payments.conftest import Till

FEE = 14_530  # 2.9 % of 5,000.00 and 0.30


def test_payment_cleared_of_which_the_provider_keeps_145_30(till: Till) -> None:
    commitment_id = till.invest("fee_card")
    assert till.journals("payment_cleared") == [
        {"cash:sandbox:O": 485_470, "expense:sandbox:O": FEE, "escrow:O": -500_000}
    ]
    assert till.commitment(commitment_id).status == "held"
    assert till.payment(commitment_id).state == "succeeded"
    assert till.effects(till.payment(commitment_id)) == [("cleared", 500_000, FEE)]
    assert till.rail_agrees()


def test_float_funded_and_the_providers_fee_covered(till: Till) -> None:
    till.invest("fee_card")
    till.work()
    assert till.journals("fees_covered") == []
    assert [each.amount_minor for each in till.read(queries.uncovered_fees)] == [FEE]
    till.fund(20_000)
    assert till.journals("float_funded") == [{"cash:sandbox:platform": 20_000, "capital:platform": -20_000}]
    till.work()
    assert till.journals("fees_covered") == [{"cash:sandbox:O": FEE, "cash:sandbox:platform": -FEE}]
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000, "expense:sandbox:O": FEE}
    assert till.read(queries.uncovered_fees) == []
    assert till.rail_agrees()


def test_a_short_float_covers_what_it_can_and_the_rest_is_shown(till: Till) -> None:
    till.invest("fee_card")
    till.fund(FEE - 1)
    till.work()
    assert till.journals("fees_covered") == [{"cash:sandbox:O": FEE - 1, "cash:sandbox:platform": 1 - FEE}]
    health = till.read(lambda session: queries.health(session, now=till.life.stage.now))
    assert [(each.rail, each.asset, each.amount_minor) for each in health.uncovered] == [("sandbox", "USD/2", 1)]
    assert health.floats == {("sandbox", "USD/2"): 0}
    assert health.needs_attention


def test_com_4_money_that_arrives_after_the_place_is_free_goes_back_by_itself(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    till.cancel(commitment_id)
    till.pass_time(days=2)
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 500_000, "unapplied:sandbox:O": -500_000}]
    assert till.journals("receipt_returned") == [{"unapplied:sandbox:O": 500_000, "refunds:O": -500_000}]
    assert till.journals("refund_done") == [{"refunds:O": 500_000, "cash:sandbox:O": -500_000}]
    assert [(r.status, r.amount_minor) for r in till.receipts()] == [("returned", 500_000)]
    assert [(r.status, r.reason) for r in till.refunds()] == [("done", "late_payment")]
    assert till.commitment(commitment_id).status == "cancelled"
    assert till.balances() == {}
    assert till.rail_agrees()


def test_com_4_a_late_payment_with_a_fee_goes_back_whole_once_the_float_covers_it(till: Till) -> None:
    commitment_id = till.commit()
    operation = till.start(commitment_id, "fee_card")
    till.rail.collect(till.claim(operation.id))
    till.cancel(commitment_id)
    till.pass_time(seconds=10)
    assert till.journals("payment_unapplied") == [
        {"cash:sandbox:O": 485_470, "expense:sandbox:O": FEE, "unapplied:sandbox:O": -500_000}
    ]
    assert till.journals("refund_done") == []
    till.fund(FEE)
    till.work()
    assert till.journals("refund_done") == [{"refunds:O": 500_000, "cash:sandbox:O": -500_000}]
    assert till.balances() == {"expense:sandbox:O": FEE}


def test_refund_done_of_a_cancelled_commitment(till: Till) -> None:
    commitment_id = till.invest()
    till.cancel(commitment_id)
    till.work()
    assert till.journals("cancelled", "refund_done") == [
        {"escrow:O": 500_000, "refunds:O": -500_000},
        {"refunds:O": 500_000, "cash:sandbox:O": -500_000},
    ]
    [refund] = till.refunds()
    assert (refund.status, refund.failures) == ("done", 0)
    assert refund.done_at is not None
    assert [each.state for each in till.operations("refund")] == ["succeeded"]
    assert till.balances() == {}


def test_refund_that_fails_later_is_reversed_reopened_and_after_the_second_time_unclaimed(till: Till) -> None:
    commitment_id = till.invest("refund_fails")
    till.cancel(commitment_id)
    till.work()
    assert [each.status for each in till.refunds()] == ["done"]
    till.pass_time(days=1)
    assert till.journals("refund_failed_later") == [{"cash:sandbox:O": 500_000, "refunds:O": -500_000}]
    assert [(each.status, each.failures, each.done_at) for each in till.refunds()] == [("open", 1, None)]
    assert [each.state for each in till.operations("refund")] == ["succeeded"]
    till.pass_time(hours=23)
    assert len(till.operations("refund")) == 1
    till.pass_time(hours=2)
    assert len(till.operations("refund")) == 2
    till.pass_time(days=1)
    assert till.journals("refund_unclaimed") == [{"refunds:O": 500_000, "unclaimed:O": -500_000}]
    [refund] = till.refunds()
    assert (refund.status, refund.failures) == ("unclaimed", 2)
    assert refund.due_at > till.life.stage.now
    assert till.balances() == {"cash:sandbox:O": 500_000, "unclaimed:O": 500_000}
    assert till.rail_agrees()
    till.pass_time(days=30)
    assert len(till.operations("refund")) == 2


def test_payment_returned_before_the_close_frees_the_place(till: Till) -> None:
    commitment_id = till.invest("returned_5d")
    before = till.offering().committed_minor
    till.pass_time(days=5)
    assert till.journals("payment_returned") == [{"escrow:O": 500_000, "cash:sandbox:O": -500_000}]
    assert till.commitment(commitment_id).status == "reversed"
    assert (before, till.offering().committed_minor) == (500_000, 0)
    assert till.effects(till.payment(commitment_id)) == [("cleared", 500_000, 0), ("returned", 500_000, 0)]
    assert till.payment(commitment_id).state == "succeeded"
    assert till.balances() == {}
    assert till.rail_agrees()


def test_payout_reserved_and_done(make_till: Callable[..., Till]) -> None:
    till = _closed(make_till)
    [payout] = till.payouts()
    # 15 % of 5,000.00 less 5 %: the closing tranche.
    assert (payout.amount_minor, payout.status) == (71_250, "paid")
    assert till.journals("payout_reserved", "payout_done") == [
        {"payable:I:O": 71_250, "paying:I:O": -71_250},
        {"paying:I:O": 71_250, "cash:sandbox:O": -71_250},
    ]
    assert payout.paid_at is not None
    assert till.rail_agrees()


def test_payout_failed_leaves_the_money_payable_and_tries_again(make_till: Callable[..., Till]) -> None:
    till = _closed(make_till, payee_ref="sbx_acct_fails")
    [payout] = till.payouts()
    assert (payout.status, payout.failures) == ("waiting", 1)
    assert "The account is closed" in (payout.waits_for or "")
    assert till.journals("payout_failed") == [{"paying:I:O": 71_250, "payable:I:O": -71_250}]
    assert till.balances()["payable:I:O"] == 71_250
    till.pass_time(hours=23)
    assert len(till.operations("payout")) == 1
    till.pass_time(hours=2)
    assert [each.state for each in till.operations("payout")] == ["failed", "failed"]
    assert [each.failures for each in till.payouts()] == [2]
    assert till.balances()["payable:I:O"] == 71_250
    assert till.rail_agrees()


def test_fees_earned_are_swept(make_till: Callable[..., Till]) -> None:
    till = _closed(make_till)
    assert till.journals("fees_swept") == [
        {"cash:sandbox:platform": 3_750, "cash:sandbox:O": -3_750, "fees:O": 3_750, "capital:platform": -3_750}
    ]
    assert till.balances() == {"cash:sandbox:O": 425_000, "escrow:O": 425_000}
    assert till.rail_agrees()


def _closed(make_till: Callable[..., Till], **options: str) -> Till:
    """Return an offering that closed with 5,000.00 and released its closing tranche of 15 %."""
    till = make_till(**options)
    till.invest()
    till.life.stage.close(till.life.offering_id)
    assert till.offering().state == "active"
    till.work()
    return till
