"""Money that is less, more, in parts or late, sent by bank under a reference (COM-4, COM-5): worked journals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from app.payments import ports, receipts, rules
from app.payments.models import Operation
from tests.functional.payments.conftest import Till
from tests.unchanged import refused

DAY = dt.timedelta(days=1)

#: The same SQL runs in the others on both databases.
sqlite_is_enough = pytest.mark.databases("sqlite")


class Bank:
    """A payer who sends money under the reference of a commitment, as often and as much as they like."""

    def __init__(self, till: Till, amount_minor: int = 200_000, *, investor: int = 0) -> None:
        self.till = till
        self.commitment_id = till.commit(amount_minor, investor=investor)
        self.operation: Operation = till.pay(self.commitment_id, rules.TRANSFER, investor=investor)

    def send(self, amount_minor: int, **payer: str) -> None:
        """Send money and let us hear of it."""
        ref = self.operation.provider_ref
        assert ref is not None
        assert self.till.rail.transfer_in(ref, amount_minor, ports.Payer(**payer) if payer else None)
        self.till.pass_time(seconds=10)

    @property
    def status(self) -> str:
        return self.till.commitment(self.commitment_id).status

    @property
    def sources(self) -> list[tuple[int, int]]:
        """Return (amount given back, amount that its payment brought) of each refund sent."""
        return [
            (each.amount_minor, self.till.operation(each.source_id or 0).amount_minor)
            for each in self.till.operations("refund")
        ]


@pytest.fixture
def bank(till: Till) -> Bank:
    return Bank(till)


@sqlite_is_enough
def test_com_4_a_transfer_has_five_business_days_and_keeps_the_place(bank: Bank) -> None:
    commitment = bank.till.commitment(bank.commitment_id)
    assert (bank.operation.state, commitment.status) == ("action_required", "awaiting_payment")
    assert (bank.operation.instructions or "").startswith("MS-")
    assert commitment.pay_by - commitment.created_at >= 7 * DAY
    assert bank.till.balances() == {}


@sqlite_is_enough
def test_com_5_a_transfer_of_exactly_the_amount_is_held(bank: Bank) -> None:
    bank.send(200_000)
    assert bank.till.journals("payment_cleared") == [{"cash:sandbox:O": 200_000, "escrow:O": -200_000}]
    assert bank.status == "held"
    [credit] = bank.till.operations("credit")
    assert (credit.state, credit.amount_minor, credit.source_id) == ("succeeded", 200_000, bank.operation.id)
    bank.till.work()
    assert bank.till.operation(bank.operation.id).state == "cancelled"
    assert bank.till.rail_agrees()


@sqlite_is_enough
def test_com_5_more_than_the_amount_is_held_and_the_excess_goes_back(bank: Bank) -> None:
    bank.send(207_050)
    till = bank.till
    assert till.journals("payment_cleared") == [
        {"cash:sandbox:O": 207_050, "escrow:O": -200_000, "unapplied:sandbox:O": -7_050}
    ]
    assert till.journals("receipt_returned") == [{"unapplied:sandbox:O": 7_050, "refunds:O": -7_050}]
    assert till.journals("refund_done") == [{"refunds:O": 7_050, "cash:sandbox:O": -7_050}]
    assert [(each.amount_minor, each.reason, each.status) for each in till.refunds()] == [(7_050, "overpaid", "done")]
    assert bank.sources == [(7_050, 207_050)]
    assert bank.status == "held"
    assert till.balances() == {"cash:sandbox:O": 200_000, "escrow:O": 200_000}
    assert till.rail_agrees()


def test_com_5_two_parts_make_one_commitment_and_the_rest_goes_back_to_the_second(bank: Bank) -> None:
    till = bank.till
    bank.send(120_000)
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 120_000, "unapplied:sandbox:O": -120_000}]
    assert bank.status == "underpaid"
    assert till.balances() == {"cash:sandbox:O": 120_000, "unapplied:sandbox:O": 120_000}
    bank.send(80_300)
    assert till.journals("payment_applied") == [
        {"unapplied:sandbox:O": 200_300, "escrow:O": -200_000, "refunds:O": -300}
    ]
    assert (bank.status, [each.status for each in till.receipts()]) == ("held", ["applied", "applied"])
    assert bank.sources == [(300, 80_300)]
    assert till.balances() == {"cash:sandbox:O": 200_000, "escrow:O": 200_000}
    assert till.rail_agrees()


@sqlite_is_enough
def test_com_5_what_is_missing_after_a_part_can_be_told_and_paid(bank: Bank) -> None:
    bank.send(120_000)
    commitment = bank.till.commitment(bank.commitment_id)
    assert bank.till.read(lambda session: receipts.missing_minor(session, commitment)) == 80_000
    assert commitment.pay_by > bank.till.life.stage.now + 4 * DAY


def test_com_5_at_the_time_limit_it_is_scaled_down_to_whole_tokens_and_the_rest_goes_back(bank: Bank) -> None:
    till = bank.till
    bank.send(70_030)
    bank.send(50_001)
    before = till.offering()
    till.pass_time(days=8)
    # 1,200.31 at 0.50 buys 2,400 tokens for 1,200.00.
    commitment = till.commitment(bank.commitment_id)
    assert (commitment.status, commitment.tokens, commitment.amount_minor) == ("held", 2_400, 120_000)
    assert till.journals("payment_applied") == [
        {"unapplied:sandbox:O": 120_031, "escrow:O": -120_000, "refunds:O": -31}
    ]
    assert [(each.amount_minor, each.reason) for each in till.refunds()] == [(31, "scaled_down")]
    assert bank.sources == [(31, 50_001)]
    assert (before.committed_minor, till.offering().committed_minor) == (200_000, 120_000)
    assert till.balances() == {"cash:sandbox:O": 120_000, "escrow:O": 120_000}
    assert till.logged("commitment.scaled_down") == 1


def test_com_5_below_the_minimum_ticket_all_goes_back_each_part_to_its_sender(bank: Bank) -> None:
    till = bank.till
    bank.send(30_000)
    bank.send(19_999)
    till.pass_time(days=8)
    assert bank.status == "expired"
    assert till.journals("receipt_returned") == [
        {"unapplied:sandbox:O": 30_000, "refunds:O": -30_000},
        {"unapplied:sandbox:O": 19_999, "refunds:O": -19_999},
    ]
    assert [(each.amount_minor, each.reason) for each in till.refunds()] == [
        (30_000, "below_ticket"), (19_999, "below_ticket"),
    ]
    assert sorted(bank.sources) == [(19_999, 19_999), (30_000, 30_000)]
    assert till.balances() == {}
    assert till.offering().committed_minor == 0
    assert till.rail_agrees()


@sqlite_is_enough
def test_com_5_exactly_the_minimum_ticket_is_enough(bank: Bank) -> None:
    bank.send(50_000)
    bank.till.pass_time(days=8)
    assert (bank.status, bank.till.commitment(bank.commitment_id).amount_minor) == ("held", 50_000)


@sqlite_is_enough
def test_com_4_money_after_the_time_to_pay_goes_back_however_much(bank: Bank) -> None:
    till = bank.till
    till.life.stage.advance(days=8)
    assert bank.status == "expired"
    till.pauses_pass()
    bank.send(200_000)
    assert [(each.amount_minor, each.reason, each.status) for each in till.refunds()] == [
        (200_000, "late_payment", "done")
    ]
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 200_000, "unapplied:sandbox:O": -200_000}]
    assert till.balances() == {}
    assert till.rail_agrees()


@sqlite_is_enough
def test_com_4_money_sent_in_time_and_heard_late_counts_by_its_booking_date(bank: Bank) -> None:
    till = bank.till
    assert bank.operation.provider_ref
    till.skip(days=6)
    till.rail.transfer_in(bank.operation.provider_ref, 200_000)
    till.life.stage.advance(days=3)
    assert bank.status == "held"


@sqlite_is_enough
def test_a_part_of_a_cancelled_commitment_goes_back(bank: Bank) -> None:
    till = bank.till
    bank.send(120_000)
    till.cancel(bank.commitment_id)
    till.work()
    assert [(each.amount_minor, each.reason) for each in till.refunds()] == [(120_000, "commitment_ended")]
    assert till.balances() == {}


def test_a_refund_of_two_parts_goes_back_in_two_to_where_each_came_from(bank: Bank) -> None:
    till = bank.till
    bank.send(120_000)
    bank.send(80_000)
    till.cancel(bank.commitment_id)
    assert [each.amount_minor for each in till.refunds()] == [200_000]
    till.work()
    assert [(each.amount_minor, each.part, each.status) for each in till.refunds()] == [
        (120_000, 1, "done"), (80_000, 2, "done"),
    ]
    assert sorted(bank.sources) == [(80_000, 80_000), (120_000, 120_000)]
    assert till.balances() == {}
    assert till.rail_agrees()


@sqlite_is_enough
def test_the_same_credit_told_often_and_in_any_order_is_taken_in_once(bank: Bank) -> None:
    till = bank.till
    ref = bank.operation.provider_ref or ""
    for amount in (60_000, 50_000):
        till.rail.transfer_in(ref, amount)
    found = till.rail.fetch(ref)
    assert found is not None
    assert isinstance(found.outcome, ports.ActionRequired)
    newest_first = ports.ActionRequired(ref, found.outcome.instructions, tuple(reversed(found.outcome.credits)))
    for outcome in (newest_first, found.outcome, newest_first):
        till.tell(bank.operation.id, outcome)
    till.pass_time(seconds=10)
    assert [each.amount_minor for each in till.receipts()] == [50_000, 60_000]
    assert till.balances() == {"cash:sandbox:O": 110_000, "unapplied:sandbox:O": 110_000}
    assert till.rail_agrees()


def test_a_worker_killed_while_it_applies_the_last_part_leaves_all_or_nothing(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = bank.till
    bank.send(120_000)
    ref = bank.operation.provider_ref or ""
    till.rail.transfer_in(ref, 80_000)
    def die(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(receipts, "season", die)
        with pytest.raises(KeyboardInterrupt):
            till.pass_time(seconds=10)
    assert till.balances() == {"cash:sandbox:O": 120_000, "unapplied:sandbox:O": 120_000}
    assert bank.status == "underpaid"
    till.work()
    assert bank.status == "held"
    assert till.balances() == {"cash:sandbox:O": 200_000, "escrow:O": 200_000}


@sqlite_is_enough
def test_com_5_at_the_close_what_arrived_in_part_counts_in_whole_tokens(make_till: Callable[..., Till]) -> None:
    till = make_till(fields={"minimum_minor": 150_000})
    till.skip(days=27)
    bank = Bank(till)
    bank.send(150_049)
    assert bank.status == "underpaid"
    till.life.stage.close(till.life.offering_id)
    offering = till.offering()
    assert (offering.state, offering.proceeds_minor, offering.counted_minor) == ("active", 150_000, 150_000)
    assert [(each.amount_minor, each.reason) for each in till.refunds()] == [(49, "scaled_down")]


@sqlite_is_enough
def test_com_13_a_place_that_must_be_paid_at_once_takes_no_transfer(till: Till) -> None:
    commitment_id = till.commit(500_000)
    with refused(till.db, "transfer_too_slow"):
        till.start(commitment_id, rules.TRANSFER)


@sqlite_is_enough
def test_wnd_4_one_part_taken_back_reverses_the_commitment_and_the_other_part_goes_back(bank: Bank) -> None:
    till = bank.till
    bank.send(120_000)
    bank.send(80_000)
    first = till.operations("credit")[0]
    effects = tuple(
        ports.Effect(kind, 120_000, at)
        for kind, at in ((ports.CLEARED, first.created_at), (ports.RETURNED, till.life.stage.now))
    )
    till.tell(first.id, ports.Done(first.provider_ref or "", effects))
    assert till.journals("payment_returned") == [
        {"escrow:O": 200_000, "cash:sandbox:O": -120_000, "refunds:O": -80_000}
    ]
    assert (bank.status, till.offering().committed_minor) == ("reversed", 0)
    till.work("start_refunds", "send_operations")
    assert [(each.amount_minor, each.reason, each.status) for each in till.refunds()] == [
        (80_000, "other_part_taken_back", "done")
    ]
    assert bank.sources == [(80_000, 80_000)]
    assert till.balances() == {}


@sqlite_is_enough
def test_a_part_taken_back_while_it_waits_leaves_the_others_waiting(bank: Bank) -> None:
    till = bank.till
    bank.send(70_000)
    bank.send(60_000)
    first, second = till.operations("credit")
    for operation, amount, status in ((first, 70_000, "underpaid"), (second, 60_000, "payment_failed")):
        effects = tuple(
            ports.Effect(kind, amount, operation.created_at) for kind in (ports.CLEARED, ports.RETURNED)
        )
        till.tell(operation.id, ports.Done(operation.provider_ref or "", effects))
        assert bank.status == status
    assert till.balances() == {}
