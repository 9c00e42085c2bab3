"""Jobs of payments: send, listen, send back, pay out, keep the float. Each comes to rest by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.commitments import underpaid
from app.commitments.models import HOLDS_PLACE, Commitment
from app.offerings import halts
from app.offerings.models import Offering
from app.payments import (
    claims,
    gateway,
    payouts,
    queries,
    receipts,
    refunds,
    returns,
    rules,
    service,
    treasury,
)
from app.payments.models import Operation, Payout, RailCursor, Receipt
from app.payments.reversal_models import IssuerClaim, Reversal
from app.work import Context, Job


def _ids(session: Session, query: sa.Select[tuple[int]], limit: int) -> Sequence[int]:
    return session.scalars(query.limit(limit)).all()


# -- talking to the rails ---------------------------------------------------------------------------


def _is_free(system_now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.or_(Operation.lease_until.is_(None), Operation.lease_until <= system_now)


def _is_halted() -> sa.ColumnElement[bool]:
    """Say in SQL what :func:`service.claim_for_sending` leaves until a halt ends (OFF-13)."""
    is_halted = sa.exists().where(Offering.id == Operation.offering_id, Offering.halted_since.is_not(None))
    return sa.and_(Operation.state == "created", Operation.kind != "refund", is_halted)


def _sendable(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    system_now = clock.system_now()
    query = (
        sa.select(Operation.id)
        .where(Operation.state.in_(rules.SENDABLE), Operation.next_at <= system_now, _is_free(system_now))
        .where(~_is_halted())
        .order_by(Operation.next_at, Operation.id)
    )
    return _ids(session, query, limit)


def _send(context: Context, operation_id: int, _now: dt.datetime) -> None:
    gateway.run_operation(context.db, context.rails, operation_id)


def _pollable(session: Session, now: dt.datetime, _limit: int) -> Sequence[int]:
    system_now = clock.system_now()
    cursors = {row.id: row for row in session.scalars(sa.select(RailCursor))}
    return [
        number
        for name, number in rules.RAIL_NUMBERS.items()
        if _may_poll(cursors.get(number), now, system_now)
        and session.scalar(sa.select(sa.exists().where(Operation.rail == name)))
    ]


def _may_poll(cursor: RailCursor | None, now: dt.datetime, system_now: dt.datetime) -> bool:
    if cursor is None:
        return True
    if cursor.retry_at is not None:
        return cursor.retry_at <= system_now
    return cursor.polled_at + rules.POLL_EVERY <= now


def _poll(context: Context, number: int, _now: dt.datetime) -> None:
    name = next(name for name, each in rules.RAIL_NUMBERS.items() if each == number)
    gateway.poll(context.db, context.rails, name)


def _unheard(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Operation.id)
        .where(Operation.events_applied < Operation.events_heard, Operation.next_at <= clock.system_now())
        .order_by(Operation.id)
    )
    return _ids(session, query, limit)


def _refresh(context: Context, operation_id: int, _now: dt.datetime) -> None:
    gateway.refresh_operation(context.db, context.rails, operation_id)


def _silent(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    system_now = clock.system_now()
    query = (
        queries.operations_to_look_at(now)
        .where(Operation.next_at <= system_now, _is_free(system_now))
        .order_by(Operation.changed_at, Operation.id)
    )
    return _ids(session, query, limit)


def _look_again(context: Context, operation_id: int, _now: dt.datetime) -> None:
    gateway.look_again(context.db, context.rails, operation_id)


def _abandoned(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    system_now = clock.system_now()
    query = (
        queries.unwanted_collections()
        .where(Operation.state == "action_required", Operation.next_at <= system_now, _is_free(system_now))
        .order_by(Operation.id)
    )
    return _ids(session, query, limit)


def _cancel(context: Context, operation_id: int, _now: dt.datetime) -> None:
    gateway.cancel_operation(context.db, context.rails, operation_id)


def _unknown_too_long(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    long_ago = clock.system_now() - rules.UNKNOWN_AT_MOST
    query = (
        sa.select(Operation.id)
        .where(Operation.state.in_(["unknown", "sending"]), Operation.unknown_since <= long_ago)
        .order_by(Operation.id)
    )
    return _ids(session, query, limit)


def _escalate(session: Session, operation_id: int, now: dt.datetime) -> None:
    service.escalate_unknown(session, operation_id, now=now)


def _still_unknown(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    system_now = clock.system_now()
    query = (
        sa.select(Operation.id)
        .where(
            Operation.state == "needs_operator", Operation.failure_code == rules.UNKNOWN_TOO_LONG,
            Operation.next_at <= system_now, _is_free(system_now),
        )
        .order_by(Operation.next_at, Operation.id)
    )
    return _ids(session, query, limit)


def _ask_unknown(context: Context, operation_id: int, _now: dt.datetime) -> None:
    gateway.ask_unknown(context.db, context.rails, operation_id)


# -- the books --------------------------------------------------------------------------------------


def _uncovered(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    """Return the offerings whose uncovered fees we can pay, whole or in part, in order, until the float is empty."""
    floats = dict(queries.floats(session))
    due: list[int] = []
    for each in queries.uncovered_fees(session):
        account = (each.rail, each.asset)
        paid = min(each.amount_minor - min(each.amount_minor, each.earned_minor), floats.get(account, 0))
        if each.earned_minor or paid:
            floats[account] = floats.get(account, 0) - paid
            due.append(each.offering_id)
    return due[:limit]


def _cover(session: Session, offering_id: int, now: dt.datetime) -> None:
    treasury.cover_fees(session, offering_id, now=now)


def _underpaid(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    due = underpaid.due(session, now, limit)
    return [each for each in due if not receipts.is_paying(session, session.get_one(Commitment, each))]


def _settle_underpaid(session: Session, commitment_id: int, now: dt.datetime) -> None:
    receipts.settle_underpaid(session, commitment_id, now=now)


def _undecided_doubts(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = sa.select(Receipt.id).where(Receipt.status == "doubted", Receipt.decide_by <= now).order_by(Receipt.id)
    return _ids(session, query, limit)


def _end_doubt(session: Session, receipt_id: int, now: dt.datetime) -> None:
    receipts.end_doubt(session, receipt_id, now=now)


def _undecided_disputes(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = sa.select(Reversal.id).where(Reversal.state == "open", Reversal.due_at <= now)
    return _ids(session, query.order_by(Reversal.due_at, Reversal.id), limit)


def _end_dispute(session: Session, reversal_id: int, now: dt.datetime) -> None:
    returns.end_silent(session, reversal_id, now=now)


def _overdue_claims(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = sa.select(IssuerClaim.id).where(
        IssuerClaim.state == "open", IssuerClaim.due_at <= now, IssuerClaim.told_at.is_(None)
    )
    return _ids(session, query.order_by(IssuerClaim.due_at, IssuerClaim.id), limit)


def _remind(session: Session, claim_id: int, now: dt.datetime) -> None:
    claims.remind(session, claim_id, now=now)


def _open_receipts(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    has_ended = sa.and_(
        Receipt.status.in_(["waiting", "doubted"]),
        sa.exists().where(Commitment.id == Receipt.commitment_id, Commitment.status.not_in(HOLDS_PLACE)),
    )
    return _ids(
        session, sa.select(Receipt.id).where(sa.or_(Receipt.status == "open", has_ended)).order_by(Receipt.id), limit
    )


def _return_receipt(session: Session, receipt_id: int, now: dt.datetime) -> None:
    refunds.return_receipt(session, receipt_id, now=now)


def _refundable(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return queries.refunds_to_send(session, now=now, limit=limit)


def _send_back(session: Session, refund_id: int, now: dt.datetime) -> None:
    refunds.send_back(session, refund_id, now=now)


def _waiting_payouts(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Payout.id)
        .where(Payout.status == "waiting", Payout.next_at <= now)
        .order_by(Payout.next_at, Payout.id)
    )
    return _ids(session, query, limit)


def _reserve(session: Session, payout_id: int, now: dt.datetime) -> None:
    payouts.reserve(session, payout_id, now=now)


def _late_payouts(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Payout.id)
        .join(Offering, Offering.id == Payout.offering_id)
        .where(Payout.status == "waiting", Payout.overdue_at.is_(None), Payout.act_by <= halts.clock_sql(now))
        .order_by(Payout.act_by)
    )
    return _ids(session, query, limit)


def _escalate_payout(session: Session, payout_id: int, now: dt.datetime) -> None:
    payouts.escalate(session, payout_id, now=now)


def _earned(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    return queries.offerings_to_sweep(session)[:limit]


def _sweep(session: Session, offering_id: int, now: dt.datetime) -> None:
    treasury.sweep_fees(session, offering_id, now=now)


JOBS = (
    Job("send_operations", _sendable, _send, outside=True),
    Job("poll_rails", _pollable, _poll, outside=True),
    Job("refresh_operations", _unheard, _refresh, outside=True),
    Job("look_again", _silent, _look_again, outside=True),
    Job("cancel_abandoned", _abandoned, _cancel, outside=True),
    Job("escalate_unknown", _unknown_too_long, _escalate),
    Job("ask_unknown", _still_unknown, _ask_unknown, outside=True),
    Job("cover_fees", _uncovered, _cover),
    Job("settle_underpaid", _underpaid, _settle_underpaid),
    Job("end_doubts", _undecided_doubts, _end_doubt),
    Job("end_disputes", _undecided_disputes, _end_dispute),
    Job("remind_claims", _overdue_claims, _remind),
    Job("return_receipts", _open_receipts, _return_receipt),
    Job("start_refunds", _refundable, _send_back),
    Job("reserve_payouts", _waiting_payouts, _reserve),
    Job("escalate_payout", _late_payouts, _escalate_payout),
    Job("sweep_fees", _earned, _sweep),
)
