"""The program as the model drives it: people who act, sometimes twice, sometimes cut off, and a clock that jumps."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import gc
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from app import clock
from app.accounts.actor import Actor
from app.commitments.models import Commitment, EscrowStatement
from app.contracts.models import Milestone
from app.db import Database, Session
from app.errors import MilestakeError
from app.offerings.models import Offering
from app.progress import panel_signing
from app.progress.dispute_models import Dispute
from app.progress.models import Release
from milestones.verdict import Finding
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
    partial: int = 0
    retained_bp: int = 0


VARIANTS = (
    Variant(1, 1, "sequential", "wind_down", 1500, (3000, 3000, 2500)),
    Variant(2, 3, "sequential", "return_tranche", 0, (3333, 3334, 3333), 2),
    Variant(2, 2, "parallel", "return_tranche", 1000, (2999, 3001, 3000)),
    Variant(2, 3, "parallel", "wind_down", 2000, (1500, 3000, 3500)),
    Variant(1, 1, "sequential", "return_tranche", 1000, (3999, 3001, 2000), 2, partial=2, retained_bp=700),
    Variant(2, 3, "parallel", "return_tranche", 0, (3333, 3334, 3333), partial=1, retained_bp=1000),
)


def _document(variant: Variant) -> dict[str, Any]:
    """Return the variant's contract, due as an offering's of today would be."""
    options = dataclasses.asdict(variant)
    partial, retained_bp = options.pop("partial"), options.pop("retained_bp")
    start = clock.system_now().date() + dt.timedelta(days=30)
    document = lives.contract_document(start, **options)
    if not partial:
        return document
    document["schema"] = "milestake/contract/2"
    for number, milestone in enumerate(document["milestones"], start=1):
        last = number == len(document["milestones"])
        milestone["partial_releases"] = 0 if last else partial
        milestone["criteria"][1]["must"] = False
        milestone["retainage"] = {
            "bp": retained_bp, "event": "Ninety days passed without a defect.", "procedure": "Read the defect log.",
            "evidence": ["defect_log"], "after_days": 10, "days": 90,
        }
    return document


class World:
    """One offering with four investors, driven through its services."""

    def __init__(self, db: Database, variant: Variant) -> None:
        self.db, self.variant = db, variant
        self.life = lives.live(
            db, investors=4, auditors=variant.auditors, fee_bp=FEE_BP, document=_document(variant),
            fields={
                "price_micro": PRICE_MICRO, "minimum_minor": MINIMUM_MINOR, "target_minor": MINIMUM_MINOR,
                "maximum_minor": MAXIMUM_MINOR, "minimum_ticket_minor": TICKET_MINOR,
            },
        )
        self.stage = self.life.stage
        #: Auditors who sit on no milestone: panels are drawn from them.
        self.jurors = [
            self.stage.person("auditor", f"Juror {n}", email=f"juror.{self.stage.key()}@panel{n}.example")
            for n in range(1, 5)
        ]
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
            # A process that ended holds no lock; what this one still refers to must not either.
            gc.collect()
            self.db.dispose()

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

    def judge(self, juror: Actor, milestone_id: int, findings: Mapping[str, tuple[str, int]]) -> str:
        """Let a member of a milestone's panel sign findings; refused for who does not sit on it."""

        def act(session: Session) -> str:
            dispute = session.scalars(
                sa.select(Dispute).where(Dispute.milestone_id == milestone_id).order_by(Dispute.id.desc()).limit(1)
            ).one()
            return panel_signing.sign(
                session, actor=juror, dispute_id=dispute.public_id, key=self.stage.key(),
                findings=[Finding(criterion, *given) for criterion, given in findings.items()],
                now=clock.business_now(session),
            ).public_id

        return self.db.unit_of_work(act)

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
