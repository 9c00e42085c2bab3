"""Run real milestone contracts and real offerings through the whole application, and check the books afterwards.

Contracts become offerings (``drafting``), a made-up crowd invests (``crowd``), evaluators attest as they did
(``fates``, ``course``), what was amended is proposed and voted on (``amended``, ``revising``), what is doubted is
judged again (``doubting``); all together (``theatre``). Filed offerings (``filings``, ``filing_terms``) are
published, amended, withdrawn and closed on their real days (``filing_course``, ``filing_crowd``, ``filing_theatre``).
Both share one way to let time pass (``timeline``) and are counted and checked in the end (``report``,
``filing_report``, ``checks``). Everything happens through services, as the web does it. No record is kept in the
project.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from app import clock
from app.accounts.models import User
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.errors import Refused
from app.logging import configure_logging
from app.migrations import upgrade
from app.replay import checks, filing_report, filing_theatre, filings, records, report, theatre

T = TypeVar("T")

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
    wanted = _spread(list(records.read(Path(path))), limit)
    out(f"{len(wanted)} contracts of {Path(path).name}, seed {seed}.")
    played = theatre.play(Stage(db, settings), wanted, seed=seed, out=out)
    seconds = (time.monotonic_ns() - began) // 1_000_000_000
    with db.read() as session:
        is_over = report.tell(session, played, seconds=seconds, out=out)
    is_sound = checks.check_books(db, out, need_programs=need_programs)
    _tell_end(out, began, is_well=is_over and is_sound)
    return is_over and is_sound


def run_filings(
    db: Database, settings: Settings, path: Path, out: Callable[[str], None], *, seed: int = DEFAULT_SEED,
    limit: int | None = None, need_programs: bool = False,
) -> bool:
    """Replay a file of filed offerings on their real days, as :func:`run` does with contracts."""
    began = time.monotonic_ns()
    wanted = _spread(filings.read(Path(path)), limit)
    out(f"{len(wanted)} filings of {Path(path).name}, seed {seed}.")
    with clock.imagined(filing_theatre.begins_at(wanted)) as pretended:
        played = filing_theatre.play(filing_theatre.PastStage(db, settings, pretended), wanted, seed=seed, out=out)
        seconds = (time.monotonic_ns() - began) // 1_000_000_000
        with db.read() as session:
            is_over = filing_report.tell(session, played, seconds=seconds, out=out)
        is_sound = checks.check_books(db, out, need_programs=need_programs)
    _tell_end(out, began, is_well=is_over and is_sound)
    return is_over and is_sound


def _spread(every: Sequence[T], limit: int | None) -> Sequence[T]:
    if limit is None or limit >= len(every):
        return every
    return [every[number * len(every) // limit] for number in range(limit)]


def _tell_end(out: Callable[[str], None], began: int, *, is_well: bool) -> None:
    out(f"All is well after {(time.monotonic_ns() - began) // 1_000_000_000} seconds." if is_well
        else "Something is wrong; see above.")


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
    path: Path, settings: Settings, out: Callable[[str], None], *, play: Callable[..., bool] = run,
    seed: int = DEFAULT_SEED, limit: int | None = None, url: str | None = None, need_programs: bool = False,
) -> bool:
    """Replay a file into a database of its own and return whether all is well; evidence goes to a scratch directory.

    ``play`` is :func:`run` or :func:`run_filings`.
    """
    # Jobs by the ten thousand: only what went wrong is worth a line.
    configure_logging("ERROR")
    with tempfile.TemporaryDirectory(prefix="milestake-replay-") as directory, database_for(url) as db:
        scratch = dataclasses.replace(
            settings, data_dir=Path(directory) / "blobs", mail_dir=Path(directory) / "mail", sandbox=True
        )
        return play(db, scratch, path, out, seed=seed, limit=limit, need_programs=need_programs)
