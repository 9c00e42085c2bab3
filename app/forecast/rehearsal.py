"""Let the real worker do its real jobs on a copy, from one due instant to the next, and write down what it does."""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock, work, worker
from app.audit.models import LogEntry
from app.commitments.models import EscrowStatement
from app.config import Settings
from app.db import Database
from app.forecast import subjects
from app.forecast.subjects import Subject
from app.forecast.waking import Waking
from app.ledger import chart
from app.ledger import queries as ledger
from app.ledger.models import Entry, Journal, LedgerAccount
from app.payments import rules
from app.payments.rails import rehearsal_rails

#: Mails tell people what has happened; nothing has, and nobody may be told.
LEFT_OUT = frozenset({"send_mails", "send_complaint_mails"})
#: More instants than this are not rehearsed; the forecast then says that it was cut short.
MOST_INSTANTS = 5_000
#: After the last deadline of any offering the rehearsal goes on for so many instants more at most.
AFTER_THE_LAST_DATE = 6
#: Past the window no exact instants are wanted, only whether and by when everything is paid out or back.
COARSE, DAY, AFTERWARDS = dt.timedelta(days=14), dt.timedelta(days=1), dt.timedelta(days=60)
#: The worker meets what falls due a moment later, when a rail may be polled again (``POLL_EVERY``).
MOMENT = rules.POLL_EVERY + dt.timedelta(seconds=1)

NOBODY_ACTS = "Nobody acts: no founder, investor, auditor or operator does anything from now on."
SANDBOX_SETTLES = (
    "The sandbox does what its own books say: its pending payments arrive, fail or come back on their dates."
)
NOTHING_ARRIVES = "What a rail has under way stays so: pending payments neither arrive nor fail before their time ends."
WHAT_IS_SENT_ARRIVES = "Refunds and payouts arrive when they are sent, unless the account is known not to take them."
NEWS_CHANGES_IT = "It is true of this moment: whatever somebody does, or a rail reports, changes it."


def assumptions(*, nothing_arrives: bool) -> tuple[str, ...]:
    """Return what a forecast takes for granted, for people."""
    rails = NOTHING_ARRIVES if nothing_arrives else f"{SANDBOX_SETTLES} At any other rail: {NOTHING_ARRIVES}"
    return NOBODY_ACTS, rails, WHAT_IS_SENT_ARRIVES, NEWS_CHANGES_IT


@dataclass(frozen=True, slots=True)
class Move:
    """An amount in minor units (or whole tokens) going from one account to another; ``holders`` have a part in it."""

    asset: str
    amount: int
    source: str
    target: str
    holders: int

    @property
    def is_money(self) -> bool:
        return not self.asset.endswith("/0")


@dataclass(frozen=True, slots=True)
class Posted:
    """A journal that would be posted, with what moves."""

    kind: str
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the log that would be written; states are None where none changes."""

    action: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Act:
    """What one job would do to one thing at an instant of business time; ``error`` says why it would fail."""

    at: dt.datetime
    job: str
    subject: Subject
    journals: tuple[Posted, ...]
    changes: tuple[Change, ...]
    error: str | None


class Rehearsal:
    """One rehearsal on one copy. ``acts`` grows; ``emptied`` says when an account last came to 0."""

    def __init__(
        self, copy: Database, settings: Settings, *, begins_at: dt.datetime, nothing_arrives: bool = False
    ) -> None:
        self.copy = copy
        self.acts: list[Act] = []
        self.quiet: Counter[str] = Counter()
        self.emptied: dict[tuple[str, str], dt.datetime | None] = {}
        self.cut_short = False
        self._settings, self._nothing_arrives = settings, nothing_arrives
        with copy.read() as session:
            self._offset = dt.timedelta(seconds=clock.offset_seconds(session))
            self._last_journal, self._last_log = _last(session, Journal.id), _last(session, LogEntry.id)
        self._at = self._now = begins_at
        self._instants = 0
        self._waking = Waking(self._offset, LEFT_OUT)
        self._subjects = subjects.Subjects()

    # -- time ---------------------------------------------------------------------------------------

    def play(self, *, until: dt.datetime) -> None:
        """Do what is due now, and what falls due until then, each at its instant."""
        self._wake(self._now)
        while (at := self._next(until)) is not None and self._goes_on():
            self._wake(at)
        self._now = max(self._now, until)

    def play_until_paid(self, latest: dt.datetime) -> None:
        """Go on until nothing is owed to anybody any more, or nothing comes that could change it.

        Coarser than :meth:`play`: what happens within a few days happens when they are over. ``latest`` is when the
        last deadline of any offering has passed; after it a few more steps let refunds be tried again.
        """
        while self._is_owing() and self._goes_on():
            nearest = self._nearest_date()
            if nearest is None or nearest > latest:
                break
            self._wake(max(nearest, self._now + COARSE))
        for _count in range(AFTER_THE_LAST_DATE):
            at, done = self._next(self._now + AFTERWARDS), len(self.acts)
            if at is None or not self._is_owing():
                break
            self._wake(max(at, self._now + DAY))
            if len(self.acts) == done:
                break

    def _is_owing(self) -> bool:
        with self.copy.read() as session:
            return bool(ledger.accounts_not_empty(session, chart.OWED))

    def _goes_on(self) -> bool:
        self._instants += 1
        self.cut_short = self.cut_short or self._instants > MOST_INSTANTS
        return not self.cut_short

    def _nearest_date(self) -> dt.datetime | None:
        with self.copy.read() as session:
            return self._waking.nearest_date(session, self._now)

    def _next(self, until: dt.datetime) -> dt.datetime | None:
        with self.copy.read() as session:
            return self._waking.next_instant(session, self._now, until)

    def _wake(self, at: dt.datetime) -> None:
        self._at, self._now = at, at + MOMENT
        with (
            clock.imagined(self._now - self._offset),
            tempfile.TemporaryDirectory(prefix="milestake-forecast-") as directory,
        ):
            worker.run_due(self._context(Path(directory)))

    def _context(self, directory: Path) -> work.Context:
        # Nothing that a job could reach with these leads outside.
        settings = dataclasses.replace(self._settings, smtp_url="", mail_dir=directory, data_dir=directory)
        rails = rehearsal_rails(self.copy, nothing_arrives=self._nothing_arrives)
        return work.Context(self.copy, settings, rails, left_out=LEFT_OUT, witness=self)

    # -- what the worker tells (work.Witness) -------------------------------------------------------

    def did(self, job: str, object_id: int, now: dt.datetime, error: str | None) -> None:
        """Write down one act with what it posted and changed; what had no effect is only counted."""
        with self.copy.read() as session:
            journals, changes = self._journals(session), self._changes(session)
            if error is None and not journals and not changes:
                self.quiet[job] += 1
                self._waking.had_no_effect(job, object_id, now)
                return
            self._waking.had_effect(job, object_id)
            subject = self._subjects.of(session, job, object_id)
        self.acts.append(Act(self._at, job, subject, journals, changes, error))

    def handled(self, topic: str, error: str | None) -> None:
        """Count a message, such as a notice that would be written; one that fails is an act that fails."""
        if error is None:
            self.quiet[f"message: {topic}"] += 1
            return
        self.acts.append(Act(self._at, f"message: {topic}", subjects.NOTHING, (), (), error))

    def _journals(self, session: Session) -> tuple[Posted, ...]:
        rows = session.execute(
            sa.select(
                Journal.id, Journal.kind, LedgerAccount.address, LedgerAccount.asset, Entry.amount, Entry.balance_after
            )
            .join(Entry, Entry.journal_id == Journal.id)
            .join(LedgerAccount, LedgerAccount.id == Entry.account_id)
            .where(Journal.id > self._last_journal)
            .order_by(Journal.id, Entry.id)
        ).all()
        if not rows:
            return ()
        by_journal: dict[int, list[sa.Row]] = {}
        for row in rows:
            by_journal.setdefault(row.id, []).append(row)
            self.emptied[row.address, row.asset] = None if row.balance_after else self._at
        holders = {
            row.journal_id: row.holders
            for row in session.execute(
                sa.select(
                    EscrowStatement.journal_id, sa.func.count(sa.distinct(EscrowStatement.party_id)).label("holders")
                )
                .where(EscrowStatement.journal_id.in_(list(by_journal)))
                .group_by(EscrowStatement.journal_id)
            )
        }
        self._last_journal = max(by_journal)
        return tuple(
            Posted(lines[0].kind, moves([(each.address, each.asset, each.amount) for each in lines],
                                        holders.get(number, 0)))
            for number, lines in by_journal.items()
        )

    def _changes(self, session: Session) -> tuple[Change, ...]:
        rows = session.execute(
            sa.select(LogEntry.id, LogEntry.action, LogEntry.object_id)
            .where(LogEntry.id > self._last_log)
            .order_by(LogEntry.id)
        ).all()
        if rows:
            self._last_log = rows[-1].id
        return tuple(Change(row.action, row.object_id) for row in rows)


def moves(lines: list[tuple[str, str, int]], holders: int) -> tuple[Move, ...]:
    """Pair the debits of a journal with its credits, asset by asset, in the order of its lines.

    An amount goes from the account that is debited to the one that is credited: out of escrow into what is payable,
    out of what is owed to the cash that leaves. Between two accounts of what there is, such as tokens, it is the
    other way round.
    """
    found = []
    for asset in dict.fromkeys(asset for _address, asset, _amount in lines):
        debited = [[address, amount] for address, of, amount in lines if of == asset and amount > 0]
        credited = [[address, -amount] for address, of, amount in lines if of == asset and amount < 0]
        while debited and credited:
            amount = min(debited[0][1], credited[0][1])
            ends = debited[0][0], credited[0][0]
            if all(chart.Account(each, asset).side == chart.DEBIT for each in ends):
                ends = ends[1], ends[0]
            found.append(Move(asset, amount, *ends, holders))
            for side in (debited, credited):
                side[0][1] -= amount
                if not side[0][1]:
                    side.pop(0)
    return tuple(found)


def _last(session: Session, column: sa.orm.InstrumentedAttribute[int]) -> int:
    return session.execute(sa.select(sa.func.coalesce(sa.func.max(column), 0))).scalar_one()
