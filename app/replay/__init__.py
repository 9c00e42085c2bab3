"""Run real milestone contracts through the whole application, and check the books afterwards.

Records become offerings (``drafting``), a made-up crowd invests (``crowd``), evaluators attest as they did
(``fates``, ``course``), all on one timeline (``theatre``); then the books are checked and counted (``checks``,
``report``). Everything happens through services, as the web does it. No record is kept in the project.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa

from app.accounts.models import User
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.errors import Refused
from app.logging import configure_logging
from app.migrations import upgrade
from app.replay import checks, records, report, theatre

DEFAULT_SEED = 2007


def run(
    db: Database, settings: Settings, path: Path, out: Callable[[str], None], *, seed: int = DEFAULT_SEED,
    limit: int | None = None, need_programs: bool = False,
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
    is_sound = checks.check_books(db, out, need_programs=need_programs)
    out(f"All is well after {(time.monotonic_ns() - began) // 1_000_000_000} seconds." if is_over and is_sound
        else "Something is wrong; see above.")
    return is_over and is_sound


@contextlib.contextmanager
def database_for(url: str | None) -> Iterator[Database]:
    """Give a migrated database: the one at ``url``, kept and durable, else an SQLite file that is gone afterwards.

    Raises ``Refused`` for a database that has people in it: a replay moves its clock by years.
    """
    with tempfile.TemporaryDirectory(prefix="milestake-replay-") as directory:
        is_kept = url is not None
        url = url or f"sqlite:///{Path(directory) / 'replay.db'}"
        upgrade(url)
        db = Database(url, durable=is_kept)
        try:
            with db.read() as session:
                if session.execute(sa.select(sa.exists().where(User.id.is_not(None)))).scalar():
                    raise Refused("This database has people in it. Name an empty one for the replay.", code="not_empty")
            yield db
        finally:
            db.dispose()


def run_file(
    path: Path, settings: Settings, out: Callable[[str], None], *, seed: int = DEFAULT_SEED,
    limit: int | None = None, url: str | None = None, need_programs: bool = False,
) -> bool:
    """Replay a file into a database of its own and return whether all is well; evidence goes to a scratch directory."""
    # Jobs by the ten thousand: only what went wrong is worth a line.
    configure_logging("ERROR")
    with tempfile.TemporaryDirectory(prefix="milestake-replay-") as directory, database_for(url) as db:
        scratch = dataclasses.replace(
            settings, data_dir=Path(directory) / "blobs", mail_dir=Path(directory) / "mail", sandbox=True
        )
        return run(db, scratch, path, out, seed=seed, limit=limit, need_programs=need_programs)
