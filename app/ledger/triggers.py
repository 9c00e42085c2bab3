"""Rules that the database itself enforces, spelled for both databases.

Append-only tables refuse UPDATE and DELETE; a seal checks its journal; a sealed journal takes no more
entries. Migrations call :func:`install`; the mutation test calls :func:`remove`.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

APPEND_ONLY = (
    "journal",
    "journal_seal",
    "entry",
    "escrow_statement",
    "register_entry",
    "log_entry",
    "terms_version",
    "offering_version",
    "offering_update",
    "update_flag",
    "evidence",
    "attestation",
    "attestation_withdrawal",
    "dispute_finding",
    "release",
    "halt_toll",
    "extension",
    "extension_move",
    "end_call_support",
    "operation_effect",
    "rail_event",
    "regime_decision",
    "lot_seed",
    "lot_draw",
    "lot_ticket",
    "authority_order",
    "amendment_comment",
    "amendment_exit",
)

#: What a person said is never edited either, but it can be erased when its retention ends (PPL-6).
NEVER_EDITED = ("investor_declaration", "understanding_attempt", "acknowledgement")


def install(connection: sa.Connection, tables: tuple[str, ...] = APPEND_ONLY) -> None:
    """Create every trigger on ``connection``'s database."""
    for statement in _statements(connection.dialect.name, tables):
        connection.exec_driver_sql(statement)


def guard(connection: sa.Connection, tables: tuple[str, ...]) -> None:
    """Make tables append-only that a later migration created; :func:`install` made everything else."""
    for table in tables:
        for statement in _append_only(connection.dialect.name, table):
            connection.exec_driver_sql(statement)


def unguard(connection: sa.Connection, tables: tuple[str, ...]) -> None:
    """Undo :func:`guard`."""
    for table in tables:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")
        else:
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_append_only_{verb}")


def remove(connection: sa.Connection, tables: tuple[str, ...] = APPEND_ONLY) -> None:
    """Drop every trigger (for the mutation test, and for migrations that rebuild a table)."""
    if connection.dialect.name == "sqlite":
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars()
        for name in list(names):
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        return
    for table in (*tables, *NEVER_EDITED):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}")
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS entry_not_after_seal ON entry")
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS journal_seal_checks ON journal_seal")


def _statements(dialect: str, tables: tuple[str, ...]) -> Iterator[str]:
    yield from _sqlite(tables) if dialect == "sqlite" else _postgresql(tables)


def _append_only(dialect: str, table: str) -> Iterator[str]:
    if dialect == "postgresql":
        yield (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION milestake_append_only()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER {table}_append_only_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'append_only: {table}'); END"
        )


def _sqlite(tables: tuple[str, ...]) -> Iterator[str]:
    for table in tables:
        yield from _append_only("sqlite", table)
    for table in NEVER_EDITED:
        yield (
            f"CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'append_only: {table}'); END"
        )
    yield (
        "CREATE TRIGGER entry_not_after_seal BEFORE INSERT ON entry "
        "WHEN EXISTS (SELECT 1 FROM journal_seal WHERE journal_id = NEW.journal_id) "
        "BEGIN SELECT RAISE(ABORT, 'sealed: entry after the seal'); END"
    )
    yield (
        "CREATE TRIGGER journal_seal_checks BEFORE INSERT ON journal_seal BEGIN "
        "SELECT RAISE(ABORT, 'unbalanced: journal is empty') "
        "WHERE NOT EXISTS (SELECT 1 FROM entry WHERE journal_id = NEW.journal_id); "
        "SELECT RAISE(ABORT, 'unbalanced: journal does not sum to zero') "
        "WHERE EXISTS (SELECT 1 FROM entry e JOIN account a ON a.id = e.account_id "
        "WHERE e.journal_id = NEW.journal_id GROUP BY a.asset HAVING SUM(e.amount) <> 0); END"
    )


def _postgresql(tables: tuple[str, ...]) -> Iterator[str]:
    yield (
        "CREATE OR REPLACE FUNCTION milestake_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION USING MESSAGE = 'append_only: ' || TG_TABLE_NAME; END $$"
    )
    for table in tables:
        yield from _append_only("postgresql", table)
    for table in NEVER_EDITED:
        yield (
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION milestake_append_only()"
        )
    yield (
        "CREATE OR REPLACE FUNCTION milestake_entry_not_after_seal() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF EXISTS (SELECT 1 FROM journal_seal WHERE journal_id = NEW.journal_id) THEN "
        "RAISE EXCEPTION 'sealed: entry after the seal'; END IF; RETURN NEW; END $$"
    )
    yield (
        "CREATE TRIGGER entry_not_after_seal BEFORE INSERT ON entry "
        "FOR EACH ROW EXECUTE FUNCTION milestake_entry_not_after_seal()"
    )
    yield (
        "CREATE OR REPLACE FUNCTION milestake_journal_seal_checks() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN IF NOT EXISTS (SELECT 1 FROM entry WHERE journal_id = NEW.journal_id) THEN "
        "RAISE EXCEPTION 'unbalanced: journal is empty'; END IF; "
        "IF EXISTS (SELECT 1 FROM entry e JOIN account a ON a.id = e.account_id "
        "WHERE e.journal_id = NEW.journal_id GROUP BY a.asset HAVING SUM(e.amount) <> 0) THEN "
        "RAISE EXCEPTION 'unbalanced: journal does not sum to zero'; END IF; RETURN NEW; END $$"
    )
    yield (
        "CREATE TRIGGER journal_seal_checks BEFORE INSERT ON journal_seal "
        "FOR EACH ROW EXECUTE FUNCTION milestake_journal_seal_checks()"
    )
