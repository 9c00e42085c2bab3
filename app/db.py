"""Own the connection to the database: engines, transactions, column types and public ids.

Only entry points (views, jobs, commands) call :meth:`Database.unit_of_work`; services receive the
session and never commit. What is stored where is each feature's ``models.py``.
"""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import hashlib
import hmac
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
Session = orm.Session

#: PostgreSQL's serialization failure, deadlock and lock timeout; anything else is not ours to retry.
RETRYABLE_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
MAX_ATTEMPTS = 3

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside_unit_of_work", default=False)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BigIntPK = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class UTCDateTime(TypeDecorator[dt.datetime]):
    """Store aware instants as UTC and give them back aware; refuse naive ones.

    SQLite keeps them as fixed-width text (it has no zones and would lose them), so that text order
    is time order; PostgreSQL as ``timestamptz``.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(dt.UTC)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return dt.datetime.fromisoformat(value)
        return value.astimezone(dt.UTC)


class Base(orm.DeclarativeBase):
    """The declarative base of every table."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {
        int: sa.BigInteger(),
        dt.datetime: UTCDateTime(),
        str: sa.Text(),
        bool: sa.Boolean(),
    }


def keyed_hash(session: Session, text: str) -> str:
    """Return the HMAC-SHA-256 (hexadecimal) of a text under this deployment's secret, equal for equal texts (PPL-6).

    Nobody without the secret can try texts against it.
    """
    return hmac.new(str(session.info["secret"]).encode(), text.encode(), hashlib.sha256).hexdigest()


def public_id(prefix: str) -> str:
    """Return a new id for the outside world, ``prefix_`` and 80 random bits in hexadecimal."""
    return f"{prefix}_{secrets.token_hex(10)}"


class random_public_id(GenericFunction[str]):  # noqa: N801 - named as SQL spells it
    """The SQL form of :func:`public_id`, for set-based inserts: ``random_public_id('rfd')``."""

    type = sa.Text()
    inherit_cache = True


@compiles(random_public_id, "sqlite")
def _random_public_id_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.clauses, **kw)} || '_' || lower(hex(randomblob(10))))"


@compiles(random_public_id, "postgresql")
def _random_public_id_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    prefix = compiler.process(element.clauses, **kw)
    return f"({prefix} || '_' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 20))"


def _is_retryable(error: DBAPIError) -> bool:
    cause = error.orig
    if isinstance(cause, sqlite3.OperationalError):
        return "locked" in str(cause) or "busy" in str(cause)
    return getattr(cause, "sqlstate", None) in RETRYABLE_SQLSTATES


class NestedUnitOfWorkError(RuntimeError):
    """A unit of work was opened inside another: services must take the session they are given."""


class Database:
    """One database, SQLite or PostgreSQL, behind one way to read and one way to write.

    ``url`` is an SQLAlchemy URL (``sqlite:////path`` or ``postgresql+psycopg://…``). SQLite writers
    start with ``BEGIN IMMEDIATE`` so that two of them never both read and then both write.
    ``durable=False`` trades durability for speed and is for tests only. ``secret`` is this deployment's own, for
    :func:`keyed_hash`.
    """

    def __init__(self, url: str, *, durable: bool = True, pool_size: int = 10, secret: str = "") -> None:
        self.url = sa.make_url(url)
        self.secret = secret
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._gate = threading.Lock() if self.is_sqlite else None
        # Errors are logged with their statement; the values in it are people's.
        options: dict[str, Any] = {"hide_parameters": True, "pool_size": pool_size}
        # Every statement of the program fits, or a day with all jobs would compile some again and again.
        options["query_cache_size"] = 2000
        options |= {"max_overflow": pool_size, "pool_timeout": 30}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": 30, "check_same_thread": False}
        else:
            options |= {"pool_pre_ping": True, "pool_recycle": 1800, "isolation_level": "READ COMMITTED"}
        self.engine = sa.create_engine(self.url, **options)
        if self.is_sqlite:
            self._prepare_sqlite(durable)
        elif not durable:
            event.listen(self.engine, "connect", _forgo_durability)
        self._writer = self.engine.execution_options(milestake_write=True)
        reader_options = {} if self.is_sqlite else {"postgresql_readonly": True}
        self._reader = self.engine.execution_options(**reader_options)

    def _prepare_sqlite(self, durable: bool) -> None:
        @event.listens_for(self.engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # the driver must not emit BEGIN; we do
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
            cursor.close()

        @event.listens_for(self.engine, "reset")
        def reset(connection: Any, _record: Any, _state: Any) -> None:
            # A COMMIT that a deferred constraint refuses leaves SQLite inside the transaction, its lock held.
            connection.rollback()

        @event.listens_for(self.engine, "begin")
        def begin(connection: sa.Connection) -> None:
            writes = connection.get_execution_options().get("milestake_write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    def unit_of_work(self, block: Callable[[Session], T]) -> T:
        """Run ``block`` in one transaction, commit, and return what it returned.

        ``block`` must be repeatable: serialization, deadlock and lock errors run it again, at most
        three times in all. Any other error rolls everything back and is raised (nothing is lost,
        nothing is half done). Nesting raises :class:`NestedUnitOfWorkError`.
        """
        if _inside.get():
            raise NestedUnitOfWorkError("unit of work inside a unit of work")
        token = _inside.set(True)
        try:
            for attempt in range(1, MAX_ATTEMPTS + 1):
                try:
                    return self._attempt(block)
                except (OperationalError, DBAPIError) as error:
                    if attempt == MAX_ATTEMPTS or not _is_retryable(error):
                        raise
                    time.sleep(random.randint(5, 30) * attempt / 1000)  # noqa: S311 - jitter only
            raise AssertionError("unreachable")
        finally:
            _inside.reset(token)

    def _attempt(self, block: Callable[[Session], T]) -> T:
        # SQLite lets one writer in at a time; queueing in the process keeps the waiting fair.
        with (
            self._gate or contextlib.nullcontext(),
            Session(self._writer, expire_on_commit=False, info={"secret": self.secret}) as session,
        ):
            result = block(session)
            session.commit()
            return result

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading only (PostgreSQL refuses writes in it); always rolled back."""
        options = {"expire_on_commit": False, "autoflush": False, "info": {"secret": self.secret}}
        with Session(self._reader, **options) as session:
            # Leaving the block rolls back. A rollback in here would expire what was read, and pages need it.
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _forgo_durability(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    connection.commit()


def insert_for(session: Session, table: Any) -> Any:
    """Return an INSERT of the session's dialect, for ``on_conflict_…`` and ``returning`` on both databases."""
    if session.get_bind().dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert
    return insert(table)


def get_db() -> Database:
    """Return the database of the running Flask application."""
    from flask import current_app

    return current_app.extensions["milestake_db"]
