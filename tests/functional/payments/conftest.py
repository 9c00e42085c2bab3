"""A live offering, and ways to pay, let time pass and read the journals that came of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock, work
from app.audit.models import LogEntry
from app.commitments.models import Commitment, Refund
from app.db import Database
from app.ledger import queries as ledger
from app.offerings.models import Offering
from app.payments import intents, ports, queries, service, tasks
from app.payments.models import Operation, OperationEffect, Payout, RailCursor, Receipt
from app.payments.sandbox import Fault, SandboxRail
from tests.factories import life as factories

MAX_PASSES = 30
T = TypeVar("T")


@dataclasses.dataclass
class Till:
    """One live offering of at most 10,000.00 at 0.50 a token, its rail, and the payments' own jobs."""

    life: factories.Life

    @property
    def db(self) -> Database:
        return self.life.stage.db

    @property
    def rail(self) -> SandboxRail:
        rail = self.life.stage.rails["sandbox"]
        assert isinstance(rail, SandboxRail)
        return rail

    def scripted(self, *script: Fault) -> SandboxRail:
        """Put a rail with scripted faults in the place of the plain one."""
        rail = SandboxRail(self.db, now=lambda: self.life.stage.now, script=script)
        self.life.stage.rails = {"sandbox": rail}
        self.life.stage.context = work.Context(self.db, self.life.stage.settings, self.life.stage.rails)
        return rail

    # -- acts ---------------------------------------------------------------------------------------

    def commit(self, amount_minor: int = 500_000, *, investor: int = 0) -> str:
        return self.life.stage.commit(self.life.investors[investor], self.life.offering_id, amount_minor)

    def invest(self, method: str = "instant", amount_minor: int = 500_000, *, investor: int = 0) -> str:
        commitment_id = self.commit(amount_minor, investor=investor)
        self.pay(commitment_id, method, investor=investor)
        return commitment_id

    def pay(self, commitment_id: str, method: str = "instant", *, investor: int = 0) -> Operation:
        self.life.stage.pay(self.life.investors[investor], commitment_id, method)
        return self.payment(commitment_id)

    def start(self, commitment_id: str, method: str = "instant", *, investor: int = 0, key: str = "k1") -> Operation:
        """Make the operation of a payment without sending it."""
        return self.act(
            lambda session, now: service.start_collection(
                session, actor=self.life.investors[investor], commitment_public_id=commitment_id, method=method,
                key=key, now=now,
            )
        )

    def cancel(self, commitment_id: str, *, investor: int = 0) -> None:
        self.life.stage.cancel(self.life.investors[investor], commitment_id)

    def fund(self, amount_minor: int) -> None:
        self.act(
            lambda session, now: service.fund_float(
                session, actor=self.life.operator, amount_minor=amount_minor, asset="USD/2", now=now
            )
        )

    def act(self, block: Callable[[Session, dt.datetime], T]) -> T:
        """Run ``block`` in a unit of work with business time."""
        return self.db.unit_of_work(lambda session: block(session, clock.business_now(session)))

    def pass_time(self, **step: int) -> int:
        """Let time pass, then the payments' jobs (and no others) do what is due."""
        self.skip(**step)
        return self.work()

    def work(self, *names: str) -> int:
        """Run the payments' jobs until nothing is due; that they come to rest is part of every test."""
        done = 0
        for _pass in range(MAX_PASSES):
            did = sum(self._run(job) for job in tasks.JOBS if not names or job.name in names)
            done += did
            if not did:
                return done
        raise AssertionError("the jobs of payments do not come to rest")

    def _run(self, job: work.Job) -> int:
        with self.db.read() as session:
            now = clock.business_now(session)
            due = list(job.due(session, now, work.BATCH))
        for object_id in due:
            if job.outside:
                job.act(self.life.stage.context, object_id, now)
            else:
                self.db.unit_of_work(lambda session, object_id=object_id: job.act(session, object_id, now))
        return len(due)

    # -- faults -------------------------------------------------------------------------------------

    def skip(self, **step: int) -> None:
        """Let business time pass while no worker runs."""
        seconds = int(dt.timedelta(**step).total_seconds())
        self.db.unit_of_work(lambda session: clock.advance(session, seconds=seconds, allowed=True))

    def claim(self, operation_id: int) -> ports.FrozenRequest:
        """Claim an operation as a worker does that then dies or dawdles."""
        request = self.act(lambda session, now: service.claim_for_sending(session, operation_id, now=now))
        assert request is not None
        return request

    def lease_runs_out(self) -> None:
        past = clock.system_now() - dt.timedelta(seconds=1)
        self.db.unit_of_work(lambda session: session.execute(sa.update(Operation).values(lease_until=past)))

    def unknown_for(self, **time: int) -> None:
        """Let it be so long ago, in real time, that answers were lost."""
        since = clock.system_now() - dt.timedelta(**time)
        lost = sa.update(Operation).where(Operation.unknown_since.is_not(None)).values(unknown_since=since)
        self.db.unit_of_work(lambda session: session.execute(lost))

    def pauses_pass(self) -> None:
        """Let the pauses between attempts pass, which run on the system clock."""
        past = clock.system_now() - dt.timedelta(seconds=1)

        def pass_them(session: Session) -> None:
            session.execute(sa.update(Operation).values(next_at=past))
            session.execute(sa.update(RailCursor).values(retry_at=None))

        self.db.unit_of_work(pass_them)

    def tell(self, operation_id: int, outcome: ports.Outcome) -> None:
        """Apply an answer as if the rail had just reported and been asked."""

        def tell(session: Session, now: dt.datetime) -> None:
            operation = intents.lock(session, operation_id)
            operation.events_heard += 1
            session.flush()
            service.apply_event(session, operation_id, operation.events_heard, outcome, now=now)

        self.act(tell)

    def tell_returned(self, commitment_id: str) -> None:
        """Tell that a bank took a payment back, at any time we like, and as often."""
        operation = self.payment(commitment_id)
        _effect, amount_minor, fee_minor = self.effects(operation)[0]
        effects = (
            ports.Effect(ports.CLEARED, amount_minor, operation.created_at, fee_minor),
            ports.Effect(ports.RETURNED, amount_minor, self.life.stage.now),
        )
        self.tell(operation.id, ports.Done(operation.provider_ref or "", effects))

    # -- what came of it ----------------------------------------------------------------------------

    def read(self, block: Callable[[Session], T]) -> T:
        with self.db.read() as session:
            return block(session)

    def offering(self) -> Offering:
        return self.life.stage.offering(self.life.offering_id)

    def commitment(self, commitment_id: str) -> Commitment:
        return self.read(
            lambda session: session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one()
        )

    def payment(self, commitment_id: str) -> Operation:
        commitment = self.commitment(commitment_id)
        found = self.read(lambda session: queries.latest_collection(session, commitment.id))
        assert found is not None
        return found

    def operation(self, operation_id: int) -> Operation:
        return self.read(lambda session: session.get_one(Operation, operation_id))

    def operations(self, kind: str) -> Sequence[Operation]:
        return self.read(
            lambda session: session.scalars(
                sa.select(Operation).where(Operation.kind == kind).order_by(Operation.id)
            ).all()
        )

    def effects(self, operation: Operation) -> list[tuple[str, int, int]]:
        rows = self.read(
            lambda session: session.scalars(
                sa.select(OperationEffect)
                .where(OperationEffect.operation_id == operation.id)
                .order_by(OperationEffect.id)
            ).all()
        )
        return [(row.effect, row.amount_minor, row.fee_minor) for row in rows]

    def refunds(self) -> Sequence[Refund]:
        return self.read(lambda session: session.scalars(sa.select(Refund).order_by(Refund.id)).all())

    def logged(self, action: str) -> int:
        return self.read(
            lambda session: session.scalar(sa.select(sa.func.count()).where(LogEntry.action == action)) or 0
        )

    def receipts(self) -> Sequence[Receipt]:
        return self.read(lambda session: session.scalars(sa.select(Receipt).order_by(Receipt.id)).all())

    def payouts(self) -> Sequence[Payout]:
        return self.read(lambda session: session.scalars(sa.select(Payout).order_by(Payout.id)).all())

    def journals(self, *kinds: str) -> list[dict[str, int]]:
        """Return the journals of these kinds, oldest first, as {address: amount}, O, I for the public ids."""
        found = self.read(lambda session: ledger.journals(session, limit=500))
        return [
            {self._short(entry.address): entry.amount for entry in journal.entries}
            for journal in reversed(found)
            if journal.kind in kinds
        ]

    def balances(self) -> dict[str, int]:
        """Return the offering's money accounts that are not empty."""
        offering = self.offering()
        found = self.read(lambda session: ledger.balances(session, offering_id=offering.id))
        return {self._short(a.address): amount for a, amount in found.items() if amount and a.asset == "USD/2"}

    def _short(self, address: str) -> str:
        return address.replace(self.life.offering_id, "O").replace(self.life.issuer_id, "I")

    def rail_agrees(self) -> bool:
        offering = self.offering()
        return self.read(lambda session: queries.rail_matches_ledger(session, offering))


@pytest.fixture
def till(db: Database) -> Till:
    return Till(factories.live(db))


@pytest.fixture
def make_till(db: Database) -> Callable[..., Till]:
    return lambda **options: Till(factories.live(db, **options))


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses after a failure longer than any test, so that a slow machine changes nothing of what is tried.

    :meth:`Till.pauses_pass` ends them.
    """
    monkeypatch.setattr(service, "backoff_seconds", lambda _attempts: 3600)
