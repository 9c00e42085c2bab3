"""Call the rails: claim in one unit of work, call in none, record in another (payments.md §2).

Entry-point code, used by views right after an operation was made and by the worker. An exception from a
rail means that nobody knows yet, never that it failed; a process that dies in between leaves an
operation whose lease runs out and whose same bytes are sent again.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from app import clock
from app.db import Database
from app.errors import NotFound, Refused
from app.payments import intents, ports, service, subjects
from app.payments.models import Operation, RailCursor
from app.payments.rules import POLL_OVERLAP, RAIL_NUMBERS
from app.payments.sandbox import SandboxRail
from milestones.money import Asset, MoneyError, parse_amount

log = structlog.get_logger("rails")

Rails = Mapping[str, ports.PaymentRail]


def run_operation(db: Database, rails: Rails, operation_id: int) -> None:
    """Send an operation, or ask what became of it, and record the answer; nothing when it is not to be sent."""
    request = db.unit_of_work(
        lambda session: service.claim_for_sending(session, operation_id, now=clock.business_now(session))
    )
    if request is None:
        return
    rail = rails.get(request.rail)
    if rail is None:
        outcome: ports.Outcome = ports.Unknown(f"this process has no rail {request.rail}")
    elif request.is_unwanted:
        outcome = _cancel(rail, request)
    elif request.ask_first:
        outcome = _resolve(db, rail, operation_id, request)
    else:
        outcome = _send(rail, request)
    _record(db, operation_id, request.fence, outcome)


def cancel_operation(db: Database, rails: Rails, operation_id: int) -> None:
    """Make sure at the rail that a payment which nobody wants any more never happens."""
    request = db.unit_of_work(
        lambda session: service.claim_for_cancelling(session, operation_id, now=clock.business_now(session))
    )
    if request is None:
        return
    rail = rails.get(request.rail)
    if rail is None:
        outcome: ports.Outcome = ports.Unknown(f"this process has no rail {request.rail}")
    else:
        outcome = _cancel(rail, request)
    _record(db, operation_id, request.fence, outcome)


def ask_unknown(db: Database, rails: Rails, operation_id: int) -> None:
    """Look up once more what nobody knew for too long; nothing is sent, and no answer changes nothing."""
    request = db.unit_of_work(
        lambda session: service.claim_for_asking(session, operation_id, now=clock.business_now(session))
    )
    rail = rails.get(request.rail) if request is not None else None
    if request is None or rail is None:
        return
    try:
        found = rail.lookup(request)
    except Exception as error:  # noqa: BLE001 - whatever a rail raises, nobody knows what became of it
        found = _not_known(request, error)
    if isinstance(found, ports.Absent):
        db.unit_of_work(
            lambda session: service.resume(session, operation_id, request.fence, now=clock.business_now(session))
        )
    else:
        _record(db, operation_id, request.fence, found)


def send_transfer(
    db: Database, rails: Rails, operation_public_id: str, amount_minor: int, payer: ports.Payer
) -> None:
    """Send pretend money under a payment's reference, as the payer's bank would, then hear what came of it.

    No bank asks us whether it is still wanted, so this works at any time; the caller has checked whose it is.
    """
    with db.read() as session:
        operation = intents.find(session, operation_public_id)
    rail = rails.get(operation.rail) if operation is not None else None
    if operation is None or not isinstance(rail, SandboxRail) or operation.provider_ref is None:
        raise NotFound("There is no payment to send money for.", code="operation_not_found")
    if rail.transfer_in(operation.provider_ref, amount_minor, payer) is None:
        raise NotFound("There is no payment to send money for.", code="operation_not_found")
    poll(db, rails, operation.rail)
    refresh_operation(db, rails, operation.id)


def play_dispute(db: Database, rails: Rails, operation_public_id: str, step: str, amount: str) -> None:
    """Let the payer of a pretend payment dispute it, or the pretend rail decide that, then hear what came of it.

    ``step`` is ``open``, or how the open dispute ends; ``amount`` a part of the payment, empty for all of it. Raises
    ``NotFound`` for a payment that is no pretend one, ``Refused`` ``dispute_not_possible``.
    """
    with db.read() as session:
        operation = intents.find(session, operation_public_id)
        open_one = next(
            (each for each in subjects.disputes_of(session, operation.commitment_id or 0)
             if each.operation_id == operation.id), None,
        ) if operation is not None else None
    rail = rails.get(operation.rail) if operation is not None else None
    if operation is None or not isinstance(rail, SandboxRail) or operation.provider_ref is None:
        raise NotFound("There is no such pretend payment.", code="operation_not_found")
    if step == "open":
        try:
            part = parse_amount(amount, Asset.parse(operation.asset)) if amount else None
        except MoneyError as error:
            raise Refused(error.message, code="amount_not_read", field="amount") from error
        is_done = rail.open_dispute(operation.provider_ref, part) is not None
    else:
        is_done = open_one is not None and rail.decide_dispute(open_one.ref, step)
    if not is_done:
        raise Refused("This payment cannot be disputed so, or no dispute of it is open.", code="dispute_not_possible",
                      field="payment")
    poll(db, rails, operation.rail)
    refresh_operation(db, rails, operation.id)


def confirm_payment(
    db: Database, rails: Rails, operation_public_id: str, payer: ports.Payer | None = None
) -> None:
    """Do in the sandbox what a payer does on a provider's page, then hear what came of it.

    Raises ``NotFound`` when there is no such pretend payment, ``Refused`` ``payment_too_late`` after the time to
    pay; the caller has checked whose it is.
    """
    with db.read() as session:
        operation = intents.find(session, operation_public_id)
        if operation is not None:
            service.demand_payable(session, operation, now=clock.business_now(session))
    rail = rails.get(operation.rail) if operation is not None else None
    if operation is None or not isinstance(rail, SandboxRail) or operation.provider_ref is None:
        raise NotFound("There is no payment to confirm.", code="operation_not_found")
    rail.confirm(operation.provider_ref, payer)
    poll(db, rails, operation.rail)
    refresh_operation(db, rails, operation.id)


def poll(db: Database, rails: Rails, rail_name: str) -> int:
    """Fetch all that a rail has to tell, page by page, store it, and return how many events were new."""
    with db.read() as session:
        row = session.get(RailCursor, RAIL_NUMBERS[rail_name])
        cursor = row.cursor if row is not None else 0
        now = clock.business_now(session)
    rail = rails.get(rail_name)
    if rail is None:
        text = f"this process has no rail {rail_name}"
        db.unit_of_work(lambda session: service.note_poll_failed(session, rail_name, text))
        return 0
    since, new = max(0, cursor - POLL_OVERLAP), 0
    while True:
        try:
            notifications, reached = rail.poll_events(since)
        except Exception as error:  # noqa: BLE001 - a rail that is down is polled again later
            text = repr(error)
            log.warning("poll_failed", rail=rail_name, error=text)
            db.unit_of_work(lambda session, text=text: service.note_poll_failed(session, rail_name, text))
            return new
        # A page without progress is the last, too: nothing may keep the worker here.
        is_last = len(notifications) < rail.capabilities.events_per_poll or reached <= since
        new += db.unit_of_work(
            lambda session, page=list(notifications), reached=reached, is_last=is_last: service.hear_events(
                session, rail_name, page, reached, now=now, is_last=is_last
            )
        )
        if is_last:
            return new
        since = reached


def look_again(db: Database, rails: Rails, operation_id: int) -> None:
    """Fetch an operation that the rail has under way although no event told of it, and apply what it is now."""
    with db.read() as session:
        operation = session.get_one(Operation, operation_id)
        asked_at = clock.business_now(session)
    rail = rails.get(operation.rail)
    outcome = _fetch(rail, operation) if rail is not None else None
    if outcome is None:
        db.unit_of_work(lambda session: service.note_fetch_failed(session, operation_id))
        return
    db.unit_of_work(lambda session: service.apply_look(session, operation_id, outcome, now=asked_at))


def refresh_operation(db: Database, rails: Rails, operation_id: int) -> None:
    """Fetch an operation's object because something happened to it, and apply what it is now."""
    with db.read() as session:
        operation = session.get_one(Operation, operation_id)
    heard = operation.events_heard
    if operation.events_applied >= heard:
        return
    rail = rails.get(operation.rail)
    outcome = _fetch(rail, operation) if rail is not None else None
    if outcome is None:
        db.unit_of_work(lambda session: service.note_fetch_failed(session, operation_id))
        return
    db.unit_of_work(
        lambda session: service.apply_event(
            session, operation_id, heard, outcome, now=clock.business_now(session)
        )
    )


def _fetch(rail: ports.PaymentRail, operation: Operation) -> ports.Outcome | None:
    """Return what an operation's object is now, None when the rail cannot be asked or does not have it."""
    try:
        if operation.provider_ref is not None:
            found = rail.fetch(operation.provider_ref)
            return found.outcome if found is not None else None
        outcome = rail.lookup(intents.request_of(operation))
        return None if isinstance(outcome, ports.Absent) else outcome
    except Exception as error:  # noqa: BLE001 - whatever a rail raises, nobody knows what it is now
        log.warning("fetch_failed", operation=operation.public_id, error=repr(error))
        return None


def _send(rail: ports.PaymentRail, request: ports.FrozenRequest) -> ports.Outcome:
    commands = {"collect": rail.collect, "refund": rail.refund, "payout": rail.payout}
    try:
        return commands[request.kind](request)
    except Exception as error:  # noqa: BLE001 - whatever a rail raises, nobody knows what became of it
        return _not_known(request, error)


def _cancel(rail: ports.PaymentRail, request: ports.FrozenRequest) -> ports.Outcome:
    """Make sure that it never happens, or hear what it has become."""
    try:
        return rail.cancel(request)
    except Exception as error:  # noqa: BLE001 - whatever a rail raises, nobody knows what became of it
        return _not_known(request, error)


def _resolve(
    db: Database, rail: ports.PaymentRail, operation_id: int, request: ports.FrozenRequest
) -> ports.Outcome:
    """Look an operation up; send it in a new epoch only when the rail conclusively never had it."""
    try:
        found = rail.lookup(request)
    except Exception as error:  # noqa: BLE001 - whatever a rail raises, nobody knows what became of it
        return _not_known(request, error)
    if not isinstance(found, ports.Absent):
        return found
    anew = db.unit_of_work(
        lambda session: service.begin_epoch(session, operation_id, request.fence, now=clock.business_now(session))
    )
    if anew is None:
        return ports.Unknown("another worker has it")
    return _cancel(rail, anew) if anew.is_unwanted else _send(rail, anew)


def _not_known(request: ports.FrozenRequest, error: Exception) -> ports.Unknown:
    log.warning("outcome_unknown", operation=request.operation, epoch=request.epoch, error=repr(error))
    return ports.Unknown(repr(error))


def _record(db: Database, operation_id: int, fence: int, outcome: ports.Outcome) -> None:
    db.unit_of_work(
        lambda session: service.record_outcome(
            session, operation_id, fence, outcome, now=clock.business_now(session)
        )
    )
