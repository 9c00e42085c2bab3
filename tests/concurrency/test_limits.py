"""One investor commits to two offerings at the same instant, and only one fits under the yearly limit (COM-9)."""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa

from app.commitments.models import Commitment
from app.db import Database
from app.errors import MilestakeError
from tests.concurrency.test_places import at_once
from tests.factories.life import Life
from tests.functional.regimes.test_limits import two_offerings


def held(db: Database) -> list[int]:
    with db.read() as session:
        return list(session.execute(sa.select(Commitment.amount_minor)).scalars())


def test_com_9_two_offerings_at_once_never_share_the_same_room(db: Database) -> None:
    first, second, investor = two_offerings(db)
    stage = first.stage
    results = at_once([
        lambda story=story: stage.commit(investor, story.offering_id, 150_000) for story in (first, second)
    ])
    assert results.count("over_investor_limit") == 1
    assert held(db) == [150_000]


@pytest.mark.databases("postgresql")
def test_com_9_two_processes_at_once_never_share_the_same_room(database_url: str, db: Database) -> None:
    first, second, investor = two_offerings(db)
    children = [_committing(database_url, first, investor, story.offering_id) for story in (first, second)]
    statuses = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert statuses == [0, 3]
    assert held(db) == [150_000]


def _committing(url: str, story: Life, investor: object, offering_id: str) -> int:
    """Start a process of its own that commits; it ends with 0, or with 3 when the limit refuses it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            story.stage.db = Database(url, durable=False)
            # Forked programs would draw the same next key.
            story.stage.commit(investor, offering_id, 150_000, key=f"race-{offering_id}")  # type: ignore[arg-type]
            status = 0
        except MilestakeError as error:
            status = 3 if error.code == "over_investor_limit" else 4
        finally:
            os._exit(status)
    return child
