"""Run the time to challenge and the time to appeal: from the delivery of the verdict's notice to its end (MIL-10).

Nothing ends before its people were told: a worker that stood still costs nobody their window.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import UTCDateTime
from app.offerings.models import Offering
from app.progress import appeals, challenges, disputes, standing, steps
from milestones import disputes as rules
from milestones import plan as engine
from milestones import states

#: milestone's state → the notices that tell of the verdict which led there
TOLD = {
    "challengeable": ("milestone_met", "milestone_partly_met", "retention_shown"),
    "appealable": ("milestone_appealable",),
    **dict.fromkeys(states.FOUNDERS_STATES, ("milestone_not_met",)),
}

#: What must be known of notices, a later feature: when they were recorded for their readers.
_notice = sa.table("notice", sa.column("key"), sa.column("created_at", UTCDateTime()))


def delivered_at(session: Session, milestone: Milestone) -> dt.datetime | None:
    """Return when the notices of the milestone's verdict were recorded for their readers; None before that."""
    keys = [f"{kind}:{milestone.public_id}:{milestone.state_since.isoformat()}" for kind in TOLD[milestone.state]]
    return session.scalar(
        sa.select(sa.func.min(_notice.c.created_at, type_=UTCDateTime())).where(_notice.c.key.in_(keys))
    )


def note_delivery(session: Session, offering: Offering, milestone: Milestone, *, now: dt.datetime) -> None:
    """Let the time to challenge or to appeal count from the delivery of the verdict's notice; it is never shorter."""
    delivered = delivered_at(session, milestone) if milestone.state in TOLD and milestone.notified_at is None else None
    if delivered is None:
        return
    milestone.notified_at = delivered
    if milestone.state == "challengeable":
        challenges.reopen(session, challenges.decided_submission(session, milestone.id).id, now=now)
    before, ends_at = milestone.deadline_at, _end(session, offering, milestone, delivered)
    if ends_at is not None and before is not None and ends_at > before:
        milestone.deadline_at = ends_at
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="verdict.delivered", object_id=milestone.public_id, now=now,
        before={"deadline_at": before}, after={"deadline_at": milestone.deadline_at, "notified_at": delivered},
    )


def _end(session: Session, offering: Offering, milestone: Milestone, began: dt.datetime) -> dt.datetime | None:
    if milestone.state != "challengeable":
        return appeals.window(offering, began) if standing.may_appeal(session, milestone) else None
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    return calendars.window_end(
        began, terms.milestone(milestone.ordinal).challenge_business_days, code=terms.calendar, zone=terms.zone,
        min_calendar_days=steps.CHALLENGE_CALENDAR_DAYS,
    )


def end_challenge_window(session: Session, offering: Offering, milestone: Milestone, *, now: dt.datetime) -> None:
    """Approve what nobody challenged, or too few; open a dispute on a challenge that counts (MIL-10)."""
    submission = challenges.decided_submission(session, milestone.id)
    challenge = challenges.of_submission(session, submission.id)
    if challenge is not None and challenge.state == challenges.OPEN and challenges.count(
        session, challenge, offering, now=now
    ):
        disputes.open_dispute(
            session, milestone, cause=rules.CHALLENGE, reason=challenge.reason, challenge=challenge, now=now
        )
        return
    steps.run(
        session, offering, lambda plan: engine.window_over(plan, milestone.ordinal), actor=SYSTEM, now=now,
        reason=f"window_over of {milestone.public_id}",
    )
