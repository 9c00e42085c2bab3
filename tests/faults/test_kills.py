"""SIGKILL at every write of a worker that releases a tranche, closes, or winds down (TIM-3, REL-1).

Each kill is a real process that dies; another one then does the rest. Whatever was killed, the end is
the same as without a kill, and the books are whole.
"""

from __future__ import annotations

import datetime as dt
import os

import pytest
import sqlalchemy as sa

from app import clock
from app.commitments.models import EscrowStatement, Refund
from app.db import Database
from app.ledger.models import Journal
from app.progress.models import Release
from app.register.models import RegisterEntry
from tests.factories import life
from tests.faults import processes

#: No more writes than this lie between the first and the last of what one tick does here.
MOST_WRITES = 400


def _until_done(db: Database, url: str, story: life.Life) -> int:
    """Kill a worker after 1, 2, 3 … writes until one comes through; return how many were killed.

    Each killed worker's transaction is lost and its earlier ones are kept, so the next begins further on.
    """
    db.dispose()
    for writes in range(1, MOST_WRITES):
        status = processes.in_child(
            lambda writes=writes: processes.work_once(url, story.stage.settings, die_after_writes=writes)
        )
        if status == 0:
            return writes - 1
        assert status == -9
    raise AssertionError("the work never came through")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tim_3_release_survives_a_kill_at_every_write(db: Database, database_url: str) -> None:
    story = life.active(db)
    life.reviewed(story, 1)
    story.stage.work()  # the window runs from the delivery of the verdict
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    life.let_time_pass(story.stage, window)
    kills = _until_done(db, database_url, story)
    assert kills >= 25
    with db.read() as session:
        releases = session.execute(
            sa.select(Release.amount_minor, Release.tokens).order_by(Release.id)
        ).all()
        assert [amount for amount, _tokens in releases] == [57_495, 114_990]
        issued = session.execute(sa.select(sa.func.sum(RegisterEntry.quantity))).scalar_one()
        assert issued == sum(tokens for _amount, tokens in releases)
        assert session.execute(
            sa.select(sa.func.count()).select_from(Journal).where(Journal.kind == "released")
        ).scalar_one() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tim_3_close_and_wind_down_survive_a_kill_at_every_write(
    db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = life.live(db)
    for investor, amount in zip(story.investors, (100_000, 150_000, 133_300), strict=True):
        story.stage.invest(investor, story.offering_id, amount)
    life.let_time_pass(story.stage, story.stage.offering(story.offering_id).deadline_at)
    kills = _until_done(db, database_url, story)
    assert story.stage.offering(story.offering_id).state == "active"
    assert story.stage.sign_funding() == 1
    kills += _until_done(db, database_url, story)
    stop = story.stage.milestone(story.offering_id, 1).deadline_at
    assert stop is not None
    life.let_time_pass(story.stage, stop)
    kills += _until_done(db, database_url, story)
    assert kills >= 50
    # What a dead worker was sending is taken up when its lease runs out.
    real_now = clock.system_now
    monkeypatch.setattr(clock, "system_now", lambda: real_now() + dt.timedelta(minutes=30))
    story.stage.work()
    assert story.stage.offering(story.offering_id).state == "wound_down"
    with db.read() as session:
        refunds = session.execute(
            sa.select(Refund.amount_minor).where(Refund.status == "done").order_by(Refund.commitment_id)
        ).scalars().all()
        released = session.execute(
            sa.select(sa.func.sum(-EscrowStatement.amount_minor)).where(EscrowStatement.kind == "released")
        ).scalar_one()
        assert released == 57_495
        assert list(refunds) == [85_000, 127_500, 113_305]
