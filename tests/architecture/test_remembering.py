"""A remembered life is the life itself: same rows, same files, same ids, and nothing of it is shared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.accounts.models import User
from app.db import Database
from tests import databases, remembering
from tests.factories import life as lives
from tests.factories.life import Life
from tests.remembering import remembered
from tests.unchanged import snapshot

built: list[Life] = []


@remembered(lives.stage_at)
def handed_in(db: Database, *, amounts: tuple[int, ...]) -> Life:
    life = lives.active(db, amounts=amounts)
    life.stage.submit_evidence(life.founder, life.stage.milestone(life.offering_id, 1).public_id)
    built.append(life)
    return life


@pytest.fixture
def another(database_kind: str, tmp_path: Path) -> Iterator[Database]:
    """Give a second empty database of the kind."""
    if database_kind == "sqlite":
        database = Database(f"sqlite:///{shutil.copy(databases.sqlite_template(), tmp_path / 'another.db')}")
        yield database
        database.dispose()
        return
    with databases.fresh_postgresql("another") as url:
        database = Database(url)
        yield database
        database.dispose()


def files(life: Life) -> list[tuple[str, bytes]]:
    directory = Path(life.stage.settings.data_dir)
    found = (each for each in directory.rglob("*") if each.is_file())
    return sorted((str(each.relative_to(directory)), each.read_bytes()) for each in found)


def test_a_copy_has_every_row_and_file_and_lives_on_by_itself(db: Database, another: Database) -> None:
    built.clear()
    first = handed_in(db, amounts=(100_000, 150_000))
    before = snapshot(db)
    copy = handed_in(another, amounts=(100_000, 150_000))

    assert built == [first]
    assert snapshot(another) == before
    assert len(files(copy)) == 2
    assert files(copy) == files(first)
    assert copy.stage.settings.data_dir != first.stage.settings.data_dir
    assert (copy.stage.db, copy.investors, copy.commitments) == (another, first.investors, first.commitments)
    with another.read() as session:
        newest = session.scalars(sa.select(sa.func.max(User.id))).one()
    assert copy.stage.person("investor", "One More").user_id == newest + 1
    copy.stage.attest(copy.auditors[0], copy.stage.latest_submission(copy.offering_id, 1))
    assert copy.stage.milestone(copy.offering_id, 1).state == "challengeable"
    assert snapshot(db) == before


def test_what_continues_a_life_or_hangs_on_the_time_is_built(db: Database) -> None:
    life = lives.live(db, investors=1)
    assert remembering._key("live", {"stage": life.stage}) is None
    assert remembering._key("live", {"fields": {"deadline_at": life.stage.now}}) is None
    assert remembering._key("live", {"investors": 1}) != remembering._key("live", {"investors": 2})
    other = lives.live(db, investors=1)
    assert other.offering_id != life.offering_id, "the database was not empty"
