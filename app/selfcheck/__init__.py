"""Prove that nothing is lost: work every figure out again, from entries and hashes, and tell what contradicts.

``run`` reads everything and changes nothing. It never trusts the counters it checks. What each rule is for is
said in docs/ledger.md; where a rule stands, in the modules of this package, one for each part of the books.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.selfcheck import (
    amendments,
    books,
    carrying,
    changes,
    disputes,
    escrow,
    exits,
    halts,
    lateness,
    log,
    lots,
    money,
    operations,
    places,
    progress,
    promises,
    regimes,
    reversals,
    tokens,
    waiting,
)
from app.selfcheck.problem import Problem

__all__ = ["Problem", "problems", "run"]

#: The quick ones first; the last two hash every document and log entry again.
PARTS = (
    books, escrow, carrying, changes, places, tokens, money, operations, reversals, progress, halts, lateness, lots,
    disputes, amendments, regimes, waiting, exits, log, promises,
)


def run(session: Session) -> list[Problem]:
    """Check everything and return what is wrong, in the order of the parts; nothing is what must be found."""
    return list(problems(session))


def problems(session: Session) -> Iterator[Problem]:
    """Yield what is wrong as it is found, so that whoever only asks whether all is well can stop at the first."""
    for part in PARTS:
        yield from part.check(session)
