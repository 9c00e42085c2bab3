"""Figures whose products pass 64 bits: divided exactly, and checked as strictly as the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import selfcheck
from app.commitments.models import EscrowStatement
from app.db import Database
from app.ledger import triggers
from milestones.apportion import apportion
from tests.factories import life as lives

#: 200 billion, 33 billion and 61 billion dollars, in cents.
PAID = (20_000_000_000_001, 3_333_333_333_333, 6_100_000_000_007)
FIELDS = {
    "price_micro": 1_000_000, "minimum_minor": 1_000_000_000, "target_minor": 25_000_000_000_000,
    "maximum_minor": 40_000_000_000_000, "minimum_ticket_minor": 1_000_000_000,
}


@pytest.fixture
def whales(db: Database) -> Iterator[Database]:
    life = lives.active(db, amounts=PAID, authorised=900_000_000_000, fields=FIELDS)
    life.stage.resign(life.founder, life.offering_id, reason="It is enough.")
    life.stage.work()
    yield db


def rows(db: Database, kind: str) -> list[EscrowStatement]:
    with db.read() as session:
        return list(session.scalars(
            sa.select(EscrowStatement).where(EscrowStatement.kind == kind).order_by(EscrowStatement.ordinal)
        ))


def test_rel_2_large_amounts_are_divided_exactly(whales: Database) -> None:
    paid = [row.amount_minor for row in rows(whales, "paid")]
    assert paid == [20_000_000_000_000, 3_333_333_333_300, 6_100_000_000_000]
    released = sum(paid) * 1500 // 10_000
    assert [-row.amount_minor for row in rows(whales, "released")] == apportion(released, paid)
    assert [row.unreleased_after_minor for row in rows(whales, "returned")] == [0, 0, 0]


@pytest.mark.tampers
@pytest.mark.parametrize(("kind", "column", "code"), [
    ("released", "amount_minor", "statement_chain"),
    ("released", "issued_after_tokens", "statement_chain"),
    ("returned", "entitled_after_tokens", "statement_entitlement"),
])
def test_large_amounts_are_checked_as_strictly(whales: Database, kind: str, column: str, code: str) -> None:
    first = rows(whales, kind)[0]

    def tamper(session: Session) -> list[str]:
        triggers.remove(session.connection())
        session.execute(
            sa.update(EscrowStatement)
            .where(EscrowStatement.id == first.id)
            .values({column: getattr(first, column) + 1})
        )
        return [each.code for each in selfcheck.run(session)]

    assert code in whales.unit_of_work(tamper)


@pytest.mark.tampers
def test_rel_2_a_unit_given_to_another_investor_is_found(whales: Database) -> None:
    """Both rows follow from theirs before, and the journal adds up: only dividing again can tell."""
    one, other = (row.commitment_id for row in rows(whales, "released")[:2])

    def tamper(session: Session) -> list[str]:
        triggers.remove(session.connection())
        for commitment, by in ((one, 1), (other, -1)):
            values = {
                EscrowStatement.amount_minor: EscrowStatement.amount_minor + by,
                EscrowStatement.released_after_minor: EscrowStatement.released_after_minor - by,
                EscrowStatement.unreleased_after_minor: EscrowStatement.unreleased_after_minor + by,
            }
            statement = sa.update(EscrowStatement).where(EscrowStatement.commitment_id == commitment)
            session.execute(statement.where(EscrowStatement.kind == "released").values(values))
            session.execute(statement.where(EscrowStatement.kind == "returned").values({
                EscrowStatement.amount_minor: EscrowStatement.amount_minor - by,
                EscrowStatement.released_after_minor: EscrowStatement.released_after_minor - by,
            }))
        return [each.code for each in selfcheck.run(session)]

    assert "statement_share" in whales.unit_of_work(tamper)
