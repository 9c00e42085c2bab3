"""Jobs of offerings: drafts archived, approvals that run out (states.md), seeds committed for draws (MIL-9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.offerings import lots, rules, service
from app.offerings.lot_models import Draw, LotSeed
from app.offerings.models import Offering
from app.work import Job
from milestones import states


def _due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return (
        session.execute(
            sa.select(Offering.id)
            .where(Offering.state.in_(["draft", "approved"]), Offering.step_due_at <= now)
            .order_by(Offering.step_due_at)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def _lapse(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = session.get_one(Offering, offering_id, with_for_update=True)
    if offering.step_due_at is None or offering.step_due_at > now:
        return
    if offering.state == "approved":
        due = now + dt.timedelta(days=rules.DRAFT_IDLE_DAYS)
        service.move(session, offering, "launch_window_over", "clock", now=now, due=due)
    elif offering.state == "draft":
        service.move(session, offering, "withdraw", "clock", now=now, due=None)
        offering.end_trigger, offering.end_reason, offering.ended_at = "idle", "The draft was not used.", now


def _without_seed(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:  # noqa: ARG001
    waiting = sa.exists().where(
        LotSeed.offering_id == Offering.id, ~sa.exists().where(Draw.seed_id == LotSeed.id)
    )
    done = ("draft", *sorted(states.OFFERING_TERMINAL))
    query = sa.select(Offering.id).where(Offering.state.not_in(done), ~waiting).order_by(Offering.id).limit(limit)
    return session.execute(query).scalars().all()


def _commit_seed(session: Session, offering_id: int, now: dt.datetime) -> None:
    """Commit the seed of the next draw where none waits: for offerings that began before there were draws (MIL-9)."""
    lots.commit_seed(session, session.get_one(Offering, offering_id, with_for_update=True), actor=SYSTEM, now=now)


JOBS = (Job("lapse_offering", _due, _lapse), Job("commit_seed", _without_seed, _commit_seed))
