"""Money that comes late or twice, and money that a bank takes back (COM-4, WND-4)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app.closing import service as closing
from app.offerings import service as offerings
from app.payments import ports, queries
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


# -- 6 and 7: late, twice, returned -------------------------------------------------------------------


def test_fault_6_paid_after_the_offering_closed_goes_back(till: Till) -> None:
    late = till.commit(investor=1)
    operation = till.start(late, investor=1)
    request = till.claim(operation.id)
    # Its place is free again, so that another very large one may be taken (COM-13).
    till.cancel(late, investor=1)
    till.invest()
    till.life.stage.close(till.life.offering_id)
    till.rail.collect(request)
    till.pass_time(seconds=10)
    assert till.offering().state == "active"
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 500_000, "unapplied:sandbox:O": -500_000}]
    assert [each.status for each in till.refunds()] == ["done"]
    assert till.rail_agrees()


def test_fault_6_a_second_charge_for_a_held_commitment_is_refunded(till: Till) -> None:
    commitment_id = till.invest("declined")
    first = till.payment(commitment_id)
    till.pay(commitment_id)
    assert till.balances() == PAID
    # The rail contradicts itself: the declined charge went through after all.
    effect = ports.Effect(ports.CLEARED, 500_000, first.created_at)
    till.tell(first.id, ports.Done(first.provider_ref or "", (effect,)))
    assert till.operation(first.id).state == "failed"
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 500_000, "unapplied:sandbox:O": -500_000}]
    till.work("return_receipts")
    assert [(each.status, each.reason) for each in till.refunds()] == [("open", "late_payment")]


def test_fault_7_returned_after_the_close_before_any_release_lapses_the_entitlement(till: Till) -> None:
    commitment_id, other = _active_with_a_late_return(till)
    assert till.offering().state == "active"
    till.tell_returned(commitment_id)
    [journal] = till.journals("payment_returned")
    assert (journal["escrow:O"], journal["cash:sandbox:O"]) == (500_000, -500_000)
    assert till.commitment(commitment_id).status == "reversed"
    assert till.commitment(other).status == "held"
    assert sorted(journal.values()) == [-500_000, -10_000, 10_000, 500_000]
    assert till.balances() == {"cash:sandbox:O": 300_000, "escrow:O": 300_000}


def test_fault_7_returned_after_a_release_waits_for_the_float_and_is_posted_once_it_is_funded(till: Till) -> None:
    commitment_id = till.invest()
    till.life.stage.close(till.life.offering_id)
    before = till.balances()
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    assert operation.public_id in (till.offering().releases_stopped or "")
    assert till.journals("payment_returned") == []
    assert till.balances() == before
    assert till.read(lambda session: queries.undecided_count(session, till.offering().id)) == 1
    stuck = till.read(queries.operations_for_operator)
    assert [each.id for each in stuck] == [operation.id]
    till.fund(75_000)
    till.tell_returned(commitment_id)
    assert till.payment(commitment_id).state == "succeeded"
    # 15 % had been released and paid out; the company owes it.
    assert till.balances() == {"receivable:issuer:I:O": 75_000}
    assert till.offering().releases_stopped is None


def test_fault_7_returned_while_its_refund_is_open_settles_the_refund(till: Till) -> None:
    commitment_id = till.invest()
    till.cancel(commitment_id)
    till.tell_returned(commitment_id)
    assert till.journals("payment_returned") == [{"refunds:O": 500_000, "cash:sandbox:O": -500_000}]
    assert [(each.status, each.reason) for each in till.refunds()] == [("done", "returned by the bank")]
    till.work()
    assert till.operations("refund") == []
    assert till.balances() == {}


def test_fault_7_returned_after_its_refund_was_sent_is_our_loss(till: Till) -> None:
    till.fund(500_000)
    commitment_id = till.invest()
    till.cancel(commitment_id)
    till.work()
    till.tell_returned(commitment_id)
    assert till.payment(commitment_id).state == "succeeded"
    assert till.balances() == {"loss:platform:O": 500_000}


def test_fault_7_a_returned_late_payment_is_taken_out_of_unapplied(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    till.cancel(commitment_id)
    till.skip(days=2)
    till.work("poll_rails", "refresh_operations")
    assert till.balances() == {"cash:sandbox:O": 500_000, "unapplied:sandbox:O": 500_000}
    till.tell_returned(commitment_id)
    assert till.journals("payment_returned") == [{"unapplied:sandbox:O": 500_000, "cash:sandbox:O": -500_000}]
    assert [each.status for each in till.receipts()] == ["returned"]
    till.work()
    assert till.refunds() == []
    assert till.balances() == {}


def test_fault_7_a_return_that_the_cash_does_not_cover_waits_for_the_float(till: Till) -> None:
    commitment_id = till.invest("fee_card")
    till.tell_returned(commitment_id)
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "float_short")
    assert till.commitment(commitment_id).status == "held"
    till.fund(14_530)
    till.tell_returned(commitment_id)
    assert till.payment(commitment_id).state == "succeeded"
    assert till.commitment(commitment_id).status == "reversed"
    assert till.balances() == {"expense:sandbox:O": 14_530}


def _active_with_a_late_return(till: Till) -> tuple[str, str]:
    """Bring an offering of two payments to active without its closing tranche released yet."""
    first, second = till.invest(), till.invest(amount_minor=300_000, investor=1)
    deadline = till.offering().deadline_at

    def close(session: Session, now: dt.datetime) -> None:
        offering = offerings.locked(session, till.life.offering_id)
        closing.stop_commitments(session, offering, now=now)
        closing.settle(session, offering, now=now)

    till.skip(seconds=int((deadline - till.life.stage.now).total_seconds()) + 1)
    till.act(close)
    return first, second
