"""Read challenges, disputes and appeals; nobody sees a panel's findings before it has decided (MIL-7, MIL-10)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.contracts.models import Milestone
from app.next_step import NextStep, next_step
from app.offerings import halts
from app.progress import appeals, challenges, desk, disputes, panel_signing
from app.progress.desk import Place
from app.progress.dispute_models import Challenge, Dispute, DisputeFinding, DisputeSeat
from app.progress.halt_models import Poll
from app.progress.models import Submission
from milestones import verdict as verdicts
from milestones.disputes import Support
from milestones.terms import MilestoneTerms


@dataclass(frozen=True, slots=True)
class ChallengeView:
    """A challenge with who stands behind it now, or stood at the count, and whether the reader does."""

    challenge: Challenge
    criterion: str
    support: Support
    ends_at: dt.datetime | None
    is_open: bool
    is_behind: bool
    next: NextStep | None


@dataclass(frozen=True, slots=True)
class PanelMember:
    """Who was drawn, in which round and by which draw; ``finding`` is shown once the dispute is decided."""

    name: str
    seat: DisputeSeat
    finding: DisputeFinding | None
    findings: tuple[verdicts.Finding, ...]


@dataclass(frozen=True, slots=True)
class DisputeView:
    """A dispute with its panel, the vote if there is one, and what is next."""

    dispute: Dispute
    members: tuple[PanelMember, ...]
    poll_id: str | None
    next: NextStep | None


@dataclass(frozen=True, slots=True)
class Doubts:
    """What a milestone's page shows of doubts: the challenge that is open, disputes, and until when to appeal."""

    challenge: ChallengeView | None
    disputes: tuple[DisputeView, ...]
    may_challenge_until: dt.datetime | None
    appeal_until: dt.datetime | None


def doubts_of(session: Session, place: Place, actor: Actor, now: dt.datetime) -> Doubts:
    """Return the doubts about a milestone, the newest dispute first."""
    milestone, at = place.milestone, halts.clock(place.offering, now)
    newest = session.scalars(
        sa.select(Challenge).where(Challenge.milestone_id == milestone.id).order_by(Challenge.id.desc()).limit(1)
    ).one_or_none()
    rows = session.scalars(
        sa.select(Dispute).where(Dispute.milestone_id == milestone.id).order_by(Dispute.id.desc())
    ).all()
    runs = milestone.state == "challengeable" and milestone.deadline_at is not None and at < milestone.deadline_at
    is_challenged = newest is not None and newest.submission_id == _decided_id(session, milestone)
    appeal_until = appeals.until(session, place.offering, milestone, now) if milestone.ordinal else None
    return Doubts(
        challenge=challenge_view(session, place, actor, newest, now) if newest is not None else None,
        disputes=tuple(dispute_view(session, milestone, each) for each in rows),
        may_challenge_until=milestone.deadline_at if runs and not is_challenged else None,
        appeal_until=appeal_until if appeal_until is not None and at < appeal_until else None,
    )


def _decided_id(session: Session, milestone: Milestone) -> int | None:
    return session.scalar(
        sa.select(Submission.id).where(Submission.milestone_id == milestone.id, Submission.status == "decided")
        .order_by(Submission.number.desc()).limit(1)
    )


def challenge_view(
    session: Session, place: Place, actor: Actor, challenge: Challenge, now: dt.datetime
) -> ChallengeView:
    """Return a challenge for reading."""
    milestone = place.milestone
    is_open = challenge.state == challenges.OPEN
    support = challenges.support(session, challenge, place.offering) if is_open else challenges.counted(challenge)
    mine = actor.parties("investor")
    runs = milestone.state == "challengeable" and milestone.deadline_at is not None and (
        halts.clock(place.offering, now) < milestone.deadline_at
    )
    return ChallengeView(
        challenge=challenge, criterion=place.words.get(challenge.criterion_key, challenge.criterion_key),
        support=support, ends_at=milestone.deadline_at, is_open=is_open and runs,
        is_behind=any(each.party_id in mine for each in challenges.supporters(session, challenge)),
        next=next_step("challenge", "open", milestone.deadline_at) if is_open else None,
    )


def dispute_view(session: Session, milestone: Milestone, dispute: Dispute) -> DisputeView:
    """Return a dispute for reading; findings stay hidden until it is decided."""
    seats = disputes.seats_of(session, dispute)
    names = people.party_names(session, {each.party_id for each in seats})
    signed = {}
    if dispute.outcome is not None:
        signed = {each.party_id: each for each in disputes.findings_of(session, dispute.id)}
    submission = session.get_one(Submission, dispute.submission_id)
    found = disputes.counting(submission, list(signed.values()))
    poll_id = session.scalar(sa.select(Poll.public_id).where(Poll.id == dispute.poll_id))
    return DisputeView(
        dispute=dispute,
        members=tuple(
            PanelMember(names[each.party_id], each, signed.get(each.party_id), found.get(str(each.party_id), ()))
            for each in seats
        ),
        poll_id=poll_id,
        next=next_step("dispute", dispute.state, milestone.deadline_at) if dispute.outcome is None else None,
    )


def dispute_for_reader(session: Session, actor: Actor, dispute_id: str) -> tuple[Place, Dispute]:
    """Return a dispute and its milestone for somebody who may see its evidence; raises ``NotFound``."""
    dispute = disputes.by_public_id(session, dispute_id)
    milestone = session.get_one(Milestone, dispute.milestone_id)
    return desk.milestone_for_reader(session, actor, milestone.public_id), dispute


def challenge_for_reader(session: Session, actor: Actor, challenge_id: str) -> tuple[Place, Challenge]:
    """Return a challenge and its milestone for somebody who may see its evidence; raises ``NotFound``."""
    challenge = challenges.by_public_id(session, challenge_id)
    milestone = session.get_one(Milestone, challenge.milestone_id)
    return desk.milestone_for_reader(session, actor, milestone.public_id), challenge


@dataclass(frozen=True, slots=True)
class Judging:
    """What a panel member works on: the dispute, the milestone, the submission, and what it has to answer."""

    place: Place
    dispute: Dispute
    seat: DisputeSeat
    submission: Submission
    terms: MilestoneTerms
    mine: DisputeFinding | None

    @property
    def is_open(self) -> bool:
        return self.dispute.state == disputes.PANEL and self.seat.state == disputes.SEATED


def judging(session: Session, actor: Actor, dispute_id: str) -> Judging:
    """Return a dispute on whose panel the actor sits or sat; raises ``NotFound``."""
    dispute = disputes.by_public_id(session, dispute_id)
    seat = panel_signing.seat_of(session, actor, dispute)
    milestone = session.get_one(Milestone, dispute.milestone_id)
    place = desk.milestone_for_reader(session, actor, milestone.public_id)
    submission = session.get_one(Submission, dispute.submission_id)
    mine = next(
        (each for each in disputes.findings_of(session, dispute.id) if each.party_id == seat.party_id), None
    )
    terms = disputes.judged_terms(session, place.offering, milestone, submission)
    return Judging(place, dispute, seat, submission, terms, mine)


def to_judge(session: Session, actor: Actor) -> list[tuple[Dispute, Place]]:
    """Return the disputes that wait for the actor's findings, the one due first first."""
    rows = session.execute(
        sa.select(Dispute, Milestone)
        .join(Milestone, Milestone.id == Dispute.milestone_id)
        .join(DisputeSeat, DisputeSeat.dispute_id == Dispute.id)
        .where(DisputeSeat.party_id.in_(list(actor.parties("auditor"))), DisputeSeat.state == disputes.SEATED,
               Dispute.state == disputes.PANEL)
        .order_by(Milestone.deadline_at)
    )
    return [(dispute, desk.milestone_for_reader(session, actor, row.public_id)) for dispute, row in rows]
