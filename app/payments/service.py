"""The life of an operation: intend, claim for sending, record what the rail said (payments.md §2).

Nothing here calls a rail: ``gateway`` does, between two of these. What an answer does to the books is in
``charges``, ``refunds`` and ``payouts``; our own money is in ``treasury``. Other features use this module.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from sqlalchemy.orm import Session

from app import clock
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.commitments.models import Commitment
from app.errors import Conflict, NotFound
from app.offerings.models import Offering
from app.outbox.service import backoff_seconds
from app.payments import charges, intents, payouts, ports, refunds, returns, reversals, rules, subjects
from app.payments.decisions import decide_operation
from app.payments.hearing import hear_events, note_poll_failed
from app.payments.models import Operation
from app.payments.payouts import create_payout
from app.payments.starting import demand_payable, start_collection
from app.payments.treasury import fund_float

__all__ = [
    "apply_event",
    "apply_look",
    "ask_again",
    "begin_epoch",
    "claim_for_asking",
    "claim_for_cancelling",
    "claim_for_sending",
    "create_payout",
    "decide_operation",
    "demand_payable",
    "escalate_unknown",
    "fund_float",
    "hear_events",
    "note_fetch_failed",
    "note_poll_failed",
    "record_outcome",
    "resume",
    "start_collection",
]

#: kind of operation → the module that knows what its answers do to the books
_BOOKS: Mapping[str, ModuleType] = MappingProxyType(
    {"collect": charges, "credit": charges, "refund": refunds, "payout": payouts}
)


def _by_public_id(session: Session, operation_public_id: str) -> Operation:
    operation = intents.find(session, operation_public_id)
    if operation is None:
        raise NotFound("There is no such payment.", code="operation_not_found")
    return operation


# -- claim ------------------------------------------------------------------------------------------


def claim_for_sending(session: Session, operation_id: int, *, now: dt.datetime) -> ports.FrozenRequest | None:
    """Lease an operation to the caller and return its request, the same bytes for as long as its epoch lasts.

    None when there is nothing to send or somebody else has it. ``ask_first`` is set when the truth must be
    looked up before anything is sent: after an unknown outcome, or once the rail may have forgotten the
    key. A payment that nobody wants any more is cancelled instead of sent; once it may have arrived
    ``is_unwanted`` asks for that at the rail.
    """
    operation = intents.lock(session, operation_id)
    if operation.state not in rules.SENDABLE or not _is_free(operation) or _is_halted(session, operation):
        return None
    is_unwanted = not _is_wanted(session, operation)
    if operation.state == "created" and is_unwanted:
        intents.change_state(session, operation, "cancelled", now=now, code=ports.CANCELLED,
                             message="The commitment ended before the payment was sent.")
        return None
    if operation.kind == "payout" and operation.state == "created" and not payouts.is_payee_settled(
        session, operation, now
    ):
        payouts.recall(session, operation, now=now)
        return None
    sent_at = operation.epoch_sent_at
    is_old = sent_at is not None and sent_at + rules.KEY_LIFETIME <= clock.system_now()
    ask_first = operation.state == "unknown" or is_old
    intents.freeze(session, operation)
    if sent_at is None:
        operation.epoch_sent_at = clock.system_now()
    _lease(operation)
    operation.attempts += 1
    intents.change_state(session, operation, "sending", now=now)
    return intents.request_of(operation, ask_first=ask_first, is_unwanted=is_unwanted)


def claim_for_cancelling(session: Session, operation_id: int, *, now: dt.datetime) -> ports.FrozenRequest | None:  # noqa: ARG001 - the shape of every claim
    """Lease a payment that waits for a payer whose commitment has ended; None when it need not be cancelled."""
    operation = intents.lock(session, operation_id)
    if operation.state != "action_required" or not _is_free(operation) or _is_wanted(session, operation):
        return None
    _lease(operation)
    operation.attempts += 1
    operation.next_at = clock.system_now() + dt.timedelta(seconds=backoff_seconds(min(operation.attempts, 8)))
    session.flush()
    return intents.request_of(operation)


def _is_halted(session: Session, operation: Operation) -> bool:
    """Whether a halt keeps it from being sent: what was sent already goes on, and so does every refund (OFF-13)."""
    if operation.state != "created" or operation.kind == "refund":
        return False
    return session.get_one(Offering, operation.offering_id).halted_since is not None


def _is_free(operation: Operation) -> bool:
    return operation.lease_until is None or operation.lease_until <= clock.system_now()


def _lease(operation: Operation) -> None:
    operation.lease_until = clock.system_now() + rules.LEASE
    operation.fence += 1


def _is_wanted(session: Session, operation: Operation) -> bool:
    if operation.kind != "collect":
        return True
    commitment = session.get_one(Commitment, operation.commitment_id)
    offering = session.get_one(Offering, operation.offering_id)
    return commitment.status in charges.TAKES_MONEY and offering.state in charges.OFFERING_TAKES_MONEY


def begin_epoch(session: Session, operation_id: int, fence: int, *, now: dt.datetime) -> ports.FrozenRequest | None:  # noqa: ARG001 - the shape of every claim
    """Start a new epoch of an operation that the rail conclusively never received; None when the lease is lost.

    A payment that nobody wants any more gets none: its request comes back to be cancelled (``is_unwanted``).
    """
    operation = intents.lock(session, operation_id)
    if operation.fence != fence or operation.state != "sending":
        return None
    if not _is_wanted(session, operation):
        return intents.request_of(operation, is_unwanted=True)
    operation.epoch += 1
    operation.request = None
    intents.freeze(session, operation)
    operation.epoch_sent_at = clock.system_now()
    operation.lease_until = clock.system_now() + rules.LEASE
    session.flush()
    return intents.request_of(operation)


# -- record -----------------------------------------------------------------------------------------


def record_outcome(
    session: Session, operation_id: int, fence: int, outcome: ports.Outcome, *, now: dt.datetime
) -> Operation:
    """Record what the rail answered to a claim: state, effects and journals in one commit (T3).

    Nothing happens when the lease went to another worker meanwhile: it hears the same truth.
    """
    operation = intents.lock(session, operation_id)
    if operation.fence == fence:
        operation.lease_until = None
        _apply(session, operation, outcome, now)
    return operation


def _apply(session: Session, operation: Operation, outcome: ports.Outcome, now: dt.datetime) -> None:
    """Bring an operation to what its object at the rail is now; repeats and older answers change nothing."""
    books = _BOOKS[operation.kind]
    if isinstance(outcome, ports.ActionRequired | ports.Rejected):
        charges.take_credits(session, operation, outcome.credits, now=now)
    is_decided = operation.state in rules.DECIDED
    if isinstance(outcome, ports.Unknown):
        _unknown(session, operation, outcome, now)
        return
    if outcome.ref is not None:
        operation.provider_ref = outcome.ref
    if isinstance(outcome, ports.Done):
        _done(session, operation, books, outcome, now)
        return
    if is_decided or subjects.effects_of(session, operation.id):
        return
    operation.unknown_since = None
    if isinstance(outcome, ports.Pending):
        intents.change_state(session, operation, "pending", now=now)
        books.accepted(session, operation, now=now)
    elif isinstance(outcome, ports.ActionRequired):
        if operation.state != "pending":
            operation.instructions = outcome.instructions
            intents.change_state(session, operation, "action_required", now=now)
    else:
        state = "cancelled" if outcome.code == ports.CANCELLED else "failed"
        intents.change_state(session, operation, state, now=now, code=outcome.code, message=outcome.message)
        books.rejected(session, operation, now=now)
        if operation.kind == "refund":
            reversals.refund_stayed(session, operation, now=now)


def _unknown(session: Session, operation: Operation, outcome: ports.Unknown, now: dt.datetime) -> None:
    """Keep an operation open without posting anything, and ask again with growing pauses."""
    if operation.state not in rules.SENDABLE:
        return
    if outcome.ask_operator:
        intents.ask_operator(session, operation, "rail_refuses_request", outcome.reason, now=now)
        return
    pause = backoff_seconds(operation.attempts - 1) if operation.attempts > 1 else 0
    operation.next_at = clock.system_now() + dt.timedelta(seconds=pause)
    operation.unknown_since = operation.unknown_since or clock.system_now()
    intents.change_state(session, operation, "unknown", now=now, code="unknown", message=outcome.reason[:500])


def _done(
    session: Session, operation: Operation, books: ModuleType, outcome: ports.Done, now: dt.datetime
) -> None:
    """Post every effect that is not in the books yet; at the first that no rule settles, call a person."""
    known = set(subjects.effects_of(session, operation.id))
    trouble: returns.Trouble | None = None
    for effect in sorted(outcome.effects, key=lambda each: ports.EFFECT_ORDER[each.kind]):
        if effect.kind in known:
            continue
        if operation.kind != "collect" and _has_failed(operation):
            # Its money was given free when it failed, so it may be on its way a second time.
            trouble = rules.CONTRADICTED, "The rail said that this failed, and now that it was done. Ask the provider."
        else:
            trouble = books.apply_effect(session, operation, effect, now=now)
        if trouble is not None:
            intents.ask_operator(session, operation, *trouble, now=now)
            return
    if operation.kind == "refund":
        reversals.refund_stayed(session, operation, now=now)
    trouble = returns.hear_disputes(session, operation, outcome.disputes, now=now) if outcome.disputes else None
    if trouble is not None:
        intents.ask_operator(session, operation, *trouble, now=now)
        return
    _succeed(session, operation, now)


def _has_failed(operation: Operation) -> bool:
    """Whether an operation failed once, even if a person is looking at that now."""
    is_doubted = operation.state == "needs_operator" and operation.failure_code == rules.CONTRADICTED
    return is_doubted or operation.state in ("failed", "cancelled")


def _succeed(session: Session, operation: Operation, now: dt.datetime) -> None:
    """Call an operation succeeded, unless it was decided otherwise: then its money is kept and goes back."""
    operation.unknown_since = None
    was_stuck = operation.state == "needs_operator"
    if operation.state not in rules.DECIDED:
        intents.change_state(session, operation, "succeeded", now=now)
    if was_stuck and operation.kind in rules.BRINGS_MONEY:
        returns.resume_releases(session, operation, now=now)


# -- events -----------------------------------------------------------------------------------------


def apply_event(session: Session, operation_id: int, heard: int, outcome: ports.Outcome, *, now: dt.datetime) -> None:
    """Apply what an operation's object at the rail is now, fetched after ``heard`` events were known.

    An event that comes in meanwhile leaves the mark standing, so that it is fetched once more.
    """
    operation = intents.lock(session, operation_id)
    if operation.events_applied >= heard:
        return
    _apply(session, operation, outcome, now)
    operation.events_applied = heard
    session.flush()


def apply_look(session: Session, operation_id: int, outcome: ports.Outcome, *, now: dt.datetime) -> None:
    """Apply what an operation's object at the rail was at ``now``, asked although no event told of it."""
    operation = intents.lock(session, operation_id)
    if operation.state not in rules.UNDER_WAY:
        return
    _apply(session, operation, outcome, now)
    # Noted also where the answer is no news: it was not decided yet at this instant.
    operation.changed_at = max(operation.changed_at, now)
    session.flush()


def note_fetch_failed(session: Session, operation_id: int) -> None:
    """Fetch an operation's object later, with growing pauses, because the rail could not be asked."""
    operation = intents.lock(session, operation_id)
    operation.attempts += 1
    operation.next_at = clock.system_now() + dt.timedelta(seconds=backoff_seconds(min(operation.attempts, 8)))
    session.flush()


# -- what a person must look at ---------------------------------------------------------------------


def escalate_unknown(session: Session, operation_id: int, *, now: dt.datetime) -> None:
    """Hand what nobody could explain for a day of real time to an operator; its money stays reserved."""
    operation = intents.lock(session, operation_id)
    since, is_open = operation.unknown_since, operation.state in ("unknown", "sending")
    if not is_open or since is None or since + rules.UNKNOWN_AT_MOST > clock.system_now():
        return
    intents.ask_operator(
        session, operation, rules.UNKNOWN_TOO_LONG,
        f"The rail has not said for {rules.UNKNOWN_AT_MOST.days} day what became of this. It is asked every hour; ask "
        "the provider, too.", now=now,
    )


def claim_for_asking(session: Session, operation_id: int, *, now: dt.datetime) -> ports.FrozenRequest | None:  # noqa: ARG001 - the shape of every claim
    """Lease an operation that was unknown for too long, to be looked up and not sent; None when it need not be."""
    operation = intents.lock(session, operation_id)
    is_due = operation.state == "needs_operator" and operation.failure_code == rules.UNKNOWN_TOO_LONG
    if not is_due or operation.next_at > clock.system_now() or not _is_free(operation):
        return None
    _lease(operation)
    operation.next_at = clock.system_now() + rules.ASK_UNKNOWN_EVERY
    session.flush()
    return intents.request_of(operation)


def resume(session: Session, operation_id: int, fence: int, *, now: dt.datetime) -> None:
    """Let an operation that the rail conclusively never received be taken up again as any unknown one."""
    operation = intents.lock(session, operation_id)
    if operation.fence != fence or operation.state != "needs_operator":
        return
    operation.lease_until, operation.next_at, operation.unknown_since = None, clock.system_now(), clock.system_now()
    intents.change_state(session, operation, "unknown", now=now)


def ask_again(session: Session, *, actor: Actor, operation_public_id: str, reason: str, now: dt.datetime) -> Operation:
    """Let the rail be asked once more about an operation that waits for an operator.

    Moves no money by itself; whatever the rail says then is applied by the same rules.
    """
    accounts.demand(actor, "operator", second_factor=True)
    operation = intents.lock(session, _by_public_id(session, operation_public_id).id)
    if operation.state != "needs_operator":
        raise Conflict("This operation does not wait for an operator.", code="not_waiting")
    audit.record(
        session, actor=actor, action="operation.asked_again", object_id=operation.public_id, now=now, reason=reason
    )
    operation.next_at, operation.lease_until = clock.system_now(), None
    if subjects.effects_of(session, operation.id) or _has_failed(operation):
        operation.events_heard += 1
    else:
        operation.unknown_since = clock.system_now()
        intents.change_state(session, operation, "unknown", now=now, actor=actor)
    session.flush()
    return operation
