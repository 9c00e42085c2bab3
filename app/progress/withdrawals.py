"""Let an auditor take an attestation back before its release posts, and correct it in public after (MIL-15).

What is taken back counts no more: the findings that stand are judged again, and the window to challenge starts anew.
With too few left the review goes on, and the seat goes to the next by lot.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.contracts import service as contracts
from app.contracts.models import SEATED, Milestone
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import panels as seats
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import challenges, counting, service, steps
from app.progress.dispute_models import Dispute
from app.progress.models import Attestation, AttestationWithdrawal, Release, Submission
from milestones import plan as engine
from milestones import verdict as verdicts

ACTION = "attestation.withdrawn"
WITHDRAWN, CORRECTED, NOTED = "withdrawn", "corrected", "noted"
#: Where a milestone's findings still decide what becomes of its money.
COUNTED_IN = ("submitted", "challengeable", "approved")
MAX_REASON_CHARACTERS = 2_000


def withdraw(
    session: Session, *, actor: Actor, attestation_id: str, reason: str, key: str, now: dt.datetime
) -> AttestationWithdrawal:
    """Take one's attestation back, for a reason that everybody reads; once, and nothing can be signed in its place.

    Raises ``NotFound``, ``Refused`` ``reason_empty`` or ``too_long``, ``Conflict`` ``withdrawn_already``, or
    ``release_suspended`` while an operator holds the release up: when that ends, the window starts anew.
    """
    accounts.demand(actor, "auditor", second_factor=True)
    fields = {"attestation": attestation_id, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="withdraw_attestation", key=key, fields=fields, now=now)
    if earlier is not None:
        return session.scalars(sa.select(AttestationWithdrawal).filter_by(public_id=earlier)).one()
    attestation = session.scalars(sa.select(Attestation).filter_by(public_id=attestation_id)).one_or_none()
    if attestation is None or not actor.acts_for(attestation.party_id, "auditor"):
        raise NotFound("There is no such attestation.", code="attestation_not_found")
    if not reason.strip():
        raise Refused("Say why; everybody reads it.", code="reason_empty", field="reason")
    if len(reason) > MAX_REASON_CHARACTERS:
        raise Refused("Write at most 2,000 characters.", code="too_long", field="reason")
    submission = session.get_one(Submission, attestation.submission_id)
    milestone, offering = service.located(session, session.get_one(Milestone, submission.milestone_id).public_id)
    session.refresh(submission)
    if of_attestation(session, attestation.id) is not None:
        raise Conflict("You have taken this attestation back already.", code="withdrawn_already")
    kind = _kind(session, milestone, submission)
    if kind == NOTED and milestone.state == "suspended" and _is_latest(session, milestone, submission):
        raise Conflict(
            "An operator holds this release up. When that ends the window starts anew; withdraw then.",
            code="release_suspended",
        )
    row = AttestationWithdrawal(
        public_id=public_id("atw"), attestation_id=attestation.id, kind=kind, reason=reason.strip(),
        user_id=accounts.user_of(actor), withdrawn_at=now,
    )
    session.add(row)
    session.flush()
    idempotency.settle(session, actor=actor, operation="withdraw_attestation", key=key, result_ref=row.public_id)
    audit.record(
        session, actor=actor, action=ACTION, object_id=row.public_id, now=now, reason=row.reason,
        after=told(session, row),
    )
    if kind == WITHDRAWN:
        outbox.enqueue(session, "notice", {"kind": "attestation_withdrawn", "submission_id": submission.id}, now=now,
                       key=f"notice:attestation_withdrawn:{attestation.public_id}")
    elif kind == CORRECTED:
        outbox.enqueue(session, "notice", {"kind": "attestation_corrected", "submission_id": submission.id}, now=now,
                       key=f"notice:attestation_corrected:{attestation.public_id}")
    # A finding that nothing depended on is put on record and told nobody.
    if kind == WITHDRAWN:
        _judge_again(session, offering, milestone, submission, attestation, actor=actor, now=now)
    return row


def _judge_again(
    session: Session, offering: Offering, milestone: Milestone, submission: Submission, attestation: Attestation, *,
    actor: Actor, now: dt.datetime,
) -> None:
    """Compute the verdict from what stands; with too few findings let the next by lot review (MIL-9, MIL-15)."""
    if milestone.state != "submitted":
        challenges.drop(session, milestone.id, now=now)
        steps.run(
            session, offering, lambda plan: engine.judge_again(plan, milestone.ordinal), actor=actor, now=now,
            reason=f"{attestation.public_id} was withdrawn",
        )
        submission.status, submission.verdict, submission.verdict_detail = "received", None, None
        submission.decided_at, submission.review_due_at = None, milestone.deadline_at
        submission.round_since, submission.reminders = now, 0
        session.flush()
        if service.decide(session, submission, offering, actor=actor, at_time_limit=True, now=now):
            return
    held = next(
        (each for each in contracts.appointments(session, milestone.contract_id)
         if (each.milestone_key, each.party_id) == (milestone.key, attestation.party_id) and each.state in SEATED),
        None,
    )
    if held is not None:
        contracts.vacate(session, held, "replaced", actor=actor, now=now)
        seats.succeed(session, offering, held, mixed_in=submission.manifest_hash or "-", actor=actor, now=now)


def _kind(session: Session, milestone: Milestone, submission: Submission) -> str:
    """Say what taking a finding back means now: judged again, corrected after money left on it, or only noted."""
    latest = _is_latest(session, milestone, submission)
    if latest and milestone.state in COUNTED_IN and not _was_panel_asked(session, submission):
        return WITHDRAWN
    return CORRECTED if _was_released_on(session, milestone, submission) else NOTED


def _is_latest(session: Session, milestone: Milestone, submission: Submission) -> bool:
    newest = session.scalar(
        sa.select(sa.func.max(Submission.number)).where(
            Submission.milestone_id == milestone.id, Submission.status.in_(["received", "decided"])
        )
    )
    return submission.number == newest and submission.status in ("received", "decided")


def _was_panel_asked(session: Session, submission: Submission) -> bool:
    """Whether a panel of three was asked about it: what that one finds is final (MIL-10)."""
    return session.scalar(sa.select(Dispute.id).where(Dispute.submission_id == submission.id).limit(1)) is not None


def _was_released_on(session: Session, milestone: Milestone, submission: Submission) -> bool:
    if submission.decided_at is None:
        return False
    following = session.scalar(
        sa.select(sa.func.min(Submission.received_at)).where(
            Submission.milestone_id == milestone.id, Submission.number > submission.number
        )
    )
    released = sa.select(Release.id).where(
        Release.milestone_id == milestone.id, Release.kind == "released", Release.occurred_at >= submission.decided_at
    )
    if following is not None:
        released = released.where(Release.occurred_at < following)
    return session.scalar(released.limit(1)) is not None


def of_attestation(session: Session, attestation_id: int) -> AttestationWithdrawal | None:
    """Return what was said when an attestation was taken back, None when it stands."""
    return session.scalars(sa.select(AttestationWithdrawal).filter_by(attestation_id=attestation_id)).one_or_none()


def is_corrected(session: Session, offering_id: int) -> bool:
    """Whether an auditor took back, after its release, a finding that something was met: cause to end it (WND-6)."""
    rows = session.scalars(
        sa.select(Attestation)
        .join(AttestationWithdrawal, AttestationWithdrawal.attestation_id == Attestation.id)
        .join(Submission, Submission.id == Attestation.submission_id)
        .join(Milestone, Milestone.id == Submission.milestone_id)
        .where(Milestone.offering_id == offering_id, AttestationWithdrawal.kind == CORRECTED)
    )
    good = (verdicts.MET, verdicts.PARTLY)
    return any(finding.result in good for row in rows for finding in counting.findings_from(row))


def told(session: Session, row: AttestationWithdrawal) -> dict[str, object]:
    """Return what the log keeps of a withdrawal; the self-check compares the row with it."""
    return {
        "attestation": session.get_one(Attestation, row.attestation_id).public_id, "kind": row.kind,
        "reason": row.reason, "user_id": row.user_id, "withdrawn_at": row.withdrawn_at,
    }
