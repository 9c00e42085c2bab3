"""What operators do to stuck work: let the worker try again. Every other act is its own feature's."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.errors import NotFound, Refused
from app.outbox import service as outbox
from app.outbox.models import JobFailure, OutboxMessage


def retry_job(session: Session, *, actor: Actor, failure_id: int, reason: str, now: dt.datetime) -> None:
    """Let a job that failed be tried again now; its attempts are counted anew (TIM-2)."""
    accounts.demand(actor, "operator", second_factor=True)
    _demand_reason(reason)
    failure = session.get(JobFailure, failure_id, with_for_update=True)
    if failure is None:
        raise NotFound("This job has run meanwhile; nothing is left to retry.", code="job_not_failing")
    failure.quarantined_at, failure.attempts, failure.next_at = None, 0, clock.system_now()
    audit.record(
        session, actor=actor, action="job.retried", object_id=f"{failure.job}:{failure.object_id}", now=now,
        reason=reason,
    )


def retry_message(session: Session, *, actor: Actor, message_id: int, reason: str, now: dt.datetime) -> None:
    """Let a message that could not be handled be tried again now (TIM-2)."""
    accounts.demand(actor, "operator", second_factor=True)
    _demand_reason(reason)
    message = session.execute(
        sa.select(OutboxMessage).where(OutboxMessage.id == message_id, OutboxMessage.done_at.is_(None))
    ).scalar_one_or_none()
    if message is None:
        raise NotFound("This message was handled meanwhile; nothing is left to retry.", code="message_done")
    outbox.retry(session, message.id, now=clock.system_now())
    audit.record(session, actor=actor, action="message.retried", object_id=message.key, now=now, reason=reason)


def _demand_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why you try again; it is kept in the log.", code="reason_empty", field="reason")
