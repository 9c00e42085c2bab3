"""The contract of the port: what every rail must do, whatever moves the money behind it.

A new rail joins by a line in ``RAILS`` and a :class:`Bench` that knows how to make things happen there.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable

import pytest

from app.db import Database
from app.payments import ports
from app.payments.sandbox import Fault, RailDown, SandboxRail

START = dt.datetime(2027, 3, 1, 9, tzinfo=dt.UTC)
ASSET = "USD/2"


@dataclasses.dataclass
class Bench:
    """A rail on a clock of its own, and requests to send to it."""

    rail: ports.PaymentRail
    clock: list[dt.datetime]
    make: Callable[..., ports.PaymentRail]

    def request(self, kind: str = "collect", method: str = "instant", **changes: object) -> ports.FrozenRequest:
        operation = str(changes.pop("operation", "opn_1"))
        epoch = int(str(changes.pop("epoch", 1)))
        fields = {
            "operation": operation, "epoch": epoch, "kind": kind, "offering": "off_1", "amount_minor": 500_000,
            "asset": ASSET, "method": method, "source_ref": None, **changes,
        }
        return ports.FrozenRequest(operation, kind, "sandbox", epoch, json.dumps(fields, sort_keys=True))

    def later(self, **step: int) -> None:
        self.clock[0] += dt.timedelta(**step)

    def events(self) -> list[str]:
        return [each.type for each in self.rail.poll_events(0)[0]]


def _sandbox(db: Database) -> Bench:
    clock = [START]

    def make(*script: Fault) -> ports.PaymentRail:
        return SandboxRail(db, now=lambda: clock[0], script=script)

    return Bench(make(), clock, make)


RAILS = {"sandbox": _sandbox}


@pytest.fixture(params=sorted(RAILS))
def bench(request: pytest.FixtureRequest, db: Database) -> Bench:
    return RAILS[request.param](db)


def _ref(outcome: object) -> str:
    ref = getattr(outcome, "ref", None)
    assert isinstance(ref, str)
    return ref


def test_capabilities_are_declared(bench: Bench) -> None:
    can = bench.rail.capabilities
    assert can.name in RAILS
    assert can.minimum_minor >= 1
    assert can.has_poll or can.has_push
    assert can.key_lifetime > dt.timedelta(minutes=1)


def test_a_collection_that_clears_reports_its_effect(bench: Bench) -> None:
    outcome = bench.rail.collect(bench.request())
    assert outcome == ports.Done(_ref(outcome), (ports.Effect(ports.CLEARED, 500_000, START, 0),))
    assert bench.rail.balances() == {ASSET: 500_000}


def test_what_the_provider_keeps_is_said_and_stands_on_a_line_of_its_own(bench: Bench) -> None:
    outcome = bench.rail.collect(bench.request(method="fee_card"))
    assert isinstance(outcome, ports.Done)
    assert outcome.effects == (ports.Effect(ports.CLEARED, 500_000, START, 14_530),)
    lines = bench.rail.statement(START, START + dt.timedelta(days=1))
    assert [(line.type, line.amount_minor) for line in lines] == [("payment", 500_000), ("fee", -14_530)]
    assert bench.rail.balances() == {ASSET: 485_470}


def test_the_same_key_and_bytes_give_the_same_answer_and_one_charge(bench: Bench) -> None:
    first = bench.rail.collect(bench.request())
    assert bench.rail.collect(bench.request()) == first
    assert bench.rail.balances() == {ASSET: 500_000}


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(bench: Bench) -> None:
    first = bench.rail.collect(bench.request())
    again = bench.rail.collect(bench.request(amount_minor=600_000))
    assert isinstance(again, ports.Unknown)
    assert again.ask_operator
    assert bench.rail.lookup(bench.request()) == first
    assert bench.rail.balances() == {ASSET: 500_000}


def test_a_decline_is_definite_and_moves_nothing(bench: Bench) -> None:
    outcome = bench.rail.collect(bench.request(method="declined"))
    assert isinstance(outcome, ports.Rejected)
    assert outcome.code == "card_declined"
    assert bench.rail.balances() == {}


@pytest.mark.parametrize(("method", "days", "event"), [("bank_2d", 2, "cleared"), ("fails_late", 3, "failed")])
def test_a_pending_payment_is_decided_in_its_own_time_and_says_so(
    bench: Bench, method: str, days: int, event: str
) -> None:
    outcome = bench.rail.collect(bench.request(method=method))
    assert outcome == ports.Pending(_ref(outcome))
    bench.later(days=days, seconds=-1)
    assert bench.events() == ["collect.pending"]
    bench.later(seconds=1)
    assert bench.events() == ["collect.pending", f"collect.{event}"]
    now = bench.rail.fetch(_ref(outcome))
    assert now is not None
    assert now.operation == "opn_1"
    assert isinstance(now.outcome, ports.Done if event == "cleared" else ports.Rejected)


def test_a_return_is_an_effect_after_the_first(bench: Bench) -> None:
    outcome = bench.rail.collect(bench.request(method="returned_5d"))
    bench.later(days=5)
    bench.rail.poll_events(0)
    now = bench.rail.lookup(bench.request(method="returned_5d"))
    assert now == ports.Done(
        _ref(outcome),
        (
            ports.Effect(ports.CLEARED, 500_000, START),
            ports.Effect(ports.RETURNED, 500_000, START + dt.timedelta(days=5)),
        ),
    )
    assert bench.rail.balances() == {ASSET: 0}


def test_a_lost_answer_is_found_by_lookup(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        bench.rail.collect(bench.request(method="times_out"))
    assert isinstance(bench.rail.lookup(bench.request(method="times_out")), ports.Done)
    assert bench.rail.balances() == {ASSET: 500_000}


def test_a_lost_request_is_conclusively_absent(bench: Bench) -> None:
    with pytest.raises(TimeoutError):
        bench.rail.collect(bench.request(method="lost"))
    assert bench.rail.lookup(bench.request(method="lost")) == ports.Absent()
    assert isinstance(bench.rail.collect(bench.request(method="lost", epoch=2)), ports.Done)
    assert bench.rail.balances() == {ASSET: 500_000}


def test_lookup_finds_an_operation_whichever_epoch_arrived(bench: Bench) -> None:
    first = bench.rail.collect(bench.request())
    assert bench.rail.lookup(bench.request(epoch=2)) == first


def test_a_refund_gives_back_what_is_left_and_no_more(bench: Bench) -> None:
    source = _ref(bench.rail.collect(bench.request()))
    part = bench.rail.refund(
        bench.request("refund", operation="opn_2", source_ref=source, amount_minor=300_000)
    )
    assert isinstance(part, ports.Done)
    assert part.effects == (ports.Effect(ports.DONE, 300_000, START),)
    too_much = bench.rail.refund(
        bench.request("refund", operation="opn_3", source_ref=source, amount_minor=200_001)
    )
    assert isinstance(too_much, ports.Rejected)
    assert too_much.code == "over_refund"
    assert bench.rail.balances() == {ASSET: 200_000}


def test_a_refund_of_nothing_or_of_a_returned_payment_is_refused(bench: Bench) -> None:
    nothing = bench.rail.refund(bench.request("refund", operation="opn_2", source_ref="unheard-of"))
    assert isinstance(nothing, ports.Rejected)
    source = _ref(bench.rail.collect(bench.request(method="returned_5d")))
    bench.later(days=5)
    bench.rail.poll_events(0)
    gone = bench.rail.refund(bench.request("refund", operation="opn_3", source_ref=source))
    assert isinstance(gone, ports.Rejected)
    assert bench.rail.balances() == {ASSET: 0}


def test_a_payment_given_back_is_not_returned_by_the_bank_as_well(bench: Bench) -> None:
    source = _ref(bench.rail.collect(bench.request(method="returned_5d")))
    bench.rail.refund(bench.request("refund", operation="opn_2", source_ref=source))
    bench.later(days=6)
    assert bench.events() == ["collect.cleared", "refund.done"]
    assert bench.rail.balances() == {ASSET: 0}


def test_a_refund_to_a_closed_account_comes_back_and_may_be_tried_again(bench: Bench) -> None:
    source = _ref(bench.rail.collect(bench.request(method="refund_fails")))
    again = [bench.request("refund", operation=f"opn_{n}", source_ref=source) for n in (2, 3)]
    assert isinstance(bench.rail.refund(again[0]), ports.Done)
    bench.later(days=1)
    bench.rail.poll_events(0)
    now = bench.rail.lookup(again[0])
    assert isinstance(now, ports.Done)
    assert [each.kind for each in now.effects] == [ports.DONE, ports.BOUNCED]
    assert bench.rail.balances() == {ASSET: 500_000}
    assert isinstance(bench.rail.refund(again[1]), ports.Done)


def test_payouts_go_to_payees_that_take_them(bench: Bench) -> None:
    bench.rail.collect(bench.request())
    outcomes = {
        payee: bench.rail.payout(bench.request("payout", payee, operation=f"opn_{payee}", amount_minor=100))
        for payee in ("sbx_acct_ok", "sbx_acct_fails", "unheard-of")
    }
    assert isinstance(outcomes["sbx_acct_ok"], ports.Done)
    assert isinstance(outcomes["sbx_acct_fails"], ports.Rejected)
    assert isinstance(outcomes["unheard-of"], ports.Rejected)
    assert bench.rail.balances() == {ASSET: 499_900}


def test_cancel_makes_sure_that_it_never_happens(bench: Bench) -> None:
    waiting = bench.rail.collect(bench.request(method="action"))
    assert isinstance(waiting, ports.ActionRequired)
    cancelled = bench.rail.cancel(bench.request(method="action"))
    assert isinstance(cancelled, ports.Rejected)
    assert cancelled.code == ports.CANCELLED
    unsent = bench.request(operation="opn_2")
    assert isinstance(bench.rail.cancel(unsent), ports.Rejected)
    assert isinstance(bench.rail.collect(unsent), ports.Rejected)
    assert bench.rail.balances() == {}


def test_cancel_comes_too_late_for_what_has_happened(bench: Bench) -> None:
    done = bench.rail.collect(bench.request())
    assert bench.rail.cancel(bench.request()) == done
    assert bench.rail.balances() == {ASSET: 500_000}


def test_an_unknown_reference_is_none(bench: Bench) -> None:
    assert bench.rail.fetch("unheard-of") is None


def test_events_are_given_once_per_cursor_in_order(bench: Bench) -> None:
    for number in range(3):
        bench.rail.collect(bench.request(operation=f"opn_{number}"))
    first, cursor = bench.rail.poll_events(0)
    assert [each.operation for each in first] == ["opn_0", "opn_1", "opn_2"]
    assert len({each.event_id for each in first}) == 3
    assert bench.rail.poll_events(cursor) == ([], cursor)


@pytest.mark.parametrize("on", ["collect", "lookup", "fetch", "poll_events", "cancel"])
def test_scripted_outages_are_exceptions(bench: Bench, on: str) -> None:
    rail = bench.make(Fault("down", on))
    argument = {"fetch": "ref", "poll_events": 0}.get(on, bench.request())
    with pytest.raises(RailDown):
        getattr(rail, on)(argument)


def test_a_stored_server_error_stays_under_its_key(bench: Bench) -> None:
    rail = bench.make(Fault("stored_error", "collect"))
    for _attempt in range(2):
        with pytest.raises(RailDown):
            rail.collect(bench.request())
    assert rail.lookup(bench.request()) == ports.Absent()
    assert isinstance(rail.collect(bench.request(epoch=2)), ports.Done)
    assert rail.balances() == {ASSET: 500_000}
