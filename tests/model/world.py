"""The program as the model drives it: people who act, sometimes twice, sometimes cut off, and a clock that jumps."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from app import clock
from app.commitments.models import Commitment, EscrowStatement
from app.contracts.models import Milestone
from app.db import Database
from app.errors import MilestakeError
from app.offerings.models import Offering
from app.progress.models import Release
from tests.factories import life as lives
from tests.faults.processes import WRITES
from tests.unchanged import snapshot

PRICE_MICRO = 370_000
FEE_BP = 250
MINIMUM_MINOR, MAXIMUM_MINOR, TICKET_MINOR = 300_000, 700_000, 50_000


class Cut(BaseException):
    """The process ends here: no handler of the program may catch it."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A plan to play: how many of how many auditors decide, in which order, and what a failure does."""

    approvals: int
    auditors: int
    order: str
    on_failure: str
    closing_bp: int
    tranches: tuple[int, ...]
    resubmissions: int = 1


VARIANTS = (
    Variant(1, 1, "sequential", "wind_down", 1500, (3000, 3000, 2500)),
    Variant(2, 3, "sequential", "return_tranche", 0, (3333, 3334, 3333), 2),
    Variant(2, 2, "parallel", "return_tranche", 1000, (2999, 3001, 3000)),
    Variant(2, 3, "parallel", "wind_down", 2000, (1500, 3000, 3500)),
)


class World:
    """One offering with four investors, driven through its services."""

    def __init__(self, db: Database, variant: Variant) -> None:
        self.db, self.variant = db, variant
        self.life = lives.live(
            db, investors=4, auditors=variant.auditors,
            fields={
                "price_micro": PRICE_MICRO, "fee_bp": FEE_BP, "minimum_minor": MINIMUM_MINOR,
                "target_minor": MINIMUM_MINOR, "maximum_minor": MAXIMUM_MINOR, "minimum_ticket_minor": TICKET_MINOR,
            },
            contract=dataclasses.asdict(variant),
        )
        self.stage = self.life.stage
        self.offering_id = self.life.offering_id
        self.submissions: dict[int, str] = {}
        self._watch: sqlite3.Connection | None = None

    # -- acting ---------------------------------------------------------------------------------------

    def attempt(self, act: Callable[[], Any], *, cut_after: int | None = None) -> tuple[Any, str | None]:
        """Let somebody act: return (result, None), or (None, code) of a refusal, after which nothing has changed.

        With ``cut_after`` the process ends after that many writes; what it left is nothing or a whole effect, and
        the same request is then sent again.
        """
        if cut_after is not None:
            with self._cut_off(cut_after), contextlib.suppress(Cut, MilestakeError):
                act()
        before = self._mark()
        try:
            return act(), None
        except MilestakeError as error:
            assert self._mark() == before, f"refused with {error.code}, but something changed"
            return None, error.code

    def _mark(self) -> object:
        """Return what differs once anything was committed: SQLite counts that, elsewhere every row is looked at."""
        if not self.db.is_sqlite:
            return snapshot(self.db)
        if self._watch is None:
            self._watch = sqlite3.connect(str(self.db.url.database))
        return self._watch.execute("PRAGMA data_version").fetchone()

    @contextlib.contextmanager
    def _cut_off(self, writes: int) -> Iterator[None]:
        left = [writes]

        def count(verb: str) -> None:
            if verb in WRITES:
                left[0] -= 1
                if left[0] == 0:
                    raise Cut

        def executed(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
            count(statement.lstrip().split(None, 1)[0].upper())

        event.listen(self.db.engine, "after_cursor_execute", executed)
        try:
            yield
        finally:
            event.remove(self.db.engine, "after_cursor_execute", executed)

    def work(self, *, cut_after: int | None = None) -> None:
        """Let the worker do what is due, after one that was cut off if asked."""
        if cut_after is not None:
            with self._cut_off(cut_after), contextlib.suppress(Cut):
                self.stage.work()
        self.stage.work()

    def jump(self, seconds: int) -> None:
        """Let time pass and nobody act."""
        left = seconds
        while left > 0:
            step = min(left, clock.MAX_STEP_SECONDS)
            self.db.unit_of_work(lambda session, step=step: clock.advance(session, seconds=step, allowed=True))
            left -= step

    # -- reading --------------------------------------------------------------------------------------

    def offering(self) -> Offering:
        return self.stage.offering(self.offering_id)

    def milestones(self) -> list[Milestone]:
        return self.stage.milestones(self.offering_id)

    def next_deadline(self) -> dt.datetime | None:
        """Return the nearest instant at which silence has an effect."""
        now, offering = self.stage.now, self.offering()
        candidates = [offering.step_due_at, offering.deadline_at, *(each.deadline_at for each in self.milestones())]
        with self.db.read() as session:
            candidates += session.scalars(
                sa.select(Commitment.pay_by).where(Commitment.status.in_(["awaiting_payment", "payment_failed"]))
            ).all()
        return min((each for each in candidates if each is not None and each > now), default=None)

    def statement_after(self, last_id: int) -> list[EscrowStatement]:
        """Return what moved in escrow since, oldest first."""
        query = sa.select(EscrowStatement).where(EscrowStatement.id > last_id).order_by(EscrowStatement.id)
        with self.db.read() as session:
            return list(session.scalars(query))

    def releases_by_journal(self) -> dict[int, tuple[Release, int | None]]:
        """Return each release or return of money with its milestone's ordinal."""
        ordinals = {each.id: each.ordinal for each in self.milestones()}
        with self.db.read() as session:
            return {
                each.journal_id: (each, ordinals[each.milestone_id] if each.milestone_id is not None else None)
                for each in session.scalars(sa.select(Release))
            }

    def orders(self) -> list[Commitment]:
        with self.db.read() as session:
            return list(session.scalars(sa.select(Commitment).order_by(Commitment.ordinal)))
