"""Read the ledger page by page: accounts, one account's entries with their journals. Nothing here writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger.models import Entry, Journal, JournalSeal, LedgerAccount


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry of one account with its journal; ``amount`` is a debit above zero, a credit below."""

    version: int
    amount: int
    balance_after: int
    journal_id: str
    kind: str
    cause: str
    occurred_at: dt.datetime


def accounts(
    session: Session, *, kind: str | None = None, owner: str | None = None, after_id: int | None = None, limit: int = 50
) -> Sequence[LedgerAccount]:
    """Return accounts in the order they came into being, one page by key.

    ``kind`` is the first part of the address, ``owner`` the last (a public id, or ``platform``).
    """
    query = sa.select(LedgerAccount).order_by(LedgerAccount.id).limit(limit)
    if kind:
        query = query.where(LedgerAccount.address.startswith(f"{kind}:", autoescape=True))
    if owner:
        query = query.where(LedgerAccount.address.endswith(f":{owner}", autoescape=True))
    if after_id is not None:
        query = query.where(LedgerAccount.id > after_id)
    return session.scalars(query).all()


def account(session: Session, address: str, asset: str) -> LedgerAccount | None:
    """Return one account by its address and asset."""
    return session.scalars(
        sa.select(LedgerAccount).where(LedgerAccount.address == address, LedgerAccount.asset == asset)
    ).one_or_none()


def entries(
    session: Session, account_id: int, *, before_version: int | None = None, limit: int = 50
) -> list[EntryLine]:
    """Return an account's entries, newest first, one page by key; each names its journal and its cause."""
    query = (
        sa.select(
            Entry.account_version, Entry.amount, Entry.balance_after, Journal.public_id, Journal.kind, Journal.cause,
            Journal.occurred_at,
        )
        .join(Journal, Journal.id == Entry.journal_id)
        .where(Entry.account_id == account_id)
        .order_by(Entry.account_version.desc())
        .limit(limit)
    )
    if before_version is not None:
        query = query.where(Entry.account_version < before_version)
    return [EntryLine(*row) for row in session.execute(query)]


def seal_of(session: Session, journal_id: int) -> str | None:
    """Return the hash that seals a journal."""
    return session.scalar(sa.select(JournalSeal.content_hash).where(JournalSeal.journal_id == journal_id))
