"""Close an offering before its deadline, by notice (OFF-6).

The notice puts the new dates on the offering at once, so that everything else reads one deadline; the earlier
ones stand in the notice and come back if the minimum is not there any more.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.closing import rules
from app.closing.models import EarlyClose
from app.commitments import queries as commitments
from app.commitments import reconfirm_rounds, waiting
from app.commitments.models import UNPAID, Commitment
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import changes, deadlines, figures, halts
from app.offerings import service as offerings
from app.offerings.change_models import OfferingChange
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from app.payments import ports
from app.payments import queries as payments
from app.payments.models import Operation, OperationEffect, Receipt


def announced(session: Session, offering_id: int) -> EarlyClose | None:
    """Return the notice that stands, None when there is none."""
    return session.scalars(
        sa.select(EarlyClose).where(EarlyClose.offering_id == offering_id, EarlyClose.state == "announced")
    ).one_or_none()


def latest(session: Session, offering_id: int) -> EarlyClose | None:
    """Return the newest notice, also one that is decided."""
    return session.scalars(
        sa.select(EarlyClose).where(EarlyClose.offering_id == offering_id).order_by(EarlyClose.id.desc()).limit(1)
    ).one_or_none()


def earliest_day(offering: Offering, now: dt.datetime) -> dt.date:
    """Return the first local day to which a notice given now may move the deadline."""
    today, launched = _day(offering, now), _day(offering, offering.open_since or now)
    return rules.earliest_day(
        launched, today, calendars.holiday_dates(offering.calendar, today.year),
        min_open_days=figures.of(offering).early_close_min_days,
        notice_business_days=figures.of(offering).early_close_notice_bd,
    )


def _day(offering: Offering, instant: dt.datetime) -> dt.date:
    return instant.astimezone(ZoneInfo(offering.zone)).date()


def announce(
    session: Session, *, actor: Actor, offering_id: str, deadline_at: dt.datetime, key: str, now: dt.datetime
) -> EarlyClose:
    """Announce a sooner deadline; every investor is told it and the new last moment to cancel (OFF-6).

    Refused: ``early_close_short`` while less than the minimum has cleared at arm's length, ``early_close_too_soon``
    when the offering would be open for fewer than 21 days, ``early_close_notice`` with fewer than five business days
    of notice, ``early_close_not_sooner``; ``Conflict`` ``early_close_announced`` while a notice stands. Unpaid
    commitments must be paid by the new deadline.
    """
    accounts.demand(actor, "founder", second_factor=True)
    offering = _own(session, actor, offering_id)
    fields = {"offering": offering_id, "deadline_at": deadline_at.isoformat()}
    earlier = idempotency.claim(session, actor=actor, operation="early_close", key=key, fields=fields, now=now)
    if earlier is not None:
        return session.scalars(sa.select(EarlyClose).where(EarlyClose.public_id == earlier)).one()
    demand_announceable(session, offering, deadline_at, now=now)
    notice = EarlyClose(
        public_id=public_id("ecl"), offering_id=offering.id, state="announced", announced_by=accounts.user_of(actor),
        announced_at=now, deadline_at=deadline_at, cancel_until=deadlines.cut_off(offering, deadline_at),
        earlier_deadline_at=offering.deadline_at, earlier_cancel_until=offering.cancel_until,
    )
    session.add(notice)
    session.flush()
    idempotency.settle(session, actor=actor, operation="early_close", key=key, result_ref=notice.public_id)
    _log(session, notice, "announced", actor=actor, now=now)
    deadlines.move(
        session, offering, deadline_at=notice.deadline_at, cancel_until=notice.cancel_until, actor=actor, now=now,
        reason="The founder announced an early close.",
    )
    _shorten_time_to_pay(session, offering, now=now)
    _tell(session, "early_close_announced", offering, notice, now)
    return notice


def demand_announceable(session: Session, offering: Offering, deadline_at: dt.datetime, *, now: dt.datetime) -> None:
    """Refuse an early deadline that OFF-6 does not allow now; writes nothing."""
    halts.demand_running(offering)
    if offering.state != "live" or now >= offering.deadline_at:
        raise Conflict("Only an open offering can be closed early.", code="not_open")
    if announced(session, offering.id) is not None:
        raise Conflict("An early close is announced already.", code="early_close_announced")
    changes.demand_none_open(session, offering)
    if reconfirm_rounds.is_open(session, offering.id):
        raise Conflict("Investors are asked to reconfirm. Wait until that is over.", code="reconfirmation_open")
    cleared = commitments.raised_sums(session, [offering.id])[offering.id].cleared_minor
    if cleared < offering.minimum_minor:
        raise Refused(
            "The minimum has not cleared yet. Linked and pending money does not count.", code="early_close_short",
            facts={"cleared_minor": cleared, "minimum_minor": offering.minimum_minor},
        )
    first, day = earliest_day(offering, now), _day(offering, deadline_at)
    launched = _day(offering, offering.open_since or now)
    by_regime = figures.of(offering)
    if not rules.is_open_long_enough(launched, day, min_open_days=by_regime.early_close_min_days):
        raise Refused(
            f"Choose {first:%d %B %Y} or later: an offering is open for at least "
            f"{by_regime.early_close_min_days} days.",
            code="early_close_too_soon", field="deadline",
        )
    if day < first:
        raise Refused(
            f"Choose {first:%d %B %Y} or later: investors get at least "
            f"{by_regime.early_close_notice_bd} business days of notice.",
            code="early_close_notice", field="deadline",
        )
    if deadline_at >= offering.deadline_at:
        raise Refused(
            "Choose an instant before the present deadline.", code="early_close_not_sooner", field="deadline"
        )


def _own(session: Session, actor: Actor, offering_id: str) -> Offering:
    offering = offerings.locked(session, offering_id)
    if not actor.acts_for(session.get_one(Issuer, offering.issuer_id).party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
    return offering


def _shorten_time_to_pay(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Let no unpaid commitment and no offered place wait beyond the new deadline (COM-4, OFF-5)."""
    shortened = session.execute(
        sa.update(Commitment)
        .where(
            Commitment.offering_id == offering.id, Commitment.status.in_(UNPAID),
            Commitment.pay_by > offering.deadline_at,
        )
        .values(pay_by=offering.deadline_at)
        .execution_options(synchronize_session=False)
    ).rowcount
    if shortened:
        audit.record(
            session, actor=SYSTEM, action="commitments.pay_by_moved", object_id=offering.public_id, now=now,
            after={"pay_by": offering.deadline_at}, count=shortened,
        )
    offers = waiting.end_offers_by(session, offering, offering.deadline_at)
    if offers:
        audit.record(
            session, actor=SYSTEM, action="offers.shortened", object_id=offering.public_id, now=now,
            after={"offer_until": offering.deadline_at}, count=offers,
        )


# -- at the new deadline ----------------------------------------------------------------------------


def may_decide(session: Session, offering: Offering) -> bool:
    """Whether everything that cleared before the deadline is in the books, however late it is heard (TIM-1)."""
    return payments.is_heard_until(session, offering, offering.deadline_at)


def cleared_before(session: Session, offering: Offering, instant: dt.datetime) -> int:
    """Return the arm's-length money that cleared before an instant and is still held, minor units.

    Money sent by bank is as good as a charge (COM-5); what came in parts cleared with the last that became part of it.
    """
    cleared = sa.and_(
        Operation.commitment_id == Commitment.id, Operation.kind.in_(["collect", "credit"]),
        OperationEffect.operation_id == Operation.id, OperationEffect.effect == ports.CLEARED,
    )
    # A payment of which all stands aside, or went back, is no part of what is held.
    aside = sa.exists().where(
        Receipt.operation_id == Operation.id, Receipt.status != "applied",
        Receipt.amount_minor == OperationEffect.amount_minor,
    )
    in_time = sa.and_(
        sa.exists().where(cleared, sa.not_(aside), OperationEffect.occurred_at < instant),
        sa.not_(sa.exists().where(cleared, sa.not_(aside), OperationEffect.occurred_at >= instant)),
    )
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Commitment.amount_minor), 0)).where(
            Commitment.offering_id == offering.id, Commitment.status == "held", sa.not_(commitments.is_linked()),
            in_time, sa.not_(Commitment.is_contested),
        )
    )
    return int(total or 0)


def decide(session: Session, offering: Offering, notice: EarlyClose, *, now: dt.datetime) -> bool:
    """Decide at the new deadline: return True when the offering closes now.

    With less than the minimum the notice is void: the old deadline and the old cut-off stand again, and investors
    are told (OFF-6). They never stand before this one: then the offering ends at the old deadline, which is over.
    """
    follow_extension(session, offering, now=now)
    notice.cleared_minor = cleared_before(session, offering, offering.deadline_at)
    if notice.cleared_minor >= offering.minimum_minor:
        _end(session, notice, "taken", now=now)
        return True
    _end(session, notice, "void", now=now)
    if notice.earlier_deadline_at > offering.deadline_at:
        deadlines.move(
            session, offering, deadline_at=notice.earlier_deadline_at, cancel_until=notice.earlier_cancel_until,
            now=now, reason="The early close is void: less than the minimum was there.",
        )
    _tell(session, "early_close_void", offering, notice, now)
    return False


def follow_extension(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Give the dates of a notice that stands the days that many late cancellations gave the offering (OFF-12).

    The old deadline moves with the new one, or the days would be gone when the notice is void. Does nothing a second
    time, and where a weekend leaves nothing between the two.
    """
    notice = announced(session, offering.id)
    if notice is None or offering.extended_at is None or offering.extended_at < notice.announced_at:
        return
    earlier = deadlines.extended(offering, notice.earlier_deadline_at)
    if notice.deadline_at == offering.deadline_at or earlier <= offering.deadline_at:
        return
    notice.earlier_deadline_at = earlier
    notice.earlier_cancel_until = deadlines.extended(offering, notice.earlier_cancel_until)
    notice.deadline_at, notice.cancel_until = offering.deadline_at, offering.cancel_until
    _log(session, notice, "moved", now=now)


def changed_offerings(session: Session) -> list[int]:
    """Return the offerings whose terms changed materially after an early close was announced (OFF-8)."""
    changed = sa.exists().where(
        OfferingChange.offering_id == EarlyClose.offering_id, OfferingChange.state == "effective",
        OfferingChange.is_material.is_(True), OfferingChange.decided_at >= EarlyClose.announced_at,
    )
    is_live = sa.exists().where(Offering.id == EarlyClose.offering_id, Offering.state == "live")
    standing = sa.select(EarlyClose.offering_id).where(EarlyClose.state == "announced", changed, is_live)
    return list(session.scalars(standing))


def void_by_change(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """End a notice because the terms changed: the old deadline stands again, or the one that lets people reconfirm."""
    notice = announced(session, offering.id)
    if notice is None or offering.state != "live":
        return
    follow_extension(session, offering, now=now)
    _end(session, notice, "void", now=now)
    if notice.earlier_deadline_at > offering.deadline_at:
        deadlines.move(
            session, offering, deadline_at=notice.earlier_deadline_at, cancel_until=notice.earlier_cancel_until,
            now=now, reason="The early close is void: the offering changed.",
        )
    _tell(session, "early_close_changed", offering, notice, now)


def drop(session: Session, offering_id: int, *, now: dt.datetime) -> None:
    """End a notice that stands because its offering ended another way."""
    notice = announced(session, offering_id)
    if notice is not None:
        _end(session, notice, "dropped", now=now)


def _end(session: Session, notice: EarlyClose, state: str, *, now: dt.datetime) -> None:
    notice.state, notice.decided_at = state, now
    _log(session, notice, state, before="announced", now=now)


def toll(session: Session, offering: Offering, step: dt.timedelta, *, now: dt.datetime) -> None:
    """Move a notice that stands by the time of a halt; the offering's own dates have moved already (OFF-13)."""
    notice = announced(session, offering.id)
    if notice is None:
        return
    notice.earlier_deadline_at += step
    notice.earlier_cancel_until += step
    if offering.deadline_at < notice.earlier_deadline_at:
        notice.deadline_at, notice.cancel_until = offering.deadline_at, offering.cancel_until
        _log(session, notice, "moved", now=now)
        return
    # The 48 hours to cancel after a halt reach past the old deadline: nothing is left to close early.
    notice.deadline_at, notice.cancel_until = notice.deadline_at + step, notice.cancel_until + step
    _end(session, notice, "dropped", now=now)


def told(session: Session, notice: EarlyClose) -> dict[str, object]:
    """Return what the log keeps of a notice; the self-check compares the row with the last of them."""
    return {
        "state": notice.state, "offering": session.get_one(Offering, notice.offering_id).public_id,
        "announced_by": notice.announced_by, "announced_at": notice.announced_at, "deadline_at": notice.deadline_at,
        "cancel_until": notice.cancel_until, "earlier_deadline_at": notice.earlier_deadline_at,
        "earlier_cancel_until": notice.earlier_cancel_until, "cleared_minor": notice.cleared_minor,
        "decided_at": notice.decided_at,
    }


def _log(
    session: Session, notice: EarlyClose, verb: str, *, actor: Actor = SYSTEM, before: str | None = None,
    now: dt.datetime,
) -> None:
    session.flush()
    audit.record(
        session, actor=actor, action=f"early_close.{verb}", object_id=notice.public_id, now=now,
        before={"state": before} if before else None, after=told(session, notice),
    )


def _tell(session: Session, kind: str, offering: Offering, notice: EarlyClose, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "offering_id": offering.id}, now=now, key=f"notice:{kind}:{notice.public_id}"
    )
