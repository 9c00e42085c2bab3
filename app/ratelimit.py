"""Count attempts per subject and window, and refuse too many. Runs on the system clock.

A hit is counted in its own unit of work, before the act: what follows may fail and roll back, the
attempt still counts. Subjects (mail addresses, network addresses) are kept as hashes only.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.db import Base, insert_for
from app.errors import TooMany


class RateLimit(Base):
    """Attempts of one subject in one bucket since ``window_start``."""

    __tablename__ = "rate_limit"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[dt.datetime]
    hits: Mapped[int]


@dataclass(frozen=True, slots=True)
class Limit:
    """How many attempts are taken within how many seconds."""

    attempts: int
    window_seconds: int


#: What is limited, by whom it is counted, and how much is taken.
LIMITS = {
    "sign_in": Limit(5, 900),  # by mail address and network address together
    "sign_in_address": Limit(30, 900),  # by network address
    "sign_up": Limit(20, 900),  # by network address
    "second_factor": Limit(5, 900),  # by user
    "password": Limit(5, 900),  # by user, when changing it
    "setup": Limit(10, 900),  # by network address: setup tokens and invitations
    "commit": Limit(30, 60),  # by user
    "paper": Limit(30, 3600),  # by user: papers of identity
    "complaint": Limit(5, 3600),  # by user, or by network address without an account
}


def hit_named(session: Session, name: str, subject: str, *, now: dt.datetime) -> int:
    """Count one attempt under a limit of the table above. Raises ``TooMany``."""
    limit = LIMITS[name]
    return hit(
        session,
        bucket=name,
        subject=subject,
        limit=limit.attempts,
        window_seconds=limit.window_seconds,
        now=now,
    )


def hit(
    session: Session, *, bucket: str, subject: str, limit: int, window_seconds: int, now: dt.datetime
) -> int:
    """Count one attempt and return how many there were in this window.

    The window begins with the first attempt. Raises ``TooMany`` above ``limit``, with
    ``retry_after_seconds`` in its facts; the refused attempt itself is not counted, because the unit of
    work is rolled back, so waiting out the window is always enough.
    """
    key = _key(bucket, subject)
    window = dt.timedelta(seconds=window_seconds)
    over = RateLimit.window_start <= now - window
    start = sa.literal(now, RateLimit.window_start.type)
    hits, started = session.execute(
        insert_for(session, RateLimit)
        .values(key=key, window_start=now, hits=1)
        .on_conflict_do_update(
            index_elements=["key"],
            set_={
                "hits": sa.case((over, 1), else_=RateLimit.hits + 1),
                "window_start": sa.case((over, start), else_=RateLimit.window_start),
            },
        )
        .returning(RateLimit.hits, RateLimit.window_start)
    ).one()
    if hits > limit:
        wait = max(1, -(-(started + window - now) // dt.timedelta(seconds=1)))
        minutes = -(-wait // 60)
        raise TooMany(
            f"There were too many attempts. Wait {minutes} {'minute' if minutes == 1 else 'minutes'}, then try again.",
            facts={"retry_after_seconds": wait},
        )
    return hits


def forget(session: Session, *, bucket: str, subject: str) -> None:
    """Start anew for one subject, after a success that proves who it is."""
    session.execute(sa.delete(RateLimit).where(RateLimit.key == _key(bucket, subject)))


def take_back(session: Session, *, bucket: str, subject: str) -> None:
    """Uncount one attempt that succeeded, so that only failures add up."""
    session.execute(
        sa.update(RateLimit)
        .where(RateLimit.key == _key(bucket, subject), RateLimit.hits > 0)
        .values(hits=RateLimit.hits - 1)
    )


def sweep(session: Session, *, now: dt.datetime, older_than_seconds: int = 86_400) -> int:
    """Delete counters of windows long past and return how many."""
    cutoff = now - dt.timedelta(seconds=older_than_seconds)
    return session.execute(sa.delete(RateLimit).where(RateLimit.window_start < cutoff)).rowcount


def _key(bucket: str, subject: str) -> str:
    return f"{bucket}:{hashlib.sha256(subject.encode()).hexdigest()[:40]}"
