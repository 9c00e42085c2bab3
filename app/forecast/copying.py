"""Copy a database to a file of its own, as it stood at one moment, without keeping anybody waiting.

An SQLite file is copied by SQLite's own backup. From PostgreSQL all rows are read in one read-only snapshot into an
SQLite file: the same program runs on both. The copy holds people's data; its directory is its owner's alone and goes
when the work is done.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from app.db import Database
from app.ledger import triggers
from app.models import metadata

ROWS_TOGETHER = 2_000


@contextlib.contextmanager
def copied(db: Database) -> Iterator[Database]:
    """Give a copy of ``db`` that may be written to, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="milestake-forecast-") as directory:
        path = Path(directory) / "copy.db"
        if db.is_sqlite:
            _back_up(str(db.url.database), path)
        else:
            _transcribe(db, path)
        copy = Database(f"sqlite:///{path}", durable=False)
        try:
            yield copy
        finally:
            copy.dispose()


def _back_up(source: str, path: Path) -> None:
    # A reader in WAL mode: writers go on meanwhile, and what they write is not in this copy.
    with (
        contextlib.closing(sqlite3.connect(f"{Path(source).absolute().as_uri()}?mode=ro", uri=True)) as reader,
        contextlib.closing(sqlite3.connect(path)) as writer,
    ):
        reader.backup(writer)


def _transcribe(db: Database, path: Path) -> None:
    target = sa.create_engine(f"sqlite:///{path}")
    try:
        with target.begin() as writer:
            metadata.create_all(writer)
            reading = db.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with reading.connect() as reader:
                for table in metadata.sorted_tables:
                    _copy_rows(reader, writer, table)
            # Only now: rows are copied table by table, and the triggers judge them in the order of events.
            triggers.install(writer)
    finally:
        target.dispose()


def _copy_rows(reader: sa.Connection, writer: sa.Connection, table: sa.Table) -> None:
    rows = reader.execution_options(yield_per=ROWS_TOGETHER).execute(sa.select(table))
    for part in rows.mappings().partitions(ROWS_TOGETHER):
        writer.execute(table.insert(), [dict(row) for row in part])
