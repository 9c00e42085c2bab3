"""Milestake's fee of released money: agreed at the review where it is not the usual one, and shown net (REL-4)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.errors import Conflict, Refused
from app.offerings import rules, service
from app.offerings.models import Offering
from app.outbox import service as outbox


@dataclass(frozen=True, slots=True)
class Net:
    """What of a raise the company gets when all of it is released, minor units."""

    raised_minor: int
    fee_minor: int

    @property
    def net_minor(self) -> int:
        return self.raised_minor - self.fee_minor


def net_of(offering: Offering) -> tuple[tuple[str, Net], ...]:
    """Return the fee and the net at minimum, target and maximum: floor(released × fee ÷ 10,000).

    Each release rounds its own fee down, so what is taken in all may be a few units less.
    """
    raises = {"minimum": offering.minimum_minor, "target": offering.target_minor, "maximum": offering.maximum_minor}
    return tuple((name, Net(minor, minor * offering.fee_bp // 10_000)) for name, minor in raises.items())


def agree(
    session: Session, *, actor: Actor, offering_id: str, fee_bp: int, reason: str, now: dt.datetime
) -> Offering:
    """Agree another fee of a submitted offering, with a reason; its founder is told, and launching accepts it.

    Raises ``Conflict`` ``not_in_review``, ``Refused`` ``fee_too_high`` above 20 %, ``fee_same``, ``reason_empty``.
    """
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say why; it is kept in the log.", code="reason_empty", field="reason")
    if not 0 <= fee_bp <= rules.FEE_AT_MOST_BP:
        raise Refused("The fee can be at most 20 %.", code="fee_too_high", field="fee")
    offering = service.locked(session, offering_id)
    if offering.state != "in_review":
        raise Conflict("A fee is agreed while the offering is in review.", code="not_in_review")
    if offering.fee_bp == fee_bp:
        raise Refused("This is the fee it has.", code="fee_same", field="fee")
    before, offering.fee_bp = offering.fee_bp, fee_bp
    session.flush()
    audit.record(
        session, actor=actor, action="offering.fee_agreed", object_id=offering.public_id, now=now, reason=reason,
        before={"fee_bp": before}, after=service.told_figures(session, offering),
    )
    outbox.enqueue(
        session, "notice", {"kind": "fee_agreed", "offering_id": offering.id}, now=now,
        key=f"notice:fee_agreed:{offering.public_id}:{now.isoformat()}",
    )
    return offering
