"""Prove that nothing is lost: work every figure out again, from entries and hashes, and tell what contradicts.

``run`` reads everything and changes nothing. It never trusts the counters it checks. What each rule is for is
said in docs/ledger.md; where a rule stands, in the modules of this package, one for each part of the books.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.selfcheck import books, escrow, log, money, operations, progress, promises, tokens, waiting
from app.selfcheck.problem import Problem

__all__ = ["Problem", "run"]

PARTS = (books, escrow, tokens, money, operations, progress, promises, log, waiting)


def run(session: Session) -> list[Problem]:
    """Check everything and return what is wrong, in the order of the parts; nothing is what must be found."""
    return [problem for part in PARTS for problem in part.check(session)]
