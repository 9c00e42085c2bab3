"""Jobs of halts, operators' orders and questions to investors: their ends (OFF-11, OFF-13, WND-1)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings import halts
from app.offerings.models import Offering
from app.payments.reversal_models import Reversal
from app.progress import orders, outcomes, polls, shortfalls
from app.progress.halt_models import Halt, Poll
from app.progress.order_models import WindDownOrder
from app.work import Job
from milestones import polls as poll_rules

#: States of an offering that gives everything back or has ended: a halt has nothing left to hold up.
OVER = ("failing", "withdrawing", "completed", "failed", "withdrawn", "wound_down")


def _locked(session: Session, offering_id: int) -> Offering:
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def _halts_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    # While a plan is wound down a halt holds up releases for as long as it takes: silence never moves money out.
    ended = sa.and_(Halt.state == "open", Halt.ends_at <= now, Offering.state.in_(["live", "clearing", "active"]))
    query = (
        sa.select(Halt.id)
        .join(Offering, Offering.id == Halt.offering_id)
        .where(Halt.ended_at.is_(None), sa.or_(ended, Offering.state.in_(OVER)))
        .order_by(Halt.ends_at, Halt.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def _end_halt(session: Session, halt_id: int, now: dt.datetime) -> None:
    halt = session.get_one(Halt, halt_id)
    offering = _locked(session, halt.offering_id)
    session.refresh(halt)
    if halt.ended_at is not None:
        return
    if offering.state in OVER:
        outcomes.end_with_offering(session, offering, halt, now=now)
    elif halt.state == "open" and halt.ends_at <= now and offering.state in ("live", "clearing", "active"):
        outcomes.end_reached(session, offering, halt, now=now)


def _polls_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    untolled = Poll.kind.in_([kind for kind, rule in poll_rules.RULES.items() if not rule.tolled])
    clock = sa.case((untolled, sa.literal(now, Poll.ends_at.type)), else_=halts.clock_sql(now))
    query = (
        sa.select(Poll.id)
        .join(Offering, Offering.id == Poll.offering_id)
        .where(Poll.state == "open", sa.or_(Poll.ends_at <= clock, sa.not_(_runs_sql())))
        .order_by(Poll.ends_at, Poll.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def _runs_sql() -> sa.ColumnElement[bool]:
    """Say in SQL what ``outcomes.runs`` does: whether a poll runs to its end, or is over with its plan."""
    outlives = sa.and_(Offering.state == "winding_down", Poll.kind == poll_rules.DISPUTE)
    return sa.or_(Offering.state == "active", outlives)


def _decide_poll(session: Session, poll_id: int, now: dt.datetime) -> None:
    poll = session.get_one(Poll, poll_id)
    offering = _locked(session, poll.offering_id)
    session.refresh(poll)
    is_over = not outcomes.runs(poll, offering) or polls.clock(poll, offering, now) >= poll.ends_at
    if poll.state == "open" and is_over:
        outcomes.decide(session, offering, poll, now=now)


def _short_ones(session: Session, _now: dt.datetime, limit: int) -> Sequence[int]:
    reversed_one = sa.exists().where(Reversal.offering_id == Offering.id)
    asked = sa.exists().where(
        Poll.offering_id == Offering.id, Poll.kind == polls.SHORTFALL, Poll.state == "open"
    )
    found = session.scalars(
        sa.select(Offering).where(Offering.state == "active", reversed_one, ~asked).order_by(Offering.id)
    ).all()
    return [each.id for each in found if _is_short(session, each)][:limit]


def _is_short(session: Session, offering: Offering) -> bool:
    return not shortfalls.is_past_first_release(session, offering.id) and shortfalls.is_short(session, offering)


def _ask(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    is_asked = polls.open_of(session, offering.id, polls.SHORTFALL) is not None
    if offering.state == "active" and not is_asked and _is_short(session, offering):
        shortfalls.ask(session, offering, now=now)


def _orders_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    # Not on the offering's own clock: a halt is no reason to keep an order standing.
    ended_by = sa.case(orders.ENDS, value=WindDownOrder.kind)
    query = (
        sa.select(WindDownOrder.id)
        .join(Offering, Offering.id == WindDownOrder.offering_id)
        .where(WindDownOrder.state == orders.PROPOSED,
               sa.or_(WindDownOrder.decide_by <= now, Offering.state != ended_by))
        .order_by(WindDownOrder.decide_by, WindDownOrder.id)
        .limit(limit)
    )
    return session.scalars(query).all()


def _lapse_order(session: Session, order_id: int, now: dt.datetime) -> None:
    orders.lapse(session, order_id, now=now)


JOBS = (
    Job("end_halt", _halts_due, _end_halt),
    Job("decide_poll", _polls_due, _decide_poll),
    Job("ask_after_shortfall", _short_ones, _ask),
    Job("lapse_wind_down_order", _orders_due, _lapse_order),
)
