"""Jobs of changes: an operator's silence, the delivery of a round's notices, and the investors' silence (OFF-8)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import reconfirm_rounds, reconfirming
from app.commitments.reconfirm_models import Reconfirmation
from app.offerings import halts
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from app.work import Job


def _undecided(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    # Before the first commitment silence publishes nothing: it only asks a second operator, once.
    asked_already = sa.and_(Offering.commitment_count == 0, OfferingChange.escalated_at.is_not(None))
    return session.scalars(
        sa.select(OfferingChange.id)
        .join(Offering, Offering.id == OfferingChange.offering_id)
        .where(
            OfferingChange.state == "proposed",
            sa.or_(
                Offering.state != "live",
                sa.and_(OfferingChange.decide_by <= halts.clock_sql(now), sa.not_(asked_already)),
            ),
        )
        .order_by(OfferingChange.decide_by, OfferingChange.id)
        .limit(limit)
    ).all()


def _decide(session: Session, change_id: int, now: dt.datetime) -> None:
    reconfirming.decide_by_silence(session, change_id, now=now)


def _undelivered(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:  # noqa: ARG001 - a job's signature
    ids = session.scalars(
        sa.select(Reconfirmation.change_id)
        .where(Reconfirmation.answer.is_(None), Reconfirmation.delivered_at.is_(None))
        .distinct()
        .limit(limit)
    ).all()
    changes = session.scalars(sa.select(OfferingChange).where(OfferingChange.id.in_(ids))) if ids else ()
    return [change.id for change in changes if reconfirm_rounds.delivered_at(session, change) is not None]


def _deliver(session: Session, change_id: int, now: dt.datetime) -> None:
    reconfirm_rounds.note_delivery(session, change_id, now=now)


def _silent(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return session.scalars(
        sa.select(Reconfirmation.change_id)
        .join(OfferingChange, OfferingChange.id == Reconfirmation.change_id)
        .join(Offering, Offering.id == OfferingChange.offering_id)
        .where(
            Reconfirmation.answer.is_(None),
            sa.or_(Offering.state != "live", Reconfirmation.due_at <= halts.clock_sql(now)),
        )
        .distinct()
        .limit(limit)
    ).all()


def _end(session: Session, change_id: int, now: dt.datetime) -> None:
    reconfirm_rounds.let_silence_end(session, change_id, now=now)


JOBS = (
    Job("deliver_reconfirmation", _undelivered, _deliver),
    Job("end_reconfirmation", _silent, _end),
    Job("decide_change", _undecided, _decide),
)
