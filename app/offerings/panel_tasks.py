"""Jobs of panels: an auditor who did not answer loses the seat, and the next by lot is asked (MIL-9)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.accounts.actor import SYSTEM
from app.contracts import service as contracts
from app.contracts.models import VACATED, Appointment, Contract, Milestone
from app.offerings import halts, panels
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.work import Job
from milestones import document as documents

#: A seat is needed while the panel is gathered, and until its milestone is decided.
GATHERING = ("in_review", "approved")
NEEDED = ("locked", "open", "submitted")


def _needed() -> sa.ColumnElement[bool]:
    """Whether the seat's milestone still needs its panel."""
    milestone = sa.exists().where(
        Milestone.contract_id == Appointment.contract_id, Milestone.key == Appointment.milestone_key,
        Milestone.state.in_(NEEDED),
    )
    return sa.or_(
        Offering.state.in_(GATHERING),
        sa.and_(Offering.state.in_(["live", "clearing", "active", "winding_down"]), milestone),
    )


def _unanswered(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = (
        sa.select(Appointment.id)
        .join(Offering, Offering.contract_id == Appointment.contract_id)
        .where(Appointment.state == "appointed", Appointment.answer_by <= halts.clock_sql(now))
        .order_by(Appointment.answer_by, Appointment.id).limit(limit)
    )
    return session.execute(query).scalars().all()


def _lapse(session: Session, appointment_id: int, now: dt.datetime) -> None:
    offering, appointment = _locked(session, appointment_id)
    if appointment.state != "appointed" or appointment.answer_by > halts.clock(offering, now):
        return
    contracts.vacate(session, appointment, "lapsed", actor=SYSTEM, now=now)
    outbox.enqueue(
        session, "notice", {"kind": "auditor_released", "appointment_id": appointment.id}, now=now,
        key=f"notice:auditor_released:{appointment.public_id}",
    )


def _vacant(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    successor = aliased(Appointment)
    query = (
        sa.select(Appointment.id)
        .join(Offering, Offering.contract_id == Appointment.contract_id)
        .where(
            Appointment.state.in_(VACATED), Appointment.retry_at <= now, _needed(),
            ~sa.exists().where(successor.replaces_id == Appointment.id),
        )
        .order_by(Appointment.id).limit(limit)
    )
    return session.execute(query).scalars().all()


def _fill(session: Session, appointment_id: int, now: dt.datetime) -> None:
    offering, appointment = _locked(session, appointment_id)
    taken = session.scalar(sa.select(sa.exists().where(Appointment.replaces_id == appointment.id)))
    if taken or appointment.retry_at is None or appointment.retry_at > now:
        return
    contract = session.get_one(Contract, appointment.contract_id)
    mixed_in = documents.contract_hash(contracts.draft_terms(contract))
    if panels.succeed(session, offering, appointment, mixed_in=mixed_in, actor=SYSTEM, now=now) is None:
        outbox.enqueue(
            session, "notice", {"kind": "panel_short", "appointment_id": appointment.id}, now=now,
            key=f"notice:panel_short:{appointment.public_id}",
        )


def _locked(session: Session, appointment_id: int) -> tuple[Offering, Appointment]:
    offering_id = session.execute(
        sa.select(Offering.id).join(Appointment, Appointment.contract_id == Offering.contract_id)
        .where(Appointment.id == appointment_id)
    ).scalar_one()
    offering = session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)
    return offering, session.get_one(Appointment, appointment_id, with_for_update=True, populate_existing=True)


JOBS = (Job("lapse_seat", _unanswered, _lapse), Job("fill_seat", _vacant, _fill))
