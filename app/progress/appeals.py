"""Let a founder appeal a "not met" to a panel, once a milestone, within five business days (MIL-10)."""

from __future__ import annotations

import datetime as dt

from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.contracts.models import Milestone
from app.errors import Conflict, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.progress import challenges, disputes, standing, tolling
from app.progress.dispute_models import Dispute
from app.progress.service import demand_founder, located
from milestones import disputes as rules
from milestones import states

APPEALABLE = "appealable"


def appeal(
    session: Session, *, actor: Actor, milestone_id: str, reason: str, key: str, now: dt.datetime
) -> Dispute:
    """Appeal the auditors' "not met" to a panel of three others; needs a fresh second factor (PPL-1).

    Once a milestone, and never of what a panel found. Raises ``Conflict`` ``not_appealable``, ``Refused``
    ``appeal_over`` after the five days, or ``reason_empty``.
    """
    accounts.demand(actor, "founder", second_factor=True)
    fields = {"milestone": milestone_id, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="appeal", key=key, fields=fields, now=now)
    if earlier is not None:
        return disputes.by_public_id(session, earlier)
    milestone, offering = located(session, milestone_id)
    demand_founder(session, actor, offering)
    ends_at = until(session, offering, milestone, now)
    if ends_at is None:
        raise Conflict("There is no verdict here that can be appealed.", code="not_appealable")
    if halts.clock(offering, now) >= ends_at:
        raise Refused("The time to appeal this verdict is over.", code="appeal_over")
    reason = reason.strip()
    if not reason or len(reason) > challenges.MAX_REASON_CHARACTERS:
        raise Refused("Say in up to 2,000 characters why the verdict is wrong.", code="reason_empty", field="reason")
    was_exhausted = milestone.state == APPEALABLE
    dispute = disputes.begin(
        session, offering, milestone, cause=rules.APPEAL, reason=reason, was_exhausted=was_exhausted, actor=actor,
        take=lambda plan: rules.appeal(plan, milestone.ordinal), now=now,
    )
    idempotency.settle(session, actor=actor, operation="appeal", key=key, result_ref=dispute.public_id)
    return dispute


def until(session: Session, offering: Offering, milestone: Milestone, now: dt.datetime) -> dt.datetime | None:
    """Return when the time to appeal the milestone's last verdict ends, None when it cannot be appealed.

    Five business days from the delivery of the verdict's notice; while it is not delivered, from the verdict.
    """
    if milestone.state == APPEALABLE and standing.may_appeal(session, milestone):
        return milestone.deadline_at
    if milestone.state not in states.FOUNDERS_STATES or offering.state != "active":
        return None
    if not standing.is_rejected(session, milestone) or not standing.may_appeal(session, milestone):
        return None
    began = milestone.notified_at or milestone.state_since
    halted = tolling.halted_within(session, offering, began, now)
    return window(offering, began) + halted * tolling.SECOND


def window(offering: Offering, began: dt.datetime) -> dt.datetime:
    """Return when the time to appeal ends that began at an instant."""
    return calendars.add_business_days(
        began, rules.APPEAL_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
    )
