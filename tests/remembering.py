"""Remember what a factory built in an empty database, so that the next test that asks for the same gets a copy.

An offering whose contract runs takes hundreds of statements to build, and many tests begin with the same one. What is
remembered are the rows, the files and the people's names of it; it lies in the run directory, where all parallel
workers find it. A database in which something was already written is built in as ever.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import io
import os
import pickle
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import sqlalchemy as sa

from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.models import metadata
from tests import databases

P = ParamSpec("P")
T = TypeVar("T")

USED_NUMBERS = """
    SELECT seqrelid::regclass::text, pg_sequence_last_value(seqrelid) FROM pg_sequence
    WHERE pg_sequence_last_value(seqrelid) IS NOT NULL
"""


def remembered(
    stage_at: Callable[[Database], Stage],
) -> Callable[[Callable[Concatenate[Database, P], T]], Callable[Concatenate[Database, P], T]]:
    """Decorate a factory that builds on an empty database; ``stage_at`` makes the stage of a copy."""

    def decorate(build: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], T]:
        @functools.wraps(build)
        def either(db: Database, *args: P.args, **options: P.kwargs) -> T:
            key = _key(build.__qualname__, options)
            if args or key is None or databases.RUN_VARIABLE not in os.environ or not _is_empty(db):
                return build(db, *args, **options)
            with databases.one_at_a_time(f"remembered-{key}") as run:
                kept = run / f"{db.engine.dialect.name}-{key}"
                if not kept.exists():
                    return _build(kept, db, functools.partial(build, db, *args, **options))
            return cast(T, _restore(kept, db, stage_at))

        return either

    return decorate


def _key(name: str, options: Mapping[str, Any]) -> str | None:
    """Return what a build is known by; None when it continues somebody's life or depends on the time."""
    said = repr((name, sorted(options.items())))
    if options.get("stage") is not None or any(isinstance(each, dt.datetime) for each in _values(options)):
        return None
    return hashlib.sha256(said.encode()).hexdigest()[:20]


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _values(each)
    else:
        yield value


def _is_empty(db: Database) -> bool:
    any_row = sa.select(sa.or_(*(sa.exists(sa.select(1).select_from(each)) for each in metadata.sorted_tables)))
    with db.read() as session:
        return not session.scalar(any_row)


# --- one build -------------------------------------------------------------------------------------


def _build(kept: Path, db: Database, build: Callable[[], T]) -> T:
    built = build()
    making = kept.with_name(kept.name + ".making")
    making.mkdir()
    stages: list[Stage] = []
    (making / "people").write_bytes(_pickled(built, stages))
    for name, directory in _directories(stages[0].settings).items():
        if directory.exists():
            shutil.copytree(directory, making / name)
    (_save_sqlite if db.is_sqlite else _save_postgresql)(db, making / "rows")
    making.rename(kept)
    return built


def _restore(kept: Path, db: Database, stage_at: Callable[[Database], Stage]) -> Any:
    (_load_sqlite if db.is_sqlite else _load_postgresql)(db, kept / "rows")
    stage = stage_at(db)
    for name, directory in _directories(stage.settings).items():
        if (kept / name).exists():
            shutil.copytree(kept / name, directory, dirs_exist_ok=True)
    return _unpickled((kept / "people").read_bytes(), stage)


def _directories(settings: Settings) -> dict[str, Path]:
    return {"blobs": Path(settings.data_dir), "mail": Path(settings.mail_dir)}


def _pickled(built: object, stages: list[Stage]) -> bytes:
    """Return everything but the stage, which is made anew for each copy."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> str | None:
            if isinstance(obj, Stage):
                stages.append(obj)
                return "stage"
            return None

    out = io.BytesIO()
    Pickler(out).dump(built)
    return out.getvalue()


def _unpickled(data: bytes, stage: Stage) -> object:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: object) -> Stage:
            return stage

    return Unpickler(io.BytesIO(data)).load()


# --- its rows --------------------------------------------------------------------------------------


def _save_sqlite(db: Database, rows: Path) -> None:
    connection = db.engine.raw_connection()
    with sqlite3.connect(rows) as saved:
        cast(sqlite3.Connection, connection.driver_connection).backup(saved)
    saved.close()
    connection.close()


def _load_sqlite(db: Database, rows: Path) -> None:
    connection = db.engine.raw_connection()
    with sqlite3.connect(rows) as saved:
        saved.backup(cast(sqlite3.Connection, connection.driver_connection))
    saved.close()
    connection.close()


def _save_postgresql(db: Database, rows: Path) -> None:
    tables: dict[str, bytes] = {}
    with db.engine.begin() as connection, _cursor(connection) as cursor:
        for table in metadata.sorted_tables:
            with cursor.copy(f"COPY {table.name} TO STDOUT") as copy:
                if data := b"".join(map(bytes, copy)):
                    tables[table.name] = data
        numbers = cursor.execute(USED_NUMBERS).fetchall()
    rows.write_bytes(pickle.dumps((tables, numbers)))


def _load_postgresql(db: Database, rows: Path) -> None:
    tables, numbers = pickle.loads(rows.read_bytes())
    with db.engine.begin() as connection, _cursor(connection) as cursor:
        # The rows passed every trigger when they were written.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name, data in tables.items():
            with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                copy.write(data)
        for name, value in numbers:
            cursor.execute("SELECT setval(%s::regclass, %s)", (name, value))


def _cursor(connection: sa.Connection) -> Any:
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver.cursor()
