"""The job that mails notices: claims some, sends them outside any transaction, notes what became of each.

Two workers never hold the same notice, because claiming leases it. A worker killed between sending and noting
leaves a mail that is sent again when its lease is over, under the same Message-ID; one killed before
sending leaves it to the next. A server that is down pauses everything; a mail it refuses pauses only itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.models import User
from app.logging import get_logger
from app.notices import post, wording
from app.notices.models import Notice
from app.outbox.service import backoff_seconds
from app.work import Context, Job

BATCH = 25
#: Longer than a batch can take with every time-out of its server.
LEASE = dt.timedelta(seconds=600)
#: After this many attempts, about three days, a mail is given up; the notice on the page stays.
MAX_ATTEMPTS = 72
#: The one object of the job: the post.
THE_POST = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a mail was not sent, and whether it is given up."""

    reason: str
    permanent: bool = False


def _is_free(system_now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        Notice.mailed_at.is_(None), sa.or_(Notice.mail_after.is_(None), Notice.mail_after <= system_now)
    )


def _due(session: Session, _now: dt.datetime, _limit: int) -> Sequence[int]:
    waiting = session.scalar(sa.select(sa.exists().where(_is_free(clock.system_now()))))
    return [THE_POST] if waiting else []


def _send(context: Context, _post: int, now: dt.datetime) -> None:
    claimed = context.db.unit_of_work(lambda session: _claim(session, clock.system_now()))
    with context.db.read() as session:
        letters, failures = _letters(session, claimed)
    failures |= _hand_over(context, letters)
    context.db.unit_of_work(lambda session: _note(session, claimed, failures, now))


def _claim(session: Session, system_now: dt.datetime) -> list[int]:
    """Lease the oldest notices that wait for their mail."""
    notices = session.scalars(
        sa.select(Notice).where(_is_free(system_now)).order_by(Notice.id).limit(BATCH).with_for_update(skip_locked=True)
    ).all()
    for notice in notices:
        notice.mail_after = system_now + LEASE
        notice.mail_attempts += 1
    return [notice.id for notice in notices]


def _letters(session: Session, ids: Sequence[int]) -> tuple[list[post.Letter], dict[int, Failure]]:
    rows = session.execute(
        sa.select(Notice, User).join(User, User.id == Notice.user_id).where(Notice.id.in_(ids)).order_by(Notice.id)
    ).all()
    letters, failures = [], {}
    for notice, user in rows:
        try:
            words = wording.words_of(session, [notice])[notice.id]
        except Exception as error:  # noqa: BLE001 - one notice that cannot be put in words must not stop the others
            failures[notice.id] = Failure(repr(error))
            continue
        letters.append(post.Letter(notice.id, notice.public_id, notice.kind, user.email, user.name, words))
    return letters, failures


def _hand_over(context: Context, letters: Sequence[post.Letter]) -> dict[int, Failure]:
    failures: dict[int, Failure] = {}
    sent: set[int] = set()
    try:
        with post.opened(context.settings) as way:
            for letter in letters:
                try:
                    way.send(letter)
                except post.MailRefusedError as error:
                    failures[letter.notice_id] = Failure(str(error), error.permanent)
                else:
                    sent.add(letter.notice_id)
    except post.MailServerError as error:
        rest = {letter.notice_id for letter in letters} - sent - set(failures)
        failures |= {notice_id: Failure(str(error)) for notice_id in rest}
    return failures


def _note(session: Session, ids: Sequence[int], failures: dict[int, Failure], now: dt.datetime) -> None:
    log = get_logger("app.notices")
    system_now = clock.system_now()
    for notice in session.scalars(sa.select(Notice).where(Notice.id.in_(ids)).with_for_update()):
        failure = failures.get(notice.id)
        if failure is None:
            notice.mailed_at, notice.mail_after, notice.mail_error = now, None, None
            continue
        notice.mail_error = failure.reason[:500]
        if failure.permanent or notice.mail_attempts >= MAX_ATTEMPTS:
            notice.mailed_at, notice.mail_after = now, None
            log.error("mail_given_up", notice=notice.public_id, reason=failure.reason)
        else:
            pause = dt.timedelta(seconds=backoff_seconds(min(notice.mail_attempts, 8)))
            notice.mail_after = system_now + pause
            log.warning("mail_delayed", notice=notice.public_id, reason=failure.reason)


JOB = Job("send_mails", _due, _send, outside=True)
