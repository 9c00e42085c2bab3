"""Findings of the review: no counter grows past what both databases hold exactly, and slips of the hand are refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock
from app.db import Database
from app.errors import Refused
from app.ledger import chart, service
from app.ledger import queries as ledger
from app.ledger.models import LedgerAccount
from app.payments import rules
from tests.functional.payments.conftest import Till

NEAR = service.MAX_AMOUNT


def _fund(session: Session, amount_minor: int, key: str) -> None:
    service.post(
        session, kind="float_funded", key=key, cause=key, occurred_at=clock.system_now(),
        lines=[
            service.debit(chart.platform_cash("sandbox", "USD/2"), amount_minor),
            service.credit(chart.capital("USD/2"), amount_minor),
        ],
    )


@pytest.mark.tampers
def test_a_counter_past_its_range_is_refused_whole(db: Database) -> None:
    db.unit_of_work(lambda session: _fund(session, NEAR, "first"))
    for amount in (1, NEAR):
        with pytest.raises(Refused) as refused:
            db.unit_of_work(lambda session, amount=amount: _fund(session, amount, f"more-{amount}"))
        assert refused.value.code == "balance_too_large"
    with db.read() as session:
        assert ledger.balance(session, chart.capital("USD/2")) == NEAR
        assert ledger.balance(session, chart.platform_cash("sandbox", "USD/2")) == NEAR
        assert len(ledger.journals(session)) == 1


@pytest.mark.tampers
@pytest.mark.parametrize("balance", [NEAR + 1, -NEAR - 1])
def test_the_database_keeps_counters_in_range(db: Database, balance: int) -> None:
    db.unit_of_work(lambda session: _fund(session, 100, "first"))
    with pytest.raises(DBAPIError):
        db.unit_of_work(
            lambda session: session.execute(sa.update(LedgerAccount).values(may_be_negative=True, balance=balance))
        )


def test_more_behind_the_float_than_makes_sense_is_refused(till: Till) -> None:
    with pytest.raises(Refused, match="or less: more at once is a slip") as refused:
        till.fund(rules.FLOAT_STEP_AT_MOST_MINOR + 1)
    assert (refused.value.code, refused.value.field) == ("amount_too_large", "amount")
    assert till.journals("float_funded") == []
    till.fund(rules.FLOAT_STEP_AT_MOST_MINOR)
    assert till.read(lambda session: ledger.balance(session, chart.capital("USD/2"))) == rules.FLOAT_STEP_AT_MOST_MINOR
