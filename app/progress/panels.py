"""What a review's time limit does to its panel: reminders, silent auditors replaced by lot, and an end (MIL-9).

A review has at most ``ROUNDS`` time limits, and one more when an operator lets the lot decide once again. Declining,
falling silent and recusing oneself give a seat to the next by lot, and never lengthen the round that runs.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import SEATED, Appointment, Milestone
from app.errors import Conflict, NotFound, Refused
from app.offerings import auditing, halts, lots
from app.offerings import panels as seats
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from app.progress.counting import LAST_ROUND
from app.progress.models import Submission
from app.progress.service import located, standing_of

#: The first panel, and two replacements of whoever was silent.
ROUNDS = LAST_ROUND
#: After so many business days of a round the silent ones are reminded.
REMINDED_AFTER = (5, 8)
WAIT_FOR_OPERATOR_BUSINESS_DAYS = 10


def next_round(
    session: Session, submission: Submission, milestone: Milestone, offering: Offering, now: dt.datetime
) -> bool:
    """Replace everybody who has not signed by the next by lot, unpaid, and let the time run again.

    Returns False, and changes nothing, when the rounds are used up or nobody can be asked.
    """
    if submission.review_round >= ROUNDS or offering.state not in ("active", "winding_down"):
        return False
    return _replace_silent(session, submission, milestone, offering, actor=SYSTEM, now=now)


def _replace_silent(
    session: Session, submission: Submission, milestone: Milestone, offering: Offering, *, actor: Actor,
    now: dt.datetime, reason: str | None = None,
) -> bool:
    signed = {each.party_id for each in standing_of(session, submission.id)}
    silent = [
        each for each in contracts.appointments(session, milestone.contract_id)
        if each.milestone_key == milestone.key and each.state in SEATED and each.party_id not in signed
    ]
    asked = {each.party_id for each in contracts.appointments(session, milestone.contract_id)
             if each.milestone_key == milestone.key}
    if not lots.may_draw(session, offering, asked=asked, beside=signed):
        return False
    for each in silent:
        contracts.vacate(session, each, "replaced", actor=actor, now=now, reason=reason)
        outbox.enqueue(
            session, "notice", {"kind": "auditor_replaced", "appointment_id": each.id}, now=now,
            key=f"notice:auditor_replaced:{each.public_id}",
        )
    for each in silent:
        seats.succeed(session, offering, each, mixed_in=submission.manifest_hash or "-", actor=actor, now=now)
    submission.review_round += 1
    submission.round_since, submission.reminders = now, 0
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    milestone.deadline_at = submission.review_due_at = calendars.add_business_days(
        now, terms.milestone(milestone.ordinal).review_business_days, code=terms.calendar, zone=terms.zone
    )
    session.flush()
    audit.record(
        session, actor=actor, action="review.round", object_id=submission.public_id, now=now, reason=reason,
        after={"round": submission.review_round, "review_due_at": milestone.deadline_at},
    )
    return True


def draw_again(
    session: Session, *, actor: Actor, milestone_id: str, reason: str, now: dt.datetime
) -> Submission:
    """Let an operator have others drawn once more, when two replacements brought too few findings (MIL-9).

    The lot decides who. Raises ``Conflict`` ``not_under_review``, ``rounds_left`` while the program replaces by itself,
    ``drawn_again`` the second time, or ``panel_short``.
    """
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say why others are drawn.", code="reason_empty", field="reason")
    milestone, offering = located(session, milestone_id)
    submission = waiting(session, milestone)
    if submission is None:
        raise Conflict("Auditors are replaced only while a submission waits for them.", code="not_under_review")
    if submission.review_round > ROUNDS:
        raise Conflict("Others were drawn once more already; the findings that come in decide.", code="drawn_again")
    if not may_draw_again(submission, milestone, halts.clock(offering, now)):
        raise Conflict("The time to review runs; silent auditors are replaced by themselves.", code="rounds_left")
    # Whatever rounds are left, an operator's draw is the last.
    submission.review_round = ROUNDS
    if not _replace_silent(session, submission, milestone, offering, actor=actor, now=now, reason=reason):
        raise Conflict("Nobody else is willing and independent. Approve more auditors first.", code="panel_short")
    audit.record(
        session, actor=actor, action="panel.drawn_again", object_id=milestone.public_id, now=now, reason=reason,
        after={"submission": submission.public_id},
    )
    return submission


def may_draw_again(submission: Submission, milestone: Milestone, now: dt.datetime) -> bool:
    """Whether the review's last time limit is over and it waits for an operator, who may draw once."""
    limit = submission.review_due_at
    return limit is not None and now >= limit and milestone.deadline_at != limit and submission.review_round <= ROUNDS


def recuse(session: Session, *, actor: Actor, appointment_id: str, reason: str, now: dt.datetime) -> Appointment:
    """Let an auditor give up a seat over a conflict; the next by lot is asked and the running time limit stays.

    A recusal that somebody forces so costs the review nothing but this seat. Raises ``NotFound``, ``Refused``
    ``reason_empty``, ``Conflict`` ``seat_ended``, or ``auditor_signed``: what is signed stands.
    """
    accounts.demand(actor, "auditor", second_factor=True)
    if not reason.strip():
        raise Refused("Say what ties you to the company or to another auditor.", code="reason_empty", field="reason")
    appointment = session.execute(
        sa.select(Appointment).where(Appointment.public_id == appointment_id)
    ).scalar_one_or_none()
    if appointment is None or not actor.acts_for(appointment.party_id, "auditor"):
        raise NotFound("There is no such appointment.", code="appointment_not_found")
    offering = session.execute(
        sa.select(Offering).where(Offering.contract_id == appointment.contract_id).with_for_update()
    ).scalar_one()
    session.refresh(appointment)
    milestone = session.execute(
        sa.select(Milestone).where(
            Milestone.contract_id == appointment.contract_id, Milestone.key == appointment.milestone_key
        )
    ).scalar_one_or_none()
    submission = waiting(session, milestone) if milestone is not None else None
    if submission is not None and any(
        each.party_id == appointment.party_id for each in standing_of(session, submission.id)
    ):
        raise Conflict("You have signed your findings on this submission, and they stand.", code="auditor_signed")
    contracts.vacate(session, appointment, "recused", actor=actor, now=now)
    auditing.note_conflict(
        session, appointment.party_id, session.get_one(Issuer, offering.issuer_id), reason.strip(), actor=actor, now=now
    )
    return appointment


def waiting(session: Session, milestone: Milestone) -> Submission | None:
    """Return the submission that waits for a milestone's auditors."""
    if milestone.state != "submitted":
        return None
    return session.execute(
        sa.select(Submission).where(Submission.milestone_id == milestone.id, Submission.status == "received")
    ).scalar_one_or_none()


def reminder_due(offering: Offering, submission: Submission, now: dt.datetime) -> bool:
    """Whether those who have not signed are to be reminded now: on business days 5 and 8 of a round."""
    began = submission.round_since or submission.received_at
    if began is None or submission.reminders >= len(REMINDED_AFTER):
        return False
    days = REMINDED_AFTER[submission.reminders]
    return calendars.add_business_days(began, days, code=offering.calendar, zone=offering.zone) <= (
        halts.clock(offering, now)
    )


def remind(session: Session, submission: Submission, *, now: dt.datetime) -> None:
    """Remind those who have not signed; each reminder of a round once."""
    submission.reminders += 1
    outbox.enqueue(
        session, "notice", {"kind": "review_reminder", "submission_id": submission.id}, now=now,
        key=f"notice:review_reminder:{submission.public_id}:{submission.review_round}:{submission.reminders}",
    )
