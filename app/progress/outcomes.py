"""What follows when a halt's end comes and nobody acted, and what investors' answers decide (OFF-11, OFF-13)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.offerings import figures
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.progress import (
    amendment_effects,
    deciding,
    disputes,
    ending,
    halting,
    interventions,
    polls,
    shortfalls,
)
from app.progress.halt_models import Halt, Poll
from milestones import polls as rules

NOBODY_ENDED_IT = "Its end came and no operator had ended it."


def end_reached(session: Session, offering: Offering, halt: Halt, *, now: dt.datetime) -> None:
    """Apply the default of a halt that nobody ended: refund, or let the investors decide (OFF-13)."""
    if offering.state == "active":
        halting.put_to_vote(session, offering, halt, now=now)
        return
    halting.end(session, offering, halt, outcome=halting.WITHDRAWN, reason=NOBODY_ENDED_IT, now=now)
    due = figures.refund_due(offering, now)
    offering.end_trigger = "halt"
    offering.end_reason = "The offering was halted and nobody ended the halt in time, so everybody is refunded."
    offerings.move(session, offering, "withdraw", "clock", now=now, due=due, reason=NOBODY_ENDED_IT)


def end_with_offering(session: Session, offering: Offering, halt: Halt, *, now: dt.datetime) -> None:
    """End a halt whose offering gives everything back: nothing is left that it could hold up."""
    poll = polls.open_of(session, offering.id, polls.HALT)
    if poll is not None:
        polls.close(session, poll, polls.DROPPED, now=now)
    halting.end(session, offering, halt, outcome=halting.ENDED_WITH_IT, reason="The offering ended.", now=now)


def decide(session: Session, offering: Offering, poll: Poll, *, now: dt.datetime) -> None:
    """Count a poll whose end has come and do what its kind says; silence never moves money to the issuer."""
    polls.strike(session, poll, now=now)
    if runs(poll, offering):
        DECIDERS[poll.kind](session, offering, poll, now)
        return
    polls.close(session, poll, polls.DROPPED, now=now)
    halt = halting.running(session, offering.id)
    if poll.kind == polls.HALT and halt is not None:
        halting.reopen(session, halt, now=now)


def runs(poll: Poll, offering: Offering) -> bool:
    """Whether a poll runs to its own end; a submission received before a wind-down runs to its verdict (WND-2)."""
    return offering.state == "active" or (poll.kind == rules.DISPUTE and offering.state == "winding_down")


def _decide_halt(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Let the plan go on after a halt, or end it, which is the default (OFF-13)."""
    goes_on = polls.carries(session, poll)
    polls.close(session, poll, polls.GOES_ON if goes_on else polls.WINDS_DOWN, now=now)
    halt = halting.running(session, offering.id)
    if goes_on and halt is not None:
        halting.end(session, offering, halt, outcome=halting.WENT_ON, reason="The investors voted to go on.", now=now)
    elif not goes_on:
        _wind_down(session, offering, "halt_vote", "After a halt the investors did not vote to go on.", now=now)


def _decide_shortfall(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Go on with those who stay, or end the plan when they have less than the minimum (OFF-11)."""
    goes_on = shortfalls.enough_stay(session, offering, poll)
    polls.close(session, poll, polls.GOES_ON if goes_on else polls.WINDS_DOWN, now=now)
    if goes_on:
        shortfalls.let_others_leave(session, offering, poll, now=now)
    else:
        _wind_down(
            session, offering, "below_minimum",
            "Payments were taken back, and those who stay have less than the minimum.", now=now,
        )


def _wind_down(session: Session, offering: Offering, trigger: str, reason: str, *, now: dt.datetime) -> None:
    interventions.wind_down(
        session, actor=SYSTEM, offering_id=offering.public_id, trigger=trigger, reason=reason, now=now
    )


#: kind of poll → what follows once its end has come
DECIDERS: Mapping[str, Callable[[Session, Offering, Poll, dt.datetime], None]] = {
    polls.HALT: _decide_halt,
    polls.SHORTFALL: _decide_shortfall,
    rules.FAILURE: deciding.decide,
    rules.WIND_DOWN: ending.decide,
    rules.WIND_DOWN_FOR_CAUSE: ending.decide,
    rules.DISPUTE: disputes.decide_by_vote,
    rules.AMENDMENT: amendment_effects.decide,
    rules.ADVERSE_AMENDMENT: amendment_effects.decide,
}
