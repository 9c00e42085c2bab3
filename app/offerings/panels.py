"""Panels of auditors: drawn by lot, asked for their consent, followed by the next by lot (MIL-9).

What a review's time limit does to a seat is ``progress.panels``; the draws themselves are ``lots``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.accounts.queries import AuditorListing
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.contracts.models import SEATED, Appointment, Contract
from app.errors import Conflict, NotFound, Refused
from app.offerings import lots
from app.offerings import service as offerings
from app.offerings.lot_models import Draw
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from milestones import document as documents

ANSWER_BUSINESS_DAYS = 5
#: Nobody could be asked: tried again after so long.
RETRY = dt.timedelta(days=1)
BEFORE_LAUNCH = ("in_review", "approved")
STRUCK_BY_FOUNDER = "founder"


def draw_panel(
    session: Session, *, actor: Actor, offering_id: str, milestone_key: str, now: dt.datetime
) -> list[Appointment]:
    """Draw the seats of one milestone that nobody holds yet, and ask those drawn (MIL-8, MIL-9).

    Operators start it and choose nobody. Raises ``Conflict`` ``not_in_review`` or ``panel_drawn``, ``Refused``
    ``milestone_unknown`` or ``panel_short`` when too few are willing and independent; nothing is drawn then.
    """
    accounts.demand(actor, "operator", second_factor=True)
    offering = offerings.locked(session, offering_id)
    if offering.state not in BEFORE_LAUNCH:
        raise Conflict("Auditors are drawn between submission and launch.", code="not_in_review")
    contract = contract_queries.contract(session, offering.contract_id)
    terms = contracts.draft_terms(contract)
    agreed = next((each for each in terms.milestones if each.key == milestone_key), None)
    if agreed is None:
        raise Refused(f"The contract has no milestone “{milestone_key}”.", code="milestone_unknown")
    asked = _asked(session, contract.id, milestone_key)
    held = [each for each in asked if each.state in SEATED]
    for extra in held[agreed.quorum.auditors :]:
        session.delete(extra)  # the contract asks for fewer than before
    free = agreed.quorum.auditors - len(held)
    if free <= 0:
        raise Conflict("Every seat of this milestone is taken.", code="panel_drawn")
    beside = [each.party_id for each in held]
    found = lots.draw(
        session, offering, purpose=lots.PANEL, milestone_key=milestone_key, seats=free,
        mixed_in=documents.contract_hash(terms), barred={each.party_id: "asked_before" for each in asked},
        beside=beside, actor=actor, now=now,
    )
    if found.is_short:
        raise Refused(
            f"“{agreed.title}” needs {free} more auditors who are willing and independent of the company and of each "
            f"other; only {len(found.seated)} could be drawn. Approve more auditors first.",
            code="panel_short",
            field=milestone_key,
        )
    audit.record(
        session, actor=actor, action="auditors.appointed", object_id=offering.public_id, now=now,
        after={"auditors": sorted(each.public_id for each in found.seated), "milestone": milestone_key},
    )
    answer_by = answer_due(offering, now)
    return [
        contracts.seat(
            session, contract_id=contract.id, milestone_key=milestone_key, party_id=each.party_id,
            draw_id=found.draw.id, answer_by=answer_by, actor=actor, now=now,
        )
        for each in found.seated
    ]


def succeed(
    session: Session, offering: Offering, vacated: Appointment, *, mixed_in: str, actor: Actor, now: dt.datetime
) -> Appointment | None:
    """Ask the next by lot for a seat that was given up: of its own draw, or of a new one when nobody is left there.

    Nobody is asked twice for one milestone. Returns None when nobody can be asked; it is tried again in a day.
    """
    asked = _asked(session, vacated.contract_id, vacated.milestone_key)
    parties = [each.party_id for each in asked]
    beside = [each.party_id for each in asked if each.state in SEATED]
    record = session.get(Draw, vacated.draw_id) if vacated.draw_id is not None else None
    found: AuditorListing | None = None
    if record is not None:
        found = lots.next_in_line(session, offering, record, asked=parties, beside=beside)
    if found is None and lots.may_draw(session, offering, asked=parties, beside=beside):
        drawn = lots.draw(
            session, offering, purpose=lots.REPLACEMENT, milestone_key=vacated.milestone_key, seats=1,
            mixed_in=mixed_in, barred=dict.fromkeys(parties, "asked_before"), beside=beside, actor=actor, now=now,
        )
        record, found = drawn.draw, drawn.seated[0] if drawn.seated else None
    if found is None or record is None:
        vacated.retry_at = now + RETRY
        return None
    vacated.retry_at = None
    appointment = contracts.seat(
        session, contract_id=vacated.contract_id, milestone_key=vacated.milestone_key, party_id=found.party_id,
        draw_id=record.id, replaces_id=vacated.id, answer_by=answer_due(offering, now), actor=actor, now=now,
    )
    audit.record(
        session, actor=actor, action="auditor.replaced", object_id=offering.public_id, now=now,
        after={"auditor": found.public_id, "in_place_of": vacated.public_id},
    )
    return appointment


def strike(session: Session, *, actor: Actor, appointment_id: str, now: dt.datetime) -> Appointment | None:
    """Let the founder strike one auditor off before the launch, no reason asked; the next by lot is asked (MIL-9).

    One an offering. Raises ``NotFound``, ``Conflict`` ``not_in_review``, ``seat_ended`` or ``struck_already``.
    """
    accounts.demand(actor, "founder", second_factor=True)
    row = session.execute(
        sa.select(Appointment, Offering).join(Offering, Offering.contract_id == Appointment.contract_id)
        .where(Appointment.public_id == appointment_id)
    ).one_or_none()
    if row is None or not actor.acts_for(session.get_one(Issuer, row[1].issuer_id).party_id, "founder"):
        raise NotFound("There is no such appointment.", code="appointment_not_found")
    offering = offerings.locked(session, row[1].public_id)
    appointment = session.get_one(Appointment, row[0].id, populate_existing=True)
    if offering.state not in BEFORE_LAUNCH:
        raise Conflict("The company may strike an auditor off only before the launch.", code="not_in_review")
    if any(each.state == "struck" for each in contracts.appointments(session, offering.contract_id)):
        raise Conflict("The company has struck one auditor off already.", code="struck_already")
    contracts.vacate(session, appointment, "struck", actor=actor, now=now)
    outbox.enqueue(
        session, "notice", {"kind": "auditor_released", "appointment_id": appointment.id}, now=now,
        key=f"notice:auditor_released:{appointment.public_id}",
    )
    contract = session.get_one(Contract, offering.contract_id)
    mixed_in = documents.contract_hash(contracts.draft_terms(contract))
    return succeed(session, offering, appointment, mixed_in=mixed_in, actor=SYSTEM, now=now)


def answer_due(offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return until when a drawn auditor may answer."""
    return calendars.add_business_days(now, ANSWER_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone)


def _asked(session: Session, contract_id: int, milestone_key: str) -> list[Appointment]:
    return [each for each in contracts.appointments(session, contract_id) if each.milestone_key == milestone_key]
