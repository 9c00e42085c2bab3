"""Read running contracts: milestones as people see them, and what would happen if it stopped today (MIL-5)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import escrow
from app.commitments.rules import Position
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.next_step import NextStep, next_step
from app.offerings.models import Offering
from app.progress import releases, steps
from app.progress.models import Submission
from milestones import plan as engine
from milestones.terms import MilestoneTerms


@dataclass(frozen=True, slots=True)
class MilestoneView:
    """A milestone with what was promised and what happened. Money in minor units of the offering's currency."""

    row: Milestone
    terms: MilestoneTerms | None
    next: NextStep | None
    submissions: tuple[Submission, ...]
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class IfStopped:
    """What a wind-down started now would do, as "back to you, tokens, spent" (ux.md §3).

    ``under_review_minor`` is decided by verdicts that are still due: released or returned by them.
    """

    back_minor: int
    tokens: int
    spent_minor: int
    under_review_minor: int


def milestones_of(session: Session, offering: Offering) -> list[MilestoneView]:
    """Return an offering's milestones in order; before launch there are none."""
    if offering.terms_version_id is None:
        return []
    published = contract_queries.published_terms(session, offering.terms_version_id)
    rows = contract_queries.milestones_of(session, offering.contract_id)
    submissions: dict[int, list[Submission]] = {row.id: [] for row in rows}
    found = session.execute(
        sa.select(Submission).where(Submission.milestone_id.in_(list(submissions))).order_by(Submission.number)
    ).scalars()
    for submission in found:
        submissions[submission.milestone_id].append(submission)
    return [
        MilestoneView(
            row=row,
            terms=published.terms.milestone(row.ordinal) if row.ordinal else None,
            next=next_step("milestone", row.state, row.deadline_at),
            submissions=tuple(submissions[row.id]),
            waits_for=releases.gate(session, offering, row, published) if row.state == "approved" else None,
        )
        for row in rows
    ]


def plan_of(session: Session, offering: Offering) -> engine.Plan:
    """Return the engine's plan of a running offering, for reading."""
    return steps.load(session, offering, lock=False).plan


def if_stopped(session: Session, offering: Offering) -> IfStopped | None:
    """Return, for all investors together, what a wind-down started now would post; None unless it runs."""
    if offering.state not in ("active", "winding_down"):
        return None
    plan = plan_of(session, offering)
    stopped = engine.if_stopped_today(plan)
    last = escrow.last_rows(offering.id)
    totals = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(last.c.released_after_minor), 0).label("released"),
            sa.func.coalesce(sa.func.sum(last.c.issued_after_tokens), 0).label("issued"),
        )
    ).one()
    return IfStopped(
        back_minor=stopped.returned_minor,
        tokens=int(totals.issued),
        spent_minor=int(totals.released) + stopped.still_to_release_minor,
        under_review_minor=stopped.under_review_minor,
    )


def if_stopped_for(session: Session, offering: Offering, commitment_id: int, position: Position) -> IfStopped | None:
    """Return the same for one commitment, divided as the wind-down would divide it (REL-2)."""
    if offering.state in ("live", "clearing"):
        return IfStopped(position.unreleased_minor, 0, 0, 0) if position.unreleased_minor else None
    if offering.state not in ("active", "winding_down"):
        return None
    stopped = engine.if_stopped_today(plan_of(session, offering))
    back = escrow.share_of(session, offering, commitment_id, stopped.returned_minor)
    # What is approved leaves after the return, over what is then left; here it is what the return leaves.
    rest = position.unreleased_minor - back
    left = stopped.still_to_release_minor + stopped.under_review_minor
    approved = rest * stopped.still_to_release_minor // left if left else 0
    return IfStopped(back, position.issued_tokens, position.released_minor + approved, rest - approved)


def latest_submission(session: Session, milestone_id: int) -> Submission | None:
    """Return a milestone's newest submission that was handed in."""
    return session.execute(
        sa.select(Submission)
        .where(Submission.milestone_id == milestone_id, Submission.status.in_(["received", "decided"]))
        .order_by(Submission.number.desc())
        .limit(1)
    ).scalar_one_or_none()


def earliest_release(milestone: Milestone, now: dt.datetime) -> dt.datetime | None:
    """Return when the next cent can leave for this milestone: the end of the window it is in."""
    return max(milestone.deadline_at, now) if milestone.state == "challengeable" and milestone.deadline_at else None
