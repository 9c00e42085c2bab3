"""What a check finds and how a check in SQL is spelled. The checks themselves stand in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

#: A broken rule is told by its first cases: thousands of lines help nobody.
CASES_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One contradiction: ``code`` names the rule, ``where`` the public id, account or row it concerns.

    ``figures`` holds what was compared: whole numbers, states and ids.
    """

    code: str
    where: str
    message: str
    figures: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return f"{self.code} at {self.where}: {self.message}" + (f" ({figures})" if figures else "")


@dataclass(frozen=True, slots=True)
class Check:
    """One rule as a query that returns a row for each case against it.

    The column ``place`` says where, the other columns are the figures. Queries run on both databases.
    """

    code: str
    message: str
    sql: str


def run_checks(session: Session, checks: Iterable[Check]) -> Iterator[Problem]:
    """Yield what each query finds, at most ``CASES_AT_MOST`` cases of each rule."""
    for check in checks:
        rows = session.execute(sa.text(f"SELECT * FROM ({check.sql}) AS found LIMIT {CASES_AT_MOST}")).mappings()
        for row in rows:
            figures = {name: _plain(value) for name, value in row.items() if name != "place"}
            yield Problem(check.code, str(row["place"]), check.message, figures)


def _plain(value: object) -> object:
    """Return sums as whole numbers (PostgreSQL adds bigints up to numeric) and instants as text."""
    if value is None or isinstance(value, (str, int)):
        return value
    return int(value) if hasattr(value, "as_integer_ratio") else str(value)


#: Balances in each account's normal sense, added up from the entries; the counters are never read.
BALANCES = """balance AS (
  SELECT a.id AS account_id, a.address, a.asset, a.offering_id,
    CASE WHEN a.side = 'debit' THEN 1 ELSE -1 END * COALESCE(SUM(e.amount), 0) AS amount
  FROM account a LEFT JOIN entry e ON e.account_id = a.id
  GROUP BY a.id, a.address, a.asset, a.offering_id, a.side
)"""

#: The last row of every commitment's statement: its position.
POSITIONS = """latest AS (
  SELECT s.* FROM escrow_statement s
  JOIN (SELECT commitment_id, MAX(seq) AS seq FROM escrow_statement GROUP BY commitment_id) newest
    ON newest.commitment_id = s.commitment_id AND newest.seq = s.seq
)"""

#: Minor units in the major unit of ``o.currency``, whose last character is the number of decimals.
UNIT = (
    "CASE substr(o.currency, length(o.currency), 1) "
    + " ".join(f"WHEN '{scale}' THEN {10**scale}" for scale in range(9))
    + " END"
)

#: Up to here the products below stay under 2⁶³; the few rows above are worked out in Python.
PRODUCT_FITS = 9_000_000_000_000
PRICE_FITS = 90_000_000_000


def tokens_bought(amount: str) -> str:
    """Return the SQL for floor(amount ÷ price) of offering ``o``; null where the product would not fit."""
    return (
        f"CASE WHEN {amount} <= {PRODUCT_FITS} AND o.price_micro <= {PRICE_FITS} "
        f"THEN ({amount}) * 1000000 / (o.price_micro * {UNIT}) END"
    )
