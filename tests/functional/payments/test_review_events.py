"""Findings of the review: every event is heard, and what no event tells is asked (payments.md §3, TIM-3)."""

from __future__ import annotations

import json
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.payments import gateway, ports, sandbox_books
from app.payments.models import RailCursor, RailEvent
from app.payments.sandbox import Fault
from app.payments.sandbox_models import SandboxEvent, SandboxTransfer
from tests.functional.payments.conftest import Till

PAID = {"cash:sandbox:O": 500_000, "escrow:O": 500_000}
#: More than the poll reads again.
MANY = 60


def _request(operation: str) -> ports.FrozenRequest:
    body = {"operation": operation, "epoch": 1, "kind": "collect", "offering": "off_x", "amount_minor": 100,
            "asset": "USD/2", "method": "instant", "source_ref": None}
    return ports.FrozenRequest(operation, "collect", "sandbox", 1, json.dumps(body, sort_keys=True))


def test_tim_3_an_event_that_becomes_visible_late_is_heard(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process lets time pass slowly while another takes payments and polls beyond it."""
    till.invest("bank_2d")
    till.skip(days=2)
    drawn, commit_now = threading.Event(), threading.Event()
    fall_due = sandbox_books.fall_due

    def slowly(session: Session, transfer: SandboxTransfer) -> None:
        fall_due(session, transfer)
        drawn.set()
        commit_now.wait(5)

    def others() -> None:
        for number in range(MANY):
            till.rail.collect(_request(f"opn_{number}"))
        till.work("poll_rails")

    monkeypatch.setattr(sandbox_books, "fall_due", slowly)
    now = till.life.stage.now
    slow = threading.Thread(target=lambda: till.rail.advance(now))
    slow.start()
    assert drawn.wait(5)
    busy = threading.Thread(target=others)
    busy.start()
    busy.join(3)
    commit_now.set()
    slow.join()
    busy.join()
    till.pass_time(seconds=10)
    with till.db.read() as session:
        told = set(session.scalars(sa.select(SandboxEvent.event_id)))
        heard = set(session.scalars(sa.select(RailEvent.event_id)))
    assert len(told) == MANY + 2
    assert told == heard
    assert till.balances() == PAID


def test_all_pages_of_events_are_heard_in_one_poll(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.payments.sandbox.EVENTS_PER_POLL", 7)
    for number in range(20):
        till.rail.collect(_request(f"opn_{number}"))
    operation = till.start(till.commit())
    till.rail.collect(till.claim(operation.id))
    assert gateway.poll(till.db, till.life.stage.rails, "sandbox") == 21
    assert till.operation(operation.id).events_heard == 1


def test_a_rail_counts_as_polled_only_when_it_answered_to_the_last_page(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.payments.sandbox.EVENTS_PER_POLL", 7)
    till.scripted(Fault("down", "poll_events", 2))
    till.invest()
    for number in range(20):
        till.rail.collect(_request(f"opn_{number}"))
    before = till.life.stage.now
    till.work("poll_rails")
    with till.db.read() as session:
        cursor = session.scalars(sa.select(RailCursor)).one()
    assert (cursor.cursor > 0, cursor.failures) == (True, 1)
    assert cursor.polled_at < before


def _lose_events(till: Till) -> None:
    """Let the rail's events be passed over, as a fault at the provider might."""
    till.db.unit_of_work(lambda session: session.execute(sa.update(RailCursor).values(cursor=10**9)))


def test_tim_3_a_payment_whose_event_is_lost_is_found_by_asking(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    till.work()
    till.skip(days=2)
    till.rail.advance(till.life.stage.now)
    _lose_events(till)
    till.work("poll_rails", "refresh_operations")
    assert till.payment(commitment_id).state == "pending"
    till.work()
    assert till.payment(commitment_id).state == "succeeded"
    assert till.commitment(commitment_id).status == "held"
    assert till.balances() == PAID


def test_tim_3_what_the_rail_has_under_way_is_asked_again_hourly_after_its_usual_time(till: Till) -> None:
    commitment_id = till.invest("bank_2d")
    till.work()
    operation = till.payment(commitment_id)
    till.pass_time(days=1)
    assert till.operation(operation.id).changed_at == operation.changed_at
    other = till.invest("action", 100_000, investor=1)
    till.pass_time(seconds=10)
    waiting = till.payment(other)
    till.pass_time(minutes=58)
    assert till.operation(waiting.id).changed_at == waiting.changed_at
    till.pass_time(minutes=2)
    assert till.operation(waiting.id).changed_at > waiting.changed_at
