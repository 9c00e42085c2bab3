"""The sandbox rail: a pretend provider with its own books, settling by the business clock.

It stands behind the same port as a real rail and keeps its own tables in transactions of its own, as
another company's system would: nothing here knows our ledger. Delays pass when its events are polled.
How each method behaves is one table, ``rules.METHODS``, played out by ``sandbox_books``; tests add faults
by a script.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Database
from app.payments import ports, rules
from app.payments import sandbox_books as books
from app.payments import sandbox_disputes as disputes
from app.payments.sandbox_models import SandboxDispute, SandboxEvent, SandboxLine, SandboxTransfer

#: How many due transfers one transaction moves on.
ADVANCE_BATCH = 500
EVENTS_PER_POLL = 500

class RailDown(ConnectionError):
    """The pretend provider cannot be reached."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong on the ``nth`` call of method ``on``.

    ``down``: not reached · ``timeout_before``: the request never arrives · ``timeout_after``: done, but
    the answer is lost · ``stored_error``: the provider keeps a server error under the key ·
    ``kill_after``: ``error`` is raised when it is done, as if the process died there.
    """

    kind: str
    on: str
    nth: int = 1
    error: BaseException | None = None


class SandboxRail:
    """The rail behind :class:`app.payments.ports.PaymentRail`. ``now`` gives business time."""

    def __init__(self, db: Database, *, now: Callable[[], dt.datetime], script: Sequence[Fault] = ()) -> None:
        self._db = db
        self._now = now
        self._script = list(script)
        self._calls: Counter[str] = Counter()
        self._stored_errors: set[str] = set()

    @property
    def capabilities(self) -> ports.Capabilities:
        return ports.Capabilities(
            name="sandbox", assets=None, minimum_minor=1, maximum_minor=None, collect_at="commit",
            holding="nobody: pretend money", max_hold=None, late_failure_window=dt.timedelta(days=5),
            refund_window=None, key_lifetime=rules.KEY_LIFETIME, has_push=False, has_poll=True,
            events_per_poll=EVENTS_PER_POLL,
        )

    # -- commands -----------------------------------------------------------------------------------

    def collect(self, request: ports.FrozenRequest) -> ports.Outcome:
        """Take a payment by one of ``rules.METHODS``."""
        method = rules.METHODS.get(request.fields["method"])
        if method is not None and method.fault == "request_lost" and request.epoch == 1:
            raise TimeoutError("the request was lost on its way")
        now = self._now()
        return self._command("collect", request, lambda _session: books.collected(request, method, now))

    def refund(self, request: ports.FrozenRequest) -> ports.Outcome:
        """Give a payment back, whole or in part, to where it came from."""
        now = self._now()
        return self._command("refund", request, lambda session: books.refunded(session, request, now))

    def payout(self, request: ports.FrozenRequest) -> ports.Outcome:
        """Send money to one of ``rules.PAYEES``."""
        now = self._now()
        return self._command("payout", request, lambda _session: books.paid_out(request, now))

    def cancel(self, request: ports.FrozenRequest) -> ports.Outcome:
        """Make sure that it never happens, unless it has."""
        self._meet_fault("cancel")
        now = self._now()

        def act(session: Session) -> ports.Outcome:
            books.take_turn(session)
            transfer = books.of_operation(session, request.operation, lock=True)
            if transfer is None:
                # Kept under the key, so that a request still on its way finds it cancelled.
                transfer = books.keep(session, request, books.new(request, "cancelled", now, ports.CANCELLED))
            elif transfer.state in ("action", rules.EXPECTING):
                books.move(session, transfer, "cancelled", now, ports.CANCELLED)
            return books.outcome_of(session, transfer)

        return self._db.unit_of_work(act)

    def confirm(self, ref: str, payer: ports.Payer | None = None) -> None:
        """Confirm a payment that waits for its payer, as they would on the provider's page."""
        now = self._now()
        told = payer or ports.Payer()

        def act(session: Session) -> None:
            books.take_turn(session)
            transfer = books.by_ref(session, ref, lock=True)
            if transfer is not None and transfer.state == "action":
                transfer.payer_name, transfer.payer_account, transfer.payer_card = told.name, told.account, told.card
                books.move(session, transfer, "cleared", now)

        self._db.unit_of_work(act)

    def transfer_in(self, ref: str, amount_minor: int, payer: ports.Payer | None = None) -> str | None:
        """Send money under the reference of a collection, as a payer's bank would; no bank asks us whether it may.

        Returns the credit's reference, None where there is no such collection.
        """
        now = self._now()

        def act(session: Session) -> str | None:
            books.take_turn(session)
            expected = books.by_ref(session, ref, lock=True)
            if expected is None or expected.kind != "collect" or expected.method != rules.TRANSFER:
                return None
            return books.add(session, books.arrived(expected, amount_minor, payer or ports.Payer(), now)).ref

        return self._db.unit_of_work(act)

    def open_dispute(self, ref: str, amount_minor: int | None = None) -> str | None:
        """Let the payer of a cleared payment dispute it, or a part of it; the money is taken at once.

        Returns the dispute's reference, None where there is nothing left to dispute. Only a test or an operator of the
        sandbox asks for this; nobody decides it by itself (:meth:`decide_dispute`).
        """
        now = self._now()

        def act(session: Session) -> str | None:
            books.take_turn(session)
            transfer = books.by_ref(session, ref, lock=True)
            if transfer is None or transfer.state != "cleared":
                return None
            left = disputes.disputable_minor(session, transfer)
            wanted = left if amount_minor is None else amount_minor
            if not 0 < wanted <= left:
                return None
            return disputes.opened(session, transfer, wanted, now).ref

        return self._db.unit_of_work(act)

    def decide_dispute(self, ref: str, outcome: str) -> bool:
        """Decide a pretend dispute: ``won``, ``withdrawn`` or ``lost``; True when there was such an open one.

        One that the rail did not decide in time can still be decided; what is decided stays so.
        """
        now = self._now()

        def act(session: Session) -> bool:
            books.take_turn(session)
            return disputes.decide(session, ref, outcome, now)

        return self._db.unit_of_work(act)

    def move_window(self, ref: str, ends_at: dt.datetime) -> None:
        """Give an open pretend dispute another window, as a rail does that asks for more evidence."""

        def act(session: Session) -> None:
            books.take_turn(session)
            disputes.move_window(session, ref, ends_at, self._now())

        self._db.unit_of_work(act)

    # -- questions ----------------------------------------------------------------------------------

    def lookup(self, request: ports.FrozenRequest) -> ports.Outcome | ports.Absent:
        """Find an operation by our id in its metadata, whichever epoch arrived."""
        self._meet_fault("lookup")
        with self._db.read() as session:
            transfer = books.of_operation(session, request.operation)
            return ports.Absent() if transfer is None else books.outcome_of(session, transfer)

    def fetch(self, ref: str) -> ports.RailObject | None:
        """Return what a reference is now."""
        self._meet_fault("fetch")
        with self._db.read() as session:
            transfer = books.by_ref(session, ref)
            if transfer is None:
                return None
            return ports.RailObject(ref, transfer.operation, books.outcome_of(session, transfer))

    def poll_events(self, since_cursor: int) -> tuple[Sequence[ports.Notification], int]:
        """Let time pass, then return the events after the cursor, oldest first."""
        self._meet_fault("poll_events")
        self.advance(self._now())
        with self._db.read() as session:
            rows = session.execute(
                sa.select(SandboxEvent, SandboxTransfer.operation)
                .join(SandboxTransfer, SandboxTransfer.ref == SandboxEvent.ref)
                .where(SandboxEvent.id > since_cursor)
                .order_by(SandboxEvent.id)
                .limit(EVENTS_PER_POLL)
            ).all()
            found = [
                ports.Notification(event.event_id, event.type, event.ref, operation, event.occurred_at)
                for event, operation in rows
            ]
            return found, (rows[-1][0].id if rows else since_cursor)

    def statement(self, since: dt.datetime, until: dt.datetime) -> Sequence[ports.StatementLine]:
        """Return the lines booked from ``since`` up to, not including, ``until``."""
        with self._db.read() as session:
            lines = session.scalars(
                sa.select(SandboxLine)
                .where(SandboxLine.booked_at >= since, SandboxLine.booked_at < until)
                .order_by(SandboxLine.id)
            )
            return [
                ports.StatementLine(
                    line.ref, line.offering_ref, line.type, line.amount_minor, line.asset, line.booked_at
                )
                for line in lines
            ]

    def balances(self) -> Mapping[str, int]:
        """Return what the provider holds, by asset."""
        with self._db.read() as session:
            rows = session.execute(
                sa.select(SandboxLine.asset, sa.func.sum(SandboxLine.amount_minor)).group_by(SandboxLine.asset)
            )
            return {asset: int(total) for asset, total in rows}

    def advance(self, now: dt.datetime) -> None:
        """Make everything happen that was due until ``now``, in the order in which it was due."""

        def act(session: Session) -> int:
            books.take_turn(session)
            due = session.scalars(
                sa.select(SandboxTransfer)
                .where(SandboxTransfer.due_at <= now)
                .order_by(SandboxTransfer.due_at, SandboxTransfer.id)
                .limit(ADVANCE_BATCH)
                .with_for_update()
            ).all()
            for transfer in due:
                books.fall_due(session, transfer)
            return len(due) + disputes.fall_due(session, now, ADVANCE_BATCH - len(due))

        def is_waiting(session: Session) -> bool:
            found = sa.or_(
                sa.exists().where(SandboxTransfer.due_at <= now), sa.exists().where(SandboxDispute.due_at <= now)
            )
            return bool(session.scalar(sa.select(found)))

        with self._db.read() as session:
            waiting = is_waiting(session)
        while waiting:
            # What falls due may make something else due, too: a dispute that was opened may be decided by now.
            self._db.unit_of_work(act)
            with self._db.read() as session:
                waiting = is_waiting(session)

    # -- how a command is kept ----------------------------------------------------------------------

    def _command(
        self, name: str, request: ports.FrozenRequest, make: Callable[[Session], SandboxTransfer]
    ) -> ports.Outcome:
        fault = self._meet_fault(name)
        if fault is not None and fault.kind == "stored_error":
            self._stored_errors.add(request.key)
        if request.key in self._stored_errors:
            raise RailDown("server error, kept under this key")
        is_new = False

        def act(session: Session) -> ports.Outcome:
            nonlocal is_new
            books.take_turn(session)
            transfer = books.by_key(session, request.key)
            is_new = transfer is None
            if transfer is None:
                transfer = books.keep(session, request, make(session))
            if transfer.request_hash != request.body_hash:
                return ports.Unknown("the key was used with another request", ask_operator=True)
            return books.outcome_of(session, transfer)

        outcome = self._db.unit_of_work(act)
        if fault is not None and fault.kind == "kill_after" and fault.error is not None:
            raise fault.error
        method = rules.METHODS.get(request.fields["method"])
        answer_lost = name == "collect" and method is not None and method.fault == "answer_lost"
        if (answer_lost and is_new) or (fault is not None and fault.kind == "timeout_after"):
            raise TimeoutError("the answer was lost")
        return outcome

    def _meet_fault(self, on: str) -> Fault | None:
        """Count a call and return its scripted fault; those before the request arrives are raised here."""
        self._calls[on] += 1
        for fault in self._script:
            if fault.on == on and fault.nth == self._calls[on]:
                if fault.kind == "down":
                    raise RailDown("the provider cannot be reached")
                if fault.kind == "timeout_before":
                    raise TimeoutError("the request never arrived")
                return fault
        return None
