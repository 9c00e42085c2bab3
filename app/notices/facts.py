"""Read what an event's notices must say: the object, the figures and the dates, as they are now.

An outbox message carries ids and the instant only (PPL-6); what is read here becomes a notice's ``params``,
again ids, figures and instants. Whom it tells is ``rules``, how it is said ``wording``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.models import Membership
from app.commitments import queries as commitment_queries
from app.commitments import reconfirming
from app.commitments import service as commitments
from app.commitments.models import Commitment, Refund
from app.commitments.waiting_models import WaitingEntry
from app.complaints.models import Complaint
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import Appointment, Contract, Milestone
from app.investors.models import Verification
from app.investors.rules import REFUSAL_REASONS
from app.ledger.models import Journal
from app.notices import amendment_facts, dispute_facts, taken_facts
from app.notices.happened import Happened
from app.offerings import changes, figures
from app.offerings import rules as offering_rules
from app.offerings.change_models import OfferingChange, OfferingUpdate
from app.offerings.models import Issuer, Offering
from app.payments import receipts
from app.payments.reversal_models import Reversal
from app.progress.amendment_models import Amendment
from app.progress.dispute_models import Challenge, Dispute
from app.progress.ending_models import EndCall
from app.progress.halt_models import Halt, Poll
from app.progress.lateness_models import Report, ReportCountdown
from app.progress.models import Attestation, Evidence, Release, Submission
from app.progress.order_models import WindDownOrder
from app.progress.service import stands


def happened(session: Session, payload: Mapping[str, Any]) -> Happened:
    """Return the event that an outbox message tells of, its figures read now."""
    at = dt.datetime.fromisoformat(payload["at"])
    found = Happened(event=str(payload["kind"]), about="", at=at, params={}, party_id=payload.get("party_id"))
    for name, read in _READERS.items():
        if name in payload:
            read(session, found, payload[name])
            break
    if found.event == "offering_draft":
        found.event += f":{payload['event']}"
    if found.offering is not None:
        _add_offering(session, found)
    return found


def _add_offering(session: Session, found: Happened) -> None:
    offering = found.offering
    assert offering is not None
    found.issuer = session.get_one(Issuer, offering.issuer_id)
    found.seats = [
        each for each in contracts.appointments(session, offering.contract_id)
        if each.state == "accepted" and (found.milestone is None or each.milestone_key == found.milestone.key)
    ]
    found.params |= {"offering": offering.id, "issuer": offering.issuer_id}


def _of_offering(session: Session, found: Happened, offering_id: int) -> None:
    offering = session.get_one(Offering, offering_id)
    found.offering, found.about = offering, offering.public_id
    raised = commitment_queries.raised(session, [offering])[offering.id]
    found.params |= {
        "cleared_minor": offering.proceeds_minor if offering.proceeds_minor is not None else raised.cleared_minor,
        "committed_minor": raised.committed_minor,
        "minimum_minor": offering.minimum_minor,
        "maximum_minor": offering.maximum_minor,
        "investors": raised.investors,
        "deadline_at": _text(offering.deadline_at),
        "long_stop_at": _text(offering.long_stop_at),
        "cancel_until": _text(offering.cancel_until),
    }
    if found.event.partition(":")[0] == f"offering_{offering.state}":
        found.params["due_at"] = _text(offering.step_due_at)
    if offering.state in ("active", "completed", "winding_down", "wound_down"):
        rows = contract_queries.milestones_of(session, offering.contract_id)
        found.params |= {
            "released_total_minor": sum(row.released_minor for row in rows),
            "returned_total_minor": sum(row.returned_minor for row in rows),
            "tranches": len(rows),
            "tranches_released": sum(row.state == "released" for row in rows),
        }
        first = next((row for row in rows if row.ordinal and row.state in ("open", "locked")), None)
        if first is not None:
            found.params |= {"next_milestone": first.id, "next_target_at": _text(first.target_at)}


def _of_halt(session: Session, found: Happened, halt_id: int) -> None:
    halt = session.get_one(Halt, halt_id)
    _of_offering(session, found, halt.offering_id)
    found.about = halt.public_id
    found.params |= {"halt": halt.id, "ends_at": _text(halt.ends_at), "moved_days": halt.seconds // 86_400}


def _of_order(session: Session, found: Happened, order_id: int) -> None:
    order = session.get_one(WindDownOrder, order_id)
    _of_offering(session, found, order.offering_id)
    found.about = order.public_id
    found.params |= {"decide_by": _text(order.decide_by), "ordered": order.kind}


def _of_poll(session: Session, found: Happened, poll_id: int) -> None:
    poll = session.get_one(Poll, poll_id)
    _of_offering(session, found, poll.offering_id)
    found.about, found.poll_id = poll.public_id, poll.id
    if poll.subject.startswith("amd_"):
        _of_amendment(session, found, session.scalars(sa.select(Amendment.id).filter_by(public_id=poll.subject)).one())
        found.about = poll.public_id
    found.params |= {"poll": poll.public_id, "ends_at": _text(poll.ends_at), "total_minor": poll.total_minor,
                     "yes_minor": poll.yes_minor or 0, "no_minor": poll.no_minor or 0}


def _of_amendment(session: Session, found: Happened, amendment_id: int) -> None:
    amendment = session.get_one(Amendment, amendment_id)
    _of_offering(session, found, amendment.offering_id)
    found.about = amendment.public_id
    found.params |= amendment_facts.params_of(session, amendment, found.party_id)


def _of_milestone(session: Session, found: Happened, milestone_id: int) -> None:
    milestone = session.get_one(Milestone, milestone_id)
    offering = session.get_one(Offering, milestone.offering_id)
    found.milestone, found.offering, found.about = milestone, offering, milestone.public_id
    found.params |= {
        "milestone": milestone.id,
        "tranche_minor": milestone.tranche_minor,
        "target_at": _text(milestone.target_at),
        "long_stop_at": _text(milestone.long_stop_at),
        "tries_left": milestone.tries_left, "verdict_pct": milestone.verdict_pct,
        "rest_minor": (milestone.tranche_minor or 0) - milestone.decided_minor - milestone.returned_minor,
        "retained_until": _text(milestone.retained_until),
    }
    published = contract_queries.published_terms(session, offering.terms_version_id or 0)
    if milestone.ordinal:
        agreed = published.terms.milestone(milestone.ordinal)
        found.params |= {"approvals": agreed.quorum.approvals, "auditors": agreed.quorum.auditors,
                         "on_failure": agreed.on_failure}
    if found.event == f"milestone_{milestone.state}":
        found.params["due_at"] = _text(milestone.deadline_at)
    if found.event == "milestone_challengeable":
        found.event += ":retention" if milestone.share_pct == 100 else ":partly" if milestone.verdict_pct < 100 else ""
    if found.event == "milestone_open" or dispute_facts.came_back(session, found.event, milestone):
        way, params = dispute_facts.of_open(session, offering, milestone, found.at)
        found.event += way
        found.params |= params
    if found.event == "milestone_disputed":
        found.params |= dispute_facts.of_dispute(dispute_facts.last_of(session, milestone), milestone)
    if found.event == "milestone_failed" and offering.state in ("winding_down", "wound_down"):
        found.event += ":wind_down"


def _of_challenge(session: Session, found: Happened, challenge_id: int) -> None:
    challenge = session.get_one(Challenge, challenge_id)
    _of_milestone(session, found, challenge.milestone_id)
    assert found.offering is not None and found.milestone is not None
    found.about = challenge.public_id
    found.params |= dispute_facts.of_challenge(session, challenge, found.offering, found.milestone)


def _of_dispute(session: Session, found: Happened, dispute_id: int) -> None:
    dispute = session.get_one(Dispute, dispute_id)
    _of_milestone(session, found, dispute.milestone_id)
    assert found.milestone is not None
    found.about, found.dispute_id = dispute.public_id, dispute.id
    found.params |= dispute_facts.of_dispute(dispute, found.milestone)


def _of_report(session: Session, found: Happened, report_id: int) -> None:
    report = session.get_one(Report, report_id)
    _of_offering(session, found, report.offering_id)
    found.about = report.public_id
    found.params |= {"number": report.number, "due_at": _text(report.due_at), "spent_minor": report.spent_minor or 0,
                     "cash_left_minor": report.cash_left_minor or 0}


def _of_end_call(session: Session, found: Happened, call_id: int) -> None:
    call = session.get_one(EndCall, call_id)
    _of_offering(session, found, call.offering_id)
    found.about = call.public_id
    found.params |= {"ends_at": _text(call.ends_at), "is_for_cause": call.cause is not None}


def _of_countdown(session: Session, found: Happened, countdown_id: int) -> None:
    countdown = session.get_one(ReportCountdown, countdown_id)
    _of_offering(session, found, countdown.offering_id)
    found.about = countdown.public_id
    found.params |= {"ends_at": _text(countdown.ends_at), "missed": countdown.missed}


def _of_submission(session: Session, found: Happened, submission_id: int) -> None:
    submission = session.get_one(Submission, submission_id)
    _of_milestone(session, found, submission.milestone_id)
    files = session.scalar(
        sa.select(sa.func.count()).select_from(Evidence).where(Evidence.submission_id == submission.id)
    )
    found.about = submission.public_id
    found.signed = set(session.scalars(
        sa.select(Attestation.party_id).where(Attestation.submission_id == submission.id, stands())
    ))
    found.params |= {"number": submission.number, "files": files or 0, "due_at": _text(submission.review_due_at)}


def _of_release(session: Session, found: Happened, release_id: int) -> None:
    release = session.get_one(Release, release_id)
    if release.milestone_id is None:
        found.offering = session.get_one(Offering, release.offering_id)
    else:
        _of_milestone(session, found, release.milestone_id)
    found.about, found.journal_id = release.public_id, release.journal_id
    due_at = session.scalar(sa.select(sa.func.min(Refund.due_at)).where(Refund.journal_id == release.journal_id))
    found.params |= {
        "amount_minor": release.amount_minor, "fee_minor": release.fee_minor,
        "net_minor": release.amount_minor - release.fee_minor, "issued_tokens": release.tokens,
        "journal": session.scalar(sa.select(Journal.public_id).where(Journal.id == release.journal_id)),
        "due_at": _text(due_at),
    }


def _of_commitment(session: Session, found: Happened, commitment_id: int) -> None:
    commitment = session.get_one(Commitment, commitment_id)
    offering = session.get_one(Offering, commitment.offering_id)
    found.offering, found.about, found.party_id = offering, commitment.public_id, commitment.party_id
    owed = session.execute(
        sa.select(sa.func.sum(Refund.amount_minor), sa.func.max(Refund.due_at)).where(
            Refund.commitment_id == commitment.id, Refund.status != "done"
        )
    ).one()
    found.params |= {
        "commitment": commitment.public_id, "my_amount_minor": commitment.amount_minor, "tokens": commitment.tokens,
        "pay_by": _text(commitment.pay_by),
        "cancel_until": _text(figures.cancel_until(offering, commitment.created_at)),
        "deadline_at": _text(offering.deadline_at), "minimum_minor": offering.minimum_minor,
        "refund_minor": int(owed[0] or 0), "due_at": _text(owed[1]),
        "missing_minor": receipts.missing_minor(session, commitment),
    }


def _of_waiting(session: Session, found: Happened, entry_id: int) -> None:
    entry = session.get_one(WaitingEntry, entry_id)
    offering = session.get_one(Offering, entry.offering_id)
    found.offering, found.about, found.party_id = offering, entry.public_id, entry.party_id
    found.params |= {
        "waiting": entry.public_id, "my_amount_minor": entry.amount_minor, "offered_minor": entry.offered_minor,
        "offer_until": _text(entry.offer_until), "deadline_at": _text(offering.deadline_at), "position": entry.position,
    }


def _of_cut(session: Session, found: Happened, journal_id: int) -> None:
    journal = session.get_one(Journal, journal_id)
    _of_offering(session, found, journal.offering_id or 0)
    due_at = session.scalar(sa.select(sa.func.min(Refund.due_at)).where(Refund.journal_id == journal.id))
    found.journal_id = journal.id
    found.params |= {"journal": journal.public_id, "due_at": _text(due_at)}


def _of_refund(session: Session, found: Happened, refund_id: int) -> None:
    refund = session.get_one(Refund, refund_id)
    _of_commitment(session, found, refund.commitment_id)
    found.about = refund.public_id
    found.params |= {"refund_minor": refund.amount_minor, "due_at": _text(refund.due_at), "failures": refund.failures}


def _of_reversal(session: Session, found: Happened, reversal_id: int) -> None:
    row = session.get_one(Reversal, reversal_id)
    _of_commitment(session, found, row.commitment_id)
    found.about = row.public_id
    found.params |= taken_facts.of_reversal(session, row, found.offering)


def _of_appointment(session: Session, found: Happened, appointment_id: int) -> None:
    appointment = session.get_one(Appointment, appointment_id)
    contract = session.get_one(Contract, appointment.contract_id)
    found.offering = session.execute(
        sa.select(Offering).where(Offering.contract_id == appointment.contract_id)
    ).scalar_one()
    found.about, found.party_id = appointment.public_id, appointment.party_id
    found.params |= {"answer_by": _text(appointment.answer_by), "party": appointment.party_id}
    agreed = next(
        (each for each in contracts.draft_terms(contract).milestones if each.key == appointment.milestone_key), None
    )
    if agreed is not None:
        found.params |= {
            "ordinal": contracts.draft_terms(contract).milestones.index(agreed) + 1,
            "stake_minor": found.offering.maximum_minor * agreed.tranche_bp // 10_000,
            "approvals": agreed.quorum.approvals, "auditors": agreed.quorum.auditors,
        }


def _of_change(session: Session, found: Happened, change_id: int) -> None:
    change = session.get_one(OfferingChange, change_id)
    offering = session.get_one(Offering, change.offering_id)
    found.offering, found.about, found.change_id = offering, change.public_id, change.id
    found.params |= {
        "change": change.id, "change_kind": change.kind, "by_table": change.by_table,
        "is_material": change.is_material, "decide_by": _text(change.decide_by),
        "is_first": offering.commitment_count == 0,
        "is_third": changes.material_count(session, offering) >= offering_rules.MATERIAL_CHANGES_AT_MOST,
        "version": change.version_number,
        "deadline_at": _text(offering.deadline_at),
        "due_at": _text(reconfirming.reconfirm_due(offering, clock.business_now(session))),
        "refund_due_at": _text(commitments.refund_due(offering, found.at)),
    }


def _of_update(session: Session, found: Happened, update_id: int) -> None:
    update = session.get_one(OfferingUpdate, update_id)
    found.offering, found.about = session.get_one(Offering, update.offering_id), update.public_id
    found.params |= {"update": update.id, "is_live": found.offering.state == "live"}


def _of_issuer(session: Session, found: Happened, issuer_id: int) -> None:
    issuer = session.get_one(Issuer, issuer_id)
    found.issuer, found.about = issuer, issuer.public_id
    found.params |= {"issuer": issuer.id, "changed_at": _text(issuer.payee_changed_at)}


def _of_membership(session: Session, found: Happened, membership_id: int) -> None:
    membership = session.get_one(Membership, membership_id)
    found.about, found.user_id = membership.public_id, membership.user_id


def _of_verification(session: Session, found: Happened, verification_id: int) -> None:
    row = session.get_one(Verification, verification_id)
    found.about, found.user_id = row.public_id, row.user_id
    found.params |= {
        "due_at": _text(row.due_at), "expires_at": _text(row.expires_at),
        "reason": REFUSAL_REASONS.get(row.reason_code or "", ""), "is_noted": row.note is not None,
    }


def _of_complaint(session: Session, found: Happened, complaint_id: int) -> None:
    row = session.get_one(Complaint, complaint_id)
    found.about, found.user_id = row.public_id, row.user_id
    found.params |= {"complaint": row.public_id, "number": row.number, "due_at": _text(row.due_at)}


def _text(instant: dt.datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


#: id in the payload → its reader; the first that the payload has is what the event is about
_READERS: Mapping[str, Callable[[Session, Happened, int], None]] = MappingProxyType(
    {
        "halt_id": _of_halt,
        "order_id": _of_order,
        "challenge_id": _of_challenge,
        "dispute_id": _of_dispute,
        "poll_id": _of_poll,
        "report_id": _of_report,
        "countdown_id": _of_countdown,
        "end_call_id": _of_end_call,
        "amendment_id": _of_amendment,
        "release_id": _of_release,
        "refund_id": _of_refund,
        "waiting_id": _of_waiting,
        "cut_id": _of_cut,
        "payout_id": taken_facts.read_payout,
        "reversal_id": _of_reversal,
        "claim_id": taken_facts.read_claim,
        "commitment_id": _of_commitment,
        "submission_id": _of_submission,
        "appointment_id": _of_appointment,
        "milestone_id": _of_milestone,
        "change_id": _of_change,
        "update_id": _of_update,
        "offering_id": _of_offering,
        "issuer_id": _of_issuer,
        "membership_id": _of_membership,
        "verification_id": _of_verification,
        "complaint_id": _of_complaint,
    }
)
