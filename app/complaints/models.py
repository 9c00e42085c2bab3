"""Complaints: what somebody is unhappy with, the answer, and a second person's review (PPL-7).

No complaint is deleted while it has to be kept; words and addresses live here only, so that they can be erased when
their retention ends (PPL-6).
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK, public_id


class Complaint(Base):
    """One complaint: received → answered → in_review → reviewed; nothing leads back.

    ``email`` is for those without an account. ``due_at`` is of the answer, then of the review; ``escalated_at``
    is when it passed and every operator was asked.
    """

    __tablename__ = "complaint"
    __table_args__ = (
        sa.UniqueConstraint("public_id"),
        sa.CheckConstraint("state IN ('received', 'answered', 'in_review', 'reviewed')", name="state_known"),
        sa.CheckConstraint("(user_id IS NULL) <> (email IS NULL)", name="somebody_complains"),
        sa.CheckConstraint("(state = 'received') = (answered_at IS NULL)", name="answered_once_it_is"),
        sa.CheckConstraint("(state = 'reviewed') = (reviewed_at IS NOT NULL)", name="reviewed_once_it_is"),
        sa.CheckConstraint("reviewed_by IS NULL OR reviewed_by <> answered_by", name="by_a_second_person"),
        sa.Index("ix_complaint_state_due_at", "state", "due_at"),
        sa.Index("ix_complaint_user_id_id", "user_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str] = mapped_column(default=lambda: public_id("cpl"))
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("user_account.id"))
    email: Mapped[str | None]
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

    @property
    def number(self) -> str:
        """What people call it by."""
        return f"C-{self.id:06d}"


class ComplaintMail(Base):
    """A mail to somebody without an account, who has no notices. Times of sending are of the system clock."""

    __tablename__ = "complaint_mail"
    __table_args__ = (
        sa.ForeignKeyConstraint(["complaint_id"], ["complaint.id"]),
        sa.UniqueConstraint("complaint_id", "kind"),
        sa.Index("ix_complaint_mail_unsent", "id", sqlite_where=sa.text("mailed_at IS NULL"),
                 postgresql_where=sa.text("mailed_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    complaint_id: Mapped[int]
    kind: Mapped[str]
    due_at: Mapped[dt.datetime]
    mail_attempts: Mapped[int] = mapped_column(default=0)
    mail_after: Mapped[dt.datetime | None]
    mailed_at: Mapped[dt.datetime | None]
    mail_error: Mapped[str | None]
