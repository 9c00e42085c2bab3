"""Findings of the review: providers' fees are ours to pay, and never out of what refunds need (REL-4, OFF-9)."""

from __future__ import annotations

import datetime as dt

from app.payments import queries, reserve
from tests.functional.payments.conftest import Till

#: 2.9 % and 0.30 of 1,000.00, and of three such payments.
FEE, FEES = 2_930, 8_790


def _closed(till: Till) -> Till:
    """Close with three payments of 1,000.00 by a card whose provider kept its fee, and nothing in the float.

    A reserve covers that cards can be taken back, so that the tranche is released.
    """
    till.act(
        lambda session, now: reserve.fund_reserve(
            session, actor=till.life.operator, amount_minor=45_000, asset="USD/2", now=now
        )
    )
    for investor in range(3):
        till.invest("fee_card", 100_000, investor=investor)
    till.life.stage.close(till.life.offering_id)
    assert till.offering().state == "active"
    till.work()
    return till


def test_off_9_a_payout_does_not_take_the_cash_that_refunds_need(till: Till) -> None:
    _closed(till)
    [payout] = till.payouts()
    # 15 % of 3,000.00 less 5 %: the closing tranche. Its fee of 22.50 pays part of what the provider kept.
    assert (payout.amount_minor, payout.status) == (42_750, "waiting")
    assert "our float to cover" in (payout.waits_for or "")
    assert till.journals("fees_set_off") == [{"fees:O": 2_250, "capital:platform": -2_250}]
    assert [each.amount_minor for each in till.read(queries.uncovered_fees)] == [FEES - 2_250]
    till.life.stage.resign(till.life.founder, till.life.offering_id, reason="We stop here.")
    till.life.stage.advance(days=1)
    assert [(each.status, each.amount_minor) for each in till.refunds()] == [("done", 85_000)] * 3
    assert till.balances() == {
        "cash:sandbox:O": 42_750 - FEES + 2_250, "expense:sandbox:O": FEES, "payable:I:O": 42_750,
    }
    till.fund(FEES)
    till.pass_time(hours=1)
    assert [each.status for each in till.payouts()] == ["paid"]
    assert till.balances() == {"expense:sandbox:O": FEES}
    assert till.rail_agrees()


def test_the_float_covers_in_parts_each_of_them_once(till: Till) -> None:
    till.invest("fee_card", 100_000)
    for amount in (1_000, 1_000, 1_000):
        till.fund(amount)
        till.work()
    assert [each["cash:sandbox:O"] for each in till.journals("fees_covered")] == [1_000, 1_000, 930]
    assert till.balances() == {"cash:sandbox:O": 100_000, "escrow:O": 100_000, "expense:sandbox:O": FEE}
    assert till.read(queries.floats) == {("sandbox", "USD/2"): 70}


def test_a_payout_goes_out_once_the_float_is_funded(till: Till) -> None:
    _closed(till)
    till.fund(FEES)
    till.pass_time(seconds=int(dt.timedelta(hours=1).total_seconds()))
    assert [each.status for each in till.payouts()] == ["paid"]
    assert till.journals("fees_covered") == [
        {"cash:sandbox:O": FEES - 2_250, "cash:sandbox:platform": 2_250 - FEES}
    ]
    assert till.rail_agrees()
