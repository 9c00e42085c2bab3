"""Receive complaints, answer them, and let a second person look again (PPL-7).

Everybody may complain, also without an account. Each has a number at once, an owner, a date and a default;
none is deleted. What people hear of it is ``notices``; without an account they get a mail.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.complaints import queries, rules
from app.complaints.models import Complaint, ComplaintMail
from app.db import insert_for
from app.errors import Conflict, Forbidden, Refused
from app.outbox import service as outbox

#: The platform's own days: operators answer by them.
CALENDAR, ZONE = "US", "UTC"


def complain(
    session: Session,
    *,
    actor: Actor,
    email: str | None,
    topic: str,
    words: str,
    about: str | None = None,
    key: str,
    now: dt.datetime,
) -> Complaint:
    """Receive a complaint; an answer is due in 15 business days.

    ``actor`` is ``SYSTEM`` for somebody without an account, who gives an ``email``. The same ``key`` gives the
    same complaint back. Raises ``Refused`` (``topic_unknown``, ``words_missing``, ``words_long``, ``email_form``).
    """
    address = accounts.checked_email(email or "") if actor.is_system else None
    if topic not in rules.TOPICS:
        raise Refused("Choose what it is about.", code="topic_unknown", field="topic")
    words = _checked(words, "words")
    fields = {"email": address, "topic": topic, "words": words, "about": about}
    earlier = idempotency.claim(session, actor=actor, operation="complain", key=key, fields=fields, now=now)
    if earlier is not None:
        return queries.by_public_id(session, earlier)
    row = Complaint(
        user_id=actor.user_id, email=address, topic=topic, about=(about or "").strip()[:100] or None, words=words,
        state="received", received_at=now, due_at=_due(now, rules.ANSWER_BUSINESS_DAYS),
    )
    session.add(row)
    session.flush()
    idempotency.settle(session, actor=actor, operation="complain", key=key, result_ref=row.public_id)
    _record(session, actor, row, "complaint.received", None, now)
    _tell(session, "complaint_received", row, now)
    return row


def answer(session: Session, *, actor: Actor, complaint_id: str, words: str, now: dt.datetime) -> Complaint:
    """Answer a complaint, as an operator with a second factor and never one's own.

    Raises ``Conflict`` ``answered_already``, ``Refused`` ``words_missing``.
    """
    row = _to_decide(session, actor, complaint_id)
    if row.state != "received":
        raise Conflict("This complaint is answered already.", code="answered_already")
    row.answer = _checked(words, "words")
    row.state, row.answered_at, row.answered_by = "answered", now, actor.user_id
    _record(session, actor, row, "complaint.answered", "received", now)
    _tell(session, "complaint_answered", row, now)
    return row


def ask_review(session: Session, *, actor: Actor, complaint_id: str, reason: str, now: dt.datetime) -> Complaint:
    """Ask for a second look at an answer, once; it is due in 10 business days.

    ``actor`` is ``SYSTEM`` for somebody without an account, who proved by their link that it is theirs.
    """
    row = queries.by_public_id(session, complaint_id, lock=True)
    if not actor.is_system:
        queries.demand_own(actor, row)
    if row.state != "answered":
        raise Conflict(
            "A second look can be asked for once, after the answer. This complaint is not at that point.",
            code="review_not_open",
        )
    row.review_reason = _checked(reason, "words")
    row.state, row.review_asked_at, row.escalated_at = "in_review", now, None
    row.due_at = _due(now, rules.REVIEW_BUSINESS_DAYS)
    _record(session, actor, row, "complaint.review_asked", "answered", now)
    _tell(session, "complaint_review_asked", row, now)
    return row


def answer_again(session: Session, *, actor: Actor, complaint_id: str, words: str, now: dt.datetime) -> Complaint:
    """Give the second answer, by another operator than the first (PPL-2); it is the last one here."""
    row = _to_decide(session, actor, complaint_id)
    if row.state != "in_review":
        raise Conflict("Nobody asked for a second look, or it is done already.", code="review_not_open")
    if row.answered_by == actor.user_id:
        raise Forbidden(
            "You gave the first answer. Another operator has to look again.", code="second_person_needed"
        )
    row.review = _checked(words, "words")
    row.state, row.reviewed_at, row.reviewed_by = "reviewed", now, actor.user_id
    _record(session, actor, row, "complaint.reviewed", "in_review", now)
    _tell(session, "complaint_reviewed", row, now)
    return row


def escalate(session: Session, row: Complaint, *, now: dt.datetime) -> None:
    """Ask every operator about a complaint whose date has passed; it stays open."""
    row.escalated_at = now
    _record(session, SYSTEM, row, "complaint.overdue", row.state, now)
    _tell(session, "complaint_overdue", row, now)


def _to_decide(session: Session, actor: Actor, complaint_id: str) -> Complaint:
    accounts.demand(actor, "operator", second_factor=True)
    row = queries.by_public_id(session, complaint_id, lock=True)
    if row.user_id is not None and row.user_id == actor.user_id:
        raise Forbidden("Another operator has to answer your own complaint.", code="own_case")
    return row


def _checked(words: str, field: str) -> str:
    words = words.strip()
    if not words:
        raise Refused("Write it down in your own words.", code="words_missing", field=field)
    if len(words) > rules.MAX_CHARACTERS:
        raise Refused(f"Write at most {rules.MAX_CHARACTERS:,} characters.", code="words_long", field=field)
    return words


def _due(now: dt.datetime, business_days: int) -> dt.datetime:
    return calendars.add_business_days(now, business_days, code=CALENDAR, zone=ZONE)


def _record(
    session: Session, actor: Actor, row: Complaint, action: str, before: str | None, now: dt.datetime
) -> None:
    """Keep that it happened; what was written stays out of the log (PPL-6)."""
    audit.record(
        session, actor=actor, action=action, object_id=row.public_id, now=now,
        before=None if before is None else {"state": before}, after={"state": row.state, "due_at": row.due_at},
    )


def _tell(session: Session, kind: str, row: Complaint, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "complaint_id": row.id}, now=now, key=f"notice:{kind}:{row.public_id}:{now}"
    )
    if row.email is not None and kind in ("complaint_received", "complaint_answered", "complaint_reviewed"):
        session.execute(
            insert_for(session, ComplaintMail)
            .values(complaint_id=row.id, kind=kind, due_at=row.due_at, mail_attempts=0)
            .on_conflict_do_nothing(index_elements=["complaint_id", "kind"])
        )

