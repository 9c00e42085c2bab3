"""The port between Milestake and whatever moves money outside.

The ledger is ours; a rail only moves money and reports what it did. Every adapter passes the contract
tests in tests/functional/payments. What an answer does to the books is decided by ``service``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

#: Effects of a collection, of a refund and of a payout, in the order in which they can happen.
CLEARED, RETURNED = "cleared", "returned"
DONE, BOUNCED = "done", "bounced"
EFFECT_ORDER: Mapping[str, int] = {CLEARED: 0, DONE: 0, RETURNED: 1, BOUNCED: 1}

#: The code of a rejection that says "it will never happen, because we asked so".
CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a rail can do. Amounts in minor units, None where there is no limit.

    ``assets`` is None when any will do. ``key_lifetime`` is how long the provider remembers our keys:
    within it the same bytes may be sent again, after it the truth is asked first. ``events_per_poll`` is how
    many events a full page has; a shorter one is the last.
    """

    name: str
    assets: frozenset[str] | None
    minimum_minor: int
    maximum_minor: int | None
    collect_at: str
    holding: str
    max_hold: dt.timedelta | None
    late_failure_window: dt.timedelta
    refund_window: dt.timedelta | None
    key_lifetime: dt.timedelta
    has_push: bool
    has_poll: bool
    events_per_poll: int


@dataclass(frozen=True, slots=True)
class FrozenRequest:
    """One operation as it is sent: the same bytes every time within one epoch.

    ``fence``, ``ask_first`` and ``is_unwanted`` are for the caller and are not sent.
    """

    operation: str
    kind: str
    rail: str
    epoch: int
    body: str
    provider_ref: str | None = None
    fence: int = 0
    ask_first: bool = False
    is_unwanted: bool = False

    @property
    def key(self) -> str:
        """The idempotency key at the provider: the operation and its epoch."""
        return f"{self.operation}:{self.epoch}"

    @property
    def fields(self) -> Mapping[str, Any]:
        return json.loads(self.body)

    @property
    def body_hash(self) -> str:
        return hashlib.sha256(self.body.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Payer:
    """Who paid, as the rail tells it; None where it tells nothing (COM-11, COM-12).

    ``account`` and ``card`` name the source the same way each time. They are hashed under our secret when they are
    heard, and never stored as they came.
    """

    name: str | None = field(repr=False, default=None)
    account: str | None = field(repr=False, default=None)
    card: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened to money outside, once. Minor units; ``fee_minor`` is what the rail kept."""

    kind: str
    amount_minor: int
    occurred_at: dt.datetime
    fee_minor: int = 0
    payer: Payer | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that came by itself under a reference: as much as its sender chose, as often, also after the time to pay.

    ``ref`` is the provider's own name for it; that of the collection whose reference it named is another.
    """

    ref: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Dispute:
    """A payer's objection to a payment, or to a part of it, as the rail tells it now; minor units (WND-4).

    The rail took the money when it was opened. ``ref`` is its own name for it. ``state`` is open, won (for the payment,
    and the money is back; ``is_withdrawn``: by the payer) or lost. ``window_ends_at`` is until when the rail decides.
    """

    ref: str
    amount_minor: int
    state: str
    opened_at: dt.datetime
    window_ends_at: dt.datetime
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """It happened; ``effects`` is everything that has happened to it so far, ``disputes`` each as it stands now."""

    ref: str
    effects: tuple[Effect, ...]
    disputes: tuple[Dispute, ...] = ()


@dataclass(frozen=True, slots=True)
class Pending:
    """The rail has it and will say later what came of it."""

    ref: str


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The payer must do something first. ``credits`` is everything that came under the reference so far."""

    ref: str
    instructions: str
    credits: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejected:
    """It did not happen and never will under this key; what came under its reference all the same are ``credits``."""

    code: str
    message: str
    ref: str | None = None
    credits: tuple[Credit, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet. Never posts and never frees money. ``ask_operator``: waiting will not help."""

    reason: str
    ask_operator: bool = False


Outcome = Done | Pending | ActionRequired | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class Absent:
    """The rail never received it: conclusive, so that a new epoch may be sent."""


@dataclass(frozen=True, slots=True)
class RailObject:
    """What a reference at the rail is now; ``operation`` is our id in its metadata, None if it is not ours."""

    ref: str
    operation: str | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Notification:
    """Something happened to ``ref``; what it is now is asked by :meth:`PaymentRail.fetch`."""

    event_id: str
    type: str
    ref: str
    operation: str | None
    occurred_at: dt.datetime
    body: str | None = field(repr=False, default=None)

    def stored_body(self) -> str:
        """Return what came, as it is stored: the raw bytes where there were any, else these fields as JSON."""
        if self.body is not None:
            return self.body
        fields = {"event_id": self.event_id, "type": self.type, "ref": self.ref, "operation": self.operation}
        return json.dumps({**fields, "occurred_at": self.occurred_at.isoformat()}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of the rail's statement: money in above zero, out below, fees on lines of their own."""

    ref: str
    offering: str
    type: str
    amount_minor: int
    asset: str
    booked_at: dt.datetime


class PaymentRail(Protocol):
    """A way that money moves outside.

    A collection is either a charge, of the amount asked for, or an invitation to pay: then it is answered by
    ``ActionRequired`` with a reference, and whatever comes under that is told as its ``credits``, in any amount.
    Commands are idempotent by the request's key. An exception from any of them means "unknown", never
    "failed". None of them may be called inside a unit of work.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def collect(self, request: FrozenRequest) -> Outcome: ...

    def refund(self, request: FrozenRequest) -> Outcome: ...

    def payout(self, request: FrozenRequest) -> Outcome: ...

    def cancel(self, request: FrozenRequest) -> Outcome:
        """Make sure it never happens (``Rejected`` with code ``cancelled``), or say what it has become."""

    def lookup(self, request: FrozenRequest) -> Outcome | Absent:
        """Say what became of an operation, whichever epoch arrived."""

    def fetch(self, ref: str) -> RailObject | None: ...

    def poll_events(self, since_cursor: int) -> tuple[Sequence[Notification], int]: ...

    def statement(self, since: dt.datetime, until: dt.datetime) -> Sequence[StatementLine]: ...

    def balances(self) -> Mapping[str, int]: ...
