"""Faults in sending: time-outs, kills, two workers, a rail that is down. Nothing is lost, nothing doubled."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
import sqlalchemy as sa

from app import clock
from app.accounts.actor import Actor
from app.errors import Conflict, Forbidden, SecondFactorNeeded
from app.payments import gateway, intents, ports, rules, service
from app.payments.models import Operation, OperationEffect, RailCursor
from app.payments.sandbox import Fault
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


class Killed(BaseException):
    """The process dies here."""


# -- 1: time-outs -------------------------------------------------------------------------------------


def test_fault_1_time_out_after_the_charge_succeeded(till: Till) -> None:
    commitment_id = till.invest("times_out")
    assert (till.payment(commitment_id).state, till.commitment(commitment_id).status) == ("unknown", "awaiting_payment")
    assert till.balances() == {}
    till.work()
    assert (till.payment(commitment_id).state, till.payment(commitment_id).epoch) == ("succeeded", 1)
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_fault_1_time_out_before_the_request_arrived(till: Till) -> None:
    commitment_id = till.invest("lost")
    assert till.payment(commitment_id).state == "unknown"
    till.work()
    assert (till.payment(commitment_id).state, till.payment(commitment_id).epoch) == ("succeeded", 2)
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_fault_1_retry_after_the_providers_key_expired_asks_first(till: Till) -> None:
    till.scripted(Fault("kill_after", "collect", error=Killed()))
    commitment_id = till.commit()
    operation = till.start(commitment_id)
    with pytest.raises(Killed):
        gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    till.lease_runs_out()
    long_ago = clock.system_now() - rules.KEY_LIFETIME
    till.db.unit_of_work(lambda session: session.execute(sa.update(Operation).values(epoch_sent_at=long_ago)))
    request = till.claim(operation.id)
    assert request.ask_first
    till.lease_runs_out()
    till.work()
    assert till.operation(operation.id).epoch == 1
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_fault_1_a_stored_server_error_is_left_behind_in_a_new_epoch(till: Till) -> None:
    till.scripted(Fault("stored_error", "collect"))
    commitment_id = till.invest()
    assert till.payment(commitment_id).state == "unknown"
    till.work()
    assert (till.payment(commitment_id).state, till.payment(commitment_id).epoch) == ("succeeded", 2)
    assert till.balances() == PAID
    assert till.rail_agrees()


# -- 2: killed ----------------------------------------------------------------------------------------


def test_fault_2_killed_between_call_and_commit(till: Till) -> None:
    till.scripted(Fault("kill_after", "collect", error=Killed()))
    commitment_id = till.commit()
    operation = till.start(commitment_id)
    with pytest.raises(Killed):
        gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    sent = till.operation(operation.id)
    assert sent.state == "sending"
    assert till.balances() == {}
    till.work("send_operations")
    assert till.operation(operation.id).state == "sending", "the dead worker's lease still runs"
    till.lease_runs_out()
    till.work("send_operations")
    again = till.operation(operation.id)
    assert (again.state, again.epoch, again.request) == ("succeeded", 1, sent.request)
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_fault_2_killed_between_call_and_commit_the_event_is_enough(till: Till) -> None:
    till.scripted(Fault("kill_after", "collect", error=Killed()))
    operation = till.start(till.commit())
    with pytest.raises(Killed):
        gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    till.work("poll_rails", "refresh_operations")
    assert till.operation(operation.id).state == "succeeded"
    assert till.balances() == PAID
    till.lease_runs_out()
    till.work()
    assert till.balances() == PAID


def test_fault_2_killed_between_reserve_and_call(till: Till) -> None:
    operation = till.start(till.commit())
    assert till.operation(operation.id).state == "created"
    till.work()
    assert till.operation(operation.id).state == "succeeded"
    assert till.balances() == PAID


def test_fault_2_killed_after_the_commit_before_the_reply(till: Till) -> None:
    commitment_id = till.invest()
    operation = till.payment(commitment_id)
    gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    till.work()
    assert till.journals("payment_cleared") == [{"cash:sandbox:O": 500_000, "escrow:O": -500_000}]
    assert till.effects(operation) == [("cleared", 500_000, 0)]


def test_fault_2_a_refund_is_sent_once_when_its_sender_is_killed(till: Till) -> None:
    till.scripted(Fault("kill_after", "refund", error=Killed()))
    till.cancel(till.invest())
    with pytest.raises(Killed):
        till.work()
    assert till.journals("refund_done") == []
    till.lease_runs_out()
    till.work()
    assert till.journals("refund_done") == [{"refunds:O": 500_000, "cash:sandbox:O": -500_000}]
    assert till.rail.balances() == {"USD/2": 0}
    assert till.balances() == {}


def test_fault_2_a_payout_is_sent_once_when_its_sender_is_killed(till: Till) -> None:
    till.scripted(Fault("kill_after", "payout", error=Killed()))
    till.invest()
    with pytest.raises(Killed):
        till.life.stage.close(till.life.offering_id)
    assert till.balances()["paying:I:O"] == 71_250
    till.lease_runs_out()
    till.work()
    assert till.journals("payout_done") == [{"paying:I:O": 71_250, "cash:sandbox:O": -71_250}]
    assert till.rail.balances() == {"USD/2": 428_750}
    assert till.rail_agrees()


# -- 3: two workers, one key --------------------------------------------------------------------------


def test_fault_3_two_workers_on_one_operation(till: Till) -> None:
    operation = till.start(till.commit())
    together = threading.Barrier(6)

    def work() -> None:
        together.wait()
        gateway.run_operation(till.db, till.life.stage.rails, operation.id)

    workers = [threading.Thread(target=work) for _number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert till.operation(operation.id).attempts == 1
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_fault_3_a_worker_that_lost_its_lease_records_nothing(till: Till) -> None:
    operation = till.start(till.commit())
    slow = till.claim(operation.id)
    till.lease_runs_out()
    gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    till.act(
        lambda session, now: service.record_outcome(
            session, operation.id, slow.fence, ports.Rejected("card_declined", "No."), now=now
        )
    )
    assert till.operation(operation.id).state == "succeeded"
    assert till.balances() == PAID


def test_fault_3_the_same_key_with_another_body_calls_an_operator_and_touches_nothing(till: Till) -> None:
    commitment_id = till.commit()
    operation = till.start(commitment_id)
    request = till.claim(operation.id)
    altered = json.dumps({**request.fields, "note": "somebody else's"}, sort_keys=True)
    till.rail.collect(dataclasses.replace(request, body=altered))
    till.lease_runs_out()
    till.work("send_operations")
    assert till.operation(operation.id).state == "needs_operator"
    assert till.balances() == {}
    assert till.commitment(commitment_id).status == "awaiting_payment"
    assert till.rail.balances() == {"USD/2": 500_000}
    # The truth still comes in by the event.
    till.work()
    assert till.operation(operation.id).state == "succeeded"
    assert till.balances() == PAID


# -- 13: the rail is down -----------------------------------------------------------------------------


def test_fault_13_a_rail_that_is_down_keeps_everything_and_work_resumes(till: Till) -> None:
    till.scripted(
        *(Fault("down", on, nth) for on in ("collect", "lookup", "poll_events", "fetch") for nth in range(1, 4))
    )
    commitment_id = till.invest()
    for _pause in range(3):
        till.work()
        assert till.payment(commitment_id).state == "unknown"
        assert till.balances() == {}
        till.pauses_pass()
    till.work()
    assert (till.payment(commitment_id).state, till.payment(commitment_id).epoch) == ("unknown", 2)
    for _pause in range(4):
        till.pauses_pass()
        till.work()
    assert till.payment(commitment_id).state == "succeeded"
    assert till.balances() == PAID
    assert till.rail_agrees()


def test_a_rail_that_is_down_is_polled_with_growing_pauses(till: Till) -> None:
    till.scripted(Fault("down", "poll_events", 1))
    till.invest()
    till.work()
    [cursor] = till.read(lambda session: session.scalars(sa.select(RailCursor)).all())
    assert (cursor.failures, cursor.cursor) == (1, 0)
    assert "cannot be reached" in (cursor.last_error or "")
    assert cursor.retry_at is not None
    assert cursor.retry_at > clock.system_now()


def test_an_operation_unknown_for_a_day_goes_to_an_operator_and_stays_reserved(till: Till) -> None:
    till.scripted(*(Fault("down", on, nth) for on in ("collect", "lookup") for nth in range(1, 9)))
    commitment_id = till.invest()
    till.pass_time(days=3)
    assert till.payment(commitment_id).state == "unknown", "a day of real time is meant, not of the demo clock"
    till.unknown_for(hours=23)
    till.work()
    assert till.payment(commitment_id).state == "unknown"
    till.unknown_for(hours=25)
    till.work()
    operation = till.payment(commitment_id)
    assert (operation.state, operation.failure_code) == ("needs_operator", "unknown_too_long")
    assert till.balances() == {}
    till.scripted()
    with pytest.raises(Forbidden):
        _ask_again(till, till.life.founder, operation)
    _ask_again(till, till.life.operator, operation)
    till.work()
    assert till.payment(commitment_id).state in ("succeeded", "cancelled")


def _ask_again(till: Till, actor: Actor, operation: Operation) -> None:
    till.act(
        lambda session, now: service.ask_again(
            session, actor=actor, operation_public_id=operation.public_id, reason="The provider is back.", now=now
        )
    )


def test_ppl_1_asking_again_needs_a_second_factor_and_an_operation_that_waits(till: Till) -> None:
    operation = till.payment(till.invest())
    with pytest.raises(SecondFactorNeeded):
        _ask_again(till, dataclasses.replace(till.life.operator, second_factor=False), operation)
    with pytest.raises(Conflict):
        _ask_again(till, till.life.operator, operation)


def test_effects_are_unique_per_operation(till: Till) -> None:
    operation = till.payment(till.invest())
    effect = ports.Effect(ports.CLEARED, 500_000, operation.created_at)
    with pytest.raises(sa.exc.IntegrityError):
        till.db.unit_of_work(lambda session: intents.note_effect(session, operation, effect, None))
    count = till.read(lambda session: session.scalar(sa.select(sa.func.count()).select_from(OperationEffect)))
    assert count == 1
