"""Jobs of commitments: unpaid ones expire and free their place (COM-4)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import service
from app.commitments.models import Commitment
from app.work import Job

UNPAID = ("awaiting_payment", "payment_failed")


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return (
        session.execute(
            sa.select(Commitment.id)
            .where(Commitment.status.in_(UNPAID), Commitment.pay_by <= now)
            .order_by(Commitment.pay_by)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def _expire(session: Session, commitment_id: int, now: dt.datetime) -> None:
    _offering, commitment = service.locked(session, session.get_one(Commitment, commitment_id).public_id)
    if commitment.status in UNPAID and commitment.pay_by <= now:
        service.expire(session, commitment, now=now)


JOBS = (Job("expire_commitment", _due, _expire),)
