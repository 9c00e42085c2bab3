"""Check the general ledger against itself: journals, seals, entries and the accounts' counters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.ledger import chart
from app.ledger.models import Entry, Journal, JournalSeal, LedgerAccount
from app.ledger.service import content_hash
from app.selfcheck.problem import BALANCES, Check, Problem, run_checks

CHECKS = (
    Check(
        "journal_unsealed", "The journal has no seal.",
        """SELECT j.public_id AS place FROM journal j LEFT JOIN journal_seal s ON s.journal_id = j.id
        WHERE s.journal_id IS NULL""",
    ),
    Check(
        "seal_alone", "The seal belongs to no journal.",
        """SELECT s.journal_id AS place FROM journal_seal s LEFT JOIN journal j ON j.id = s.journal_id
        WHERE j.id IS NULL""",
    ),
    Check(
        "journal_empty", "The journal has no entries.",
        """SELECT j.public_id AS place FROM journal j
        WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.journal_id = j.id)""",
    ),
    Check(
        "entry_alone", "The entry belongs to no journal or no account.",
        """SELECT e.id AS place FROM entry e LEFT JOIN journal j ON j.id = e.journal_id
        LEFT JOIN account a ON a.id = e.account_id WHERE j.id IS NULL OR a.id IS NULL""",
    ),
    Check(
        "journal_unbalanced", "Debits and credits of the journal are not equal.",
        """SELECT j.public_id AS place, a.asset AS asset, SUM(e.amount) AS difference
        FROM journal j JOIN entry e ON e.journal_id = j.id JOIN account a ON a.id = e.account_id
        GROUP BY j.public_id, a.asset HAVING SUM(e.amount) <> 0""",
    ),
    Check(
        "counter_wrong", "The account's counter is not the sum of its entries.",
        f"""WITH {BALANCES} SELECT a.address AS place, a.asset AS asset, a.balance AS counter, b.amount AS entries
        FROM account a JOIN balance b ON b.account_id = a.id WHERE a.balance <> b.amount""",
    ),
    Check(
        "below_zero", "The account is overdrawn.",
        f"""WITH {BALANCES} SELECT b.address AS place, b.asset AS asset, b.amount AS entries FROM balance b
        WHERE b.amount < 0 AND b.address NOT LIKE 'suspense%'""",
    ),
    Check(
        "version_gap", "The versions of the account's entries have a gap, or its counter is not the last of them.",
        """SELECT a.address AS place, a.asset AS asset, a.version AS counter, COUNT(e.id) AS entries,
        MIN(e.account_version) AS first_version, MAX(e.account_version) AS last_version
        FROM account a LEFT JOIN entry e ON e.account_id = a.id GROUP BY a.address, a.asset, a.version
        HAVING a.version <> COUNT(e.id) OR COALESCE(MAX(e.account_version), 0) <> COUNT(e.id)
        OR COALESCE(MIN(e.account_version), 1) <> 1""",
    ),
    Check(
        "balance_chain", "The balance after the entry is not the one before it plus the entry.",
        """SELECT address AS place, account_version AS version, balance_after AS stands, before + change AS expected
        FROM (SELECT a.address, e.account_version, e.balance_after,
            CASE WHEN a.side = 'debit' THEN e.amount ELSE -e.amount END AS change,
            COALESCE(LAG(e.balance_after) OVER (PARTITION BY e.account_id ORDER BY e.account_version), 0) AS before
          FROM entry e JOIN account a ON a.id = e.account_id) AS chained
        WHERE balance_after <> before + change""",
    ),
    Check(
        "journal_of_other_offering", "The journal moves an account of another offering.",
        """SELECT j.public_id AS place, a.address AS account FROM journal j JOIN entry e ON e.journal_id = j.id
        JOIN account a ON a.id = e.account_id
        WHERE a.offering_id IS NOT NULL AND a.offering_id <> COALESCE(j.offering_id, 0)""",
    ),
    Check(
        "journal_not_of_offering", "The journal names an offering but moves none of its accounts.",
        """SELECT j.public_id AS place, j.offering_id AS offering FROM journal j WHERE j.offering_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM entry e JOIN account a ON a.id = e.account_id
          WHERE e.journal_id = j.id AND a.offering_id = j.offering_id)""",
    ),
    Check(
        "asset_of_other_offering", "The account holds another asset than the offering's currency or token.",
        """SELECT a.address AS place, a.asset AS asset FROM account a JOIN offering o ON o.id = a.offering_id
        JOIN token_class t ON t.id = o.token_class_id
        WHERE a.asset <> o.currency AND a.asset <> t.code || '/0'""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong in the general ledger."""
    yield from run_checks(session, CHECKS)
    yield from _accounts(session)
    yield from _seals(session)


def _accounts(session: Session) -> Iterator[Problem]:
    """Compare every account with the chart: kind, side, overdraft, and the offering in its address."""
    owner = sa.table("offering", sa.column("id"), sa.column("public_id"))
    rows = session.execute(
        sa.select(LedgerAccount, owner.c.public_id).outerjoin(owner, owner.c.id == LedgerAccount.offering_id)
    )
    for account, offering in rows:
        identity = chart.Account(account.address, account.asset)
        known = identity.kind in chart.SIDES
        if not known or (account.side, bool(account.may_be_negative)) != (identity.side, False):
            yield Problem("account_unknown", account.address, "The account is not as the chart of accounts has it.",
                          {"side": account.side, "may_be_negative": bool(account.may_be_negative)})
        elif offering != (None if identity.is_shared else identity.owner):
            yield Problem("account_owner", account.address, "The account is not its offering's.",
                          {"offering": offering})


def _seals(session: Session) -> Iterator[Problem]:
    """Recompute the hash in every seal from the journal's kind and entries, in one pass."""
    rows = session.execute(
        sa.select(
            Journal.public_id, Journal.kind, JournalSeal.content_hash, LedgerAccount.address, LedgerAccount.asset,
            Entry.amount,
        )
        .join(JournalSeal, JournalSeal.journal_id == Journal.id)
        .join(Entry, Entry.journal_id == Journal.id)
        .join(LedgerAccount, LedgerAccount.id == Entry.account_id)
        .order_by(Journal.id)
        .execution_options(yield_per=2000)
    )
    for public_id, group in itertools.groupby(rows, key=lambda row: row.public_id):
        entries = list(group)
        totals = {chart.Account(each.address, each.asset): each.amount for each in entries}
        if len(totals) != len(entries) or content_hash(entries[0].kind, totals) != entries[0].content_hash:
            yield Problem("seal_broken", public_id, "The journal is not the one that was sealed.")
