"""Several worker processes on one database share the work and double nothing (TIM-2, REL-1)."""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa

from app.db import Database
from app.ledger.models import Journal
from app.outbox.models import JobFailure
from app.payments.models import Operation
from app.progress.models import Release
from tests.factories import life
from tests.faults import processes

WORKERS = 3
OFFERINGS = 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tim_2_workers_share_the_work_and_double_nothing(db: Database, database_url: str) -> None:
    first = life.live(db)
    stories = [first, *(life.live(db, stage=first.stage) for _more in range(OFFERINGS - 1))]
    for story in stories:
        for investor in story.investors:
            story.stage.invest(investor, story.offering_id, 100_000)
    life.let_time_pass(first.stage, first.stage.offering(first.offering_id).deadline_at)
    db.dispose()
    children = [_start(database_url, first) for _worker in range(WORKERS)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * WORKERS
    first.stage.work()
    with db.read() as session:
        assert session.execute(sa.select(sa.func.count()).select_from(JobFailure)).scalar_one() == 0
        released = session.execute(sa.select(Release.amount_minor)).scalars().all()
        assert list(released) == [45_000] * OFFERINGS
        payouts = session.execute(
            sa.select(Operation.amount_minor, Operation.state).where(Operation.kind == "payout")
        ).all()
        assert [tuple(each) for each in payouts] == [(42_750, "succeeded")] * OFFERINGS
        kinds = session.execute(
            sa.select(Journal.kind, sa.func.count()).where(Journal.kind == "released").group_by(Journal.kind)
        ).all()
        assert [tuple(each) for each in kinds] == [("released", OFFERINGS)]


def _start(url: str, story: life.Life) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            processes.work_once(url, story.stage.settings)
            status = 0
        finally:
            os._exit(status)
    return child
