"""Let many people act at the same instant: processes of their own on PostgreSQL, threads on SQLite."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.accounts.passwords import NO_PASSWORD
from app.clock import business_now, system_now
from app.db import Database, Session
from app.demo import standing
from app.demo.stage import Stage
from app.errors import MilestakeError

#: What somebody does: with a stage of their own, on a connection of their own.
Act = Callable[[Stage], object]
RUNNERS = 8


def crowd(stage: Stage, count: int) -> list[Actor]:
    """Create so many investors who may commit, in one transaction."""

    def create(session: Session) -> list[Actor]:
        found = []
        for number in range(count):
            user = accounts.create_user(
                session, email=f"racer.{stage.key()}@example.org", name=f"Racer {number}", password_hash=NO_PASSWORD,
                role="investor", now=system_now(), approved=True,
            )
            actor = Actor(user.id, frozenset({(user.party_id, "investor")}), second_factor=True, name=user.public_id)
            standing.make_ready(session, actor, user.party_id, now=business_now(session))
            found.append(actor)
        return found

    return stage.db.unit_of_work(create)


def at_once(stage: Stage, acts: Sequence[Act]) -> list[object]:
    """Start every act together and return what came of each in order: its result, or the code it was refused with."""
    db = stage.db
    if db.is_sqlite:
        return _in_threads(stage, acts)
    db.dispose()
    return _in_processes(stage, acts)


def _outcome(stage: Stage, act: Act) -> object:
    try:
        return act(stage)
    except MilestakeError as error:
        return error.code


def _in_threads(stage: Stage, acts: Sequence[Act]) -> list[object]:
    runners = min(RUNNERS, len(acts))
    found: list[object] = [None] * len(acts)
    start = threading.Barrier(runners)

    def run(number: int) -> None:
        start.wait()
        for index in range(number, len(acts), runners):
            found[index] = _outcome(stage, acts[index])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _in_processes(stage: Stage, acts: Sequence[Act]) -> list[object]:
    runners = min(RUNNERS, len(acts))
    gate, opened = os.pipe()
    children = [_fork(stage, acts, number, runners, gate, opened) for number in range(runners)]
    os.close(gate)
    # Everybody waits at the gate; closing its last other end lets all of them go.
    os.close(opened)
    found: list[object] = [None] * len(acts)
    for child, answers in children:
        with os.fdopen(answers) as file:
            for index, result in json.loads(file.read() or "[]"):
                found[index] = result
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return found


def _fork(stage: Stage, acts: Sequence[Act], number: int, runners: int, gate: int, opened: int) -> tuple[int, int]:
    answers, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        return child, answers
    status = 1
    try:
        os.close(opened)
        os.close(answers)
        url = stage.db.url.render_as_string(hide_password=False)
        own = Stage(Database(url, durable=False, pool_size=1), stage.settings)
        with own.db.read() as session:
            business_now(session)  # connected before the race
        os.read(gate, 1)
        found = [(index, _outcome(own, acts[index])) for index in range(number, len(acts), runners)]
        with os.fdopen(tell, "w") as file:
            file.write(json.dumps(found))
        status = 0
    finally:
        os._exit(status)
    raise AssertionError("a child never comes back")
