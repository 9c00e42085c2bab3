"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from app import migrations
from app.models import metadata
from tests import databases


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_models_and_the_migrations_agree(kind: str) -> None:
    with databases.fresh_database(kind) as url:
        command.check(migrations.config(url))  # raises with the differences


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_migrating_twice_changes_nothing(kind: str) -> None:
    with databases.empty_database(kind) as url:
        migrations.upgrade(url)
        migrations.upgrade(url)
        command.check(migrations.config(url))


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_database_has_every_check_of_the_models(kind: str) -> None:
    """Alembic compares no CHECK constraints, and limits live in them."""
    with databases.fresh_database(kind) as url:
        engine = sa.create_engine(url)
        inspector = sa.inspect(engine)
        for table in metadata.sorted_tables:
            described = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            existing = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert existing == described, table.name
        engine.dispose()


def test_there_is_one_newest_migration() -> None:
    script = ScriptDirectory.from_config(migrations.config("sqlite://"))
    assert len(script.get_heads()) == 1
