"""Read running contracts: milestones as people see them, and what would happen if it stopped today (MIL-5)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.commitments import escrow
from app.commitments.rules import Position
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.ledger.models import Journal
from app.next_step import NextStep, next_step
from app.offerings.models import Offering
from app.progress import counting, releases, rules, shortfalls, steps
from app.progress import service as progress
from app.progress.models import Attestation, AttestationWithdrawal, Release, Submission
from milestones import plan as engine
from milestones import verdict as verdicts
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
    if (
        stopped.still_to_release_minor or escrow.carried_minor(session, offering.id)
        or shortfalls.reason_to_wait(session, offering) is not None
    ):
        each = _each_if_stopped(session, offering, plan).values()
        return IfStopped(*(sum(column) for column in zip(*map(astuple, each), strict=True)))
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
        spent_minor=int(totals.released),
        under_review_minor=stopped.under_review_minor,
    )


def if_stopped_for(session: Session, offering: Offering, commitment_id: int, position: Position) -> IfStopped | None:
    """Return the same for one commitment, divided as the wind-down would divide it (REL-2)."""
    if offering.state in ("live", "clearing"):
        return IfStopped(position.unreleased_minor, 0, 0, 0) if position.unreleased_minor else None
    if offering.state not in ("active", "winding_down"):
        return None
    return _each_if_stopped(session, offering, plan_of(session, offering)).get(commitment_id)


def _each_if_stopped(session: Session, offering: Offering, plan: engine.Plan) -> dict[int, IfStopped]:
    """Return what a wind-down started now would do, by commitment: the return first, then what is approved (WND-2).

    While the investors are asked whether they stay with less than the minimum, all of it returns (OFF-11).
    """
    before = escrow.positions(session, offering.id)
    now = list(before.values())
    if shortfalls.reason_to_wait(session, offering) is not None:
        return {
            commitment_id: IfStopped(each.unreleased_minor, each.issued_tokens, each.released_minor, 0)
            for commitment_id, each in before.items()
        }
    then = escrow.after(offering, now, engine.returnable_minor(plan), escrow.RETURNED)
    back = [old.unreleased_minor - new.unreleased_minor for old, new in zip(now, then, strict=True)]
    for milestone in plan.milestones:
        if milestone.state == engine.APPROVED:
            then = escrow.after(offering, then, engine.payable_minor(plan, milestone.ordinal), escrow.RELEASED)
    then = escrow.after_carried(offering, then)
    return {
        commitment_id: IfStopped(returned, each.issued_tokens, each.released_minor, each.unreleased_minor)
        for commitment_id, returned, each in zip(before, back, then, strict=True)
    }


def if_stopped_each(session: Session, offering: Offering) -> dict[int, IfStopped]:
    """Return the same for every commitment that was paid, by its id: the preview of a wind-down (WND-2)."""
    if offering.state not in ("active", "winding_down"):
        return {}
    return _each_if_stopped(session, offering, plan_of(session, offering))


def waits_for(session: Session, offering: Offering, milestone: Milestone) -> str | None:
    """Return what an approved milestone's release waits for, in words; None when nothing is in its way (MIL-12)."""
    if milestone.state != "approved" or offering.terms_version_id is None:
        return None
    return releases.gate(
        session, offering, milestone, contract_queries.published_terms(session, offering.terms_version_id)
    )


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


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release or return with its journal's public id and the title of its milestone (None for the rest).

    ``part`` names what was released in parts, such as ``2.1``; it is empty for a tranche released at once.
    """

    record: Release
    journal_id: str
    title: str | None
    part: str = ""


def releases_of(session: Session, offering_id: int) -> list[ReleaseView]:
    """Return what left an offering's escrow under its contract, oldest first."""
    rows = session.execute(
        sa.select(Release, Journal.public_id, Milestone.title, Milestone.ordinal)
        .join(Journal, Journal.id == Release.journal_id)
        .outerjoin(Milestone, Milestone.id == Release.milestone_id)
        .where(Release.offering_id == offering_id)
        .order_by(Release.id)
    )
    found = rows.all()
    divided = {row[0].milestone_id for row in found if rules.part_number(row[0].key) > 1}
    return [
        ReleaseView(
            record, journal, title,
            rules.part_name(ordinal, record.key)
            if record.kind == "released" and ordinal and record.milestone_id in divided else "",
        )
        for record, journal, title, ordinal in found
    ]


@dataclass(frozen=True, slots=True)
class Signed:
    """One auditor's attestation as people read it: who, when, what was found, and the hash of what was signed."""

    public_id: str
    name: str
    signed_at: dt.datetime
    findings: tuple[verdicts.Finding, ...]
    content_hash: str
    withdrawal: AttestationWithdrawal | None = None


def signed_findings(session: Session, submissions: Sequence[Submission]) -> dict[int, list[Signed]]:
    """Return the attestations of each decided submission, by its id; before the verdict nobody sees any (MIL-7)."""
    ids = [submission.id for submission in submissions if submission.status == "decided"]
    found: dict[int, list[Signed]] = {submission_id: [] for submission_id in ids}
    rows = session.execute(
        sa.select(Attestation).where(Attestation.submission_id.in_(ids)).order_by(Attestation.id)
    ).scalars().all()
    names = people.party_names(session, {row.party_id for row in rows})
    taken_back = {
        each.attestation_id: each for each in session.scalars(
            sa.select(AttestationWithdrawal).where(AttestationWithdrawal.attestation_id.in_([row.id for row in rows]))
        )
    }
    for row in rows:
        found[row.submission_id].append(
            Signed(row.public_id, names[row.party_id], row.signed_at, counting.findings_from(row), row.content_hash,
                   taken_back.get(row.id))
        )
    return found


def signed_counts(session: Session, submissions: Sequence[Submission]) -> dict[int, int]:
    """Return how many auditors have signed each submission."""
    rows = session.execute(
        sa.select(Attestation.submission_id, sa.func.count().label("signed"))
        .where(Attestation.submission_id.in_([submission.id for submission in submissions]), progress.stands())
        .group_by(Attestation.submission_id)
    )
    return {row.submission_id: row.signed for row in rows}
