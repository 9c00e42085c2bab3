"""A key acts once, whoever sends it again and however often at once (COM-1, COM-8)."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts.actor import Actor
from app.audit.models import LogEntry
from app.audit.service import record
from app.db import Database
from app.errors import Conflict, Refused

NOW = dt.datetime(2027, 3, 4, 9, 0, tzinfo=dt.UTC)
INES = Actor(user_id=7)


def act(session: Session, fields: dict[str, object], *, key: str = "k1", actor: Actor = INES) -> str:
    """Do something that may be done once for each key: write one log entry."""
    first = idempotency.claim(session, actor=actor, operation="thing.do", key=key, fields=fields, now=NOW)
    if first is not None:
        return first
    entry = record(session, actor=actor, action="thing.done", object_id="thg_1", now=NOW)
    idempotency.settle(session, actor=actor, operation="thing.do", key=key, result_ref=f"log_{entry.id}")
    return f"log_{entry.id}"


def done(db: Database) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(LogEntry))


def test_com_1_the_same_key_and_fields_give_the_first_result(db: Database) -> None:
    first = db.unit_of_work(lambda s: act(s, {"amount": 100, "offering": "off_1"}))
    second = db.unit_of_work(lambda s: act(s, {"offering": "off_1", "amount": 100}))
    assert first == second
    assert done(db) == 1


def test_com_1_other_fields_under_the_same_key_are_refused(db: Database) -> None:
    db.unit_of_work(lambda s: act(s, {"amount": 100}))
    with pytest.raises(Conflict) as refused:
        db.unit_of_work(lambda s: act(s, {"amount": 101}))
    assert refused.value.code == "key_reused"
    assert done(db) == 1


def test_com_1_keys_belong_to_an_actor_and_an_operation(db: Database) -> None:
    db.unit_of_work(lambda s: act(s, {"amount": 100}))
    db.unit_of_work(lambda s: act(s, {"amount": 999}, actor=Actor(user_id=8)))
    assert done(db) == 2


def test_com_1_a_refused_act_leaves_its_key_free(db: Database) -> None:
    def refuse(session: Session) -> None:
        act(session, {"amount": 100})
        raise Refused("no")

    with pytest.raises(Refused):
        db.unit_of_work(refuse)
    assert done(db) == 0
    db.unit_of_work(lambda s: act(s, {"amount": 200}))
    assert done(db) == 1


def test_com_8_eight_at_once_act_once(db: Database) -> None:
    ready = threading.Barrier(8)

    def send(_n: int) -> str:
        ready.wait()
        return db.unit_of_work(lambda s: act(s, {"amount": 100}))

    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(send, range(8)))
    assert len(results) == 1
    assert done(db) == 1


def test_com_8_the_second_waits_for_a_first_that_fails_and_then_acts(db: Database) -> None:
    claimed = threading.Event()

    def fail_late(session: Session) -> None:
        act(session, {"amount": 100})
        claimed.set()
        time.sleep(0.2)
        raise Refused("no")

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(lambda: db.unit_of_work(fail_late))
        claimed.wait(5)
        db.unit_of_work(lambda s: act(s, {"amount": 100}))
        assert isinstance(failing.exception(), Refused)
    assert done(db) == 1


def test_dates_and_order_do_not_change_the_hash() -> None:
    day = dt.date(2027, 3, 4)
    assert idempotency.fields_hash({"a": day, "b": [1, "2"]}) == idempotency.fields_hash({"b": [1, "2"], "a": day})
    assert idempotency.fields_hash({"a": 1}) != idempotency.fields_hash({"a": "1"})
    with pytest.raises(TypeError):
        idempotency.fields_hash({"a": object()})


@pytest.fixture
def context(app: Flask):
    with app.app_context():
        yield


@pytest.mark.usefixtures("context")
def test_form_keys_are_for_one_actor_and_operation() -> None:
    token = idempotency.new_form_key(INES, "commitment.accept")
    key = idempotency.read_form_key(token, INES, "commitment.accept")
    assert len(key) >= 16
    assert idempotency.read_form_key(token, INES, "commitment.accept") == key
    for actor, operation, sent in [
        (Actor(user_id=8), "commitment.accept", token),
        (INES, "commitment.cancel", token),
        (INES, "commitment.accept", token[:-2]),
        (INES, "commitment.accept", ""),
        (INES, "commitment.accept", None),
    ]:
        with pytest.raises(Conflict) as refused:
            idempotency.read_form_key(sent, actor, operation)
        assert refused.value.code == "form_foreign"


@pytest.mark.usefixtures("context")
def test_a_form_is_stale_after_twelve_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    token = idempotency.new_form_key(INES, "commitment.accept")
    real = time.time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: real() + 12 * 3600 - 5)
    idempotency.read_form_key(token, INES, "commitment.accept")
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: real() + 12 * 3600 + 5)
    with pytest.raises(Conflict) as refused:
        idempotency.read_form_key(token, INES, "commitment.accept")
    assert refused.value.code == "form_stale"
    assert refused.value.message.startswith("This page is more than 12 hours old")
