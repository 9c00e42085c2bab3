"""What is to be done after a commit, and the record of jobs that failed."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class OutboxMessage(Base):
    """A message enqueued in the unit of work whose truth it tells; handled at least once, later.

    ``key`` makes it unique where the same fact may be told twice. Times are system time.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        sa.UniqueConstraint("key"),
        sa.Index("ix_outbox_open", "available_at", sqlite_where=sa.text("done_at IS NULL"),
                 postgresql_where=sa.text("done_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    key: Mapped[str]
    topic: Mapped[str]
    payload: Mapped[str]
    created_at: Mapped[dt.datetime]
    available_at: Mapped[dt.datetime]
    attempts: Mapped[int]
    claimed_until: Mapped[dt.datetime | None]
    done_at: Mapped[dt.datetime | None]
    quarantined_at: Mapped[dt.datetime | None]
    last_error: Mapped[str | None]


class JobFailure(Base):
    """A job that failed on one object: when it may be tried again, and whether a person must look.

    The row goes when the job succeeds. ``quarantined_at`` is set after five attempts (TIM-2).
    """

    __tablename__ = "job_failure"
    __table_args__ = (sa.UniqueConstraint("job", "object_id"),)

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    job: Mapped[str]
    object_id: Mapped[int]
    attempts: Mapped[int]
    next_at: Mapped[dt.datetime]
    last_error: Mapped[str]
    quarantined_at: Mapped[dt.datetime | None]
