"""Order that an offering ends as an operator, and confirm another operator's order (OFF-9, WND-1, PPL-2).

A running offering is wound down (``interventions.wind_down``), a live one withdrawn (``withdrawing.by_order``); neither
is one operator's act. Halting alone stays one, because it moves no money; what follows a halt is the clock's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import service as offerings
from app.offerings import withdrawing
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import authority, interventions
from app.progress.order_models import WindDownOrder

ORDER_BUSINESS_DAYS = 3
#: kind → the state of the offering that it ends
WIND_DOWN, WITHDRAW = "wind_down", "withdraw"
ENDS = {WIND_DOWN: "active", WITHDRAW: "live"}
PROPOSED, CONFIRMED, REFUSED, FALLEN = "proposed", "confirmed", "refused", "fallen"


def propose(
    session: Session, *, actor: Actor, offering_id: str, reason: str, document: authority.Document | None = None,
    key: str, now: dt.datetime,
) -> WindDownOrder:
    """Propose to wind a running offering down, or to withdraw a live one; another operator must confirm (PPL-2).

    Unconfirmed within three business days it falls, also while the offering is halted. ``document`` is an authority's
    order behind it. Raises ``Conflict`` ``not_active`` or ``order_open``, ``Refused`` ``reason_empty``,
    ``order_document``, and ``not_open`` for a live offering whose deadline has come.
    """
    accounts.demand(actor, "operator", second_factor=True)
    fields = {"offering": offering_id, "reason": reason}
    if document is not None:
        fields |= {"order": document.reference, "sha256": document.sha256}
    earlier = idempotency.claim(session, actor=actor, operation="propose_wind_down", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    _demand_reason(reason)
    offering = offerings.locked(session, offering_id)
    kind = kind_for(offering)
    if kind is None:
        raise Conflict("Only an offering that is open or runs can be ended by order.", code="not_active")
    if open_of(session, offering.id) is not None:
        raise Conflict("An order to end it is proposed already. Confirm or refuse that one.", code="order_open")
    if kind == WITHDRAW:
        withdrawing.demand_in_time(session, offering, now)
    order = WindDownOrder(
        public_id=public_id("wdo"), offering_id=offering.id, kind=kind, state=PROPOSED, reason=reason.strip(),
        proposed_by=accounts.user_of(actor), proposed_at=now,
        decide_by=calendars.add_business_days(now, ORDER_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone),
    )
    session.add(order)
    session.flush()
    if document is not None:
        authority.attach(session, actor=actor, about=order.public_id, document=document, now=now)
    idempotency.settle(session, actor=actor, operation="propose_wind_down", key=key, result_ref=order.public_id)
    _log(session, order, actor=actor, now=now, reason=order.reason)
    outbox.enqueue(session, "notice", {"kind": "wind_down_proposed", "order_id": order.id}, now=now,
                   key=f"notice:wind_down_proposed:{order.public_id}")
    return order


def confirm(session: Session, *, actor: Actor, order_id: str, now: dt.datetime) -> WindDownOrder:
    """Confirm another operator's order: what is unreleased, or was paid in, goes back to the investors (OFF-9, WND-2).

    Raises ``Forbidden`` ``four_eyes`` for who proposed it, ``Conflict`` ``order_over`` once it has fallen or was
    decided, ``not_active`` when the offering ended or closed otherwise.
    """
    accounts.demand(actor, "operator", second_factor=True)
    offering, order = _locked(session, order_id)
    _demand_open(order, now)
    if order.proposed_by == actor.user_id:
        raise Forbidden("You proposed this order, so another operator must confirm it.", code="four_eyes")
    if offering.state != ENDS[order.kind]:
        raise Conflict("It has ended or closed otherwise, so this order falls.", code="not_active")
    _decide(session, order, CONFIRMED, actor=actor, now=now)
    if order.kind == WITHDRAW:
        withdrawing.by_order(session, actor=actor, offering_id=offering.public_id, reason=order.reason, now=now)
        return order
    interventions.wind_down(
        session, actor=actor, offering_id=offering.public_id, trigger="operator_order", reason=order.reason, now=now
    )
    return order


def refuse(session: Session, *, actor: Actor, order_id: str, reason: str, now: dt.datetime) -> WindDownOrder:
    """Refuse an order, or take one's own back; the plan goes on and a new one may be proposed."""
    accounts.demand(actor, "operator", second_factor=True)
    _demand_reason(reason)
    _offering, order = _locked(session, order_id)
    _demand_open(order, now)
    _decide(session, order, REFUSED, actor=actor, reason=reason.strip(), now=now)
    return order


def lapse(session: Session, order_id: int, *, now: dt.datetime) -> None:
    """Let an order fall that nobody confirmed in time, or whose offering ended otherwise."""
    offering, order = _locked(session, session.get_one(WindDownOrder, order_id).public_id)
    stands = offering.state == ENDS[order.kind]
    if order.state == PROPOSED and (order.decide_by <= now or not stands):
        words = "Nobody confirmed it in time." if stands else "The offering ended or closed otherwise."
        _decide(session, order, FALLEN, reason=words, now=now)


def kind_for(offering: Offering) -> str | None:
    """Return which kind of order can end an offering now, None when none can."""
    return next((kind for kind, state in ENDS.items() if offering.state == state), None)


def open_of(session: Session, offering_id: int) -> WindDownOrder | None:
    """Return the order that waits for a second operator, None when there is none."""
    query = sa.select(WindDownOrder).where(
        WindDownOrder.offering_id == offering_id, WindDownOrder.state == PROPOSED
    )
    return session.scalars(query).one_or_none()


def waiting(session: Session) -> Sequence[tuple[WindDownOrder, Offering]]:
    """Return the orders that wait for a second operator, the nearest date first."""
    rows = session.execute(
        sa.select(WindDownOrder, Offering)
        .join(Offering, Offering.id == WindDownOrder.offering_id)
        .where(WindDownOrder.state == PROPOSED)
        .order_by(WindDownOrder.decide_by)
    ).all()
    return [(order, offering) for order, offering in rows]


def by_public_id(session: Session, order_id: str) -> WindDownOrder:
    """Return an order; raises ``NotFound``."""
    order = session.scalars(sa.select(WindDownOrder).where(WindDownOrder.public_id == order_id)).one_or_none()
    if order is None:
        raise NotFound("There is no such order.", code="order_not_found")
    return order


def told(session: Session, order: WindDownOrder) -> dict[str, object]:
    """Return what the log keeps of an order; the self-check compares the row with the last of them."""
    names = ("state", "proposed_by", "proposed_at", "decide_by", "decided_by", "decided_at")
    values = {name: getattr(order, name) for name in names}
    # Entries of wind-downs are older than other kinds.
    kind = {} if order.kind == WIND_DOWN else {"kind": order.kind}
    return values | kind | {"offering": session.get_one(Offering, order.offering_id).public_id}


def _locked(session: Session, order_id: str) -> tuple[Offering, WindDownOrder]:
    order = by_public_id(session, order_id)
    offering = session.get_one(Offering, order.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(order)
    return offering, order


def _demand_open(order: WindDownOrder, now: dt.datetime) -> None:
    if order.state != PROPOSED or now >= order.decide_by:
        raise Conflict("This order is decided, or nobody confirmed it in time. Propose a new one.", code="order_over")


def _demand_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Say why; it is kept in the log, and an order's words are published.", code="reason_empty",
                      field="reason")


def _decide(
    session: Session, order: WindDownOrder, state: str, *, actor: Actor = SYSTEM, reason: str | None = None,
    now: dt.datetime,
) -> None:
    order.state, order.decided_at, order.decision_reason = state, now, reason
    order.decided_by = None if actor.is_system else accounts.user_of(actor)
    _log(session, order, actor=actor, now=now, reason=reason, before=PROPOSED)


def _log(
    session: Session, order: WindDownOrder, *, actor: Actor = SYSTEM, now: dt.datetime, reason: str | None,
    before: str | None = None,
) -> None:
    session.flush()
    audit.record(
        session, actor=actor, action=f"wind_down_order.{order.state}", object_id=order.public_id, now=now,
        before={"state": before} if before else None, after=told(session, order), reason=reason,
    )
