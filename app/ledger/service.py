"""Post journals. The only writer of accounts, journals and entries.

It knows nothing of what a journal means: features decide the lines, this module makes them whole,
balanced, unique per fact and in one order of locks.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from app import clock
from app.db import insert_for, public_id
from app.errors import Conflict, InvariantBroken, Refused
from app.ledger.chart import DEBIT, Account
from app.ledger.models import Entry, Journal, JournalSeal, LedgerAccount

MAX_AMOUNT = 9_000_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One amount on one account; debit above zero, credit below."""

    account: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Posted:
    """What :func:`post` did; ``is_new`` is False when the fact had been posted before."""

    journal_id: int
    public_id: str
    is_new: bool


def debit(account: Account, amount: int) -> Line:
    """Return a debit of ``amount`` (≥ 0) minor units or tokens."""
    return Line(account, amount)


def credit(account: Account, amount: int) -> Line:
    """Return a credit of ``amount`` (≥ 0) minor units or tokens."""
    return Line(account, -amount)


def post(
    session: Session,
    *,
    kind: str,
    key: str,
    lines: Sequence[Line] | Callable[[int], Sequence[Line]],
    cause: str,
    occurred_at: dt.datetime,
    offering_id: int | None = None,
) -> Posted:
    """Post one journal and return it.

    Lines of zero are left out and lines on one account are added up. ``lines`` may be a function of
    the journal's id, for journals whose amounts follow from subsidiary rows that it writes first.
    Accounts come into being when first used. The same ``key`` with the same lines posts nothing the
    second time; with other lines it raises ``Conflict`` (``journal_key_reused``). A balance below
    zero or past 9·10¹⁸ raises ``Refused`` (``balance_below_zero``, ``balance_too_large``), an unbalanced or
    empty journal ``InvariantBroken``. Amounts are integers in the asset's smallest unit.
    """
    earlier = session.execute(
        sa.select(Journal.id, Journal.public_id, JournalSeal.content_hash)
        .join(JournalSeal, JournalSeal.journal_id == Journal.id)
        .where(Journal.key == key)
    ).one_or_none()
    if earlier is not None:
        if not callable(lines) and earlier.content_hash != content_hash(kind, _net(lines)):
            raise Conflict(f"Journal {key} was posted with other figures.", code="journal_key_reused")
        return Posted(earlier.id, earlier.public_id, is_new=False)
    outside_id = public_id("jrn")
    journal_id = session.execute(
        sa.insert(Journal)
        .values(
            public_id=outside_id,
            kind=kind,
            key=key,
            offering_id=offering_id,
            cause=cause,
            occurred_at=occurred_at,
            recorded_at=clock.system_now(),
        )
        .returning(Journal.id)
    ).scalar_one()
    totals = _net(lines(journal_id) if callable(lines) else lines)
    ids = _account_ids(session, sorted(totals), offering_id)
    # One order of locks for everybody: by account id.
    entries = [
        _move(session, journal_id, ids[account], account, totals[account])
        for account in sorted(totals, key=lambda each: ids[each])
    ]
    session.execute(sa.insert(Entry), entries)
    session.execute(sa.insert(JournalSeal).values(journal_id=journal_id, content_hash=content_hash(kind, totals)))
    return Posted(journal_id, outside_id, is_new=True)


def _net(lines: Sequence[Line]) -> dict[Account, int]:
    totals: dict[Account, int] = defaultdict(int)
    by_asset: dict[str, int] = defaultdict(int)
    for line in lines:
        if not isinstance(line.amount, int) or abs(line.amount) > MAX_AMOUNT:
            raise InvariantBroken(f"amount {line.amount!r} on {line.account.address}", code="amount_out_of_range")
        totals[line.account] += line.amount
        by_asset[line.account.asset] += line.amount
    totals = {account: amount for account, amount in totals.items() if amount != 0}
    if not totals or any(by_asset.values()):
        raise InvariantBroken(f"journal does not balance: {dict(by_asset)}", code="journal_unbalanced")
    return totals


def content_hash(kind: str, totals: Mapping[Account, int]) -> str:
    """Return the SHA-256 (hexadecimal) that a journal's seal holds: its kind and what it moves on each account."""
    content = [kind, *sorted([account.address, account.asset, amount] for account, amount in totals.items())]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _account_ids(session: Session, accounts: Sequence[Account], offering_id: int | None) -> dict[Account, int]:
    addresses = sorted({account.address for account in accounts})
    query = sa.select(LedgerAccount.id, LedgerAccount.address, LedgerAccount.asset).where(
        LedgerAccount.address.in_(addresses)
    )
    ids = {Account(row.address, row.asset): row.id for row in session.execute(query)}
    missing = [account for account in accounts if account not in ids]
    if missing:
        session.execute(
            insert_for(session, LedgerAccount).on_conflict_do_nothing(index_elements=["address", "asset"]),
            [
                {
                    "address": account.address,
                    "asset": account.asset,
                    "side": account.side,
                    "may_be_negative": account.address.startswith("suspense:"),
                    "offering_id": None if account.is_shared else offering_id,
                    "balance": 0,
                    "version": 0,
                }
                for account in missing
            ],
        )
        ids = {Account(row.address, row.asset): row.id for row in session.execute(query)}
    return ids


def _move(session: Session, journal_id: int, account_id: int, account: Account, amount: int) -> dict[str, int]:
    """Add ``amount`` to the account's counter, which locks its row, and return the entry to insert."""
    change = amount if account.side == DEBIT else -amount
    try:
        # Not a savepoint: a refused balance ends the unit of work, whichever database says so.
        moved = session.execute(
            sa.update(LedgerAccount)
            .where(LedgerAccount.id == account_id)
            .values(balance=LedgerAccount.balance + change, version=LedgerAccount.version + 1)
            .returning(LedgerAccount.balance, LedgerAccount.version)
            .execution_options(synchronize_session=False)
        ).one()
    except (IntegrityError, DataError) as error:
        if change > 0:
            raise Refused(
                f"{account.address} cannot hold {change} {account.asset} more.", code="balance_too_large"
            ) from error
        raise Refused(
            f"{account.address} does not hold {abs(amount)} {account.asset}.", code="balance_below_zero"
        ) from error
    return {
        "journal_id": journal_id,
        "account_id": account_id,
        "amount": amount,
        "balance_after": moved.balance,
        "account_version": moved.version,
    }
