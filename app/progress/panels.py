"""Replace an auditor who fell silent while a submission waits (MIL-9). The first panel stays in the terms."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts import queries as people
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import Appointment
from app.db import public_id
from app.errors import Conflict, Refused
from app.offerings import independence
from app.outbox import service as outbox
from app.progress.models import Submission
from app.progress.service import attestations_of, located


def replace_auditor(
    session: Session, *, actor: Actor, milestone_id: str, leaving: str, joining: str, reason: str, now: dt.datetime
) -> Appointment:
    """Seat another independent auditor for one who has not signed; the time to review starts again.

    ``leaving`` and ``joining`` are public party ids. Operators only, while a submission waits. Raises
    ``Conflict`` ``not_under_review`` or ``auditor_signed``, ``Refused`` ``auditor_not_independent``.
    """
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say why the auditor is replaced.", code="reason_empty", field="reason")
    milestone, offering = located(session, milestone_id)
    submission = session.execute(
        sa.select(Submission).where(Submission.milestone_id == milestone.id, Submission.status == "received")
    ).scalar_one_or_none()
    if milestone.state != "submitted" or submission is None:
        raise Conflict("Auditors are replaced only while a submission waits for them.", code="not_under_review")
    known = {auditor.public_id: auditor for auditor in people.auditors(session)}
    seats = [
        seat for seat in contracts.appointments(session, milestone.contract_id)
        if seat.milestone_key == milestone.key and seat.state in ("appointed", "accepted")
    ]
    leaving_party = people.party_by_public_id(session, leaving)
    seat = next((each for each in seats if leaving_party and each.party_id == leaving_party.id), None)
    if seat is None:
        raise Refused("Choose an auditor who has a seat here.", code="auditor_unknown", field="leaving")
    if any(each.party_id == seat.party_id for each in attestations_of(session, submission.id)):
        raise Conflict("This auditor has signed already.", code="auditor_signed")
    if joining not in known or any(each.party_id == known[joining].party_id for each in seats):
        raise Refused("Choose an approved auditor who has no seat here yet.", code="auditor_unknown", field="joining")
    others = [each for each in known if known[each].party_id in {s.party_id for s in seats} - {seat.party_id}]
    independence.demand_independent_panel(session, offering, [*others, joining], field="joining")
    audit.record(
        session, actor=actor, action="appointment.replaced", object_id=seat.public_id, now=now, reason=reason,
        before={"state": seat.state}, after={"state": "replaced"},
    )
    seat.state = "replaced"
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    appointment = Appointment(
        public_id=public_id("apt"), contract_id=milestone.contract_id, milestone_key=milestone.key,
        party_id=known[joining].party_id, appointed_by=accounts.user_of(actor), appointed_at=now,
        answer_by=calendars.add_business_days(
            now, contracts.ANSWER_BUSINESS_DAYS, code=terms.calendar, zone=terms.zone
        ),
        state="appointed", replaces_id=seat.id,
    )
    session.add(appointment)
    milestone.deadline_at = submission.review_due_at = calendars.add_business_days(
        now, terms.milestone(milestone.ordinal).review_business_days, code=terms.calendar, zone=terms.zone
    )
    session.flush()
    audit.record(
        session, actor=actor, action="auditor.replaced", object_id=milestone.public_id, now=now, reason=reason,
        before={"auditor": leaving}, after={"auditor": joining, "review_due_at": milestone.deadline_at},
    )
    _tell(session, "auditor_appointed", appointment, now)
    _tell(session, "auditor_replaced", seat, now)
    return appointment


def _tell(session: Session, kind: str, appointment: Appointment, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "appointment_id": appointment.id}, now=now,
        key=f"notice:{kind}:{appointment.public_id}",
    )
