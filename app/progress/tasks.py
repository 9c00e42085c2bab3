"""Jobs of running contracts: start, review limits, windows, releases, long-stops (states.md, TIM-1, TIM-2)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.closing import funding
from app.closing import service as closing
from app.commitments import carrying
from app.commitments.models import CarriedShare
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import reserve
from app.progress import interventions, panels, releases, service, shortfalls, steps
from app.progress.models import Submission
from app.work import Job
from milestones import plan as engine
from milestones import states

RUNNING = ("active", "winding_down")


def _start_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    unstarted = sa.exists().where(Milestone.offering_id == Offering.id, Milestone.tranche_minor.is_(None))
    query = sa.select(Offering.id).where(Offering.state == "active", unstarted).order_by(Offering.id).limit(limit)
    return session.execute(query).scalars().all()


def _start(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    rows = contract_queries.milestones_of(session, offering.contract_id, lock=True)
    if offering.state == "active" and any(row.tranche_minor is None for row in rows):
        steps.start(session, offering, actor=SYSTEM, now=now)


def _milestones(
    session: Session, state: str, now: dt.datetime, limit: int | None, *, overdue: bool = True
) -> Sequence[int]:
    query = (
        sa.select(Milestone.id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.state == state, Offering.state.in_(RUNNING))
        .order_by(Milestone.deadline_at, Milestone.id)
        .limit(limit)
    )
    if overdue:
        query = query.where(Milestone.deadline_at <= halts.clock_sql(now))
    return session.execute(query).scalars().all()


def _take(session: Session, milestone_id: int, state: str, now: dt.datetime) -> tuple[Offering, Milestone] | None:
    """Lock the offering, read the milestone again, and return both if it is still due."""
    milestone = session.get_one(Milestone, milestone_id)
    offering = _locked(session, milestone.offering_id)
    session.refresh(milestone)
    if milestone.state != state or milestone.deadline_at is None or milestone.deadline_at > halts.clock(offering, now):
        return None
    return offering, milestone


def _locked(session: Session, offering_id: int) -> Offering:
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def _review_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return _milestones(session, "submitted", now, limit)


def _received(session: Session, milestone_id: int) -> Submission | None:
    return session.execute(
        sa.select(Submission).where(Submission.milestone_id == milestone_id, Submission.status == "received")
    ).scalar_one_or_none()


def _review(session: Session, milestone_id: int, now: dt.datetime) -> None:
    """Decide at the time limit; with too few findings replace the silent ones twice, then ask an operator (MIL-9).

    An operator may have others drawn once more; after that, and after ten business days without, it opens again.
    """
    due = _take(session, milestone_id, "submitted", now)
    submission = _received(session, milestone_id)
    if due is None or submission is None:
        return
    offering, milestone = due
    if service.decide(session, submission, offering, actor=SYSTEM, at_time_limit=True, now=now):
        return
    is_first_limit = submission.review_due_at is not None and milestone.deadline_at == submission.review_due_at
    if is_first_limit and panels.next_round(session, submission, milestone, offering, now):
        return
    if submission.review_due_at is not None and is_first_limit and submission.review_round <= panels.ROUNDS:
        milestone.deadline_at = calendars.add_business_days(
            submission.review_due_at, panels.WAIT_FOR_OPERATOR_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
        )
        outbox.enqueue(
            session, "notice",
            {"kind": "review_overdue", "offering_id": offering.id, "milestone_id": milestone.id}, now=now,
            key=f"notice:review_overdue:{submission.public_id}",
        )
        return
    submission.status, submission.decided_at = "discarded", now
    steps.run(
        session, offering, lambda plan: engine.review_abandoned(plan, milestone.ordinal), actor=SYSTEM, now=now,
        reason=f"too few auditors signed {submission.public_id}",
    )


def _reminder_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    rows = session.execute(
        sa.select(Submission, Offering)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Submission.status == "received", Submission.reminders < len(panels.REMINDED_AFTER),
               Submission.review_due_at > halts.clock_sql(now), Offering.state.in_(RUNNING))
        .order_by(Submission.review_due_at, Submission.id)
    )
    return [row.Submission.id for row in rows if panels.reminder_due(row.Offering, row.Submission, now)][:limit]


def _remind(session: Session, submission_id: int, now: dt.datetime) -> None:
    submission = session.get_one(Submission, submission_id)
    milestone = session.get_one(Milestone, submission.milestone_id)
    offering = _locked(session, milestone.offering_id)
    session.refresh(submission)
    if submission.status == "received" and panels.reminder_due(offering, submission, now):
        panels.remind(session, submission, now=now)


def step_job(state: str, step: str) -> tuple:  # type: ignore[type-arg]
    """Return (due, act) for a deadline whose effect is one step of the engine."""
    take = {
        "long_stop": lambda plan, ordinal: engine.fail(plan, ordinal, "long_stop"),
        "retention_over": engine.retention_over,
    }[step]

    def due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
        return _milestones(session, state, now, limit)

    def act(session: Session, milestone_id: int, now: dt.datetime) -> None:
        found = _take(session, milestone_id, state, now)
        if found is None:
            return
        offering, milestone = found
        steps.run(
            session, offering, lambda plan: take(plan, milestone.ordinal), actor=SYSTEM, now=now,
            reason=f"{step} of {milestone.public_id}",
        )

    return due, act


def _release_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    ready = []
    # Gated ones stay approved, maybe for long; without a limit here they cannot hide those behind them.
    for milestone_id in _milestones(session, "approved", now, None, overdue=False):
        milestone = session.get_one(Milestone, milestone_id)
        offering = session.get_one(Offering, milestone.offering_id)
        published = contract_queries.published_terms(session, offering.terms_version_id or 0)
        waits = engine.waits_for_others(steps.load(session, offering, lock=False).plan, milestone.ordinal)
        if not waits and releases.gate(session, offering, milestone, published) is None:
            ready.append(milestone_id)
    return ready[:limit]


def _release(session: Session, milestone_id: int, now: dt.datetime) -> None:
    milestone = session.get_one(Milestone, milestone_id)
    offering = _locked(session, milestone.offering_id)
    session.refresh(milestone)
    if milestone.state != "approved" or offering.state not in RUNNING:
        return
    published = contract_queries.published_terms(session, offering.terms_version_id or 0)
    waits = engine.waits_for_others(steps.load(session, offering).plan, milestone.ordinal)
    if not waits and releases.gate(session, offering, milestone, published) is None:
        steps.run(session, offering, lambda plan: engine.release(plan, milestone.ordinal), actor=SYSTEM, now=now)


def _carried_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    """Return milestones of which something carried has seasoned, or is covered by a reserve that was funded since."""
    running = sa.select(Milestone.id).join(Offering, Offering.id == Milestone.offering_id).where(
        Offering.state.in_(RUNNING), Offering.halted_since.is_(None), Offering.releases_stopped.is_(None)
    )
    # Those whose investors are asked stay here, maybe for long; without a limit they cannot hide those behind them.
    seasoned = session.scalars(carrying.due(now).where(CarriedShare.milestone_id.in_(running))).all()
    due = [each for each in seasoned if not _is_asked(session, each)]
    return (due or [each for each in _covered(session, running, now) if not _is_asked(session, each)])[:limit]


def _is_asked(session: Session, milestone_id: int) -> bool:
    """Whether what a tranche carries waits for the investors' answer (OFF-11)."""
    offering = session.get_one(Offering, session.get_one(Milestone, milestone_id).offering_id)
    return shortfalls.reason_to_wait(session, offering) is not None


def _covered(session: Session, running: sa.Select[tuple[int]], now: dt.datetime) -> Iterator[int]:
    waiting = session.scalars(
        sa.select(CarriedShare.milestone_id)
        .where(CarriedShare.status == "carried", CarriedShare.milestone_id.in_(running))
        .distinct()
        .order_by(CarriedShare.milestone_id)
    )
    for milestone_id in waiting:
        offering = session.get_one(Offering, session.get_one(Milestone, milestone_id).offering_id)
        amount = sum(each.amount_minor for each in carrying.carried_of_milestone(session, milestone_id))
        if 0 < amount <= reserve.free_minor(session, offering.rail, offering.currency, now=now):
            yield milestone_id


def _release_carried(session: Session, milestone_id: int, now: dt.datetime) -> None:
    milestone = session.get_one(Milestone, milestone_id)
    offering = _locked(session, milestone.offering_id)
    session.refresh(milestone, with_for_update=True)
    if offering.state in RUNNING:
        published = contract_queries.published_terms(session, offering.terms_version_id or 0)
        releases.release_carried(session, offering, milestone, published, now=now)


def _unsigned_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    """Return offerings whose statement nobody signed: too long after the close, or while they are wound down."""
    approved = sa.exists().where(Milestone.offering_id == Offering.id, Milestone.state == "approved")
    found = session.scalars(
        sa.select(Offering)
        .where(Offering.state.in_(RUNNING), Offering.funding_stated_at.is_(None), approved)
        .order_by(Offering.id)
    )
    return [each.id for each in found if _is_given_up(each, now)][:limit]


def _is_given_up(offering: Offering, now: dt.datetime) -> bool:
    at = halts.clock(offering, now)
    ends_at = funding.due_at(offering) if offering.state == "winding_down" else funding.given_up_at(offering)
    return funding.is_missing(offering) and ends_at is not None and ends_at <= at


def _end_unsigned(session: Session, offering_id: int, now: dt.datetime) -> None:
    """Wind a plan down whose first release nobody signed for; what was approved goes back to the investors (COM-11)."""
    offering = _locked(session, offering_id)
    if offering.state not in RUNNING or not _is_given_up(offering, now):
        return
    if offering.state == "active":
        interventions.wind_down(
            session, actor=SYSTEM, offering_id=offering.public_id, trigger="funding_unsigned",
            reason="Nobody of the company signed that it funded no commitment.", now=now,
        )
        return
    for row in contract_queries.milestones_of(session, offering.contract_id, lock=True):
        if row.state == "approved":
            ordinal = row.ordinal
            steps.run(
                session, offering,
                lambda plan, ordinal=ordinal: engine.lapse_approved(plan, ordinal, "funding_unsigned"), actor=SYSTEM,
                now=now, reason="The company never signed that it funded no commitment.",
            )


def _late_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Milestone.id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Milestone.state.in_(["open", "locked"]), Milestone.target_at <= halts.clock_sql(now),
               Milestone.is_late.is_(False), Offering.state == "active")
        .order_by(Milestone.target_at)
        .limit(limit)
    )
    return session.execute(query).scalars().all()


def _late(session: Session, milestone_id: int, now: dt.datetime) -> None:
    milestone = session.get_one(Milestone, milestone_id, with_for_update=True)
    if milestone.is_late or milestone.target_at is None or milestone.target_at > now:
        return
    milestone.is_late = True
    audit.record(session, actor=SYSTEM, action="milestone.late", object_id=milestone.public_id, now=now)
    outbox.enqueue(
        session, "notice",
        {"kind": "milestone_late", "offering_id": milestone.offering_id, "milestone_id": milestone.id}, now=now,
        key=f"notice:milestone_late:{milestone.public_id}",
    )


def _offering_stop_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Offering.id)
        .where(Offering.state == "active", Offering.long_stop_at <= halts.clock_sql(now))
        .order_by(Offering.long_stop_at)
        .limit(limit)
    )
    return session.execute(query).scalars().all()


def _offering_stop(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    if offering.state == "active" and offering.long_stop_at <= halts.clock(offering, now):
        interventions.wind_down(
            session, actor=SYSTEM, offering_id=offering.public_id, trigger="long_stop",
            reason="The offering's long-stop date has passed.", now=now,
        )


def _complete_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    unsettled = sa.exists().where(
        Milestone.offering_id == Offering.id, Milestone.state.not_in(sorted(states.MILESTONE_TERMINAL))
    )
    found = session.execute(
        sa.select(Offering).where(Offering.state == "active", ~unsettled).order_by(Offering.id)
    ).scalars()
    return [each.id for each in found if closing.may_finish(session, each)][:limit]


def _complete(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    plan = steps.load(session, offering).plan
    if offering.state == "active" and not plan.unsettled and closing.may_finish(session, offering):
        offerings.move(session, offering, "finish", "worker", now=now, due=None)
        offering.ended_at = now


JOBS = (
    Job("start_contract", _start_due, _start),
    Job("remind_auditors", _reminder_due, _remind),
    Job("decide_review", _review_due, _review),
    Job("release_tranche", _release_due, _release),
    Job("release_carried", _carried_due, _release_carried),
    Job("end_unsigned", _unsigned_due, _end_unsigned),
    Job("fail_milestone", *step_job("open", "long_stop")),
    Job("flag_late", _late_due, _late),
    Job("reach_long_stop", _offering_stop_due, _offering_stop),
    Job("complete_offering", _complete_due, _complete),
)
