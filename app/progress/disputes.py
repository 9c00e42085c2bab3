"""Put a verdict before a panel of three drawn by lot, and before the investors when panels stay silent (MIL-10).

:func:`open_dispute` is the one door for challenges and for auditors who contradict each other (MIL-15); a founder's
appeal is ``appeals``, what a panel member signs ``panel_signing``. A decision is carried out by the engine's steps.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Appointment, Milestone
from app.db import public_id
from app.errors import Conflict, NotFound
from app.offerings import lots
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import challenges, polls, retention, steps
from app.progress.dispute_models import Challenge, Dispute, DisputeFinding, DisputeSeat
from app.progress.halt_models import Poll
from app.progress.models import Submission
from milestones import disputes as rules
from milestones import plan as engine
from milestones import polls as poll_rules
from milestones import states
from milestones import verdict as verdicts
from milestones.terms import MilestoneTerms

PANEL, VOTE, DECIDED = "panel", "vote", "decided"
MET, PARTLY, NOT_MET, UNDECIDED, DROPPED = "met", "partly", "not_met", "undecided", "dropped"
SEATED, SIGNED, REPLACED = "seated", "signed", "replaced"

Take = Callable[[engine.Plan], engine.Step]


def open_dispute(
    session: Session, milestone: Milestone, *, cause: str, reason: str, challenge: Challenge | None = None,
    actor: Actor = SYSTEM, now: dt.datetime,
) -> Dispute:
    """Put a milestone's verdict "met" before a panel: a challenge that counts, or auditors who contradict each other.

    ``cause`` is one of ``milestones.disputes.CAUSES``. The offering's row is locked by the caller. A dispute that runs
    already is returned as it is. Raises ``Conflict`` unless the milestone is challengeable, or approved and not
    released.
    """
    running = running_of(session, milestone.id)
    if running is not None:
        return running
    offering = session.get_one(Offering, milestone.offering_id)
    if challenge is None:
        challenges.drop(session, milestone.id, now=now)
    who = states.CLOCK if cause == rules.CHALLENGE else states.WORKER
    return begin(
        session, offering, milestone, cause=cause, reason=reason, challenge=challenge, actor=actor,
        take=lambda plan: rules.dispute(plan, milestone.ordinal, who), now=now,
    )


def begin(
    session: Session, offering: Offering, milestone: Milestone, *, cause: str, reason: str, take: Take,
    challenge: Challenge | None = None, was_exhausted: bool = False, actor: Actor, now: dt.datetime,
) -> Dispute:
    """Write a dispute down, take the engine's step that opens it, and draw its panel, or ask the investors."""
    submission = challenges.decided_submission(session, milestone.id)
    dispute = Dispute(
        public_id=public_id("dsp"), milestone_id=milestone.id, submission_id=submission.id,
        challenge_id=challenge.id if challenge else None, cause=cause, reason=reason, was_exhausted=was_exhausted,
        opened_by=actor.user_id, opened_at=now, state=PANEL, round=0,
    )
    session.add(dispute)
    session.flush()
    steps.run(session, offering, take, actor=actor, now=now, reason=f"{cause} on {submission.public_id}")
    audit.record(
        session, actor=actor, action="dispute.opened", object_id=dispute.public_id, now=now,
        after=told(session, dispute),
    )
    if not _seat_panel(session, offering, milestone, dispute, now=now):
        _ask_investors(session, offering, milestone, dispute, now=now)
    return dispute


def _seat_panel(
    session: Session, offering: Offering, milestone: Milestone, dispute: Dispute, *, now: dt.datetime
) -> bool:
    """Draw the seats that are empty, three or those of silent members, for fifteen business days; False if too few.

    Nobody who sat on the milestone's first panel, or was drawn for this submission before, has a ticket.
    """
    submission = session.get_one(Submission, dispute.submission_id)
    signed = [each.party_id for each in seats_of(session, dispute) if each.state == SIGNED]
    barred = dict.fromkeys(_first_panel(session, milestone), "first_panel") | dict.fromkeys(
        _drawn_before(session, dispute), "asked_before"
    )
    wanted = rules.PANEL.auditors - len(signed)
    try:
        drawn = lots.draw(
            session, offering, purpose=lots.APPEAL if dispute.cause == rules.APPEAL else lots.DISPUTE,
            milestone_key=milestone.key, seats=wanted, mixed_in=submission.manifest_hash or "", barred=barred,
            beside=signed, actor=SYSTEM, now=now,
        )
    except Conflict:
        return False
    if len(drawn.seated) < wanted:
        return False
    dispute.round += 1
    for each in drawn.seated:
        seat = DisputeSeat(
            public_id=public_id("dst"), dispute_id=dispute.id, party_id=each.party_id, round=dispute.round,
            draw=drawn.draw.public_id, state=SEATED, seated_at=now,
        )
        session.add(seat)
        session.flush()
        note_seat(session, seat, "drawn", now=now)
    milestone.deadline_at = calendars.add_business_days(
        now, rules.PANEL_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
    )
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="dispute.drawn", object_id=dispute.public_id, now=now, count=wanted,
        after=told(session, dispute),
    )
    outbox.enqueue(session, "notice", {"kind": "dispute_seated", "dispute_id": dispute.id}, now=now,
                   key=f"notice:dispute_seated:{dispute.public_id}:{dispute.round}")
    return True


def _first_panel(session: Session, milestone: Milestone) -> set[int]:
    return set(
        session.scalars(
            sa.select(Appointment.party_id).where(
                Appointment.contract_id == milestone.contract_id, Appointment.milestone_key == milestone.key
            )
        )
    )


def _drawn_before(session: Session, dispute: Dispute) -> set[int]:
    return set(
        session.scalars(
            sa.select(DisputeSeat.party_id).join(Dispute, Dispute.id == DisputeSeat.dispute_id)
            .where(Dispute.submission_id == dispute.submission_id)
        )
    )


def _ask_investors(
    session: Session, offering: Offering, milestone: Milestone, dispute: Dispute, *, now: dt.datetime
) -> None:
    """Let the investors decide in ten business days, weighed by what they had unreleased when it was opened."""
    poll = polls.open_poll(
        session, offering, kind=poll_rules.DISPUTE, subject=dispute.public_id, ends_at=polls.vote_end(offering, now),
        weighed_at=dispute.opened_at, now=now,
    )
    dispute.state, dispute.poll_id = VOTE, poll.id
    milestone.deadline_at = poll.ends_at
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="dispute.vote", object_id=dispute.public_id, now=now, before={"state": PANEL},
        after=told(session, dispute),
    )


def reach_limit(
    session: Session, offering: Offering, milestone: Milestone, dispute: Dispute, *, now: dt.datetime
) -> None:
    """Apply the panel's time limit: two findings decide, else silent members are replaced once, else investors vote."""
    if decide_by_findings(session, dispute, at_time_limit=True, now=now):
        return
    if dispute.round < rules.ROUNDS:
        for seat in seats_of(session, dispute):
            if seat.state == SEATED:
                seat.state = REPLACED
                note_seat(session, seat, "replaced", now=now)
        if _seat_panel(session, offering, milestone, dispute, now=now):
            return
    _ask_investors(session, offering, milestone, dispute, now=now)


def decide_by_findings(session: Session, dispute: Dispute, *, at_time_limit: bool, now: dt.datetime) -> bool:
    """Compute the panel's verdict by the code of every verdict, and apply it; return whether there is one (MIL-7)."""
    milestone = session.get_one(Milestone, dispute.milestone_id)
    offering = session.get_one(Offering, milestone.offering_id)
    submission = session.get_one(Submission, dispute.submission_id)
    result = verdicts.verdict(
        rules.panel_terms(judged_terms(session, offering, milestone, submission)),
        counting(submission, findings_of(session, dispute.id)), at_time_limit=at_time_limit,
    )
    if result is None:
        return False
    plan = steps.load(session, offering).plan
    counts_pct = plan.milestone(milestone.ordinal).share_that_counts(result.share_pct)
    dispute.verdict_detail = json.dumps(
        {"counted": result.counted, "share_pct": counts_pct,
         "criteria": [{"key": each.key, "share_pct": each.share_pct, "met": each.met} for each in result.criteria]}
    )
    settle(session, dispute, outcome_of(counts_pct), share_pct=counts_pct, now=now)
    return True


def judged_terms(
    session: Session, offering: Offering, milestone: Milestone, submission: Submission
) -> MilestoneTerms:
    """Return the criteria that a submission answers: the milestone's own, or those of its retained part (MIL-11)."""
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    return retention.judged(terms.milestone(milestone.ordinal), submission)


def outcome_of(share_pct: int) -> str:
    """Name what a share that counts comes to."""
    return MET if share_pct == verdicts.WHOLE_PCT else PARTLY if share_pct else NOT_MET


def decide_by_vote(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Apply the investors' vote; without a quorum nobody decided, and a tie is a no (MIL-10)."""
    dispute = session.scalars(sa.select(Dispute).where(Dispute.poll_id == poll.id)).one()
    counted, rule = polls.tally(session, poll), poll_rules.RULES[poll.kind]
    outcome = UNDECIDED
    if poll_rules.has_quorum(rule, counted):
        outcome = MET if poll_rules.carries(rule, counted) else NOT_MET
    polls.close(session, poll, outcome, now=now)
    settle(session, dispute, outcome, share_pct=verdicts.WHOLE_PCT if outcome == MET else 0, now=now)


def settle(session: Session, dispute: Dispute, outcome: str, *, share_pct: int, now: dt.datetime) -> None:
    """Carry out what was decided, and write down what became of the disputed sum, to the minor unit."""
    milestone = session.get_one(Milestone, dispute.milestone_id)
    offering = session.get_one(Offering, milestone.offering_id)
    before, ordinal = dispute.state, milestone.ordinal
    appealed = dispute.cause == rules.APPEAL

    def take(plan: engine.Plan) -> engine.Step:
        if share_pct:
            step = rules.find_met(plan, ordinal, share_pct, restores_try=appealed and not dispute.was_exhausted)
        elif outcome == NOT_MET:
            step = rules.find_not_met(plan, ordinal, appealed=appealed, exhausted=dispute.was_exhausted)
        else:
            step = rules.leave_undecided(plan, ordinal, restores_try=appealed and not dispute.was_exhausted)
        split = rules.split_of(plan, step, ordinal)
        dispute.sum_minor, dispute.to_release_minor = split.sum_minor, split.to_release_minor
        dispute.returned_minor, dispute.stays_minor = split.returned_minor, split.stays_minor
        return step

    dispute.state, dispute.outcome, dispute.decided_at = DECIDED, outcome, now
    dispute.share_pct = share_pct
    steps.run(session, offering, take, actor=SYSTEM, now=now, reason=f"{outcome} by {dispute.public_id}")
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="dispute.decided", object_id=dispute.public_id, now=now,
        before={"state": before}, after=told(session, dispute),
    )
    outbox.enqueue(session, "notice", {"kind": "dispute_decided", "dispute_id": dispute.id}, now=now,
                   key=f"notice:dispute_decided:{dispute.public_id}")


def drop(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """End every dispute of an offering of which all returns: nothing is left to decide (OFF-11)."""
    rows = session.execute(
        sa.select(Dispute, Milestone).join(Milestone, Milestone.id == Dispute.milestone_id)
        .where(Milestone.offering_id == offering.id, Dispute.outcome.is_(None))
    ).all()
    for dispute, milestone in rows:
        before = dispute.state
        amount = (milestone.tranche_minor or 0) - milestone.decided_minor - milestone.returned_minor
        dispute.state, dispute.outcome, dispute.decided_at, dispute.share_pct = DECIDED, DROPPED, now, 0
        dispute.sum_minor = dispute.returned_minor = amount
        dispute.to_release_minor = dispute.stays_minor = 0
        poll = session.get(Poll, dispute.poll_id) if dispute.poll_id else None
        if poll is not None and poll.state == "open":
            polls.close(session, poll, polls.DROPPED, now=now)
        session.flush()
        audit.record(
            session, actor=SYSTEM, action="dispute.decided", object_id=dispute.public_id, now=now,
            before={"state": before}, after=told(session, dispute),
        )


def note_seat(session: Session, seat: DisputeSeat, verb: str, *, actor: Actor = SYSTEM, now: dt.datetime) -> None:
    """Log that a seat was drawn, signed or taken from a silent member."""
    session.flush()
    audit.record(
        session, actor=actor, action=f"seat.{verb}", object_id=seat.public_id, now=now, after=told_seat(session, seat)
    )


def told(session: Session, dispute: Dispute) -> dict[str, object]:
    """Return what the log keeps of a dispute; the self-check compares the row with the last of them."""
    names = ("state", "cause", "challenge_id", "opened_by", "opened_at", "round", "poll_id", "outcome", "share_pct",
             "decided_at", "sum_minor", "to_release_minor", "returned_minor", "stays_minor")
    return {name: getattr(dispute, name) for name in names} | {
        "milestone": session.get_one(Milestone, dispute.milestone_id).public_id,
        "submission": session.get_one(Submission, dispute.submission_id).public_id,
        "was_exhausted": int(dispute.was_exhausted),
    }


def told_seat(session: Session, seat: DisputeSeat) -> dict[str, object]:
    """Return what the log keeps of a seat on a panel."""
    return {
        "dispute": session.get_one(Dispute, seat.dispute_id).public_id, "party": seat.party_id, "round": seat.round,
        "draw": seat.draw, "seat": seat.state, "seated_at": seat.seated_at,
    }


def counting(
    submission: Submission, signed: list[DisputeFinding]
) -> dict[str, tuple[verdicts.Finding, ...]]:
    """Return the findings that count, by panel member: those bound to these terms and these files (MIL-6)."""
    return {
        str(each.party_id): tuple(
            verdicts.Finding(found["criterion"], found["result"], int(found["share_pct"]), found["note"])
            for found in json.loads(each.findings)
        )
        for each in signed
        if (each.contract_hash, each.manifest_hash) == (submission.contract_hash, submission.manifest_hash)
    }


def running_of(session: Session, milestone_id: int) -> Dispute | None:
    """Return the milestone's dispute that nobody has decided yet, None when there is none."""
    return session.scalars(
        sa.select(Dispute).where(Dispute.milestone_id == milestone_id, Dispute.outcome.is_(None))
    ).one_or_none()


def seats_of(session: Session, dispute: Dispute) -> list[DisputeSeat]:
    """Return everybody who was drawn for a dispute, in order."""
    return list(
        session.scalars(sa.select(DisputeSeat).where(DisputeSeat.dispute_id == dispute.id).order_by(DisputeSeat.id))
    )


def findings_of(session: Session, dispute_id: int) -> list[DisputeFinding]:
    """Return a panel's signed findings in order of signing; before the decision nobody else may see them (MIL-7)."""
    return list(
        session.scalars(
            sa.select(DisputeFinding).where(DisputeFinding.dispute_id == dispute_id).order_by(DisputeFinding.id)
        )
    )


def by_public_id(session: Session, dispute_id: str) -> Dispute:
    """Return a dispute; raises ``NotFound``."""
    dispute = session.scalars(sa.select(Dispute).where(Dispute.public_id == dispute_id)).one_or_none()
    if dispute is None:
        raise NotFound("There is no such dispute.", code="dispute_not_found")
    return dispute
