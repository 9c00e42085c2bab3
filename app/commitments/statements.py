"""Read escrow statements as people and files see them: lines, and what was where at the end of each month."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, EscrowStatement
from app.contracts.models import Milestone
from app.ledger.models import Journal
from app.offerings.models import Offering, TokenClass
from milestones import money

COLUMNS = (
    "occurred_at_utc", "commitment", "offering", "kind", "milestone", "amount", "currency", "in_escrow_after",
    "released_after", "tokens_issued", "tokens_held_after", "token_class", "journal",
)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement of one commitment, with the balances after it. Minor units of ``currency``, whole tokens."""

    row: EscrowStatement
    commitment: str
    offering: str
    currency: str
    token_class: str
    milestone: str | None
    journal: str

    def fields(self) -> list[str]:
        """Return the line for a file, in the order of ``COLUMNS``; amounts are exact decimals."""
        row, asset = self.row, money.Asset.parse(self.currency)
        return [
            row.occurred_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.commitment, _as_text(self.offering), row.kind, _as_text(self.milestone or ""),
            money.format_amount(row.amount_minor, asset), asset.code,
            money.format_amount(row.unreleased_after_minor, asset),
            money.format_amount(row.released_after_minor, asset), str(row.tokens_issued),
            str(row.issued_after_tokens), self.token_class, self.journal,
        ]


def _as_text(text: str) -> str:
    """Return a founder's words so that a spreadsheet does not take them for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def lines_of(
    session: Session, party_ids: Sequence[int] | frozenset[int], *, commitment_id: int | None = None
) -> list[StatementLine]:
    """Return the statement of parties, or of one of their commitments, oldest first; one query."""
    query = (
        sa.select(
            EscrowStatement, Commitment.public_id, Offering.name, Offering.currency, TokenClass.code,
            Milestone.ordinal, Milestone.title, Journal.public_id,
        )
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .join(Offering, Offering.id == EscrowStatement.offering_id)
        .join(TokenClass, TokenClass.id == Offering.token_class_id)
        .join(Journal, Journal.id == EscrowStatement.journal_id)
        .outerjoin(Milestone, Milestone.id == EscrowStatement.milestone_id)
        .where(EscrowStatement.party_id.in_(list(party_ids)))
        .order_by(EscrowStatement.id)
    )
    if commitment_id is not None:
        query = query.where(EscrowStatement.commitment_id == commitment_id)
    return [
        StatementLine(row, commitment, name, currency, code, _milestone(ordinal, title), journal)
        for row, commitment, name, currency, code, ordinal, title, journal in session.execute(query)
    ]


def _milestone(ordinal: int | None, title: str | None) -> str | None:
    if ordinal is None:
        return None
    return title if ordinal == 0 else f"{ordinal}. {title}"


@dataclass(frozen=True, slots=True)
class Month:
    """What was in escrow and released at the end of a month (``2027-03``), minor units."""

    month: str
    escrow_minor: int
    released_minor: int


def by_month(lines: Iterable[StatementLine], currency: str, until: dt.datetime) -> list[Month]:
    """Return the end of every month from the first movement in a currency up to ``until``, in UTC."""
    moves = [line.row for line in lines if line.currency == currency]
    if not moves:
        return []
    found: list[Month] = []
    escrow = released = 0
    released_of: dict[int, int] = {}
    start, end = moves[0].occurred_at.astimezone(dt.UTC), until.astimezone(dt.UTC)
    year, month, at = start.year, start.month, 0
    while (year, month) <= (end.year, end.month):
        while at < len(moves) and _month_of(moves[at].occurred_at) <= (year, month):
            escrow += moves[at].amount_minor
            released += moves[at].released_after_minor - released_of.get(moves[at].commitment_id, 0)
            released_of[moves[at].commitment_id] = moves[at].released_after_minor
            at += 1
        found.append(Month(f"{year}-{month:02d}", escrow, released))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found


def _month_of(instant: dt.datetime) -> tuple[int, int]:
    moment = instant.astimezone(dt.UTC)
    return moment.year, moment.month
