"""The ledger's own rules, enforced by the database on both kinds: whole, balanced, sealed, never overdrawn, once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import clock
from app.db import Database
from app.errors import Conflict, InvariantBroken, Refused
from app.ledger import chart, service
from app.ledger.models import Entry, Journal, JournalSeal, LedgerAccount
from app.ledger.triggers import APPEND_ONLY
from app.models import metadata
from tests.factories.books import full_books
from tests.unchanged import snapshot

CASH = chart.platform_cash("sandbox", "USD/2")
CAPITAL = chart.capital("USD/2")


def post(db: Database, amount: int, key: str = "test:1", kind: str = "test") -> service.Posted:
    return db.unit_of_work(lambda session: posting(session, amount, key, kind))


def posting(session: Session, amount: int, key: str = "test:1", kind: str = "test") -> service.Posted:
    return service.post(
        session, kind=kind, key=key, cause="test", occurred_at=clock.system_now(),
        lines=[service.debit(CASH, amount), service.credit(CAPITAL, amount)],
    )


def refused_unchanged(db: Database, act: Callable[[Session], object], error: type[Exception], text: str) -> None:
    before = snapshot(db)
    with pytest.raises(error, match=text):
        db.unit_of_work(act)
    assert snapshot(db) == before


def test_a_fact_is_posted_once(db: Database) -> None:
    first = post(db, 5_000)
    before = snapshot(db)
    again = post(db, 5_000)
    assert (again.public_id, again.is_new) == (first.public_id, False)
    assert snapshot(db) == before


def test_a_key_with_other_figures_is_refused(db: Database) -> None:
    post(db, 5_000)
    before = snapshot(db)
    with pytest.raises(Conflict) as caught:
        post(db, 5_001)
    assert caught.value.code == "journal_key_reused"
    with pytest.raises(Conflict):
        post(db, 5_000, kind="other")
    assert snapshot(db) == before


def test_an_account_is_not_overdrawn(db: Database) -> None:
    post(db, 5_000)
    before = snapshot(db)
    with pytest.raises(Refused) as caught:
        post(db, -5_001, key="test:2")
    assert caught.value.code == "balance_below_zero"
    assert snapshot(db) == before


def test_the_database_refuses_a_counter_below_zero(db: Database) -> None:
    post(db, 5_000)
    refused_unchanged(
        db, lambda session: session.execute(sa.update(LedgerAccount).values(balance=-1)), DBAPIError,
        "balance_not_negative",
    )


@pytest.mark.parametrize("lines", [
    [],
    [service.debit(CASH, 0), service.credit(CAPITAL, 0)],
    [service.debit(CASH, 100), service.credit(CAPITAL, 99)],
    [service.debit(CASH, 100), service.credit(chart.capital("BTC/8"), 100)],
    [service.debit(CASH, 2**63), service.credit(CAPITAL, 2**63)],
], ids=["empty", "nothing", "unbalanced", "two assets", "too large"])
def test_a_journal_that_is_not_whole_is_not_posted(db: Database, lines: list[service.Line]) -> None:
    before = snapshot(db)
    with pytest.raises(InvariantBroken):
        db.unit_of_work(lambda session: service.post(
            session, kind="test", key="test:1", cause="test", occurred_at=clock.system_now(), lines=lines
        ))
    assert snapshot(db) == before


def journal_row(session: Session) -> int:
    return session.execute(
        sa.insert(Journal)
        .values(public_id="jrn_raw", kind="test", key="raw", cause="test", occurred_at=clock.system_now(),
                recorded_at=clock.system_now())
        .returning(Journal.id)
    ).scalar_one()


def entries(session: Session, journal_id: int, *amounts: int) -> None:
    account = session.execute(sa.select(LedgerAccount.id).where(LedgerAccount.address == CASH.address)).scalar_one()
    for number, amount in enumerate(amounts):
        session.execute(sa.insert(Entry).values(
            journal_id=journal_id, account_id=account, amount=amount, balance_after=0, account_version=100 + number
        ))


def test_a_journal_without_a_seal_does_not_commit(db: Database) -> None:
    post(db, 5_000)
    refused_unchanged(db, lambda session: entries(session, journal_row(session), 5, -5), DBAPIError, "(?i)foreign key")


def test_a_seal_on_an_unbalanced_or_empty_journal_is_refused(db: Database) -> None:
    post(db, 5_000)

    def seal(session: Session, *amounts: int) -> None:
        journal_id = journal_row(session)
        entries(session, journal_id, *amounts)
        session.execute(sa.insert(JournalSeal).values(journal_id=journal_id, content_hash=""))

    refused_unchanged(db, lambda session: seal(session, 5, -4), DBAPIError, "does not sum to zero")
    refused_unchanged(db, seal, DBAPIError, "journal is empty")


def test_an_entry_after_the_seal_is_refused(db: Database) -> None:
    posted = post(db, 5_000)
    refused_unchanged(db, lambda session: entries(session, posted.journal_id, 5), DBAPIError, "after the seal")


def test_what_is_written_is_never_changed_or_deleted(db: Database) -> None:
    full_books(db)
    before = snapshot(db)
    for name in APPEND_ONLY:
        table = metadata.tables[name]
        column = next(each for each in table.columns if not each.primary_key)
        with db.read() as session:
            assert session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one(), name
        for statement in (sa.update(table).values({column.name: column}), sa.delete(table)):
            with pytest.raises(DBAPIError, match=f"append_only: {name}"):
                db.unit_of_work(lambda session, statement=statement: session.execute(statement))
    assert snapshot(db) == before


def test_eight_threads_on_one_account_keep_its_chain(db: Database) -> None:
    def work(thread: int) -> None:
        for number in range(10):
            post(db, 100, key=f"test:{thread}:{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with db.read() as session:
        account = session.execute(sa.select(LedgerAccount).where(LedgerAccount.address == CASH.address)).scalar_one()
        chain = session.execute(
            sa.select(Entry.account_version, Entry.balance_after)
            .where(Entry.account_id == account.id)
            .order_by(Entry.account_version)
        ).all()
    assert (account.balance, account.version) == (8_000, 80)
    assert [tuple(row) for row in chain] == [(number, number * 100) for number in range(1, 81)]


def test_eight_threads_post_one_fact_once(db: Database) -> None:
    def work(_thread: int) -> str:
        try:
            return post(db, 100).public_id
        except DBAPIError:
            return ""  # the unique key refused the second of two that began at once

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(work, range(8))) - {""}
    assert len(ids) == 1
    with db.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(Journal)).scalar_one() == 1
