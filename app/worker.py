"""The worker process: claims due jobs and outbox messages and does them, as many workers as wanted.

APScheduler only ticks; what is due is a query on business time. A failing job backs off and, after
five attempts, waits for an operator (TIM-2); nothing it did halfway is kept.
"""

from __future__ import annotations

import datetime as dt
import json
import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

import sqlalchemy as sa
import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from sqlalchemy.orm import Session

from app import clock, jobs, work
from app.db import insert_for
from app.outbox import service as outbox
from app.outbox.models import JobFailure, OutboxMessage

log = structlog.get_logger("worker")

#: One pass of ``run_due`` over all jobs must come to rest; a job that keeps being due is a defect.
MAX_PASSES = 10_000

#: Messages handled in one transaction: enough to share its cost, few enough that others hardly wait for it.
MESSAGES_TOGETHER = 20


Failures = Mapping[tuple[str, int], JobFailure]


def run_due(context: work.Context) -> int:
    """Do everything that is due now and return how many things were done.

    Repeats until a pass finds nothing, because one job's effect may make the next one due.
    """
    done = 0
    for _pass in range(MAX_PASSES):
        # What has happened is told before time moves anything on, so that notices say what is still to come.
        progress = _run_outbox(context, jobs.HANDLERS) + _run_jobs(context)
        if not progress:
            return done
        done += progress
    raise RuntimeError("the jobs do not come to rest")


def _run_jobs(context: work.Context) -> int:
    """Ask every job once, in order, and do what is due; return how many things were done.

    Jobs are asked in one read until one has something to do; after it the rest is asked anew.
    """
    done, waiting = 0, [job for job in reversed(jobs.JOBS) if job.name not in context.left_out]
    while waiting:
        due: Sequence[int] = []
        with context.db.read() as session:
            now = clock.business_now(session)
            failures = failures_by_object(session)
            while waiting and not due:
                job = waiting.pop()
                due = due_of(session, job, now, failures)
        for object_id in due:
            done += _run_one(context, job, object_id, now, has_failed=(job.name, object_id) in failures)
    return done


def due_of(session: Session, job: work.Job, now: dt.datetime, failures: Failures) -> Sequence[int]:
    """Return what a job would do at business time ``now``: its own question, without what is held back."""
    # Held-back ones come on top, so that they cannot hide what is behind them.
    held_back = sum(name == job.name for name, _object_id in failures)
    found = job.due(session, now, work.BATCH + held_back)
    return [each for each in found if not _is_held_back(failures.get((job.name, each)))]


def _run_one(context: work.Context, job: work.Job, object_id: int, now: dt.datetime, *, has_failed: bool) -> int:
    try:
        if job.outside:
            job.act(context, object_id, now)
        else:
            context.db.unit_of_work(lambda session: job.act(session, object_id, now))
    except Exception as error:  # noqa: BLE001 - whatever failed must not stop the other jobs; it is kept and shown
        reason = repr(error)
        if context.witness is None:
            log.error("job_failed", job=job.name, object_id=object_id, error=reason)
        else:
            context.witness.did(job.name, object_id, now, reason)
        context.db.unit_of_work(lambda session: _note_failure(session, job.name, object_id, reason))
        return 0
    if has_failed:
        context.db.unit_of_work(lambda session: _forget_failure(session, job.name, object_id))
    if context.witness is None:
        log.info("job_done", job=job.name, object_id=object_id)
    else:
        context.witness.did(job.name, object_id, now, None)
    return 1


def failures_by_object(session: Session) -> Failures:
    """Return what failed and waits, by job and object."""
    return {(each.job, each.object_id): each for each in session.execute(sa.select(JobFailure)).scalars()}


def _is_held_back(failure: JobFailure | None) -> bool:
    if failure is None:
        return False
    return failure.quarantined_at is not None or failure.next_at > clock.system_now()


def _note_failure(session: Session, job: str, object_id: int, error: str) -> None:
    now = clock.system_now()
    session.execute(
        insert_for(session, JobFailure)
        .values(job=job, object_id=object_id, attempts=0, next_at=now, last_error="")
        .on_conflict_do_nothing(index_elements=["job", "object_id"])
    )
    failure = session.execute(
        sa.select(JobFailure).where(JobFailure.job == job, JobFailure.object_id == object_id).with_for_update()
    ).scalar_one()
    failure.attempts += 1
    failure.last_error = error[:500]
    failure.next_at = now + dt.timedelta(seconds=outbox.backoff_seconds(failure.attempts))
    if failure.attempts >= outbox.MAX_ATTEMPTS and job not in jobs.NEVER_QUARANTINED:
        failure.quarantined_at = now


def _forget_failure(session: Session, job: str, object_id: int) -> None:
    session.execute(sa.delete(JobFailure).where(JobFailure.job == job, JobFailure.object_id == object_id))


def _run_outbox(context: work.Context, handlers: Mapping[str, work.Handler]) -> int:
    with context.db.read() as session:
        if not outbox.is_waiting(session, now=clock.system_now()):
            return 0
    claimed = context.db.unit_of_work(lambda session: outbox.claim(session, now=clock.system_now()))
    return sum(
        _handle_together(context, handlers, claimed[start : start + MESSAGES_TOGETHER])
        for start in range(0, len(claimed), MESSAGES_TOGETHER)
    )


def _handle_together(
    context: work.Context, handlers: Mapping[str, work.Handler], messages: Sequence[OutboxMessage]
) -> int:
    """Handle some messages in one unit of work; when it fails, each alone, so that one cannot hold up the others."""

    def handle(session: Session) -> None:
        for message in messages:
            _apply(session, handlers, message)

    try:
        context.db.unit_of_work(handle)
    except Exception:  # noqa: BLE001 - nothing is kept of it; the message that failed is found and kept below
        return sum(_handle(context, handlers, message) for message in messages)
    if context.witness is not None:
        for message in messages:
            context.witness.handled(message.topic, None)
    return len(messages)


def _apply(session: Session, handlers: Mapping[str, work.Handler], message: OutboxMessage) -> None:
    handlers[message.topic](session, json.loads(message.payload), clock.business_now(session))
    outbox.finish(session, message.id, now=clock.system_now())


def _handle(context: work.Context, handlers: Mapping[str, work.Handler], message: OutboxMessage) -> int:
    try:
        context.db.unit_of_work(lambda session: _apply(session, handlers, message))
    except Exception as error:  # noqa: BLE001 - a message that fails must not stop the others; it is kept and shown
        text = repr(error)
        if context.witness is None:
            log.error("message_failed", topic=message.topic, message_id=message.id, error=text)
        else:
            context.witness.handled(message.topic, text)
        context.db.unit_of_work(
            lambda session: outbox.fail(session, message.id, error=text, now=clock.system_now())
        )
        return 0
    if context.witness is not None:
        context.witness.handled(message.topic, None)
    return 1


def serve(context: work.Context) -> None:
    """Tick until told to stop (SIGTERM, SIGINT); a tick that runs is finished first."""
    scheduler = BlockingScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone=dt.UTC)
    scheduler.add_job(
        run_due,
        "interval",
        args=(context,),
        seconds=context.settings.worker_tick_seconds,
        max_instances=1,
        coalesce=True,
        next_run_time=clock.system_now(),
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # In a thread, because shutting down waits for the tick that runs in the pool.
        threading.Thread(target=scheduler.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("worker_started")
    scheduler.start()
