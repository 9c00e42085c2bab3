"""Check the books after a replay three times over: by our own check, by hledger and by beancount.

And count the money: what came in must be what went out and what is held, by the entries, and by the rail's own
statement, which knows nothing of our ledger.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import selfcheck
from app.db import Database
from app.ledger import export
from app.ledger.models import Entry, Journal, LedgerAccount
from app.payments.sandbox_models import SandboxLine

Out = Callable[[str], None]

#: form of the export → how its program is asked to check a file
PROGRAMS: Mapping[str, Sequence[str]] = {
    "hledger": ("hledger", "check", "--strict", "--file"),
    "beancount": ("bean-check",),
}
PROGRAM_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Money:
    """Where the money of one currency went, in minor units, by the entries on accounts of cash and expense.

    ``ours`` is the part of what is held that is the platform's: float and fees. ``statement_minor`` is what the rail
    says it holds, without the float we put in.
    """

    asset: str
    paid_in: int
    funded: int
    refunded: int
    returned: int
    paid_out: int
    kept_by_rail: int
    held: int
    ours: int
    statement_minor: int

    @property
    def cents_in(self) -> int:
        return self.paid_in + self.funded

    @property
    def cents_out(self) -> int:
        return self.refunded + self.returned + self.paid_out + self.kept_by_rail

    @property
    def is_whole(self) -> bool:
        return self.cents_in == self.cents_out + self.held and self.held == self.statement_minor + self.funded


#: kind of journal → where its cash came from or went
FLOWS: Mapping[str, str] = {
    "payment_cleared": "paid_in",
    "payment_unapplied": "paid_in",
    "payment_returned": "returned",
    "float_funded": "funded",
    "refund_done": "refunded",
    "refund_failed_later": "refunded",
    "payout_done": "paid_out",
    "payout_returned": "paid_out",
    "fees_covered": "inside",
    "fees_swept": "inside",
    "advanced": "inside",
    "advance_returned": "inside",
    "dispute_opened": "returned",
    "dispute_won": "returned",
    "claim_paid": "funded",
}


def money(session: Session) -> list[Money]:
    """Return the flows of each currency; a journal that moves cash and is not known here raises ``KeyError``."""
    flows: dict[str, Counter[str]] = {}
    for asset, kind, is_fee, amount in session.execute(_MOVED):
        found = flows.setdefault(asset, Counter())
        found[FLOWS[kind]] += int(amount)
        if is_fee:
            found["kept_by_rail"] += int(amount)
    held: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    cash = sa.select(LedgerAccount.address, LedgerAccount.asset, LedgerAccount.balance)
    for address, asset, balance in session.execute(cash.where(LedgerAccount.address.startswith("cash:"))):
        held[asset] += balance
        ours[asset] += balance if address.endswith(":platform") else 0
    on_statement = sa.select(SandboxLine.asset, sa.func.sum(SandboxLine.amount_minor).label("minor"))
    lines = {row.asset: row.minor for row in session.execute(on_statement.group_by(SandboxLine.asset))}
    return [
        Money(
            asset=asset, paid_in=found["paid_in"], funded=found["funded"], refunded=-found["refunded"],
            returned=-found["returned"], paid_out=-found["paid_out"], kept_by_rail=found["kept_by_rail"],
            held=held[asset], ours=ours[asset],
            statement_minor=int(lines.get(asset, 0)),
        )
        for asset, found in sorted(flows.items())
    ]


_IS_FEE = LedgerAccount.address.startswith("expense:")
_MOVED = (
    sa.select(LedgerAccount.asset, Journal.kind, _IS_FEE, sa.func.sum(Entry.amount))
    .join(Entry, Entry.account_id == LedgerAccount.id)
    .join(Journal, Journal.id == Entry.journal_id)
    .where(sa.or_(LedgerAccount.address.startswith("cash:"), _IS_FEE))
    .group_by(LedgerAccount.asset, Journal.kind, _IS_FEE)
)


def check_books(db: Database, out: Out, *, need_programs: bool = False) -> bool:
    """Run the three checks, say what each found, and return whether none found anything.

    A program that is not on this machine is said; with ``need_programs`` it counts as a failure.
    """
    with db.read() as session:
        problems = selfcheck.run(session)
    for problem in problems[:20]:
        out(f"  {problem}")
    out(f"Ledger check: {f'{len(problems)} problems' if problems else 'nothing found'}.")
    results = [_external(db, form, command, out, need_programs) for form, command in PROGRAMS.items()]
    return not problems and all(results)


def _external(db: Database, form: str, command: Sequence[str], out: Out, need_programs: bool) -> bool:
    # Programs that were installed with the libraries lie beside this Python.
    program = shutil.which(command[0]) or shutil.which(command[0], path=str(Path(sys.executable).parent))
    if program is None:
        out(f"{form}: the program {command[0]} is not on this machine, so it did not check.")
        return not need_programs
    with tempfile.TemporaryDirectory(prefix="milestake-export-") as directory:
        file = Path(directory) / f"ledger.{form}"
        with file.open("w", encoding="utf-8") as lines, db.read() as session:
            count = export.write(session, lines, form)
        found = subprocess.run(
            [program, *command[1:], str(file)], capture_output=True, text=True, check=False, timeout=PROGRAM_SECONDS
        )
    if found.returncode != 0:
        out(f"{form}: refuses the export of {count:,} journals.\n{(found.stdout + found.stderr)[:2000]}")
        return False
    out(f"{form}: accepts the export of {count:,} journals.")
    return True
