"""Jobs of verification: run out, warn before, and remind operators of requests that wait (states.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.investors import identity, rules
from app.investors.models import Verification
from app.work import Job

_WARN_BEFORE = dt.timedelta(days=rules.EXPIRY_NOTICE_DAYS)


def _has_run_out(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Verification.state == "verified", Verification.expires_at <= now)


def _runs_out_soon(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        Verification.state == "verified", Verification.warned_at.is_(None),
        Verification.expires_at <= now + _WARN_BEFORE, Verification.expires_at > now,
    )


def _is_overdue(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        Verification.state == "pending", Verification.reminded_at.is_(None), Verification.due_at <= now
    )


def _job(
    name: str, is_due: Callable[[dt.datetime], sa.ColumnElement[bool]], act: Callable[..., None]
) -> Job:
    def due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
        wanted = sa.select(Verification.id).where(is_due(now)).order_by(Verification.id).limit(limit)
        return session.scalars(wanted).all()

    def once(session: Session, verification_id: int, now: dt.datetime) -> None:
        row = session.scalars(
            sa.select(Verification).where(Verification.id == verification_id, is_due(now)).with_for_update()
        ).one_or_none()
        if row is not None:
            act(session, row, now=now)

    return Job(name, due, once)


JOBS = (
    _job("expire_verification", _has_run_out, identity.expire),
    _job("warn_of_expiry", _runs_out_soon, identity.warn),
    _job("remind_of_verification", _is_overdue, identity.remind),
)
