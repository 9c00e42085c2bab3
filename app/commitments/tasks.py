"""Jobs of commitments: unpaid ones expire and free their place (COM-4).

Whether a payment is still being found out about is read off its operation's row, by name: payments come after
commitments and are never imported here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import links, service
from app.commitments.models import Commitment, CommitmentLink
from app.db import UTCDateTime
from app.offerings import halts
from app.offerings.models import Offering
from app.work import Job

UNPAID = ("awaiting_payment", "payment_failed")


#: What this job must know of payments: a place is kept while nobody can say whether it was paid in time (TIM-1).
_operation = sa.table(
    "operation",
    *(sa.column(name) for name in ("commitment_id", "kind", "state", "events_heard", "events_applied")),
    sa.column("changed_at", UTCDateTime()),
)
_UNDECIDED = ("created", "sending", "unknown", "needs_operator")


def _is_open() -> sa.ColumnElement[bool]:
    """Say whether a payment was made that may have cleared in time: its answer is lost, or not heard since."""
    return sa.exists().where(
        _operation.c.commitment_id == Commitment.id,
        _operation.c.kind == "collect",
        sa.or_(
            _operation.c.state.in_(_UNDECIDED),
            _operation.c.events_applied < _operation.c.events_heard,
            sa.and_(_operation.c.state == "action_required", _operation.c.changed_at < Commitment.pay_by),
        ),
    )


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return (
        session.execute(
            sa.select(Commitment.id)
            .join(Offering, Offering.id == Commitment.offering_id)
            .where(Commitment.status.in_(UNPAID), Commitment.pay_by <= halts.clock_sql(now), ~_is_open())
            .order_by(Commitment.pay_by)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def _expire(session: Session, commitment_id: int, now: dt.datetime) -> None:
    offering, commitment = service.locked(session, session.get_one(Commitment, commitment_id).public_id)
    still_due = sa.select(Commitment.id).where(Commitment.id == commitment_id, ~_is_open())
    is_over = commitment.status in UNPAID and commitment.pay_by <= halts.clock(offering, now)
    if is_over and session.scalar(still_due) is not None:
        service.expire(session, commitment, now=now)


def _contested_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(CommitmentLink.id)
        .where(CommitmentLink.status == "contested", CommitmentLink.decide_by <= now)
        .order_by(CommitmentLink.decide_by)
        .limit(limit)
    )
    return session.scalars(query).all()


def _let_stand(session: Session, link_id: int, now: dt.datetime) -> None:
    links.let_stand(session, link_id, now=now)


JOBS = (
    Job("expire_commitment", _due, _expire),
    Job("let_links_stand", _contested_due, _let_stand),
)
