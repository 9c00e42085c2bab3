"""Keep one PostgreSQL database per process and empty it after each test: copying one costs more than most tests.

A database that cannot be emptied with certainty (its schema changed, a migration's own rows changed, somebody else is
in the middle of something there) is dropped, and the next test gets a fresh copy. Tests that start processes never
get the kept one, see ``conftest.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import psycopg
from psycopg import sql

from tests import databases

LOCK_TIMEOUT = "5s"

#: Every change of a schema writes a row of one of these; deleting rows and vacuuming write none.
SCHEMA = ("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_trigger", "pg_proc", "pg_sequence")
WRITTEN = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
NUMBERED = "SELECT seqrelid::regclass::text FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL"
BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""


class CannotEmptyError(RuntimeError):
    """The database cannot be made as it was; the words say why."""


class Kept:
    """A database between tests: its address, and what it was when it was copied."""

    def __init__(self) -> None:
        self._leave = contextlib.ExitStack()
        self.url = self._leave.enter_context(databases.fresh_postgresql("kept"))
        self._connection = self._leave.enter_context(contextlib.closing(databases.connect("kept")))
        # Append-only tables refuse DELETE, and foreign keys would ask for an order.
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        self._of_migrations = (set(self._names(WRITTEN)), set(self._names(NUMBERED)))
        self._before = self._fingerprint()

    def empty(self) -> None:
        """Delete every row that was written since the copy and let ids start anew; raise :class:`CannotEmptyError`."""
        try:
            if self._connection.execute(BUSY).fetchone() != (0,):
                raise CannotEmptyError("somebody is still in a transaction")
            if self._fingerprint() != self._before:
                raise CannotEmptyError("the schema or a migration's own rows changed")
            tables, numbers = self._of_migrations
            self._delete([sql.Identifier(each) for each in self._names(WRITTEN) if each not in tables])
            used = [each for each in self._names(NUMBERED) if each not in numbers]
            self._connection.execute("SELECT setval(each, 1, false) FROM unnest(%s::regclass[]) AS each", [used])
        except psycopg.Error as error:
            raise CannotEmptyError(str(error)) from error

    def _delete(self, tables: list[sql.Identifier]) -> None:
        if tables:
            deleting = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(each) for each in tables)
            self._connection.execute(deleting)
            # Every later test would read past the deleted rows.
            self._connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(tables)))

    def drop(self) -> None:
        self._leave.close()

    def _names(self, query: str) -> list[str]:
        return [name for (name,) in self._connection.execute(query)]

    def _fingerprint(self) -> list[object]:
        tables, numbers = self._of_migrations
        rows = [
            sql.SQL("SELECT count(*), coalesce(max(xmin::text::bigint), 0) FROM {}").format(sql.Identifier(name))
            for name in (*SCHEMA, *sorted(tables))
        ]
        said = self._connection.execute(sql.SQL(" UNION ALL ").join(rows)).fetchall()
        values = "SELECT pg_sequence_last_value(each) FROM unnest(%s::regclass[]) AS each"
        return [*said, *self._connection.execute(values, [sorted(numbers)])]


_kept: list[Kept] = []


def drop_kept() -> None:
    """Drop what this process keeps, when its tests are over."""
    while _kept:
        _kept.pop().drop()


@contextlib.contextmanager
def empty_after(gone: Callable[[str], None]) -> Iterator[str]:
    """Give the URL of a fresh migrated PostgreSQL database, and empty it afterwards or drop it.

    Before it is dropped ``gone`` is told its URL, so that nobody keeps connections to it.
    """
    if not _kept:
        _kept.append(Kept())
    database = _kept[0]
    try:
        yield database.url
        database.empty()
    except BaseException as error:
        _kept.clear()
        gone(database.url)
        database.drop()
        if not isinstance(error, CannotEmptyError):
            raise
