"""Paying a commitment: who may, when, how often, and what its states become (COM-1, COM-4, COM-8)."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.accounts.actor import SYSTEM
from app.audit.models import LogEntry
from app.db import Database
from app.errors import Conflict, MilestakeError, NotFound, Refused
from app.payments import gateway, queries, service
from app.payments.models import Operation
from tests.functional.payments.conftest import Till


def _refused(till: Till, error: type[MilestakeError], code: str, act: Callable[[], object]) -> MilestakeError:
    """Expect a refusal, and that it left every operation and every balance as it was."""

    def state() -> tuple[object, ...]:
        rows = till.read(lambda s: s.execute(sa.select(Operation.id, Operation.state).order_by(Operation.id)).all())
        return tuple(map(tuple, rows)), tuple(till.balances().items())

    before = state()
    with pytest.raises(error) as refusal:
        act()
    assert refusal.value.code == code
    assert state() == before
    return refusal.value


def test_an_instant_payment_is_held_at_once(till: Till) -> None:
    commitment_id = till.invest()
    assert till.commitment(commitment_id).status == "held"
    assert till.journals("payment_cleared") == [{"cash:sandbox:O": 500_000, "escrow:O": -500_000}]


def test_a_bank_debit_is_pending_then_held(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    assert (till.commitment(commitment_id).status, till.payment(commitment_id).state) == ("clearing", "pending")
    assert till.balances() == {}
    till.pass_time(days=1, hours=23)
    assert till.commitment(commitment_id).status == "clearing"
    till.pass_time(hours=2)
    assert (till.commitment(commitment_id).status, till.payment(commitment_id).state) == ("held", "succeeded")
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


def test_a_declined_payment_posts_nothing_and_can_be_tried_again(till: Till) -> None:
    commitment_id = till.invest("declined")
    payment = till.payment(commitment_id)
    assert (till.commitment(commitment_id).status, payment.state) == ("payment_failed", "failed")
    assert payment.failure_code == "card_declined"
    assert till.balances() == {}
    till.pay(commitment_id)
    assert till.commitment(commitment_id).status == "held"
    assert len(till.operations("collect")) == 2


def test_a_debit_that_fails_days_later_credits_nothing(till: Till) -> None:
    commitment_id = till.invest("fails_late")
    till.pass_time(days=3)
    assert (till.commitment(commitment_id).status, till.payment(commitment_id).state) == ("payment_failed", "failed")
    assert till.balances() == {}
    assert till.rail_agrees()


def test_a_payment_that_asks_for_confirmation_is_held_once_confirmed(till: Till) -> None:
    commitment_id = till.invest("action")
    payment = till.payment(commitment_id)
    assert (payment.state, till.commitment(commitment_id).status) == ("action_required", "awaiting_payment")
    assert payment.instructions
    gateway.confirm_payment(till.db, till.life.stage.rails, payment.public_id)
    assert (till.payment(commitment_id).state, till.commitment(commitment_id).status) == ("succeeded", "held")
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000}


def test_a_payment_never_confirmed_is_cancelled_once_its_commitment_has_ended(till: Till) -> None:
    commitment_id = till.invest("action")
    till.life.stage.advance(hours=25)
    assert till.commitment(commitment_id).status == "expired"
    assert till.payment(commitment_id).state == "cancelled"
    assert till.read(lambda session: queries.undecided_count(session, till.offering().id)) == 0
    with pytest.raises(Refused, match="The time to pay for this commitment is over"):
        gateway.confirm_payment(till.db, till.life.stage.rails, till.payment(commitment_id).public_id)
    till.work()
    assert till.balances() == {}


def test_com_8_the_same_key_gives_the_first_operation_back(till: Till) -> None:
    commitment_id = till.commit()
    first, second = (till.start(commitment_id, key="same") for _click in range(2))
    assert first.id == second.id
    assert len(till.operations("collect")) == 1


def test_com_8_a_second_tab_gets_the_payment_that_is_under_way(till: Till) -> None:
    commitment_id = till.commit()
    first = till.start(commitment_id, "bank_2d", key="tab 1")
    assert till.start(commitment_id, "bank_2d", key="tab 2").id == first.id
    _refused(till, Conflict, "payment_under_way", lambda: till.start(commitment_id, "instant", key="tab 3"))


def test_com_8_a_paid_commitment_is_not_charged_again(till: Till) -> None:
    commitment_id = till.invest()
    _refused(till, Conflict, "already_paid", lambda: till.start(commitment_id, key="again"))


def test_com_1_a_key_with_other_fields_is_refused(till: Till) -> None:
    commitment_id = till.commit()
    till.start(commitment_id, "instant", key="same")
    _refused(till, Conflict, "key_reused", lambda: till.start(commitment_id, "bank_2d", key="same"))


def test_com_8_eight_tabs_at_once_make_one_charge(till: Till) -> None:
    commitment_id = till.commit()
    together = threading.Barrier(8)
    seen: list[int] = []

    def pay(tab: int) -> None:
        together.wait()
        operation = till.start(commitment_id, key=f"tab {tab}")
        gateway.run_operation(till.db, till.life.stage.rails, operation.id)
        seen.append(operation.id)

    def try_to_pay(tab: int) -> None:
        try:
            pay(tab)
        except Conflict as error:
            assert error.code == "already_paid"

    tabs = [threading.Thread(target=try_to_pay, args=(tab,)) for tab in range(8)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    till.work()
    assert len(set(seen)) == 1
    assert till.balances() == {"cash:sandbox:O": 500_000, "escrow:O": 500_000}
    assert till.rail_agrees()


def test_somebody_elses_commitment_does_not_exist(till: Till) -> None:
    commitment_id = till.commit()
    _refused(till, NotFound, "commitment_not_found", lambda: till.start(commitment_id, investor=1))
    for actor in (till.life.founder, till.life.operator, SYSTEM):
        _refused(
            till, NotFound, "commitment_not_found",
            lambda actor=actor: till.act(
                lambda session, now: service.start_collection(
                    session, actor=actor, commitment_public_id=commitment_id, method="instant", key="x", now=now
                )
            ),
        )
    _refused(till, NotFound, "commitment_not_found", lambda: till.start("com_unheard_of"))


def test_a_method_that_the_rail_does_not_have_is_refused(till: Till) -> None:
    refusal = _refused(till, Refused, "method_unknown", lambda: till.start(till.commit(), "cheque"))
    assert refusal.field == "method"


def test_com_4_a_payment_at_the_instant_the_place_is_lost_is_too_late(till: Till) -> None:
    commitment_id = till.commit()
    pay_by = till.commitment(commitment_id).pay_by

    def start_at(seconds: int, key: str) -> Operation:
        return till.db.unit_of_work(
            lambda session: service.start_collection(
                session, actor=till.life.investors[0], commitment_public_id=commitment_id, method="instant", key=key,
                now=pay_by + dt.timedelta(seconds=seconds),
            )
        )

    _refused(till, Refused, "payment_too_late", lambda: start_at(0, "late"))
    assert start_at(-1, "in time").state == "created"


def test_com_4_an_expired_commitment_takes_no_payment(till: Till) -> None:
    commitment_id = till.commit()
    till.life.stage.advance(hours=25)
    assert till.commitment(commitment_id).status == "expired"
    _refused(till, Refused, "payment_too_late", lambda: till.start(commitment_id))


def test_a_cancelled_commitment_takes_no_payment(till: Till) -> None:
    commitment_id = till.commit()
    till.cancel(commitment_id)
    _refused(till, Refused, "not_payable", lambda: till.start(commitment_id))


def test_a_payment_not_yet_sent_is_cancelled_with_its_commitment(till: Till) -> None:
    commitment_id = till.commit()
    operation = till.start(commitment_id)
    till.cancel(commitment_id)
    gateway.run_operation(till.db, till.life.stage.rails, operation.id)
    assert till.operation(operation.id).state == "cancelled"
    assert till.rail.balances() == {}


def test_ppl_5_every_decision_of_an_operation_is_in_the_log(till: Till, db: Database) -> None:
    commitment_id = till.invest("bank_2d")
    till.pass_time(days=2)
    operation = till.payment(commitment_id)
    actions = till.read(
        lambda session: session.scalars(
            sa.select(LogEntry.action).where(LogEntry.object_id == operation.public_id).order_by(LogEntry.id)
        ).all()
    )
    assert actions == ["operation.created", "operation.pending", "operation.succeeded"]
