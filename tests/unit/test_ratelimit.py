"""Attempts are counted exactly, also at once, and a window ends."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app import ratelimit
from app.db import Database
from app.errors import TooMany

NOW = dt.datetime(2027, 3, 4, 9, 0, tzinfo=dt.UTC)


def hit(db: Database, *, at: dt.datetime = NOW, subject: str = "a") -> int:
    return db.unit_of_work(
        lambda s: ratelimit.hit(s, bucket="b", subject=subject, limit=3, window_seconds=60, now=at)
    )


def test_the_fourth_of_three_is_refused_until_the_window_ends(db: Database) -> None:
    assert [hit(db) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TooMany) as refused:
        hit(db, at=NOW + dt.timedelta(seconds=20))
    assert refused.value.facts == {"retry_after_seconds": 40}
    assert refused.value.message == "There were too many attempts. Wait 1 minute, then try again."
    assert hit(db, subject="b") == 1
    assert hit(db, at=NOW + dt.timedelta(seconds=60)) == 1


def test_of_twelve_at_once_three_pass(db: Database) -> None:
    def attempt(_n: int) -> bool:
        try:
            hit(db)
        except TooMany:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(12))) == 3


def test_a_success_is_taken_back_or_forgotten(db: Database) -> None:
    hit(db)
    hit(db)
    db.unit_of_work(lambda s: ratelimit.take_back(s, bucket="b", subject="a"))
    assert hit(db) == 2
    db.unit_of_work(lambda s: ratelimit.forget(s, bucket="b", subject="a"))
    assert hit(db) == 1


def test_counters_keep_no_address_and_are_swept(db: Database) -> None:
    hit(db, subject="ines@example.com")
    with db.read() as session:
        keys = session.scalars(sa.select(ratelimit.RateLimit.key)).all()
    assert len(keys) == 1
    assert "ines" not in keys[0]
    later = NOW + dt.timedelta(days=2)
    assert db.unit_of_work(lambda s: ratelimit.sweep(s, now=later)) == 1
