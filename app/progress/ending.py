"""Let investors call a vote to end a plan, stand behind a call, and count what it came to (WND-6)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.accounts.models import Party
from app.audit import service as audit
from app.commitments import escrow
from app.commitments.models import Commitment
from app.commitments.queries import has_vote
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import interventions, polls, reporting, withdrawals
from app.progress.ending_models import EndCall, EndCallSupport
from app.progress.halt_models import Poll
from milestones import ending, lateness
from milestones.disputes import Support

TRIGGER = "investors_vote"
MAX_REASON_CHARACTERS = 2_000
WAITING_FOR_FOUNDER = ("open", "locked")

#: cause → how it is said to everybody
CAUSE_WORDS = {
    ending.LATE: "a milestone is late, and its days of grace are over",
    ending.REPORTS: "the company missed its reports",
    ending.BREACH: "an auditor withdrew an attestation after money was released on it",
}


# -- may it be called ------------------------------------------------------------------------------


def cause_of(session: Session, offering: Offering, now: dt.datetime) -> str | None:
    """Return the cause that stands in the books now, None when a vote would be without one."""
    at = halts.clock(offering, now)
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    late = session.scalars(
        sa.select(Milestone).where(
            Milestone.offering_id == offering.id, Milestone.is_late.is_(True), Milestone.ordinal > 0,
            Milestone.state.in_(WAITING_FOR_FOUNDER),
        )
    )
    for row in late:
        grace_days = terms.milestone(row.ordinal).grace_days
        if row.target_at is not None and lateness.grace_ends_at(row.target_at, grace_days) <= at:
            return ending.LATE
    if reporting.running(session, offering.id) is not None:
        return ending.REPORTS
    return ending.BREACH if withdrawals.is_corrected(session, offering.id) else None


def opens_at(session: Session, offering: Offering, cause: str | None) -> dt.datetime:
    """Return from when a vote with this cause, or without any, may be called."""
    last_no_at = session.scalar(
        sa.select(sa.func.max(Poll.decided_at)).where(
            Poll.offering_id == offering.id, Poll.kind == ending.kind_of(cause), Poll.outcome == polls.GOES_ON
        )
    )
    return ending.opens_at(cause, offering.closed_at or offering.state_since, last_no_at)


def gathering(session: Session, offering_id: int) -> EndCall | None:
    """Return the call that gathers support, None when there is none."""
    return session.scalars(
        sa.select(EndCall).where(EndCall.offering_id == offering_id, EndCall.state == "gathering")
    ).one_or_none()


def voting(session: Session, offering_id: int) -> Poll | None:
    """Return the open vote to end the plan, None when there is none."""
    kinds = [ending.kind_of(None), ending.kind_of(ending.LATE)]
    return session.scalars(
        sa.select(Poll).where(Poll.offering_id == offering_id, Poll.kind.in_(kinds), Poll.state == "open")
    ).one_or_none()


# -- calling and joining ---------------------------------------------------------------------------


def call(
    session: Session, *, actor: Actor, offering_id: str, reason: str, key: str, now: dt.datetime
) -> EndCall:
    """Call for a vote to end a running plan; one's own support may be enough for it to be held at once.

    Raises ``NotFound`` for who has no vote here, ``Conflict`` ``not_active``, ``call_open`` (join it), ``vote_open``;
    ``Refused`` ``reason_empty``, ``too_soon_to_end`` without a cause in the first 90 days, and 60 days after a no.
    """
    accounts.demand(actor, "investor")
    fields = {"offering": offering_id, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="call_end", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    offering = offerings.locked(session, offering_id)
    parties = _demand_voters(session, actor, offering)
    if offering.state != "active":
        raise Conflict("Only a running plan can be ended by a vote.", code="not_active")
    if gathering(session, offering.id) is not None:
        raise Conflict("A call for this vote is gathering support already. Join it.", code="call_open")
    if voting(session, offering.id) is not None:
        raise Conflict("The investors are voting on this already.", code="vote_open")
    if not reason.strip():
        raise Refused("Say why; every investor reads it.", code="reason_empty", field="reason")
    cause = cause_of(session, offering, now)
    earliest = opens_at(session, offering, cause)
    if halts.clock(offering, now) < earliest:
        raise Refused(
            f"This vote can be called from {earliest:%d %B %Y}. Without a cause a plan has its first "
            f"{ending.QUIET_DAYS} days, and after a no the same question waits {ending.PAUSE_DAYS}.",
            code="too_soon_to_end",
        )
    found = EndCall(
        public_id=public_id("ecl"), offering_id=offering.id, state="gathering", cause=cause,
        reason=reason.strip()[:MAX_REASON_CHARACTERS], called_by=accounts.user_of(actor), called_at=now,
        ends_at=calendars.window_end(
            now, ending.GATHERING_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone,
            min_calendar_days=ending.GATHERING_CALENDAR_DAYS,
        ),
    )
    session.add(found)
    session.flush()
    _join(session, actor, found, parties, now)
    idempotency.settle(session, actor=actor, operation="call_end", key=key, result_ref=found.public_id)
    _log(session, found, "called", actor=actor, now=now, reason=found.reason)
    if not _put_if_enough(session, offering, found, now):
        _tell(session, "end_called", found, now)
    return found


def join(session: Session, *, actor: Actor, call_id: str, key: str, now: dt.datetime) -> EndCall:
    """Stand behind a call; with enough behind it the vote is held at once.

    Raises ``NotFound`` for who has no vote here, ``Conflict`` ``call_over``, ``joined_already``.
    """
    accounts.demand(actor, "investor")
    earlier = idempotency.claim(
        session, actor=actor, operation="join_end_call", key=key, fields={"call": call_id}, now=now
    )
    if earlier is not None:
        return by_public_id(session, earlier)
    found = by_public_id(session, call_id)
    offering = session.get_one(Offering, found.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(found)
    parties = _demand_voters(session, actor, offering)
    is_over = found.state != "gathering" or halts.clock(offering, now) >= found.ends_at
    if is_over or offering.state != "active":
        raise Conflict("This call is over.", code="call_over")
    if not _join(session, actor, found, parties, now):
        raise Conflict("You stand behind this call already.", code="joined_already")
    idempotency.settle(session, actor=actor, operation="join_end_call", key=key, result_ref=found.public_id)
    _log(session, found, "joined", actor=actor, now=now)
    _put_if_enough(session, offering, found, now)
    return found


def _demand_voters(session: Session, actor: Actor, offering: Offering) -> list[int]:
    """Return those of the actor's parties whose money has a vote here; raises ``NotFound`` when none has."""
    mine = actor.parties("investor")
    voters = [party_id for party_id in _weights(session, offering.id) if party_id in mine]
    if not voters:
        raise NotFound("There is no such question for you.", code="no_vote_here")
    return voters


def _join(session: Session, actor: Actor, found: EndCall, parties: list[int], now: dt.datetime) -> int:
    there = set(session.scalars(sa.select(EndCallSupport.party_id).where(EndCallSupport.call_id == found.id)))
    joining = [party_id for party_id in sorted(parties) if party_id not in there]
    session.add_all(
        EndCallSupport(
            public_id=public_id("ecs"), call_id=found.id, party_id=party_id, user_id=accounts.user_of(actor),
            joined_at=now,
        )
        for party_id in joining
    )
    session.flush()
    return len(joining)


def _weights(session: Session, offering_id: int) -> dict[int, int]:
    """Return the arm's-length unreleased money of each investor by their party, minor units (COM-11)."""
    last = escrow.last_rows(offering_id)
    rows = session.execute(
        sa.select(last.c.party_id, sa.func.sum(last.c.unreleased_after_minor))
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .where(last.c.unreleased_after_minor > 0, has_vote())
        .group_by(last.c.party_id)
    )
    return {party_id: int(minor) for party_id, minor in rows}


def support_of(session: Session, found: EndCall) -> Support:
    """Return who stands behind a call now, of whom; money that left or was linked since does not count."""
    weights = _weights(session, found.offering_id)
    rows = session.execute(
        sa.select(EndCallSupport.party_id, EndCallSupport.user_id).where(EndCallSupport.call_id == found.id)
    )
    behind = {party_id: user_id for party_id, user_id in rows if party_id in weights}
    money = sum(weights[party_id] for party_id in behind)
    # People count, not the companies one of them acts for.
    return Support(money, sum(weights.values()), len(set(behind.values())), len(weights))


def _put_if_enough(session: Session, offering: Offering, found: EndCall, now: dt.datetime) -> bool:
    """Put the question once 5 % of the money or 10 % of the heads, at least 5, stand behind it (as MIL-10)."""
    if not support_of(session, found).counts:
        return False
    poll = polls.open_poll(
        session, offering, kind=ending.kind_of(found.cause), subject=found.public_id,
        ends_at=polls.vote_end(offering, now), weighed_at=found.called_at, now=now,
    )
    found.state, found.poll_id = "put", poll.id
    session.flush()
    _log(session, found, "put", now=now, before="gathering")
    return True


def lapse(session: Session, found: EndCall, *, now: dt.datetime) -> None:
    """End a call that too few stood behind, or whose plan ended another way."""
    found.state = "lapsed"
    session.flush()
    _log(session, found, "lapsed", now=now, before="gathering")
    if session.get_one(Offering, found.offering_id).state == "active":
        _tell(session, "end_call_lapsed", found, now)


def decide(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Count a vote to end the plan: wound down when it carries by its kind's rule, else it goes on (WND-6)."""
    ends = polls.carries(session, poll)
    polls.close(session, poll, polls.WINDS_DOWN if ends else polls.GOES_ON, now=now)
    if ends:
        interventions.wind_down(
            session, actor=SYSTEM, offering_id=offering.public_id, trigger=TRIGGER,
            reason="The investors voted to end the plan.", now=now,
        )


def by_public_id(session: Session, call_id: str) -> EndCall:
    """Return a call; raises ``NotFound``."""
    found = session.scalars(sa.select(EndCall).where(EndCall.public_id == call_id)).one_or_none()
    if found is None:
        raise NotFound("There is no such call.", code="call_not_found")
    return found


def told(session: Session, found: EndCall) -> dict[str, object]:
    """Return what the log keeps of a call; the self-check compares the rows with the last of them."""
    behind = session.execute(
        sa.select(EndCallSupport.public_id, Party.public_id, EndCallSupport.user_id)
        .join(Party, Party.id == EndCallSupport.party_id)
        .where(EndCallSupport.call_id == found.id)
        .order_by(EndCallSupport.id)
    ).all()
    return {
        "state": found.state, "offering": session.get_one(Offering, found.offering_id).public_id,
        "cause": found.cause, "called_by": found.called_by,
        "poll": session.get_one(Poll, found.poll_id).public_id if found.poll_id else None,
        "behind": [f"{row_id}:{party}:{user_id}" for row_id, party, user_id in behind],
    }


def _log(
    session: Session, found: EndCall, verb: str, *, actor: Actor = SYSTEM, now: dt.datetime, reason: str | None = None,
    before: str | None = None,
) -> None:
    audit.record(
        session, actor=actor, action=f"end_call.{verb}", object_id=found.public_id, now=now, reason=reason,
        before={"state": before} if before else None, after=told(session, found),
    )


def _tell(session: Session, kind: str, found: EndCall, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "end_call_id": found.id}, now=now, key=f"notice:{kind}:{found.public_id}"
    )
