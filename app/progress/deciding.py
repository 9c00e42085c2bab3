"""Ask the investors about a failed milestone, and do what they decide: one new date, or the end (MIL-2)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import public_id
from app.offerings.models import Offering
from app.progress import extending, polls, steps
from app.progress.halt_models import Poll
from app.progress.lateness_models import Extension, ExtensionMove
from milestones import deciding
from milestones.terms import SEQUENTIAL

REASON = "The investors gave the milestone one more chance."


def decide(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Count the vote on a failed milestone; without a quorum, or with a tie, the plan is wound down (MIL-2)."""
    milestone = session.scalars(sa.select(Milestone).where(Milestone.public_id == poll.subject)).one()
    goes_on = polls.carries(session, poll)
    polls.close(session, poll, polls.GOES_ON if goes_on else polls.WINDS_DOWN, now=now)
    ordinal = milestone.ordinal
    if goes_on:
        _give_date(session, offering, milestone, now)
        steps.run(session, offering, lambda plan: deciding.go_on(plan, ordinal), actor=SYSTEM, now=now, reason=REASON)
        return
    steps.run(
        session, offering, lambda plan: deciding.give_up(plan, ordinal), actor=SYSTEM, now=now,
        reason="The investors did not give the milestone another chance.",
    )


def _give_date(session: Session, offering: Offering, milestone: Milestone, now: dt.datetime) -> None:
    """Move the milestone's dates to ninety days from now, and those that wait for it; none past the plan's end."""
    rows = contract_queries.milestones_of(session, offering.contract_id, lock=True)
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    assert milestone.long_stop_at is not None
    until = min(now + dt.timedelta(days=deciding.CHANCE_DAYS), offering.long_stop_at)
    seconds = (until - milestone.long_stop_at) // dt.timedelta(seconds=1)
    if seconds <= 0:
        return
    moved = extending.moves(offering, milestone, rows, seconds, is_sequential=terms.order == SEQUENTIAL)
    extension = Extension(
        public_id=public_id("ext"), milestone_id=milestone.id, kind=extending.VOTED, days=-(-seconds // 86_400),
        reason=REASON, asked_by=None, asked_at=now,
    )
    session.add(extension)
    session.flush()
    for row in rows:
        if row.id in moved:
            extending.move(row, moved[row.id])
            session.add(ExtensionMove(extension_id=extension.id, milestone_id=row.id, seconds=moved[row.id]))
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="extension.given", object_id=extension.public_id, now=now, reason=REASON,
        after=extending.told(session, extension), count=len(moved),
    )
