"""Findings of the review: a close is decided on everything that happened until then, and on nothing else (TIM-1)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.closing import tasks as closing
from app.payments import ports
from app.payments.models import Operation
from app.payments.sandbox import Fault
from tests.functional.payments.conftest import Till


def _settle_due(till: Till) -> list[int]:
    """Ask the job that decides, as a worker does that came before the one that listens."""
    [job] = [each for each in closing.JOBS if each.name == "settle_close"]
    return till.read(lambda session: list(job.due(session, till.life.stage.now, 10)))


def _closing(till: Till, method: str) -> str:
    """Pay an hour before the deadline and let it pass; return the commitment's id."""
    _until(till, till.offering().deadline_at - dt.timedelta(hours=1))
    commitment_id = till.invest(method)
    till.life.stage.close(till.life.offering_id)
    assert till.offering().state == "clearing"
    return commitment_id


def _until(till: Till, instant: dt.datetime) -> None:
    """Let business time pass until just after an instant while no worker runs."""
    left = instant - till.life.stage.now
    till.skip(seconds=left // dt.timedelta(seconds=1) + 1)


def _window_over(till: Till) -> dt.datetime:
    due = till.offering().step_due_at
    assert due is not None
    return due


def test_tim_1_a_payment_that_cleared_in_time_counts_however_late_it_is_heard(till: Till) -> None:
    commitment_id = _closing(till, "bank_2d")
    _until(till, _window_over(till) + dt.timedelta(days=30))
    assert _settle_due(till) == [], "nobody has asked the rail yet what cleared until then"
    till.work("poll_rails")
    assert _settle_due(till) == [], "heard, but not in the books yet"
    till.life.stage.work()
    assert till.offering().state == "active"
    assert till.offering().proceeds_minor == 500_000
    assert till.commitment(commitment_id).status == "held"


def test_tim_1_a_payment_that_cleared_after_the_window_does_not_count(till: Till) -> None:
    commitment_id = _closing(till, "bank_2d")
    due = _window_over(till)
    _until(till, due + dt.timedelta(days=5))
    operation = till.payment(commitment_id)
    effect = ports.Effect(ports.CLEARED, 500_000, due)
    till.tell(operation.id, ports.Done(operation.provider_ref or "", (effect,)))
    assert till.journals("payment_unapplied") == [{"cash:sandbox:O": 500_000, "unapplied:sandbox:O": -500_000}]
    till.life.stage.work()
    assert till.offering().state in ("failing", "failed")
    assert till.commitment(commitment_id).status == "lapsed"
    assert [(each.status, each.amount_minor) for each in till.refunds()] == [("done", 500_000)]
    assert till.balances() == {}


def test_tim_1_what_is_under_way_is_asked_about_before_the_decision(till: Till) -> None:
    commitment_id = _closing(till, "bank_2d")
    due = _window_over(till)
    _until(till, due)
    till.work("poll_rails")
    till.db.unit_of_work(
        lambda session: session.execute(sa.update(Operation).values(events_heard=0, events_applied=0))
    )
    assert till.payment(commitment_id).state == "pending"
    assert _settle_due(till) == [], "the rail was polled, but its event was lost"
    till.work("look_again")
    assert till.payment(commitment_id).state == "succeeded"
    assert len(_settle_due(till)) == 1


def test_an_unknown_payment_holds_the_decision_up_until_an_operator_has_it(till: Till) -> None:
    till.scripted(*(Fault("down", on, nth) for on in ("collect", "lookup") for nth in range(1, 30)))
    # One very large place may be unpaid at a time (COM-13), so the other one is not.
    till.invest(amount_minor=200_000, investor=1)
    commitment_id = _closing(till, "instant")
    _until(till, _window_over(till))
    till.work("poll_rails", "refresh_operations")
    assert till.payment(commitment_id).state == "unknown"
    assert _settle_due(till) == []
    till.unknown_for(hours=25)
    till.work("escalate_unknown")
    assert till.payment(commitment_id).state == "needs_operator"
    assert len(_settle_due(till)) == 1


def test_a_close_without_anything_under_way_still_hears_the_rail_first(till: Till) -> None:
    till.invest("returned_5d")
    _until(till, till.offering().deadline_at)
    [deadline] = [each for each in closing.JOBS if each.name == "reach_deadline"]
    till.act(lambda session, now: [deadline.act(session, each, now) for each in deadline.due(session, now, 10)])
    assert till.offering().state == "clearing"
    assert _settle_due(till) == [], "the bank took the money back, which nobody has heard yet"
    till.life.stage.work()
    assert till.offering().state in ("failing", "failed")
