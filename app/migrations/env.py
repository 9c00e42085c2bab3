"""Alembic's entry: connects by the URL it is given and compares against every model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from app.db import UTCDateTime
from app.models import metadata


def render_item(kind: str, item: object, autogen_context: object) -> str | bool:
    """Write our column types by name in generated migrations."""
    if kind == "type" and isinstance(item, UTCDateTime):
        autogen_context.imports.add("from app.db import UTCDateTime")
        return "UTCDateTime()"
    return False


def run() -> None:
    engine = sa.create_engine(context.config.attributes["url"])
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_item=render_item,
            transactional_ddl=True,
            compare_type=False,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    engine.dispose()


run()
