"""Jobs of the waiting list: offers pass, free places are offered, lists lapse at the deadline (OFF-5)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import waiting
from app.commitments.waiting_models import WaitingEntry
from app.offerings import halts
from app.offerings.models import Offering
from app.work import Job


def _is_open(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(Offering.state == "live", Offering.deadline_at > halts.clock_sql(now))


def _over_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    return session.scalars(
        sa.select(WaitingEntry.id)
        .join(Offering, Offering.id == WaitingEntry.offering_id)
        .where(WaitingEntry.status == "offered", WaitingEntry.offer_until <= halts.clock_sql(now), _is_open(now))
        .order_by(WaitingEntry.offer_until, WaitingEntry.id)
        .limit(limit)
    ).all()


def _end_offer(session: Session, entry_id: int, now: dt.datetime) -> None:
    offering, entry = waiting.locked(session, session.get_one(WaitingEntry, entry_id))
    if entry.status == "offered" and waiting.is_over(offering, entry, now):
        waiting.end_offer(session, offering, entry, now=now)


def _waited_for(*statuses: str) -> sa.Exists:
    return sa.exists().where(WaitingEntry.offering_id == Offering.id, WaitingEntry.status.in_(statuses))


def _offer_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    free = Offering.accept_up_to_minor - Offering.committed_minor - Offering.offered_minor
    found = session.scalars(
        sa.select(Offering)
        .where(_is_open(now), halts.is_running(), free >= Offering.minimum_ticket_minor, _waited_for("waitlisted"))
        .order_by(Offering.id)
    ).all()
    return [each.id for each in found if waiting.next_offers(session, each, now=now)][:limit]


def _offer(session: Session, offering_id: int, now: dt.datetime) -> None:
    waiting.offer(session, session.get_one(Offering, offering_id, with_for_update=True), now=now)


def _lapse_due(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    # Only once the close has begun: an early close that comes to nothing leaves the old deadline, and the list (OFF-6).
    return session.scalars(
        sa.select(Offering.id)
        .where(_waited_for(*waiting.ACTIVE), Offering.state != "live")
        .order_by(Offering.id)
        .limit(limit)
    ).all()


def _lapse(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = session.get_one(Offering, offering_id, with_for_update=True)
    if offering.state != "live":
        waiting.lapse_all(session, offering, now=now)


#: Offers that nobody took pass first, so that their room is offered to the next in the same pass.
JOBS = (
    Job("lapse_waiting_list", _lapse_due, _lapse),
    Job("end_offer", _over_due, _end_offer),
    Job("offer_place", _offer_due, _offer),
)
