"""Findings of the review: every event of the rail is heard, and what no event tells is asked (payments.md §3, TIM-3)."""

from __future__ import annotations

import json
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.payments import ports, sandbox_books
from app.payments.models import RailEvent
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
