"""Second factors: taken once, in time, and only where they are due (PPL-1)."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest

from app.accounts import credentials, passwords, queries, service
from app.accounts.actor import SYSTEM, Actor
from app.accounts.models import User
from app.db import Database
from app.errors import Forbidden, Refused, SecondFactorNeeded

NOW = dt.datetime(2027, 3, 4, 9, 0, 10, tzinfo=dt.UTC)
STEP = dt.timedelta(seconds=30)


@pytest.fixture
def user(db: Database) -> User:
    return db.unit_of_work(
        lambda s: service.create_user(
            s, email="fay@example.com", name="Fay", password_hash=passwords.NO_PASSWORD, role="founder", now=NOW
        )
    )


@pytest.fixture
def secret(db: Database, user: User) -> str:
    return db.unit_of_work(
        lambda s: credentials.give_demo_second_factor(s, user_id=user.id, sandbox=True, now=NOW)
    )


def verify(db: Database, user: User, code: str, *, at: dt.datetime = NOW) -> None:
    db.unit_of_work(lambda s: credentials.verify_second_factor(s, user_id=user.id, code=code, now=at))


def code_at(secret: str, when: dt.datetime) -> str:
    return pyotp.TOTP(secret).at(int(when.timestamp()))


def test_ppl_1_a_code_is_taken_one_step_early_or_late(db: Database, user: User, secret: str) -> None:
    verify(db, user, code_at(secret, NOW - STEP))
    verify(db, user, code_at(secret, NOW))
    verify(db, user, code_at(secret, NOW + STEP))
    for wrong in (code_at(secret, NOW + 2 * STEP), code_at(secret, NOW), "000000", "", "abc"):
        with pytest.raises(Refused) as refused:
            verify(db, user, wrong)
        assert refused.value.code == "second_factor_wrong"


def test_ppl_1_of_the_same_code_sent_four_times_at_once_one_is_taken(db: Database, user: User, secret: str) -> None:
    ready = threading.Barrier(4)
    code = code_at(secret, NOW)

    def send(_n: int) -> bool:
        ready.wait()
        try:
            verify(db, user, code)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, range(4))) == 1


def test_a_recovery_code_works_once(db: Database, user: User, secret: str) -> None:
    actor = Actor(user_id=user.id, second_factor=True)
    codes = db.unit_of_work(lambda s: credentials.new_recovery_codes(s, actor=actor, now=NOW))
    assert len(set(codes)) == 10
    verify(db, user, f" {codes[3].upper()} ")
    with pytest.raises(Refused):
        verify(db, user, codes[3])
    with db.read() as session:
        assert queries.recovery_codes_left(session, user.id) == 9


def test_ppl_1_a_confirmed_factor_is_not_replaced_without_it(db: Database, user: User, secret: str) -> None:
    stolen = Actor(user_id=user.id, second_factor=False)
    for act in (credentials.enrol_second_factor, credentials.new_recovery_codes):
        with pytest.raises(SecondFactorNeeded):
            db.unit_of_work(lambda s, act=act: act(s, actor=stolen, now=NOW))
    verify(db, user, code_at(secret, NOW))  # the old one still stands


def test_enrolment_counts_only_once_confirmed(db: Database, user: User) -> None:
    actor = Actor(user_id=user.id)
    secret = db.unit_of_work(lambda s: credentials.enrol_second_factor(s, actor=actor, now=NOW))
    with pytest.raises(Refused) as refused:
        verify(db, user, code_at(secret, NOW))
    assert refused.value.code == "second_factor_missing"
    with pytest.raises(Refused):
        db.unit_of_work(lambda s: credentials.confirm_second_factor(s, actor=actor, code="１２３４５６", now=NOW))
    code = code_at(secret, NOW)
    codes = db.unit_of_work(lambda s: credentials.confirm_second_factor(s, actor=actor, code=code, now=NOW))
    assert len(codes) == 10
    with pytest.raises(Refused):
        verify(db, user, code)


def test_the_code_is_shown_for_demo_accounts_in_a_sandbox_only(db: Database, user: User, secret: str) -> None:
    with db.read() as session:
        demo = queries.user_by_id(session, user.id)
    shown = credentials.sandbox_code(demo, sandbox=True, now=NOW)
    verify(db, user, shown)
    with db.read() as session:
        demo = queries.user_by_id(session, user.id)
    assert credentials.sandbox_code(demo, sandbox=True, now=NOW) == code_at(secret, NOW + STEP)
    assert credentials.sandbox_code(demo, sandbox=False, now=NOW) is None
    demo.demo = False
    assert credentials.sandbox_code(demo, sandbox=True, now=NOW) is None
    with pytest.raises(Refused):
        db.unit_of_work(lambda s: credentials.give_demo_second_factor(s, user_id=user.id, sandbox=False, now=NOW))


def test_demand_names_the_roles_and_asks_for_the_factor() -> None:
    operator = Actor(user_id=1, memberships=frozenset({(1, "operator")}))
    service.demand(operator, "operator", "supervisor")
    service.demand(SYSTEM, "operator", second_factor=True)
    with pytest.raises(SecondFactorNeeded):
        service.demand(operator, "operator", second_factor=True)
    with pytest.raises(Forbidden) as refused:
        service.demand(operator, "founder")
    assert refused.value.message == "Only founders can do this."
