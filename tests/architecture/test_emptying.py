"""No test sees what another wrote: the kept database is emptied, or dropped where that is not certain."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.accounts.models import User
from app.db import Database
from app.ledger import triggers
from app.models import metadata
from tests import emptying
from tests.factories import life as lives
from tests.unchanged import snapshot

pytestmark = [pytest.mark.databases("postgresql"), pytest.mark.usefixtures("database_kind")]


@pytest.fixture
def gone() -> list[str]:
    """Give the list of databases that were dropped."""
    return []


def counted(url: str) -> dict[str, int]:
    """Return how many rows each table has that has any, what a migration wrote left out."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = {each.name: connection.scalar(sa.select(sa.func.count()).select_from(each)) or 0
                for each in metadata.sorted_tables}
    return {name: count for name, count in rows.items() if count}


def first_person(db: Database) -> int:
    """Return the id of the first person there is."""
    with db.read() as session:
        return session.scalars(sa.select(sa.func.min(User.id))).one()


def test_the_next_test_finds_the_same_database_empty_and_ids_start_anew(gone: list[str]) -> None:
    with emptying.empty_after(gone.append) as url:
        db = Database(url, durable=False)
        before = snapshot(db)
        lives.active(db, amounts=(100_000, 150_000))
        assert {"entry", "journal_seal", "log_entry", "register_entry"} <= counted(url).keys()
        assert first_person(db) == 1
    assert counted(url) == {}
    assert snapshot(db) == before
    with emptying.empty_after(gone.append) as again:
        stage = lives.Stage(db, lives.settings_for(db))
        stage.person("investor", "Ines Investor")
        assert first_person(db) == 1
    assert (again, gone, counted(url)) == (url, [], {})
    db.dispose()


@pytest.mark.parametrize("change", [
    "DROP TRIGGER entry_append_only ON entry",
    "ALTER TABLE entry DISABLE TRIGGER USER",
    "ALTER TABLE entry ADD COLUMN more bigint",
    "CREATE TABLE another (id bigint)",
    "CREATE OR REPLACE FUNCTION milestake_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "UPDATE alembic_version SET version_num = 'none'",
])
def test_what_is_no_row_of_a_test_is_never_handed_on(gone: list[str], change: str) -> None:
    with emptying.empty_after(gone.append) as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(change)
    assert gone == [url]
    with emptying.empty_after(gone.append) as again, sa.create_engine(again).connect() as connection:
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        guards = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%%append_only' AND tgenabled = 'O'"
        ).scalar_one()
    assert version != "none"
    assert guards == len(triggers.APPEND_ONLY) + len(triggers.NEVER_EDITED)


def test_a_transaction_that_a_test_left_open_costs_the_database(gone: list[str]) -> None:
    with emptying.empty_after(gone.append) as url:
        left = sa.create_engine(url).connect()
        left.exec_driver_sql("LOCK TABLE entry")
    assert gone == [url]
    with emptying.empty_after(gone.append) as again:
        assert counted(again) == {}
    left.invalidate()


def test_an_error_while_a_test_cleans_up_costs_the_database(gone: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), emptying.empty_after(gone.append) as url:
        raise ZeroDivisionError
    assert gone == [url]
