"""The stateful model test: random lives, compared with plain dictionaries after every step.

``make test`` plays a fixed sample; ``make soak`` plays new ones for as long as it is told and prints each one's seed.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from app.db import Database
from tests import databases
from tests.model.machine import LifeMachine

SOAK_SECONDS = int(os.environ.get("SOAK_SECONDS", "0"))


class _Databases:
    """Fresh databases of one kind, one at a time, disposed of when the next is asked for."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._open: list[tuple[object, Database]] = []

    def __call__(self) -> Database:
        self.close()
        manager = databases.fresh_database(self.kind)
        database = Database(manager.__enter__(), durable=False)
        self._open.append((manager, database))
        return database

    def close(self) -> None:
        while self._open:
            manager, database = self._open.pop()
            database.dispose()
            manager.__exit__(None, None, None)  # type: ignore[attr-defined]


@pytest.fixture
def make_db(database_kind: str) -> Iterator[_Databases]:
    made = _Databases(database_kind)
    yield made
    made.close()


#: A life takes a second, so a failing one is printed as it is: making it shorter would take longer than reading it.
PHASES = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
EXAMPLES = {"sqlite": 16, "postgresql": 3}


def _play(make_db: _Databases, *, examples: int, steps: int = 40) -> None:
    class Machine(LifeMachine):
        pass

    Machine.make_db = make_db
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True, phases=PHASES,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )


@pytest.mark.slow
def test_lives_agree_with_the_model(make_db: _Databases, database_kind: str) -> None:
    _play(make_db, examples=EXAMPLES[database_kind])


@pytest.mark.slow
@pytest.mark.skipif(not SOAK_SECONDS, reason="make soak plays new lives for SOAK_SECONDS")
def test_soak(make_db: _Databases, capsys: pytest.CaptureFixture[str]) -> None:
    until, lives = time.monotonic() + SOAK_SECONDS, 0
    while time.monotonic() < until:
        seed = int(os.environ.get("SOAK_SEED") or secrets.randbits(64))
        with capsys.disabled():
            print(f"\nSOAK_SEED={seed} ({lives} lives so far)", flush=True)

        class Machine(LifeMachine):
            pass

        Machine.make_db = make_db
        hypothesis.seed(seed)(Machine)
        run_state_machine_as_test(
            Machine,
            settings=hypothesis.settings(
                max_examples=20, stateful_step_count=80, deadline=None, print_blob=True, derandomize=False,
                phases=PHASES,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
        lives += 20
