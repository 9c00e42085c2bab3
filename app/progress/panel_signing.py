"""Sign a panel's findings: each member once for every criterion, seen by nobody before the decision (MIL-10)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import queries as people
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.contracts.models import Milestone
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import halts, independence
from app.offerings.models import Offering
from app.progress import disputes
from app.progress.dispute_models import Dispute, DisputeFinding, DisputeSeat
from app.progress.models import Submission
from app.progress.service import findings_content, located
from milestones import verdict as verdicts


def sign(
    session: Session, *, actor: Actor, dispute_id: str, findings: Sequence[verdicts.Finding], key: str,
    now: dt.datetime,
) -> DisputeFinding:
    """Sign one panel member's findings; when all three are in, the panel's verdict is computed at once (MIL-10).

    Needs a fresh second factor; independence is checked again (MIL-8). Raises ``NotFound`` for who has no seat,
    ``Conflict`` ``dispute_over`` or ``attested_already``, ``Refused`` ``review_over`` after the time limit or when a
    criterion is unanswered.
    """
    accounts.demand(actor, "auditor", second_factor=True)
    content = findings_content(findings)
    claimed = {"dispute": dispute_id, "findings": json.dumps(content)}
    earlier = idempotency.claim(session, actor=actor, operation="sign_dispute", key=key, fields=claimed, now=now)
    if earlier is not None:
        return session.scalars(sa.select(DisputeFinding).where(DisputeFinding.public_id == earlier)).one()
    dispute = disputes.by_public_id(session, dispute_id)
    milestone, offering = located(session, session.get_one(Milestone, dispute.milestone_id).public_id)
    session.refresh(dispute)
    seat = seat_of(session, actor, dispute)
    if dispute.state != disputes.PANEL or seat.state == disputes.REPLACED:
        raise Conflict("This panel's time is over.", code="dispute_over")
    if seat.state == disputes.SIGNED:
        raise Conflict("You have signed your findings in this dispute already.", code="attested_already")
    if milestone.deadline_at is not None and halts.clock(offering, now) >= milestone.deadline_at:
        raise Refused("The time of this panel is over.", code="review_over")
    _demand_independent(session, offering, seat.party_id)
    submission = session.get_one(Submission, dispute.submission_id)
    try:
        verdicts.check_findings(disputes.judged_terms(session, offering, milestone, submission), findings)
    except verdicts.FindingError as error:
        raise Refused(error.message, code=error.code) from error
    finding = DisputeFinding(
        public_id=public_id("dfn"), dispute_id=dispute.id, party_id=seat.party_id, user_id=accounts.user_of(actor),
        findings=json.dumps(content, ensure_ascii=False), contract_hash=submission.contract_hash or "",
        manifest_hash=submission.manifest_hash or "", content_hash="", signed_at=now,
    )
    finding.content_hash = finding_hash(finding, dispute.public_id)
    seat.state = disputes.SIGNED
    session.add(finding)
    session.flush()
    idempotency.settle(session, actor=actor, operation="sign_dispute", key=key, result_ref=finding.public_id)
    audit.record(
        session, actor=actor, action="finding.signed", object_id=finding.public_id, now=now,
        after={"dispute": dispute.public_id, "content_hash": finding.content_hash},
    )
    disputes.note_seat(session, seat, "signed", actor=actor, now=now)
    disputes.decide_by_findings(session, dispute, at_time_limit=False, now=now)
    return finding


def seat_of(session: Session, actor: Actor, dispute: Dispute) -> DisputeSeat:
    """Return the actor's seat on a panel; raises ``NotFound``: who has none is not told that there is a dispute."""
    for seat in disputes.seats_of(session, dispute):
        if actor.acts_for(seat.party_id, "auditor"):
            return seat
    raise NotFound("There is no such dispute for you to judge.", code="dispute_not_found")


def finding_hash(finding: DisputeFinding, dispute_id: str) -> str:
    """Return the SHA-256 over RFC 8785 of what a panel member signed: findings, contract, manifest, instant."""
    content = {
        "finding": finding.public_id, "dispute": dispute_id, "findings": json.loads(finding.findings),
        "contract_hash": finding.contract_hash, "manifest_hash": finding.manifest_hash,
        "signed_at": finding.signed_at.isoformat(),
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _demand_independent(session: Session, offering: Offering, party_id: int) -> None:
    public = {each.party_id: each.public_id for each in people.auditors(session)}.get(party_id)
    reason = independence.known_auditors(session, offering).get(public or "")
    if public is None or reason:
        raise Forbidden(reason or "You are not an approved auditor any more.", code="auditor_not_independent")
