"""Follow each refund step by step: why, how much, from which payment, where it is now, what follows by when (OFF-9).

The steps are the refund's own row, its attempts at the rail and its journal; the sums are those of the ledger, which
the self-check compares with ``refunds`` and ``unclaimed``.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Refund
from app.ledger.models import Journal
from app.payments import ports, rules
from app.payments.models import Operation, OperationEffect


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a refund, or will: a code of ``STEPS``, when, and a detail where there is one."""

    code: str
    at: dt.datetime | None
    detail: str = ""
    is_ahead: bool = False


@dataclass(frozen=True, slots=True)
class Track:
    """A refund with where it goes and its steps; ``method`` are the words of the payment that it gives back."""

    refund: Refund
    journal: str
    method: str
    paid_at: dt.datetime | None
    source: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Sums:
    """What refunds come to, minor units; together all that was ever owed back."""

    arrived_minor: int = 0
    under_way_minor: int = 0
    unclaimed_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.arrived_minor + self.under_way_minor + self.unclaimed_minor


def sums_of(tracks: list[Track]) -> Sums:
    """Add refunds up by where they are."""
    found: dict[str, int] = defaultdict(int)
    for each in tracks:
        where = {"done": "arrived", "unclaimed": "unclaimed"}.get(each.refund.status, "under_way")
        found[where] += each.refund.amount_minor
    return Sums(found["arrived"], found["under_way"], found["unclaimed"])


def tracks_of(session: Session, commitment_id: int) -> list[Track]:
    """Return a commitment's refunds with their steps, oldest first, in a constant number of queries."""
    refunds = session.scalars(
        sa.select(Refund).where(Refund.commitment_id == commitment_id).order_by(Refund.id)
    ).all()
    if not refunds:
        return []
    attempts: dict[int, list[Operation]] = defaultdict(list)
    operations = {
        each.id: each
        for each in session.scalars(sa.select(Operation).where(Operation.commitment_id == commitment_id))
    }
    for operation in sorted(operations.values(), key=lambda each: each.id):
        if operation.refund_id is not None:
            attempts[operation.refund_id].append(operation)
    effects: dict[int, dict[str, OperationEffect]] = defaultdict(dict)
    for effect in session.scalars(
        sa.select(OperationEffect).where(OperationEffect.operation_id.in_(list(operations)))
    ):
        effects[effect.operation_id][effect.effect] = effect
    journals = dict(
        session.execute(
            sa.select(Journal.id, Journal.public_id).where(Journal.id.in_([each.journal_id for each in refunds]))
        ).all()
    )
    return [
        _track(each, attempts[each.id], operations, effects, journals[each.journal_id]) for each in refunds
    ]


def _track(
    refund: Refund, attempts: list[Operation], operations: dict[int, Operation],
    effects: dict[int, dict[str, OperationEffect]], journal: str,
) -> Track:
    source_id = refund.source_id or (attempts[-1].source_id if attempts else None)
    source = operations.get(source_id or 0)
    cleared = effects[source.id].get(ports.CLEARED) if source is not None else None
    method = rules.METHODS.get(source.method) if source is not None else None
    steps = [Step("owed", refund.created_at)]
    for attempt in attempts:
        steps += _attempt(attempt, effects[attempt.id])
    steps += _ahead(refund, attempts)
    return Track(
        refund, journal, method.words if method is not None else "", cleared.occurred_at if cleared else None,
        source.public_id if source is not None else "", tuple(steps),
    )


def _attempt(attempt: Operation, effects: dict[str, OperationEffect]) -> list[Step]:
    """Return what became of one attempt: sent, at the bank, come back, or refused."""
    steps = [Step("sent", attempt.created_at, attempt.public_id)]
    if ports.DONE in effects:
        steps.append(Step("at_the_bank", effects[ports.DONE].occurred_at))
    if ports.BOUNCED in effects:
        steps.append(Step("came_back", effects[ports.BOUNCED].occurred_at))
    elif attempt.state in ("failed", "cancelled"):
        steps.append(Step("failed", attempt.changed_at, attempt.failure_message or ""))
    elif attempt.state in ("unknown", "needs_operator"):
        steps.append(Step("looked_into", attempt.changed_at))
    return steps


def _ahead(refund: Refund, attempts: list[Operation]) -> list[Step]:
    """Return what still has to happen, by when, and whose it is; nothing for what arrived."""
    if refund.status == "done":
        if not attempts:
            return [Step("taken_by_the_bank", refund.done_at, refund.reason)]
        return []
    if refund.status == "unclaimed":
        return [Step("unclaimed", refund.due_at, is_ahead=True)]
    if refund.status == "sending":
        return [Step("arrives", refund.due_at, is_ahead=True)]
    return [Step("tried_again" if refund.failures else "goes_out", refund.due_at, is_ahead=True)]
