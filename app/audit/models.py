"""The log of changes of state: who did what to which object, from what to what, and why (PPL-5).

Rows carry ids only, never a name or an address (PPL-6), and are never changed; triggers refuse it.
What is worth a row is decided by the services that write it.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class LogEntry(Base):
    """One change of state, or one set-based change with its ``row_count``.

    ``actor_user_id`` is null for the system. There is no foreign key to the user: the log outlives
    what it speaks of. ``content_hash`` is the SHA-256 over RFC 8785 of the row without its id.
    """

    __tablename__ = "log_entry"
    __table_args__ = (
        sa.Index(None, "object_id", "id"),
        sa.Index(None, "actor_user_id", "id"),
        sa.CheckConstraint("row_count IS NULL OR row_count >= 0", name="row_count_not_negative"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    at: Mapped[dt.datetime]
    actor_user_id: Mapped[int | None]
    action: Mapped[str]
    object_id: Mapped[str]
    before: Mapped[str | None]
    after: Mapped[str | None]
    reason: Mapped[str | None]
    row_count: Mapped[int | None]
    content_hash: Mapped[str] = mapped_column(sa.String(64))
