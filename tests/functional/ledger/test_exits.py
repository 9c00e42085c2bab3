"""The proof that every cent and everything that waits gets out: breaking an exit is found (TIM-5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import waits
from app.db import Database
from app.ledger import chart, triggers
from app.models import metadata
from app.selfcheck import exits
from milestones import states
from tests.factories.books import full_books

pytestmark = pytest.mark.tampers


@pytest.fixture
def books(db: Database) -> Iterator[sa.Connection]:
    """Give a connection to full books without triggers, in a transaction that is never committed."""
    full_books(db)
    with db.engine.connect() as connection, connection.begin() as transaction:
        triggers.remove(connection)
        yield connection
        transaction.rollback()


def found(books: sa.Connection, *statements: str) -> set[tuple[str, str]]:
    """Make changes, return (code, kind of account or subject) of what the proof finds, and undo them."""
    point = books.begin_nested()
    for statement in statements:
        assert books.execute(sa.text(statement)).rowcount, f"the books have nothing that fits: {statement}"
    with Session(bind=books, join_transaction_mode="create_savepoint") as session:
        problems = list(exits.check(session))
    point.rollback()
    return {(each.code, each.where.split(":")[0].split(" ")[0]) for each in problems}


def test_tim_5_every_broken_exit_of_money_and_of_what_waits_is_found(books: sa.Connection) -> None:
    with Session(bind=books, join_transaction_mode="create_savepoint") as session:
        assert list(exits.check(session)) == []
    money = "money_without_exit"
    # A refund that stands as failed is nobody's: no job picks it up, although the account still equals the rows.
    refunds = found(books, "UPDATE refund SET status = 'failed' WHERE status IN ('open', 'sending', 'unclaimed')")
    assert refunds and refunds <= {(money, "refunds"), (money, "unclaimed")}
    # One cent more in escrow of a plan that has ended, where nothing divides it any more.
    ended = "SELECT a.id FROM account a JOIN offering o ON o.id = a.offering_id WHERE a.address LIKE 'escrow:%' AND " \
        "o.state IN ('failed', 'withdrawn', 'completed', 'wound_down')"
    cent = "UPDATE entry SET amount = amount - 1 WHERE id = (SELECT MAX(id) FROM entry WHERE account_id IN ({}))"
    assert found(books, cent.format(ended)) == {(money, "escrow")}
    # A payout that was reserved for an attempt which is decided.
    assert (money, "payable") in found(books, "UPDATE payout SET status = 'reserved' WHERE status = 'waiting'")
    stuck = found(
        books, "UPDATE milestone SET state = 'locked' WHERE state NOT IN ('released', 'failed', 'lapsed') "
        "AND offering_id IN (SELECT id FROM offering WHERE state = 'active')",
    )
    assert {code for code, _where in stuck} == {"plan_stuck"}
    # Nobody who waits for a payout is no owner.
    assert found(books, "UPDATE payout SET waits_on = 'nobody' WHERE waits_on IS NOT NULL") == {
        ("state_without_exit", "payout")}


def test_tim_5_every_account_and_every_written_state_has_its_place() -> None:
    kinds = {*exits.HELD, *exits.STAYS, *exits.OF_THE_OFFERING}
    assert kinds == set(chart.SIDES)
    assert set(chart.OWED) <= kinds - set(exits.STAYS)
    for look in waits.LOOKS:
        names = metadata.tables[look.table].c
        assert look.state in names and (look.deadline is None or look.deadline in names)
        waiting = {row.state for row in states.WAITING if row.subject == look.subject}
        assert not waiting & look.ended, look.subject
    may_be_empty = {
        each.subject for each in waits.LOOKS
        if each.deadline and metadata.tables[each.table].c[each.deadline].nullable
    }
    assert may_be_empty == set(exits.DATED)
