"""The escrow statement: one row for each movement of a commitment, and the set-based division of what leaves.

Division is REL-2 and REL-3 in one statement on the database; ``milestones.apportion`` is the same rule
in Python, used where products could pass 64 bits, and by the tests as the judge of this one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import EscrowStatement, Refund
from app.commitments.rules import Position
from app.db import UTCDateTime, random_public_id
from app.errors import InvariantBroken
from app.offerings.models import Offering
from milestones import apportion, money

RELEASED, RETURNED = "released", "returned"
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Divided:
    """What a division wrote: rows, and the totals the journal needs."""

    rows: int
    amount_minor: int
    tokens_issued: int
    entitlement_lapsed: int


def last_rows(offering_id: int) -> sa.Subquery:
    """Return each commitment's last statement row in an offering, as a subquery."""
    statement = EscrowStatement.__table__
    newest = (
        sa.select(statement.c.commitment_id, sa.func.max(statement.c.seq).label("seq"))
        .where(statement.c.offering_id == offering_id)
        .group_by(statement.c.commitment_id)
        .subquery("newest")
    )
    return (
        sa.select(statement)
        .join(newest, sa.and_(newest.c.commitment_id == statement.c.commitment_id, newest.c.seq == statement.c.seq))
        .subquery("last")
    )


def position(session: Session, commitment_id: int) -> Position:
    """Return where one commitment's money and tokens are."""
    row = _last_row(session, commitment_id)
    return Position() if row is None else _position(row)


def _position(row: EscrowStatement | sa.Row) -> Position:  # type: ignore[type-arg]
    return Position(
        row.unreleased_after_minor, row.released_after_minor, row.issued_after_tokens, row.entitled_after_tokens
    )


def _last_row(session: Session, commitment_id: int) -> EscrowStatement | None:
    return session.execute(
        sa.select(EscrowStatement)
        .where(EscrowStatement.commitment_id == commitment_id)
        .order_by(EscrowStatement.seq.desc())
        .limit(1)
    ).scalar_one_or_none()


def append(
    session: Session,
    *,
    offering_id: int,
    commitment_id: int,
    party_id: int,
    ordinal: int,
    kind: str,
    amount_minor: int,
    entitled_tokens: int,
    journal_id: int,
    now: dt.datetime,
) -> None:
    """Write one movement of one commitment: ``amount_minor`` above zero when paid, below when it leaves.

    The caller holds the commitment's lock and posts the journal in the same transaction.
    """
    last = _last_row(session, commitment_id)
    before = Position() if last is None else _position(last)
    session.add(
        EscrowStatement(
            offering_id=offering_id, commitment_id=commitment_id, party_id=party_id, ordinal=ordinal,
            seq=1 if last is None else last.seq + 1, kind=kind, amount_minor=amount_minor, tokens_issued=0,
            unreleased_after_minor=before.unreleased_minor + amount_minor,
            released_after_minor=before.released_minor, issued_after_tokens=before.issued_tokens,
            entitled_after_tokens=entitled_tokens, journal_id=journal_id, occurred_at=now,
        )
    )
    session.flush()


def divide(
    session: Session,
    *,
    offering: Offering,
    amount_minor: int,
    kind: str,
    milestone_id: int | None,
    journal_id: int,
    now: dt.datetime,
) -> Divided:
    """Take ``amount_minor`` out of escrow over all investors by largest remainder (REL-2), in one statement.

    ``released`` issues tokens by REL-3; ``returned`` lowers entitlements to what the money kept can buy.
    Investors whose share is zero get no row. Raises ``InvariantBroken`` when the amount is more than is
    unreleased.
    """
    last = last_rows(offering.id)
    totals = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor), 0).label("total"),
            sa.func.coalesce(sa.func.max(last.c.unreleased_after_minor), 0).label("largest"),
            sa.func.coalesce(
                sa.func.max(last.c.unreleased_after_minor + last.c.released_after_minor), 0
            ).label("largest_paid"),
        )
    ).one()
    total = int(totals.total)
    if not 0 < amount_minor <= total:
        raise InvariantBroken(f"{amount_minor} of {total} unreleased in {offering.public_id}", code="escrow_short")
    numerator, denominator = money.price_ratio(offering.price_micro, money.Asset.parse(offering.currency))
    fits = (
        int(totals.largest) * amount_minor <= INT64_MAX and int(totals.largest_paid) * denominator <= INT64_MAX
    )
    values = {
        "offering": offering.id, "amount": amount_minor, "total": total, "kind": kind, "num": numerator,
        "den": denominator, "milestone": milestone_id, "journal": journal_id, "now": now,
    }
    if fits:
        session.execute(_DIVIDE_RELEASED if kind == RELEASED else _DIVIDE_RETURNED, values)
    else:
        _divide_exactly(session, offering, last, values)
    return _written(session, journal_id)


# PostgreSQL and SQLite both divide integers towards zero; every operand here is at or above zero.
_DIVIDE = """
INSERT INTO escrow_statement (offering_id, commitment_id, party_id, ordinal, seq, kind, amount_minor, tokens_issued,
  unreleased_after_minor, released_after_minor, issued_after_tokens, entitled_after_tokens, milestone_id, journal_id,
  occurred_at)
WITH newest AS (
  SELECT commitment_id, MAX(seq) AS seq FROM escrow_statement WHERE offering_id = :offering GROUP BY commitment_id
), weighed AS (
  SELECT s.commitment_id, s.party_id, s.ordinal, s.seq, s.unreleased_after_minor AS unreleased,
    s.released_after_minor AS released, s.issued_after_tokens AS issued, s.entitled_after_tokens AS entitled,
    s.unreleased_after_minor * :amount / :total AS whole, s.unreleased_after_minor * :amount % :total AS rest
  FROM escrow_statement s JOIN newest n ON n.commitment_id = s.commitment_id AND n.seq = s.seq
  WHERE s.unreleased_after_minor > 0
), ranked AS (
  SELECT weighed.*, ROW_NUMBER() OVER (ORDER BY rest DESC, ordinal) AS place,
    :amount - SUM(whole) OVER () AS missing
  FROM weighed
), shared AS (
  SELECT ranked.*, whole + CASE WHEN place <= missing THEN 1 ELSE 0 END AS share FROM ranked
), {tokens}
SELECT :offering, commitment_id, party_id, ordinal, seq + 1, :kind, -share, issued_after - issued,
  unreleased - share, released_after, issued_after, entitled_after, :milestone, :journal, :now
FROM counted WHERE share > 0 ORDER BY ordinal
"""

# REL-3: the floor of what the released money buys, all of the entitlement once nothing is left in escrow.
_RELEASED_TOKENS = """counted AS (
  SELECT shared.*, released + share AS released_after, entitled AS entitled_after,
    CASE WHEN unreleased = share OR (released + share) * :den / :num > entitled THEN entitled
      ELSE (released + share) * :den / :num END AS issued_after
  FROM shared
)"""

# WND-3: what is returned can buy nothing any more; issued tokens remain.
_RETURNED_TOKENS = """kept AS (
  SELECT shared.*, (released + unreleased - share) * :den / :num AS affordable FROM shared
), counted AS (
  SELECT kept.*, released AS released_after, issued AS issued_after,
    CASE WHEN affordable > entitled THEN entitled WHEN affordable < issued THEN issued ELSE affordable END
      AS entitled_after
  FROM kept
)"""


def _statement(tokens: str) -> sa.TextClause:
    bound = [
        sa.bindparam(name, type_=sa.BigInteger) for name in ("offering", "amount", "total", "num", "den", "journal")
    ]
    return sa.text(_DIVIDE.format(tokens=tokens)).bindparams(
        *bound,
        sa.bindparam("milestone", type_=sa.BigInteger),
        sa.bindparam("kind", type_=sa.Text),
        sa.bindparam("now", type_=UTCDateTime),
    )


_DIVIDE_RELEASED = _statement(_RELEASED_TOKENS)
_DIVIDE_RETURNED = _statement(_RETURNED_TOKENS)


def _divide_exactly(session: Session, offering: Offering, last: sa.Subquery, values: dict[str, object]) -> None:
    """Do in Python what ``_DIVIDE`` does, for products past 64 bits."""
    rows = session.execute(
        sa.select(last).where(last.c.unreleased_after_minor > 0).order_by(last.c.ordinal)
    ).all()
    before = [_position(row) for row in rows]
    amount = int(values["amount"])  # type: ignore[call-overload]
    written = []
    for row, old, new in zip(rows, before, after(offering, before, amount, str(values["kind"])), strict=True):
        share = old.unreleased_minor - new.unreleased_minor
        if share == 0:
            continue
        written.append(
            {
                "offering_id": offering.id, "commitment_id": row.commitment_id, "party_id": row.party_id,
                "ordinal": row.ordinal, "seq": row.seq + 1, "kind": values["kind"], "amount_minor": -share,
                "tokens_issued": new.issued_tokens - old.issued_tokens,
                "unreleased_after_minor": new.unreleased_minor, "released_after_minor": new.released_minor,
                "issued_after_tokens": new.issued_tokens, "entitled_after_tokens": new.entitled_tokens,
                "milestone_id": values["milestone"], "journal_id": values["journal"], "occurred_at": values["now"],
            }
        )
    session.execute(sa.insert(EscrowStatement), written)


def after(offering: Offering, before: Sequence[Position], amount_minor: int, kind: str) -> list[Position]:
    """Return where everybody stands once ``amount_minor`` has left escrow; writes nothing (REL-2, REL-3, WND-3).

    ``before`` is in the order of the commitments' ordinals; ``kind`` is ``released`` or ``returned``. It is the
    same rule as the database's division, for products past 64 bits and for what would happen.
    """
    asset = money.Asset.parse(offering.currency)
    shares = apportion.apportion(amount_minor, [each.unreleased_minor for each in before])
    found = []
    for each, share in zip(before, shares, strict=True):
        unreleased, released = each.unreleased_minor - share, each.released_minor
        issued, entitled = each.issued_tokens, each.entitled_tokens
        if share and kind == RELEASED:
            released += share
            issued = entitled if unreleased == 0 else min(
                entitled, money.tokens_for(released, offering.price_micro, asset)
            )
        elif share:
            affordable = money.tokens_for(released + unreleased, offering.price_micro, asset)
            entitled = max(issued, min(entitled, affordable))
        found.append(Position(unreleased, released, issued, entitled))
    return found


def _written(session: Session, journal_id: int) -> Divided:
    statement = EscrowStatement
    before = sa.orm.aliased(EscrowStatement)
    row = session.execute(
        sa.select(
            sa.func.count().label("rows"),
            sa.func.coalesce(sa.func.sum(-statement.amount_minor), 0).label("amount"),
            sa.func.coalesce(sa.func.sum(statement.tokens_issued), 0).label("issued"),
            sa.func.coalesce(
                sa.func.sum(before.entitled_after_tokens - statement.entitled_after_tokens), 0
            ).label("lapsed"),
        )
        .join(before, sa.and_(before.commitment_id == statement.commitment_id, before.seq == statement.seq - 1))
        .where(statement.journal_id == journal_id)
    ).one()
    return Divided(int(row.rows), int(row.amount), int(row.issued), int(row.lapsed))


def owe_refunds(session: Session, *, journal_id: int, reason: str, due_at: dt.datetime, now: dt.datetime) -> int:
    """Write one refund for each statement row of a journal and return how many."""
    statement = EscrowStatement.__table__
    rows = sa.select(
        random_public_id(sa.literal("rfd")), statement.c.offering_id, statement.c.commitment_id, statement.c.party_id,
        -statement.c.amount_minor, sa.literal(reason), sa.literal("open"), sa.literal(0), statement.c.journal_id,
        sa.literal(now, UTCDateTime), sa.literal(due_at, UTCDateTime), sa.literal(1),
    ).where(statement.c.journal_id == journal_id, statement.c.amount_minor < 0)
    columns = ["public_id", "offering_id", "commitment_id", "party_id", "amount_minor", "reason", "status", "failures",
               "journal_id", "created_at", "due_at", "part"]
    result = session.execute(
        sa.insert(Refund.__table__).from_select(columns, rows), execution_options={"preserve_rowcount": True}
    )
    return result.rowcount


def positions(session: Session, offering_id: int) -> dict[int, Position]:
    """Return the position of every commitment that was ever paid, by its id, in the order of their ordinals."""
    last = last_rows(offering_id)
    rows = session.execute(sa.select(last).order_by(last.c.ordinal)).all()
    return {row.commitment_id: _position(row) for row in rows}
