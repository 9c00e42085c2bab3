"""Assert that a refusal left every table as it was."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.db import Database
from app.errors import MilestakeError
from app.models import metadata


def snapshot(db: Database) -> dict[str, str]:
    """Return a hash of every table's rows."""
    state = {}
    with db.read() as session:
        for table in metadata.sorted_tables:
            rows = session.execute(sa.select(table)).all()
            state[table.name] = hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
    return state


@contextlib.contextmanager
def refused(db: Database, code: str) -> Iterator[None]:
    """Expect a refusal with this stable code, words for a person, and nothing changed."""
    before = snapshot(db)
    with pytest.raises(MilestakeError) as caught:
        yield
    assert caught.value.code == code
    assert len(caught.value.message) > 15
    assert snapshot(db) == before
