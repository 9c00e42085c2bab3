"""What people may do to a running offering from outside its plan: suspend a release, or end it (WND-1).

Nothing here makes a verdict or brings a release forward (PPL-2).
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.commitments import carrying
from app.contracts.models import Milestone
from app.errors import Conflict, Forbidden, Refused
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.progress import challenges, disputes, halting, shortfalls, steps
from app.progress.models import Submission
from app.progress.order_models import WindDownOrder
from app.progress.service import demand_founder, located
from milestones import plan as engine


def suspend(session: Session, *, actor: Actor, milestone_id: str, reason: str, now: dt.datetime) -> Milestone:
    """Suspend a release within its challenge window; silence opens the milestone again, nothing used up."""
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say why; the reason is shown on the offering's page.", code="reason_empty", field="reason")
    milestone, offering = located(session, milestone_id)
    if milestone.state == "challengeable" and milestone.deadline_at is not None and (
        halts.clock(offering, now) >= milestone.deadline_at
    ):
        raise Refused("The challenge window is over.", code="window_over")
    steps.run(
        session, offering, lambda plan: engine.suspend(plan, milestone.ordinal), actor=actor, now=now, reason=reason
    )
    milestone.suspended_reason, milestone.suspended_by = reason.strip(), actor.user_id
    return milestone


def resume(session: Session, *, actor: Actor, milestone_id: str, reason: str, now: dt.datetime) -> Milestone:
    """Lift a suspension; the whole window runs again, so nothing comes sooner by it (PPL-2)."""
    accounts.demand(actor, "operator", second_factor=True)
    if not reason.strip():
        raise Refused("Say why the suspension ends.", code="reason_empty", field="reason")
    milestone, offering = located(session, milestone_id)
    if milestone.state == "suspended" and milestone.deadline_at is not None and (
        halts.clock(offering, now) >= milestone.deadline_at
    ):
        raise Refused("The suspension is over, so the milestone opens again.", code="suspension_over")
    if milestone.suspended_by == actor.user_id:
        raise Forbidden("You suspended this release, so another operator must lift it.", code="four_eyes")
    steps.run(
        session, offering, lambda plan: engine.resume(plan, milestone.ordinal), actor=actor, now=now, reason=reason
    )
    milestone.suspended_reason = milestone.suspended_by = None
    return milestone


def wind_down(
    session: Session, *, actor: Actor, offering_id: str, trigger: str, reason: str, now: dt.datetime
) -> Offering:
    """End a running offering early: the founder resigns, or two operators order it (WND-1).

    Returns at once what waits for no verdict; submissions received before run to theirs (WND-2). While less than the
    minimum is left and nothing was released, all of it returns, also what the closing tranche carries (OFF-11).
    """
    who = "operator" if trigger == "operator_order" else "founder"
    if not actor.is_system:
        accounts.demand(actor, who, second_factor=True)
    if not reason.strip():
        raise Refused("Say why; every investor is told.", code="reason_empty", field="reason")
    offering = offerings.locked(session, offering_id)
    if not actor.is_system and who == "founder":
        demand_founder(session, actor, offering)
    if offering.state != "active":
        raise Conflict("Only a running offering can be wound down.", code="not_active")
    if who == "operator" and not actor.is_system:
        _demand_confirmed(session, actor, offering)
    halting.end_before_wind_down(session, offering, actor=actor, now=now)
    offering.end_trigger, offering.end_reason = trigger, reason.strip()
    everything = trigger == "below_minimum" or shortfalls.reason_to_wait(session, offering) is not None
    if everything:
        _set_aside(session, offering, now=now)
        _drop_carried(session, offering, actor=actor, now=now)
    steps.run(
        session, offering, lambda plan: engine.wind_down(plan, trigger, everything=everything), actor=actor, now=now,
        reason=reason,
    )
    return offering


def _demand_confirmed(session: Session, actor: Actor, offering: Offering) -> None:
    """Refuse an operator's wind-down that is not the order of one and the confirmation of another (PPL-2)."""
    confirmed = session.scalar(
        sa.select(WindDownOrder.id).where(
            WindDownOrder.offering_id == offering.id, WindDownOrder.state == "confirmed",
            WindDownOrder.decided_by == actor.user_id,
        )
    )
    if confirmed is None:
        raise Forbidden("One operator proposes a wind-down and another confirms it.", code="second_operator_needed")


def _set_aside(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Let no verdict be waited for: the milestones under review lapse with all others (OFF-11)."""
    of_offering = sa.select(Milestone.id).where(Milestone.offering_id == offering.id)
    for submission in session.scalars(
        sa.select(Submission).where(Submission.milestone_id.in_(of_offering), Submission.status == "received")
    ):
        submission.status, submission.decided_at = "discarded", now
    for milestone_id in session.scalars(of_offering):
        challenges.drop(session, milestone_id, now=now)
    disputes.drop(session, offering, now=now)
    session.flush()


def _drop_carried(session: Session, offering: Offering, *, actor: Actor, now: dt.datetime) -> None:
    """Let what the closing tranche carries be divided back with the rest: nobody may take it any more (OFF-11)."""
    dropped = carrying.drop(session, offering.id)
    if dropped:
        audit.record(
            session, actor=actor, action=carrying.DROPPED, object_id=offering.public_id, now=now,
            after={"amount_minor": dropped}, reason="Less than the minimum is left, so all of it returns.",
        )
