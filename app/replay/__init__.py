"""Run real milestone contracts through the whole application, and check the books afterwards.

Records become offerings (``drafting``), a made-up crowd invests (``crowd``), evaluators attest as they did
(``fates``, ``course``), all on one timeline (``theatre``); then the books are checked and counted (``checks``,
``report``). Everything happens through services, as the web does it. No record is kept in the project.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.migrations import upgrade
from app.replay import checks, records, report, theatre

DEFAULT_SEED = 2007


def run(
    db: Database, settings: Settings, path: Path, out: Callable[[str], None], *, seed: int = DEFAULT_SEED,
    limit: int | None = None,
) -> bool:
    """Replay a file into an empty migrated database and return whether all is well.

    Prints line by line to ``out``. ``limit`` takes that many records, spread evenly over the file. Raises
    ``records.RecordError`` for a line that is no contract, before anything has happened.
    """
    began = time.monotonic_ns()
    every = list(records.read(Path(path)))
    wanted = every if limit is None or limit >= len(every) else [every[n * len(every) // limit] for n in range(limit)]
    out(f"{len(wanted)} contracts of {Path(path).name}, seed {seed}.")
    played = theatre.play(Stage(db, settings), wanted, seed=seed, out=out)
    seconds = (time.monotonic_ns() - began) // 1_000_000_000
    with db.read() as session:
        is_over = report.tell(session, played, seconds=seconds, out=out)
    is_sound = checks.check_books(db, out)
    out(f"All is well after {(time.monotonic_ns() - began) // 1_000_000_000} seconds." if is_over and is_sound
        else "Something is wrong; see above.")
    return is_over and is_sound


@contextlib.contextmanager
def scratch_database() -> Iterator[Database]:
    """Give a fresh migrated SQLite database that is gone afterwards, and need not survive a power cut."""
    with tempfile.TemporaryDirectory(prefix="milestake-replay-") as directory:
        url = f"sqlite:///{Path(directory) / 'replay.db'}"
        upgrade(url)
        db = Database(url, durable=False)
        try:
            yield db
        finally:
            db.dispose()
