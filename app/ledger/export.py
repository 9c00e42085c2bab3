"""Write the whole ledger as plain text that hledger or beancount reads and checks.

Balances at the end are the accounts' counters, so that another program works them out from the entries again:
one moved cent and it refuses. Rows are streamed; nothing is held but the names of assets. Debits are positive.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger.chart import DEBIT, Account
from app.ledger.models import Entry, Journal, LedgerAccount
from milestones.money import Asset, format_amount

#: kind of account → (hledger's type, beancount's root): what a reader's balance sheet makes of it.
GROUPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cash": ("A", "Assets"),
        "receivable": ("A", "Assets"),
        "expense": ("X", "Expenses"),
        "loss": ("X", "Expenses"),
        "unissued": ("A", "Assets"),
        "reserved": ("A", "Assets"),
        "outstanding": ("A", "Assets"),
        "fees": ("R", "Income"),
        "capital": ("E", "Equity"),
        "authorised": ("E", "Equity"),
    }
)
#: Everything else is owed to somebody.
OWED = ("L", "Liabilities")


class Out(Protocol):
    """What can be written to: a file, the screen, a response."""

    def write(self, text: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Booked:
    """One journal with what it moves on each account, signed: debits above zero."""

    public_id: str
    kind: str
    key: str
    cause: str
    day: dt.date
    lines: tuple[tuple[Account, int], ...]


class Form(Protocol):
    """How one program spells accounts, journals and balances."""

    def opening(self, first: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]: ...

    def journal(self, booked: Booked) -> Iterator[str]: ...

    def closing(self, after: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]: ...


def write(session: Session, out: Out, form: str) -> int:
    """Write every journal to ``out`` in the form of ``FORMATS`` and return how many there were."""
    first, last = session.execute(sa.select(sa.func.min(Journal.occurred_at), sa.func.max(Journal.occurred_at))).one()
    assets = [Asset.parse(each) for each in session.scalars(sa.select(LedgerAccount.asset).distinct())]
    spelled = _FORMS[form](Symbols(assets))
    out.write("; Milestake, the whole ledger. Debits are positive. The last figures are the accounts' counters.\n\n")
    if first is None:
        return 0
    count = 0
    for text in spelled.opening(first.date(), _accounts(session)):
        out.write(text)
    for booked in _journals(session):
        count += 1
        for text in spelled.journal(booked):
            out.write(text)
    for text in spelled.closing(last.date() + dt.timedelta(days=1), _accounts(session)):
        out.write(text)
    return count


def _accounts(session: Session) -> Iterator[tuple[Account, int]]:
    """Yield every account with its counter as debits less credits, by address."""
    rows = session.execute(
        sa.select(LedgerAccount.address, LedgerAccount.asset, LedgerAccount.side, LedgerAccount.balance)
        .order_by(LedgerAccount.address, LedgerAccount.asset)
        .execution_options(yield_per=1000)
    )
    for row in rows:
        yield Account(row.address, row.asset), row.balance if row.side == DEBIT else -row.balance


def _journals(session: Session) -> Iterator[Booked]:
    """Yield every journal in the order in which they were posted."""
    rows = session.execute(
        sa.select(
            Journal.id, Journal.public_id, Journal.kind, Journal.key, Journal.cause, Journal.occurred_at,
            LedgerAccount.address, LedgerAccount.asset, Entry.amount,
        )
        .join(Entry, Entry.journal_id == Journal.id)
        .join(LedgerAccount, LedgerAccount.id == Entry.account_id)
        .order_by(Journal.id, Entry.id)
        .execution_options(yield_per=1000)
    )
    for _id, group in itertools.groupby(rows, key=lambda row: row.id):
        entries = list(group)
        head = entries[0]
        yield Booked(
            head.public_id, head.kind, head.key, head.cause, head.occurred_at.date(),
            tuple((Account(each.address, each.asset), each.amount) for each in entries),
        )


class Symbols:
    """The short name of each asset: its code, with the decimals behind it where two assets share a code."""

    def __init__(self, assets: Iterable[Asset]) -> None:
        known = list(assets)
        codes = [asset.code for asset in known]
        self._names = {
            str(asset): asset.code if codes.count(asset.code) == 1 else f"{asset.code}-{asset.scale}"
            for asset in known
        }

    def name(self, asset: str) -> str:
        """Return the asset's name: capitals, digits and hyphens."""
        return self._names[asset]

    def items(self) -> list[tuple[str, str]]:
        """Return every asset with its name, in order."""
        return sorted(self._names.items())


class HledgerForm:
    """hledger's journal, such that ``hledger check --strict`` accepts it."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def opening(self, first: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]:  # noqa: ARG002 - one shape
        """Declare every commodity with its decimals, and every account with its type."""
        for asset, name in self._symbols.items():
            scale = Asset.parse(asset).scale
            yield f'commodity 1000.{"0" * scale} "{name}"\n'
        yield "\n"
        for address, _group in itertools.groupby(accounts, key=lambda each: each[0].address):
            kind = address.split(":", 1)[0]
            yield f"account {address}  ; type:{GROUPS.get(kind, OWED)[0]}\n"

    def journal(self, booked: Booked) -> Iterator[str]:
        """Write one transaction; its code is the journal's id."""
        yield f"\n{booked.day} ({booked.public_id}) {booked.kind}  ; key:{booked.key}, cause:{booked.cause}\n"
        for account, amount in booked.lines:
            yield f"    {account.address}  {self._amount(account.asset, amount)}\n"

    def closing(self, after: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]:
        """Assert every balance in one transaction that moves nothing."""
        yield f"\n{after} (closing) balances of the accounts' counters\n"
        for account, balance in accounts:
            nothing = self._amount(account.asset, 0)
            yield f"    {account.address}  {nothing} = {self._amount(account.asset, balance)}\n"

    def _amount(self, asset: str, amount: int) -> str:
        return f'{format_amount(amount, Asset.parse(asset))} "{self._symbols.name(asset)}"'


class BeancountForm:
    """beancount's ledger, such that ``bean-check`` accepts it."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def opening(self, first: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]:
        """Name every commodity and open every account for the commodities that it holds."""
        yield 'option "title" "Milestake"\n\n'
        for asset, name in self._symbols.items():
            yield f'{first} commodity {name}\n  asset: "{asset}"\n'
        yield "\n"
        for address, group in itertools.groupby(accounts, key=lambda each: each[0].address):
            names = ",".join(self._symbols.name(account.asset) for account, _balance in group)
            yield f'{first} open {self._account(address)} {names}\n  address: "{address}"\n'

    def journal(self, booked: Booked) -> Iterator[str]:
        """Write one transaction, linked by the journal's id."""
        yield f'\n{booked.day} * "{booked.kind}" ^{booked.public_id}\n'
        yield f'  key: "{booked.key}"\n  cause: "{booked.cause}"\n'
        for account, amount in booked.lines:
            yield f"  {self._account(account.address)}  {self._amount(account.asset, amount)}\n"

    def closing(self, after: dt.date, accounts: Iterable[tuple[Account, int]]) -> Iterator[str]:
        """Assert every balance with no tolerance; balances hold at the beginning of their day."""
        yield "\n"
        for account, balance in accounts:
            asset = Asset.parse(account.asset)
            yield (
                f"{after} balance {self._account(account.address)}  {format_amount(balance, asset)} "
                f"~ {format_amount(0, asset)} {self._symbols.name(account.asset)}\n"
            )

    def _account(self, address: str) -> str:
        """Return an address as beancount takes it: a root, then parts that begin with a capital or a digit."""
        parts = [part.replace("_", "-") for part in address.split(":")]
        root = GROUPS.get(parts[0], OWED)[1]
        return ":".join([root, *(part[0].upper() + part[1:] for part in parts)])

    def _amount(self, asset: str, amount: int) -> str:
        return f"{format_amount(amount, Asset.parse(asset))} {self._symbols.name(asset)}"


_FORMS: Mapping[str, type[HledgerForm] | type[BeancountForm]] = MappingProxyType(
    {"hledger": HledgerForm, "beancount": BeancountForm}
)
FORMATS = tuple(_FORMS)
