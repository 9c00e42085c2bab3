"""Worker processes that can be killed: forked from the test, with connections of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import event

from app import work, worker
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.payments.rails import build_rails

WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked process; return its exit status, negative when a signal ended it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _pid, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def work_once(url: str, settings: Settings, *, die_after_writes: int | None = None) -> None:
    """Do everything due in this process; with ``die_after_writes`` SIGKILL it right after that many writes."""
    db = Database(url, durable=False)
    if die_after_writes is not None:
        _die_after(db, die_after_writes)
    worker.run_due(work.Context(db, settings, build_rails(settings, db)))


def act_once(url: str, settings: Settings, act: Callable[[Stage], object], *, die_after_writes: int) -> None:
    """Let somebody act in this process, and SIGKILL it right after that many writes of theirs."""
    stage = Stage(Database(url, durable=False), settings)
    _die_after(stage.db, die_after_writes)
    act(stage)


def _die_after(db: Database, writes: int) -> None:
    left = [writes]

    def count(verb: str) -> None:
        if verb in WRITES:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    @event.listens_for(db.engine, "after_cursor_execute")
    def executed(_conn: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        count(statement.lstrip().split(None, 1)[0].upper())

    @event.listens_for(db.engine, "commit")
    def committing(_conn: sa.Connection) -> None:
        count("COMMIT")
