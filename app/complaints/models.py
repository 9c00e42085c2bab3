"""Complaints: what somebody is unhappy with, the answer, and a second person's review (PPL-7).

Rows are never deleted while they are open; words and addresses live here only, so that they can be erased when their
retention ends (PPL-6).
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK, public_id

#: received → answered → in_review → reviewed; nothing leads back.
STATES = ("received", "answered", "in_review", "reviewed")


class Complaint(Base):
    """One complaint. ``number`` is what people call it by; ``email`` and ``token_hash`` are for those without account.

    ``escalated_at`` is when the time to answer or review passed and a second operator was asked.
    """

    __tablename__ = "complaint"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("token_hash"),
        sa.CheckConstraint("state IN ('received', 'answered', 'in_review', 'reviewed')", name="state_known"),
        sa.CheckConstraint("user_id IS NOT NULL OR email IS NOT NULL", name="somebody_complains"),
        sa.CheckConstraint("(state = 'received') = (answered_at IS NULL)", name="answered_once_it_is"),
        sa.CheckConstraint("(state = 'reviewed') = (reviewed_at IS NOT NULL)", name="reviewed_once_it_is"),
        sa.CheckConstraint("reviewed_by IS NULL OR reviewed_by <> answered_by", name="by_a_second_person"),
        sa.Index("ix_complaint_state_due_at", "state", "due_at"),
        sa.Index("ix_complaint_user_id_id", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("cpl"))
    number: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    email: Mapped[str | None]
    token_hash: Mapped[str | None] = mapped_column(sa.String(64))
    topic: Mapped[str]
    about: Mapped[str | None]
    words: Mapped[str]
    state: Mapped[str]
    received_at: Mapped[dt.datetime]
    due_at: Mapped[dt.datetime]
    escalated_at: Mapped[dt.datetime | None]
    answer: Mapped[str | None]
    answered_at: Mapped[dt.datetime | None]
    answered_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    review_reason: Mapped[str | None]
    review_asked_at: Mapped[dt.datetime | None]
    review: Mapped[str | None]
    reviewed_at: Mapped[dt.datetime | None]
    reviewed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
