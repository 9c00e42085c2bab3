"""Submissions, attestations and verdicts (MIL-6, MIL-7).

The engine in ``milestones`` decides what each event means; ``steps`` carries it out.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import queries as people
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts.models import Appointment, Milestone
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import halts, independence
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from app.progress import counting, retention, rules, steps, tolling
from app.progress.models import Attestation, AttestationWithdrawal, Evidence, Submission
from milestones import plan as engine
from milestones import states
from milestones import verdict as verdicts
from milestones.terms import MilestoneTerms

MAX_STATEMENT_CHARACTERS = 10_000


def draft_submission(session: Session, *, actor: Actor, milestone_id: str, now: dt.datetime) -> Submission:
    """Begin a submission, or return the one already begun, for an open milestone of one's own company."""
    milestone, offering = _of_founder(session, actor, milestone_id)
    if milestone.state not in states.FOUNDERS_STATES or offering.state != "active":
        raise Conflict("Evidence can be submitted only while the milestone is open.", code="milestone_not_open")
    earlier = session.execute(
        sa.select(Submission).where(Submission.milestone_id == milestone.id, Submission.status == "draft")
    ).scalar_one_or_none()
    if earlier is not None:
        # Begun before the milestone was met: what it answers now is what the milestone waits for now.
        earlier.is_retention = milestone.state == "retained"
        return earlier
    number = session.execute(
        sa.select(sa.func.count()).select_from(Submission).where(Submission.milestone_id == milestone.id)
    ).scalar_one()
    submission = Submission(
        public_id=public_id("sub"), milestone_id=milestone.id, number=number + 1, status="draft", statement="",
        created_by=accounts.user_of(actor), created_at=now, is_retention=milestone.state == "retained",
    )
    session.add(submission)
    session.flush()
    return submission


def add_evidence(
    session: Session,
    *,
    actor: Actor,
    submission_id: str,
    kind: str,
    filename: str,
    media_type: str,
    sha256: str,
    size_bytes: int,
    now: dt.datetime,
) -> Evidence:
    """Add a stored file to a draft submission. The bytes are in the blob store under ``sha256`` already.

    Raises ``Refused``: ``evidence_kind`` for a kind no criterion asks for, ``evidence_too_many``,
    ``evidence_too_large``, ``evidence_repeated``.
    """
    submission, milestone, offering = _draft_of_founder(session, actor, submission_id)
    terms = _terms_of(session, offering, milestone, submission)
    kinds = sorted({each for criterion in terms.criteria for each in criterion.evidence})
    if kind not in kinds:
        raise Refused(f"Choose one of the kinds that the contract asks for: {', '.join(kinds)}.", code="evidence_kind",
                      field="kind")
    files = evidence_of(session, submission.id)
    if len(files) >= rules.MAX_FILES:
        raise Refused(f"A submission has at most {rules.MAX_FILES} files.", code="evidence_too_many", field="file")
    if size_bytes > rules.MAX_FILE_BYTES or size_bytes == 0:
        raise Refused("A file must have between 1 byte and 20 MB.", code="evidence_too_large", field="file")
    if any(each.sha256 == sha256 and each.kind == kind for each in files):
        raise Refused("This file is in the submission already.", code="evidence_repeated", field="file")
    evidence = Evidence(
        public_id=public_id("evd"), submission_id=submission.id, ordinal=len(files) + 1, kind=kind,
        filename=filename[:200], media_type=media_type, size_bytes=size_bytes, sha256=sha256,
        uploaded_by=accounts.user_of(actor), uploaded_at=now,
    )
    session.add(evidence)
    session.flush()
    audit.record(
        session, actor=actor, action="evidence.added", object_id=evidence.public_id, now=now,
        after={"submission": submission.public_id, "sha256": sha256, "size_bytes": size_bytes, "kind": kind},
    )
    return evidence


def discard_submission(session: Session, *, actor: Actor, submission_id: str, now: dt.datetime) -> None:
    """Set a draft aside to begin anew; its files are kept, as everything is (MIL-6)."""
    submission, _milestone, _offering = _draft_of_founder(session, actor, submission_id)
    submission.status = "discarded"
    audit.record(session, actor=actor, action="submission.discarded", object_id=submission.public_id, now=now)


def submit(
    session: Session, *, actor: Actor, submission_id: str, statement: str, key: str, now: dt.datetime
) -> Submission:
    """Hand a submission in: its files and hashes freeze, the auditors' time begins (MIL-6).

    Needs a fresh second factor (PPL-1). Raises ``Refused``: ``evidence_missing`` naming the criterion whose
    evidence is not there, ``statement_empty``, ``milestone_long_stop`` after the last moment.
    """
    accounts.demand(actor, "founder", second_factor=True)
    claimed = {"submission": submission_id, "statement": statement}
    earlier = idempotency.claim(session, actor=actor, operation="submit_evidence", key=key, fields=claimed, now=now)
    if earlier is not None:
        return _submission(session, earlier)
    submission, milestone, offering = _draft_of_founder(session, actor, submission_id)
    retention.demand_in_time(offering, milestone, _agreed(session, offering, milestone), now=now)
    if not statement.strip():
        raise Refused("Describe what was done, in words an auditor can check.", code="statement_empty",
                      field="statement")
    terms, files = _terms_of(session, offering, milestone, submission), evidence_of(session, submission.id)
    given = {each.kind for each in files}
    for criterion in terms.criteria:
        lacking = set(criterion.evidence) - given
        if lacking:
            raise Refused(
                f"“{criterion.text}” still needs: {', '.join(sorted(lacking))}.", code="evidence_missing", field="file"
            )
    running = steps.run(session, offering, lambda plan: engine.submit(plan, milestone.ordinal), actor=actor, now=now)
    submission.status, submission.received_at = "received", now
    submission.statement = statement.strip()[:MAX_STATEMENT_CHARACTERS]
    submission.review_due_at = running.rows[milestone.ordinal].deadline_at
    submission.contract_hash = running.published.content_hash
    submission.manifest_hash = rules.manifest_hash(
        running.published.content_hash, milestone.key, submission.number,
        [(each.kind, each.filename, each.sha256, each.size_bytes) for each in files],
    )
    idempotency.settle(
        session, actor=actor, operation="submit_evidence", key=key, result_ref=submission.public_id
    )
    audit.record(
        session, actor=actor, action="submission.received", object_id=submission.public_id, now=now,
        after={"manifest_hash": submission.manifest_hash, "contract_hash": submission.contract_hash,
               "files": len(files)},
    )
    outbox.enqueue(session, "notice", {"kind": "submission_received", "submission_id": submission.id}, now=now,
                   key=f"notice:submission_received:{submission.public_id}")
    return submission


def attest(
    session: Session,
    *,
    actor: Actor,
    submission_id: str,
    findings: Sequence[verdicts.Finding],
    key: str,
    now: dt.datetime,
) -> Attestation:
    """Sign one auditor's findings; when the last is in, the verdict is computed at once (MIL-7).

    Needs a fresh second factor. Independence is checked again (MIL-8). Raises ``NotFound`` for anybody
    not on the panel, ``Conflict`` ``attested_already``, ``Refused`` when a criterion is unanswered.
    """
    accounts.demand(actor, "auditor", second_factor=True)
    content = findings_content(findings)
    claimed = {"submission": submission_id, "findings": json.dumps(content)}
    earlier = idempotency.claim(session, actor=actor, operation="attest", key=key, fields=claimed, now=now)
    if earlier is not None:
        return session.execute(sa.select(Attestation).where(Attestation.public_id == earlier)).scalar_one()
    submission = _submission(session, submission_id)
    milestone = session.get_one(Milestone, submission.milestone_id)
    offering = _lock_offering(session, milestone.offering_id)
    session.refresh(submission)
    party_id = _seat(session, actor, milestone)
    if submission.status != "received":
        raise Conflict("This submission is decided already.", code="submission_decided")
    terms = _terms_of(session, offering, milestone, submission)
    _demand_independent(session, offering, party_id)
    try:
        verdicts.check_findings(terms, findings)
    except verdicts.FindingError as error:
        raise Refused(error.message, code=error.code) from error
    signed = attestations_of(session, submission.id)
    if any(each.party_id == party_id for each in signed):
        raise Conflict("You have signed your findings on this submission already.", code="attested_already")
    is_late = submission.review_due_at is not None and halts.clock(offering, now) >= submission.review_due_at
    if is_late and len(standing_of(session, submission.id)) >= terms.quorum.approvals:
        raise Refused("The time to review is over and the findings that were in decide.", code="review_over")
    attestation = Attestation(
        public_id=public_id("att"), submission_id=submission.id, party_id=party_id, user_id=accounts.user_of(actor),
        findings=json.dumps(content, ensure_ascii=False), contract_hash=submission.contract_hash or "",
        manifest_hash=submission.manifest_hash or "", content_hash="", signed_at=now,
    )
    attestation.content_hash = attestation_hash(attestation, submission.public_id)
    session.add(attestation)
    session.flush()
    idempotency.settle(session, actor=actor, operation="attest", key=key, result_ref=attestation.public_id)
    audit.record(
        session, actor=actor, action="attestation.signed", object_id=attestation.public_id, now=now,
        after={"submission": submission.public_id, "content_hash": attestation.content_hash},
    )
    # After the time limit the first k findings decide as soon as they are in.
    decide(session, submission, offering, actor=actor, at_time_limit=is_late, now=now)
    return attestation


def attestation_hash(attestation: Attestation, submission_id: str) -> str:
    """Return the SHA-256 over RFC 8785 of what the auditor signed: findings, contract, manifest, instant."""
    content = {
        "attestation": attestation.public_id, "submission": submission_id,
        "findings": json.loads(attestation.findings), "contract_hash": attestation.contract_hash,
        "manifest_hash": attestation.manifest_hash, "signed_at": attestation.signed_at.isoformat(),
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def decide(
    session: Session, submission: Submission, offering: Offering, *, actor: Actor, at_time_limit: bool, now: dt.datetime
) -> bool:
    """Compute the verdict when it can be and apply it; return whether it was (MIL-7).

    Attestations whose hashes do not match the submission's never count (MIL-6).
    """
    milestone = session.get_one(Milestone, submission.milestone_id)
    terms = _terms_of(session, offering, milestone, submission)
    agreed = submission.review_due_at
    if offering.halted_since is not None and agreed is not None:
        # Decided while halted: the time to review has moved by as much as the halt lasted so far (OFF-13).
        began = submission.received_at or agreed
        submission.review_due_at = agreed + tolling.halted_within(session, offering, began, now) * tolling.SECOND
    given = counting.counting(submission, standing_of(session, submission.id), terms.quorum.approvals)
    result = verdicts.verdict(counting.deciding(submission, terms, given), given, at_time_limit=at_time_limit)
    if result is None:
        submission.review_due_at = agreed
        return False
    running = steps.load(session, offering)
    counts_pct = running.plan.milestone(milestone.ordinal).share_that_counts(result.share_pct)
    submission.status, submission.decided_at = "decided", now
    submission.verdict = "met" if counts_pct == engine.WHOLE_PCT else "partly" if counts_pct else "not_met"
    submission.verdict_detail = json.dumps(
        {"counted": result.counted, "share_pct": counts_pct,
         "criteria": [{"key": each.key, "share_pct": each.share_pct, "met": each.met} for each in result.criteria]}
    )
    session.flush()
    steps.run(
        session, offering, lambda plan: engine.decide(plan, milestone.ordinal, counts_pct), actor=SYSTEM, now=now,
        reason=f"verdict on {submission.public_id}: {submission.verdict}",
    )
    return True


def evidence_of(session: Session, submission_id: int) -> list[Evidence]:
    """Return a submission's files in order."""
    return list(
        session.execute(
            sa.select(Evidence).where(Evidence.submission_id == submission_id).order_by(Evidence.ordinal)
        ).scalars()
    )


def attestations_of(session: Session, submission_id: int) -> list[Attestation]:
    """Return a submission's attestations in order of signing."""
    return list(
        session.execute(
            sa.select(Attestation).where(Attestation.submission_id == submission_id).order_by(Attestation.id)
        ).scalars()
    )


def standing_of(session: Session, submission_id: int) -> list[Attestation]:
    """Return a submission's attestations that nobody took back, in order of signing (MIL-15)."""
    return list(session.scalars(
        sa.select(Attestation).where(Attestation.submission_id == submission_id, stands()).order_by(Attestation.id)
    ))


def stands() -> sa.ColumnElement[bool]:
    """Return, in SQL beside ``attestation``, whether it was not withdrawn; a correction takes nothing back."""
    return ~sa.exists().where(
        AttestationWithdrawal.attestation_id == Attestation.id, AttestationWithdrawal.kind == "withdrawn"
    )


def findings_content(findings: Sequence[verdicts.Finding]) -> list[Mapping[str, str]]:
    """Return findings as they are stored and hashed."""
    return [
        {"criterion": each.criterion_key, "result": each.result, "share_pct": str(each.share_pct), "note": each.note}
        for each in findings
    ]


def _seat(session: Session, actor: Actor, milestone: Milestone) -> int:
    seats = session.execute(
        sa.select(Appointment.party_id).where(
            Appointment.contract_id == milestone.contract_id, Appointment.milestone_key == milestone.key,
            Appointment.state == "accepted",
        )
    ).scalars()
    for party_id in seats:
        if actor.acts_for(party_id, "auditor"):
            return party_id
    raise NotFound("There is no such submission for you to review.", code="submission_not_found")


def _demand_independent(session: Session, offering: Offering, party_id: int) -> None:
    public = {auditor.party_id: auditor.public_id for auditor in people.auditors(session)}.get(party_id)
    reason = independence.known_auditors(session, offering).get(public or "")
    if public is None or reason:
        raise Forbidden(
            reason or "You are not an approved auditor any more.", code="auditor_not_independent"
        )


def _agreed(session: Session, offering: Offering, milestone: Milestone) -> MilestoneTerms:
    return steps.load(session, offering, lock=False).published.terms.milestone(milestone.ordinal)


def _terms_of(
    session: Session, offering: Offering, milestone: Milestone, submission: Submission
) -> MilestoneTerms:
    return retention.judged(_agreed(session, offering, milestone), submission)


def _submission(session: Session, submission_id: str) -> Submission:
    submission = session.execute(
        sa.select(Submission).where(Submission.public_id == submission_id)
    ).scalar_one_or_none()
    if submission is None:
        raise NotFound("There is no such submission.", code="submission_not_found")
    return submission


def located(session: Session, milestone_id: str) -> tuple[Milestone, Offering]:
    """Return a milestone and its offering, the offering locked first and the milestone read after."""
    milestone = session.execute(
        sa.select(Milestone).where(Milestone.public_id == milestone_id)
    ).scalar_one_or_none()
    if milestone is None:
        raise NotFound("There is no such milestone.", code="milestone_not_found")
    offering = _lock_offering(session, milestone.offering_id)
    session.refresh(milestone)
    return milestone, offering


def _lock_offering(session: Session, offering_id: int) -> Offering:
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def _of_founder(session: Session, actor: Actor, milestone_id: str) -> tuple[Milestone, Offering]:
    milestone, offering = located(session, milestone_id)
    demand_founder(session, actor, offering)
    return milestone, offering


def _draft_of_founder(session: Session, actor: Actor, submission_id: str) -> tuple[Submission, Milestone, Offering]:
    submission = _submission(session, submission_id)
    milestone = session.get_one(Milestone, submission.milestone_id)
    offering = _lock_offering(session, milestone.offering_id)
    session.refresh(submission)
    session.refresh(milestone)
    demand_founder(session, actor, offering)
    if submission.status != "draft":
        raise Conflict("This submission was handed in and cannot be changed.", code="submission_frozen")
    return submission, milestone, offering


def demand_founder(session: Session, actor: Actor, offering: Offering) -> None:
    """Raise ``NotFound`` unless the actor is a founder of the offering's issuer."""
    issuer = session.get_one(Issuer, offering.issuer_id)
    if not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
