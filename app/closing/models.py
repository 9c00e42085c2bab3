"""Notices of an early close: a founder's new deadline and the one it would replace."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class EarlyClose(Base):
    """A notice that the offering closes sooner (OFF-6).

    While it is ``announced`` the offering's own dates are ``deadline_at`` and ``cancel_until``; they are the
    earlier ones again when it becomes ``void``, and stay when it is ``taken``. ``dropped`` ended with its offering.
    """

    __tablename__ = "early_close"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('announced', 'taken', 'void', 'dropped')", name="state"),
        sa.CheckConstraint("(state = 'announced') = (decided_at IS NULL)", name="decided"),
        sa.CheckConstraint("deadline_at < earlier_deadline_at", name="sooner"),
        sa.Index(
            "uq_early_close_announced", "offering_id", unique=True,
            sqlite_where=sa.text("state = 'announced'"), postgresql_where=sa.text("state = 'announced'"),
        ),
        sa.Index("ix_early_close_offering_id", "offering_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    state: Mapped[str]
    announced_by: Mapped[int]
    announced_at: Mapped[dt.datetime]
    deadline_at: Mapped[dt.datetime]
    cancel_until: Mapped[dt.datetime]
    earlier_deadline_at: Mapped[dt.datetime]
    earlier_cancel_until: Mapped[dt.datetime]
    #: What had cleared at arm's length when it was decided, minor units.
    cleared_minor: Mapped[int | None]
    decided_at: Mapped[dt.datetime | None]
