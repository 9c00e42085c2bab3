"""Write notices from what happened, mark them read, and keep who wants fewer mails (PPL-4, PPL-5).

One event becomes one notice for each user it concerns, by one INSERT … SELECT per audience, however many
there are. Sending the mails is ``mail_tasks``; the words are ``wording``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import passwords
from app.accounts.models import User
from app.db import insert_for, random_public_id
from app.errors import NotFound
from app.notices import audiences, facts, queries, rules
from app.notices.models import Notice, NoticePreference


def tell(session: Session, payload: Mapping[str, Any], *, now: dt.datetime) -> None:
    """Write the notices of one outbox message; a second time does nothing (PPL-4)."""
    if payload["kind"] in rules.SILENT:
        return
    found = facts.happened(session, payload)
    for telling in rules.tellings(found.event):
        _write(session, telling, found, now)


def _write(session: Session, telling: rules.Telling, found: facts.Happened, now: dt.datetime) -> None:
    who = audiences.users_of(telling.audience, found).subquery("who")
    role = rules.AUDIENCES[telling.audience]
    common = {**found.params, "role": role, "link": telling.link, "legal": telling.legal}
    selected = (
        sa.select(
            random_public_id("ntc"),
            sa.literal(f"{telling.kind}:{found.about}:{found.at.isoformat()}"),
            who.c.user_id,
            sa.literal(telling.kind),
            sa.literal(found.about),
            _params(common, who),
            sa.literal(found.at, type_=Notice.occurred_at.type),
            sa.literal(now, type_=Notice.created_at.type),
            _mailed_at(telling.legal, now),
            sa.literal(0),
        )
        .select_from(who)
        .join(User, User.id == who.c.user_id)
        .outerjoin(NoticePreference, NoticePreference.user_id == who.c.user_id)
        .where(sa.true())  # SQLite needs a WHERE to tell this ON CONFLICT from a join's ON
    )
    columns = ["public_id", "key", "user_id", "kind", "object_id", "params", "occurred_at", "created_at", "mailed_at",
               "mail_attempts"]
    session.execute(
        insert_for(session, Notice).from_select(columns, selected, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["key", "user_id"])
    )


def _params(common: Mapping[str, Any], who: sa.Subquery) -> sa.ColumnElement[str]:
    """Return the JSON of one user's notice: what all share, and that user's own figures, added by the database."""
    text: sa.ColumnElement[str] = sa.literal(json.dumps(common, sort_keys=True)[:-1])
    for column in who.c:
        if column.name != "user_id":
            text = text + sa.literal(f', "{column.name}": ') + sa.cast(column, sa.Text)
    return text + sa.literal("}")


def _mailed_at(legal: bool, now: dt.datetime) -> sa.ColumnElement[dt.datetime | None]:
    """Return ``now`` where no mail is sent: for people that a program invented, or who want fewer."""
    unwanted = User.password_hash == passwords.NO_PASSWORD
    if not legal:
        unwanted = sa.or_(unwanted, NoticePreference.optional_mails.is_(False))
    instant = sa.literal(now, type_=Notice.mailed_at.type)
    return sa.case((unwanted, instant), else_=sa.null())


def mark_read(session: Session, *, user_id: int, notice_id: str, and_older: bool = False, now: dt.datetime) -> int:
    """Mark one of one's own notices read, or it and everything before it; return how many were not read yet.

    Raises ``NotFound`` for anybody else's. What came after the page was read stays unread.
    """
    notice = queries.notice_of(session, user_id, notice_id)
    if notice is None:
        raise NotFound("There is no such notice.", code="notice_not_found")
    wanted = Notice.id <= notice.id if and_older else Notice.id == notice.id
    return session.execute(
        sa.update(Notice)
        .where(Notice.user_id == user_id, wanted, Notice.read_at.is_(None))
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    ).rowcount


def choose_mails(session: Session, *, user_id: int, optional_mails: bool) -> None:
    """Keep whether a user wants mails that concern neither their money nor their rights (PPL-4)."""
    session.execute(
        insert_for(session, NoticePreference)
        .values(user_id=user_id, optional_mails=optional_mails)
        .on_conflict_do_update(index_elements=["user_id"], set_={"optional_mails": optional_mails})
    )
