"""Notices: what a person was told, once, after it was true; and who wants fewer mails."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class Notice(Base):
    """One notice to one user. ``key`` makes it unique; ``params`` are ids and figures (PPL-4, PPL-6).

    ``mailed_at`` is when its mail left, or when it was decided that none is sent. ``mail_after`` (system
    time) is the lease of the worker that sends it now, or the pause before the next attempt.
    """

    __tablename__ = "notice"
    __table_args__ = (
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("key", "user_id"),
        sa.Index("ix_notice_user_id_id", "user_id", "id"),
        sa.Index("ix_notice_unread", "user_id", sqlite_where=sa.text("read_at IS NULL"),
                 postgresql_where=sa.text("read_at IS NULL")),
        sa.Index("ix_notice_unmailed", "id", sqlite_where=sa.text("mailed_at IS NULL"),
                 postgresql_where=sa.text("mailed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    key: Mapped[str]
    user_id: Mapped[int]
    kind: Mapped[str]
    object_id: Mapped[str]
    params: Mapped[str]
    occurred_at: Mapped[dt.datetime]
    created_at: Mapped[dt.datetime]
    mailed_at: Mapped[dt.datetime | None]
    mail_attempts: Mapped[int] = mapped_column(default=0)
    mail_after: Mapped[dt.datetime | None]
    mail_error: Mapped[str | None]
    read_at: Mapped[dt.datetime | None]


class NoticePreference(Base):
    """Whether a user wants mails about what moves neither their money nor their rights; without a row, yes."""

    __tablename__ = "notice_preference"
    __table_args__ = (sa.ForeignKeyConstraint(["user_id"], ["user_account.id"]),)

    user_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    optional_mails: Mapped[bool]
