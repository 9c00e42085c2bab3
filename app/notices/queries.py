"""Read a person's notices, and how mails fare. Nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.notices.models import Notice, NoticePreference


def unread_count(session: Session, user_id: int) -> int:
    """Return how many notices a user has not marked read."""
    return session.scalar(
        sa.select(sa.func.count()).select_from(Notice).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    ) or 0


def notices_of(session: Session, user_id: int, *, before_id: int | None = None, limit: int = 20) -> Sequence[Notice]:
    """Return one page of a user's notices, newest first, before ``before_id`` where given."""
    query = sa.select(Notice).where(Notice.user_id == user_id).order_by(Notice.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Notice.id < before_id)
    return session.scalars(query).all()


def notice_of(session: Session, user_id: int, public_id: str) -> Notice | None:
    """Return one of a user's own notices."""
    return session.scalar(sa.select(Notice).where(Notice.public_id == public_id, Notice.user_id == user_id))


def wants_optional_mails(session: Session, user_id: int) -> bool:
    """Tell whether a user wants mails that concern neither their money nor their rights; yes unless they said no."""
    wanted = session.scalar(sa.select(NoticePreference.optional_mails).where(NoticePreference.user_id == user_id))
    return True if wanted is None else wanted


def failing_mails(session: Session, limit: int = 50) -> Sequence[Notice]:
    """Return notices whose mail failed and is not given up yet, longest first (for the operators' console)."""
    query = (
        sa.select(Notice)
        .where(Notice.mailed_at.is_(None), Notice.mail_error.is_not(None))
        .order_by(Notice.mail_attempts.desc(), Notice.id)
        .limit(limit)
    )
    return session.scalars(query).all()
