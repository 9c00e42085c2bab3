"""What a person decides about an operation that no rule can settle: one operator proposes, another confirms (PPL-2).

The proposal stands in the log, which nobody can change. What the rail says by itself needs no decision: asking
it again is ``service.ask_again``.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.audit.models import LogEntry
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.payments import intents, returns, rules, subjects
from app.payments.models import Operation

PROPOSED = "operation.decision_proposed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an operator proposed and nobody has confirmed yet."""

    decision: str
    user_id: int
    reason: str
    proposed_at: dt.datetime


def decide_operation(
    session: Session, *, actor: Actor, operation_id: str, decision: str, reason: str, now: dt.datetime
) -> Operation:
    """Propose ``rules.STANDS_AS_IS`` for an operation, or confirm what another operator proposed.

    ``stands_as_is``: what the rail reported was wrong; nothing posts. Raises ``Forbidden`` ``four_eyes`` for the
    proposer, ``Conflict`` ``not_waiting``, ``Refused`` ``decision_not_possible`` or ``reason_empty``; then nothing has
    changed.
    """
    accounts.demand(actor, "operator", second_factor=True)
    found = intents.find(session, operation_id)
    if found is None:
        raise NotFound("There is no such payment.", code="operation_not_found")
    operation = intents.lock(session, found.id)
    if operation.state != "needs_operator":
        raise Conflict("This operation does not wait for an operator.", code="not_waiting")
    if not reason.strip():
        raise Refused("Say why; it is kept in the log.", code="reason_empty", field="reason")
    if decision not in possible(session, operation):
        raise Refused(
            "This cannot be decided of this operation. Choose one of the decisions that its page lists.",
            code="decision_not_possible", field="decision",
        )
    proposed = proposal(session, operation)
    if proposed is None or proposed.decision != decision:
        audit.record(
            session, actor=actor, action=PROPOSED, object_id=operation.public_id, now=now, reason=reason,
            after={"decision": decision, "code": operation.failure_code},
        )
        return operation
    if proposed.user_id == actor.user_id:
        raise Forbidden("You proposed this, so another operator must confirm it.", code="four_eyes")
    _close(session, operation, decision, actor=actor, reason=reason, now=now)
    return operation


def possible(session: Session, operation: Operation) -> tuple[str, ...]:
    """Return what may be decided of an operation now, none while nobody knows what became of it."""
    if operation.state != "needs_operator":
        return ()
    return (rules.STANDS_AS_IS,) if _as_it_was(session, operation) is not None else ()


def proposal(session: Session, operation: Operation) -> Proposal | None:
    """Return what was proposed since the operation began to wait, for the reason for which it waits now."""
    entry = session.scalars(
        sa.select(LogEntry)
        .where(
            LogEntry.object_id == operation.public_id,
            LogEntry.action.in_([PROPOSED, "operation.needs_operator"]),
        )
        .order_by(LogEntry.id.desc())
        .limit(1)
    ).one_or_none()
    if entry is None or entry.action != PROPOSED:
        return None
    told = json.loads(entry.after or "{}")
    if told["code"] != operation.failure_code:
        return None
    return Proposal(told["decision"], entry.actor_user_id or 0, entry.reason or "", entry.at)


def _as_it_was(session: Session, operation: Operation) -> str | None:
    """Return the decided state that an operation was in before a report put it in doubt, None if it had none."""
    if subjects.effects_of(session, operation.id):
        return "succeeded"
    return "failed" if operation.failure_code == rules.CONTRADICTED else None


def _close(
    session: Session, operation: Operation, decision: str, *, actor: Actor, reason: str, now: dt.datetime
) -> None:
    """Bring an operation back to the state it had, by name of who decided, and lift what it stopped."""
    after = _as_it_was(session, operation)
    assert after is not None and rules.may_become(operation.state, after)
    before, operation.state, operation.state_since, operation.changed_at = operation.state, after, now, now
    operation.unknown_since = None
    session.flush()
    subjects.note_contested(session, operation)
    # Not as another success or failure of the operation: an attempt that failed failed once.
    audit.record(
        session, actor=actor, action="operation.decided", object_id=operation.public_id, now=now, reason=reason,
        before={"state": before}, after={"state": after, "decision": decision},
    )
    if operation.kind in rules.BRINGS_MONEY:
        returns.resume_releases(session, operation, now=now, actor=actor)
