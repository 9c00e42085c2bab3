"""Many people at once: real threads, real commits, exact outcomes (OFF-5, COM-1, COM-7, COM-8)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from app.db import Database
from app.errors import MilestakeError
from app.payments.models import Operation
from tests.factories import life


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Run every call in a thread of its own, all starting together; return results or refusals in order."""
    results: list[object] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except MilestakeError as error:
            results[index] = error.code

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_com_7_last_place_goes_to_one(db: Database) -> None:
    raise_ = life.live(db, investors=8, fields={"maximum_minor": 500_000})
    stage = raise_.stage
    stage.invest(raise_.investors[0], raise_.offering_id, 450_000)
    rivals = raise_.investors[1:]
    results = at_once([lambda who=who: stage.commit(who, raise_.offering_id, 50_000) for who in rivals])
    assert results.count("offering_full") == 6
    offering = stage.offering(raise_.offering_id)
    assert (offering.committed_minor, offering.commitment_count) == (500_000, 2)


def test_com_8_paying_twice_at_once_charges_once(db: Database) -> None:
    raise_ = life.live(db, investors=1)
    stage, investor = raise_.stage, raise_.investors[0]
    commitment = stage.commit(investor, raise_.offering_id, 50_000)
    at_once([lambda: stage.pay(investor, commitment) for _tab in range(4)])
    stage.work()
    with db.read() as session:
        states = session.execute(sa.select(Operation.state).where(Operation.kind == "collect")).scalars().all()
    assert list(states) == ["succeeded"]
    assert sum(line.amount_minor for line in _lines(db)) == 50_000


def _lines(db: Database) -> list:  # type: ignore[type-arg]
    from app.payments.sandbox_models import SandboxLine

    with db.read() as session:
        return list(session.execute(sa.select(SandboxLine).where(SandboxLine.amount_minor > 0)).scalars())
