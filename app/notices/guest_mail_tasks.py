"""The job that mails people without an account what became of their complaint (PPL-7).

They have no notices, so each mail is a row of its own, written with the fact it tells. The mail is sent outside any
transaction, under a lease and the same Message-ID each time, as ``mail_tasks`` does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock, formats
from app.complaints import links
from app.complaints.models import Complaint, ComplaintMail
from app.config import Settings
from app.logging import get_logger
from app.notices import post, wording
from app.notices.mail_tasks import LEASE, MAX_ATTEMPTS
from app.outbox.service import backoff_seconds
from app.work import Context, Job


def _is_free(system_now: dt.datetime) -> sa.ColumnElement[bool]:
    row = ComplaintMail
    return sa.and_(row.mailed_at.is_(None), sa.or_(row.mail_after.is_(None), row.mail_after <= system_now))


def _due(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    wanted = sa.select(ComplaintMail.id).where(_is_free(clock.system_now())).order_by(ComplaintMail.id).limit(limit)
    return session.scalars(wanted).all()


def _send(context: Context, mail_id: int, now: dt.datetime) -> None:
    letter = context.db.unit_of_work(lambda session: _claim(session, mail_id, context.settings))
    if letter is None:
        return
    reason, permanent = None, False
    try:
        with post.opened(context.settings) as way:
            way.send(letter)
    except post.MailRefusedError as error:
        reason, permanent = str(error), error.permanent
    except post.MailServerError as error:
        reason = str(error)
    context.db.unit_of_work(lambda session: _note(session, mail_id, reason, permanent, now))


def _claim(session: Session, mail_id: int, settings: Settings) -> post.Letter | None:
    """Lease one mail and return its letter; None when another worker has it, or its complaint was erased."""
    system_now = clock.system_now()
    mail = session.scalars(
        sa.select(ComplaintMail).where(ComplaintMail.id == mail_id, _is_free(system_now)).with_for_update()
    ).one_or_none()
    if mail is None:
        return None
    mail.mail_after = system_now + LEASE
    mail.mail_attempts += 1
    row = session.get_one(Complaint, mail.complaint_id)
    path = f"/complaints/read/{links.sign(settings.secret_key, row.public_id)}"
    words = wording.put(
        mail.kind, {"number": row.number, "due_at": mail.due_at, "about": row.public_id,
                    "moment": formats.instant_text}, path, legal=True,
    )
    address = row.email or ""
    return post.Letter(mail.id, f"{mail.kind}.{row.public_id}", f"{mail.kind}-by-mail", address, address, words)


def _note(session: Session, mail_id: int, reason: str | None, permanent: bool, now: dt.datetime) -> None:
    mail = session.get_one(ComplaintMail, mail_id, with_for_update=True)
    mail.mail_error = None if reason is None else reason[:500]
    if reason is None or permanent or mail.mail_attempts >= MAX_ATTEMPTS:
        mail.mailed_at, mail.mail_after = now, None
        if reason is not None:
            get_logger("app.notices").error("complaint_mail_given_up", mail=mail_id, reason=reason)
        return
    mail.mail_after = clock.system_now() + dt.timedelta(seconds=backoff_seconds(min(mail.mail_attempts, 8)))


JOB = Job("send_complaint_mails", _due, _send, outside=True)
