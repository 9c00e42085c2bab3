"""A rail for rehearsals: sends nothing anywhere, and what was under way stays under way.

It answers from our own operations, each as its present state promises. It stands behind the same port as a real rail.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from app.db import Database
from app.payments import ports, rules
from app.payments.models import Operation


class StillRail:
    """The rail behind :class:`app.payments.ports.PaymentRail` on a copy of the database; ``now`` is business time.

    New refunds and payouts arrive as soon as they are sent, new payments stay pending. What was pending, or waits for
    its payer, stays so, and what nobody knows nobody learns; a payment that nobody wants is cancelled.
    """

    def __init__(self, db: Database, name: str, *, now: Callable[[], dt.datetime]) -> None:
        self._db, self._name, self._now = db, name, now

    @property
    def capabilities(self) -> ports.Capabilities:
        return ports.Capabilities(
            name=self._name, assets=None, minimum_minor=1, maximum_minor=None, collect_at="commit", holding="nobody",
            max_hold=None, late_failure_window=dt.timedelta(0), refund_window=None, key_lifetime=rules.KEY_LIFETIME,
            has_push=False, has_poll=True, events_per_poll=1,
        )

    def collect(self, request: ports.FrozenRequest) -> ports.Outcome:
        return ports.Pending(request.provider_ref or f"still_{request.operation}")

    def refund(self, request: ports.FrozenRequest) -> ports.Outcome:
        return self._arrived(request)

    def payout(self, request: ports.FrozenRequest) -> ports.Outcome:
        if request.fields["method"] == rules.PAYEE_FAILS:
            return ports.Rejected("account_closed", "The account is closed. The founder must name another one.")
        return self._arrived(request)

    def _arrived(self, request: ports.FrozenRequest) -> ports.Outcome:
        effect = ports.Effect(ports.DONE, request.fields["amount_minor"], self._now())
        return ports.Done(request.provider_ref or f"still_{request.operation}", (effect,))

    def cancel(self, request: ports.FrozenRequest) -> ports.Outcome:
        return ports.Rejected(ports.CANCELLED, "It was cancelled before any money moved.", request.provider_ref)

    def lookup(self, request: ports.FrozenRequest) -> ports.Outcome | ports.Absent:
        return self._outcome(Operation.public_id == request.operation)

    def fetch(self, ref: str) -> ports.RailObject | None:
        return ports.RailObject(ref, None, self._outcome(Operation.provider_ref == ref))

    def _outcome(self, which: sa.ColumnElement[bool]) -> ports.Outcome:
        with self._db.read() as session:
            row = session.execute(
                sa.select(Operation.state, Operation.provider_ref, Operation.instructions)
                .where(which, Operation.rail == self._name)
                .limit(1)
            ).one_or_none()
        if row is not None and row.state == "pending" and row.provider_ref:
            return ports.Pending(row.provider_ref)
        if row is not None and row.state == "action_required" and row.provider_ref:
            return ports.ActionRequired(row.provider_ref, row.instructions or "")
        return ports.Unknown("nobody asks the rail in a rehearsal")

    def poll_events(self, since_cursor: int) -> tuple[Sequence[ports.Notification], int]:
        return [], since_cursor

    def statement(self, since: dt.datetime, until: dt.datetime) -> Sequence[ports.StatementLine]:
        return []

    def balances(self) -> Mapping[str, int]:
        return {}
