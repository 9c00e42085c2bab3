"""Read the ledger: balances, journals with their entries, an account's entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger.chart import Account
from app.ledger.models import Entry, Journal, LedgerAccount


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as people read it; ``amount`` is a debit above zero, a credit below."""

    address: str
    asset: str
    amount: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class JournalView:
    """A journal with its entries in posting order."""

    id: int
    public_id: str
    kind: str
    cause: str
    offering_id: int | None
    occurred_at: dt.datetime
    entries: tuple[EntryView, ...]


def balance(session: Session, account: Account) -> int:
    """Return the account's balance in its normal sense, 0 when it was never used."""
    return (
        session.execute(
            sa.select(LedgerAccount.balance).where(
                LedgerAccount.address == account.address, LedgerAccount.asset == account.asset
            )
        ).scalar()
        or 0
    )


def balances(session: Session, *, offering_id: int) -> dict[Account, int]:
    """Return every account of an offering with its balance."""
    rows = session.execute(
        sa.select(LedgerAccount.address, LedgerAccount.asset, LedgerAccount.balance)
        .where(LedgerAccount.offering_id == offering_id)
        .order_by(LedgerAccount.address)
    )
    return {Account(row.address, row.asset): row.balance for row in rows}


@dataclass(frozen=True, slots=True)
class OfferingAccount:
    """An account of an offering with its balance."""

    offering_id: int
    account: Account
    balance: int


def accounts_not_empty(session: Session, kinds: Sequence[str]) -> list[OfferingAccount]:
    """Return the offerings' accounts of these kinds (first parts of the address) that hold something."""
    rows = session.execute(
        sa.select(LedgerAccount.offering_id, LedgerAccount.address, LedgerAccount.asset, LedgerAccount.balance)
        .where(
            LedgerAccount.offering_id.is_not(None),
            LedgerAccount.balance != 0,
            sa.or_(*(LedgerAccount.address.startswith(f"{kind}:", autoescape=True) for kind in kinds)),
        )
        .order_by(LedgerAccount.id)
    )
    return [OfferingAccount(row.offering_id, Account(row.address, row.asset), row.balance) for row in rows]


def moved(session: Session, account: Account, kinds: Sequence[str]) -> int:
    """Return what journals of these kinds moved on an account: debits less credits."""
    total = session.execute(
        sa.select(sa.func.coalesce(sa.func.sum(Entry.amount), 0))
        .join(Journal, Journal.id == Entry.journal_id)
        .join(LedgerAccount, LedgerAccount.id == Entry.account_id)
        .where(
            LedgerAccount.address == account.address, LedgerAccount.asset == account.asset, Journal.kind.in_(kinds)
        )
    ).scalar_one()
    return int(total)


def moves_by_kind(session: Session, account_kind: str, offering_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return, for each offering, what each kind of journal moved on its accounts of one kind: debits less credits.

    ``account_kind`` is the first part of the address, such as ``escrow``. One query for all offerings.
    """
    found: dict[int, dict[str, int]] = {offering_id: {} for offering_id in offering_ids}
    rows = session.execute(
        sa.select(LedgerAccount.offering_id, Journal.kind, sa.func.sum(Entry.amount).label("moved"))
        .join(Entry, Entry.account_id == LedgerAccount.id)
        .join(Journal, Journal.id == Entry.journal_id)
        .where(
            LedgerAccount.offering_id.in_(list(offering_ids)),
            LedgerAccount.address.startswith(f"{account_kind}:", autoescape=True),
        )
        .group_by(LedgerAccount.offering_id, Journal.kind)
    )
    for row in rows:
        found[row.offering_id][row.kind] = int(row.moved)
    return found


def journals(
    session: Session,
    *,
    offering_id: int | None = None,
    public_ids: Sequence[str] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[JournalView]:
    """Return journals, newest first, one page by key (``before_id``)."""
    query = sa.select(Journal).order_by(Journal.id.desc()).limit(limit)
    if offering_id is not None:
        query = query.where(Journal.offering_id == offering_id)
    if public_ids is not None:
        query = query.where(Journal.public_id.in_(public_ids))
    if before_id is not None:
        query = query.where(Journal.id < before_id)
    found = session.execute(query).scalars().all()
    entries: dict[int, list[EntryView]] = {journal.id: [] for journal in found}
    rows = session.execute(
        sa.select(
            Entry.journal_id, LedgerAccount.address, LedgerAccount.asset, Entry.amount, Entry.balance_after
        )
        .join(LedgerAccount, LedgerAccount.id == Entry.account_id)
        .where(Entry.journal_id.in_(list(entries)))
        .order_by(Entry.id)
    )
    for row in rows:
        entries[row.journal_id].append(EntryView(row.address, row.asset, row.amount, row.balance_after))
    return [
        JournalView(
            journal.id,
            journal.public_id,
            journal.kind,
            journal.cause,
            journal.offering_id,
            journal.occurred_at,
            tuple(entries[journal.id]),
        )
        for journal in found
    ]
