"""Keep milestone contracts: drafts, appointments of auditors, publication of frozen terms.

What a contract says and means is ``milestones``; when it is published is the offering's decision.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.audit import service as audit
from app.contracts.models import SEATED, Appointment, Contract, Milestone, TermsVersion
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.outbox import service as outbox
from milestones import document as documents
from milestones.terms import CLOSING_ORDINAL, Terms

_ASIDE = 1_000


def create_contract(session: Session, *, document: Mapping[str, object], now: dt.datetime) -> Contract:
    """Keep a new draft. Raises ``ContractError`` with every problem when it cannot be read."""
    terms = documents.parse_document(document)
    contract = Contract(
        public_id=public_id("ctr"),
        draft_document=_dump(terms),
        created_at=now,
        updated_at=now,
    )
    session.add(contract)
    session.flush()
    return contract


def save_draft(session: Session, contract: Contract, *, document: Mapping[str, object], now: dt.datetime) -> None:
    """Replace the draft; refused once a version is published (OFF-2)."""
    terms = documents.parse_document(document)
    if _latest_number(session, contract.id):
        raise Conflict("These terms are published and frozen.", code="terms_frozen")
    contract.draft_document = _dump(terms)
    contract.updated_at = now
    wanted = {milestone.key for milestone in terms.milestones}
    session.execute(
        sa.delete(Appointment).where(
            Appointment.contract_id == contract.id, Appointment.milestone_key.not_in(sorted(wanted))
        )
    )


def _dump(terms: Terms) -> str:
    return json.dumps(documents.to_document(terms), ensure_ascii=False)


def draft_terms(contract: Contract) -> Terms:
    """Return the draft as terms."""
    return documents.parse_document(json.loads(contract.draft_document))


def seat(
    session: Session, *, contract_id: int, milestone_key: str, party_id: int, draw_id: int,
    replaces_id: int | None = None, answer_by: dt.datetime, actor: Actor, now: dt.datetime,
) -> Appointment:
    """Ask a drawn auditor to take a seat; the log is the caller's, who knows the draw (MIL-9)."""
    appointment = Appointment(
        public_id=public_id("apt"), contract_id=contract_id, milestone_key=milestone_key, party_id=party_id,
        appointed_by=actor.user_id or 0, appointed_at=now, answer_by=answer_by, state="appointed", draw_id=draw_id,
        replaces_id=replaces_id,
    )
    session.add(appointment)
    session.flush()
    outbox.enqueue(
        session, "notice", {"kind": "auditor_appointed", "appointment_id": appointment.id}, now=now,
        key=f"notice:auditor_appointed:{appointment.public_id}",
    )
    return appointment


def vacate(
    session: Session, appointment: Appointment, state: str, *, actor: Actor, now: dt.datetime, reason: str | None = None
) -> None:
    """End a seat, as one of ``VACATED``. Raises ``Conflict`` ``seat_ended`` when it is not held any more."""
    if appointment.state not in SEATED:
        raise Conflict("This seat was given up already.", code="seat_ended")
    before, appointment.state, appointment.ended_at, appointment.retry_at = appointment.state, state, now, now
    session.flush()
    audit.record(
        session, actor=actor, action=f"appointment.{state}", object_id=appointment.public_id, now=now, reason=reason,
        before={"state": before}, after={"state": state},
    )


def answer_appointment(
    session: Session, *, actor: Actor, appointment_id: str, accept: bool, now: dt.datetime
) -> Appointment:
    """Accept or decline an appointment; only the appointed auditor may, and only once."""
    appointment = session.execute(
        sa.select(Appointment).where(Appointment.public_id == appointment_id).with_for_update()
    ).scalar_one_or_none()
    if appointment is None or not actor.acts_for(appointment.party_id, "auditor"):
        raise NotFound("There is no such appointment.", code="appointment_not_found")
    wanted = "accepted" if accept else "declined"
    if appointment.state == wanted:
        return appointment
    if appointment.state in ("accepted", "declined"):
        raise Conflict("You have answered this appointment already.", code="appointment_answered")
    if appointment.state != "appointed" or now >= appointment.answer_by:
        raise Conflict("The time to answer is over, and another auditor is asked.", code="appointment_over")
    appointment.state = wanted
    appointment.answered_at = now
    if not accept:
        appointment.ended_at = appointment.retry_at = now
    audit.record(
        session, actor=actor, action=f"appointment.{wanted}", object_id=appointment.public_id, now=now,
        before={"state": "appointed"}, after={"state": wanted},
    )
    if not accept:
        outbox.enqueue(
            session, "notice", {"kind": "appointment_declined", "appointment_id": appointment.id}, now=now,
            key=f"notice:appointment_declined:{appointment.public_id}",
        )
    return appointment


def appointments(session: Session, contract_id: int) -> list[Appointment]:
    """Return every appointment of a contract, by milestone and age."""
    return list(
        session.execute(
            sa.select(Appointment)
            .where(Appointment.contract_id == contract_id)
            .order_by(Appointment.milestone_key, Appointment.id)
        ).scalars()
    )


def terms_with_panel(session: Session, contract: Contract) -> Terms:
    """Return the draft with every milestone's consenting auditors written in.

    Raises ``Refused`` (``panel_incomplete``) naming the first milestone that lacks one: MIL-9 wants the
    consent of all n before launch.
    """
    document = documents.to_document(draft_terms(contract))
    names = {auditor.party_id: auditor.public_id for auditor in people.auditors(session)}
    accepted: dict[str, list[str]] = {}
    for appointment in appointments(session, contract.id):
        if appointment.state == "accepted" and appointment.party_id in names:
            accepted.setdefault(appointment.milestone_key, []).append(names[appointment.party_id])
    for milestone in document["milestones"]:
        panel = sorted(accepted.get(milestone["key"], []))
        needed = milestone["quorum"]["auditors"]
        if len(panel) != needed:
            raise Refused(
                f"“{milestone['title']}” has {len(panel)} of its {needed} auditors' consent. "
                "All of them must accept before the offering can open.",
                code="panel_incomplete",
            )
        milestone["auditors"] = panel
    return documents.parse_document(document)


def publish(
    session: Session, *, contract: Contract, offering_id: int, terms: Terms, actor: Actor, now: dt.datetime
) -> TermsVersion:
    """Freeze ``terms`` as the contract's next version and set up its milestones (OFF-2, MIL-3)."""
    version = freeze(session, contract=contract, terms=terms, actor=actor, now=now)
    _set_up_milestones(session, contract=contract, offering_id=offering_id, terms=terms, now=now)
    return version


def publish_again(
    session: Session, *, contract: Contract, offering_id: int, terms: Terms, actor: Actor, object_id: str,
    now: dt.datetime,
) -> TermsVersion:
    """Freeze changed ``terms`` as the next version, before anything of the contract has begun (OFF-2, OFF-8).

    Milestones follow the terms, those that stay keep their row and what it was moved by; seats become those that
    the terms name, whose consent :func:`demand_seats` has found. ``object_id`` is the offering that the log speaks of.
    """
    version = freeze(session, contract=contract, terms=terms, actor=actor, now=now)
    rows = session.execute(sa.select(Milestone).where(Milestone.contract_id == contract.id)).scalars().all()
    if any(row.state != "locked" for row in rows):
        raise Conflict("The plan has begun, so its terms no longer change this way.", code="plan_has_begun")
    _set_up_milestones(session, contract=contract, offering_id=offering_id, terms=terms, now=now)
    _reseat(session, contract=contract, terms=terms, actor=actor, object_id=object_id, now=now)
    return version


def demand_seats(session: Session, contract: Contract, terms: Terms) -> None:
    """Refuse terms that name an auditor who has not accepted a seat in this contract, or too few (MIL-9).

    Raises ``Refused`` ``auditor_without_seat`` or ``panel_incomplete``.
    """
    names = {auditor.party_id: auditor.public_id for auditor in people.auditors(session)}
    accepted = {names.get(each.party_id) for each in appointments(session, contract.id) if each.state == "accepted"}
    for milestone in terms.milestones:
        for auditor in milestone.auditors:
            if auditor not in accepted:
                raise Refused(
                    f"“{milestone.title}” names an auditor who has not accepted to review this contract. Choose among "
                    "those who have.",
                    code="auditor_without_seat",
                )
        if len(milestone.auditors) != milestone.quorum.auditors:
            raise Refused(
                f"“{milestone.title}” needs {milestone.quorum.auditors} auditors who have accepted; "
                f"{len(milestone.auditors)} are named.",
                code="panel_incomplete",
            )


def _reseat(
    session: Session, *, contract: Contract, terms: Terms, actor: Actor, object_id: str, now: dt.datetime
) -> None:
    """Make the seats those of the terms: who is left out is released, who takes another seat has accepted before."""
    parties = {auditor.public_id: auditor.party_id for auditor in people.auditors(session)}
    wanted = {(each.key, parties[auditor]) for each in terms.milestones for auditor in each.auditors}
    seated = {(each.milestone_key, each.party_id): each for each in appointments(session, contract.id)}
    for seat, appointment in seated.items():
        if seat not in wanted:
            session.delete(appointment)
    for milestone in terms.milestones:
        new = [parties[each] for each in milestone.auditors if (milestone.key, parties[each]) not in seated]
        for party_id in new:
            session.add(
                Appointment(
                    public_id=public_id("apt"), contract_id=contract.id, milestone_key=milestone.key,
                    party_id=party_id, appointed_by=actor.user_id or 0, appointed_at=now, answer_by=now,
                    state="accepted", answered_at=now,
                )
            )
        if new:
            audit.record(
                session, actor=actor, action="auditors.appointed", object_id=object_id, now=now,
                after={"milestone": milestone.key, "auditors": sorted(milestone.auditors)},
            )
    session.flush()


def freeze(
    session: Session, *, contract: Contract, terms: Terms, actor: Actor, now: dt.datetime
) -> TermsVersion:
    """Write ``terms`` as the contract's next version, which never changes (MIL-3)."""
    version = TermsVersion(
        public_id=public_id("trm"),
        contract_id=contract.id,
        number=_latest_number(session, contract.id) + 1,
        document=documents.canonical_bytes(terms).decode(),
        content_hash=documents.contract_hash(terms),
        published_by=actor.user_id or 0,
        published_at=now,
    )
    session.add(version)
    session.flush()
    return version


def _set_up_milestones(
    session: Session, *, contract: Contract, offering_id: int, terms: Terms, now: dt.datetime
) -> None:
    """Make the milestones those of the terms: a row for every tranche, kept by its key where it is there."""
    rows = {
        row.key: row
        for row in session.execute(sa.select(Milestone).where(Milestone.contract_id == contract.id)).scalars()
    }
    wanted = {tranche.key for tranche in terms.tranches}
    for key, row in rows.items():
        if key in wanted:
            row.ordinal += _ASIDE  # so that two that change places never have one number at a time
        else:
            session.delete(row)
    session.flush()
    for tranche in terms.tranches:
        agreed = None if tranche.ordinal == CLOSING_ORDINAL else terms.milestone(tranche.ordinal)
        row = rows.get(tranche.key) or Milestone(
            public_id=public_id("mst"), contract_id=contract.id, offering_id=offering_id, key=tranche.key,
            state="locked", state_since=now, tolled_seconds=0, moved_seconds=0, halted_seconds=0,
            extended_seconds=0,
        )
        moved = dt.timedelta(seconds=row.moved_seconds + row.halted_seconds + row.extended_seconds)
        tolled = dt.timedelta(seconds=row.tolled_seconds)
        row.ordinal, row.tranche_bp = tranche.ordinal, tranche.bp
        row.title = agreed.title if agreed else "Closing"
        row.target_at = agreed.target_at(terms.zone) + moved if agreed else None
        row.long_stop_at = agreed.long_stop_at(terms.zone) + moved + tolled if agreed else None
        row.tries_left = agreed.resubmissions if agreed else 0
        session.add(row)
    session.flush()


def _latest_number(session: Session, contract_id: int) -> int:
    return (
        session.execute(
            sa.select(sa.func.max(TermsVersion.number)).where(TermsVersion.contract_id == contract_id)
        ).scalar()
        or 0
    )
