"""What follows from the vote on an amendment: it falls, investors may leave, and it takes effect (MIL-13)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.contracts import amended
from app.contracts import queries as contract_queries
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import amending, amendment_checks, appeals, interventions, leaving, polls, steps
from app.progress.amendment_models import Amendment, AmendmentExit, AmendmentSeat
from app.progress.halt_models import Poll, PollAnswer
from milestones import amend
from milestones import document as documents
from milestones import plan as engine
from milestones.plan import MilestoneState
from milestones.terms import CLOSING_KEY, Terms

PASSED, FELL = "passed", "fell"
NOT_ENOUGH = "Not enough of the investors' money voted for it, or too few investors."
SEATS_MISSING = "An auditor it names did not accept in time."
NOTHING_LEFT = "What it changed was submitted meanwhile, so nothing of it is left."
OVERTAKEN = "The plan has moved on, so it cannot take effect any more."
PLAN_ENDED = "The plan ended."


def decide(session: Session, offering: Offering, poll: Poll, now: dt.datetime) -> None:
    """Count the vote on a proposal: a no is the default; an adverse one lets people leave first."""
    amendment = amending.by_public_id(session, poll.subject)
    carries = polls.carries(session, poll)
    missing = session.scalar(
        sa.select(sa.func.count()).select_from(AmendmentSeat)
        .where(AmendmentSeat.amendment_id == amendment.id, AmendmentSeat.state != "accepted")
    )
    polls.close(session, poll, PASSED if carries else FELL, now=now)
    if not carries:
        amending.end(session, amendment, "fell", NOT_ENOUGH, now=now)
    elif missing:
        amending.end(session, amendment, "void", SEATS_MISSING, now=now)
    elif amendment.is_adverse:
        amendment.state, amendment.passed_at = "leaving", now
        amendment.leave_until = polls.vote_end(offering, now)
        amending.log(session, amendment, "passed", now=now, before="voting")
        outbox.enqueue(
            session, "notice", {"kind": "amendment_passed", "amendment_id": amendment.id}, now=now,
            key=f"notice:amendment_passed:{amendment.public_id}",
        )
    else:
        amendment.passed_at = now
        take_effect(session, offering, amendment, now=now)


def take_effect(session: Session, offering: Offering, amendment: Amendment, *, now: dt.datetime) -> None:
    """Put a passed proposal in force, without the milestones submitted meanwhile, or end it where nothing is left.

    A milestone in review keeps the terms that its submission was received under, and so does one whose "not met" can
    still be appealed: a panel judges that submission by them. Raises nothing: what cannot take effect is void.
    """
    # What was taken back since the last step counts first, so that tranches which keep their money keep their share.
    running = steps.run(session, offering, engine.Step, actor=SYSTEM, now=now, reason="before an amendment")
    current = running.published.terms
    proposed = documents.parse_document(json.loads(amendment.document))
    states = {row.key: row.state for row in running.rows.values()}
    held = _under_appeal(session, offering, running, now)
    dropped = {
        key for key in amend.touched(current, proposed)
        if key in held or states.get(key, "locked") not in amend.AMENDABLE
    }
    left = amend.without(current, proposed, dropped)
    if left is None:
        amending.end(session, amendment, "void", NOTHING_LEFT, now=now)
        return
    judged = amend.judge(current, left, amendment_checks.first_of(session, offering), states)
    is_late = any(
        each.long_stop_at(left.zone) <= now for each in left.milestones
        if each.key in judged.touched and states.get(each.key, "locked") in amend.AMENDABLE
    )
    seats = set(amended.missing_seats(session, offering.contract_id, current, left))
    if judged.objections or is_late or seats - _accepted_seats(session, amendment):
        amending.end(session, amendment, "void", OVERTAKEN, now=now)
        return
    _publish(session, offering, amendment, running, left, now=now)
    audit.record(
        session, actor=SYSTEM, action="offering.terms_amended", object_id=offering.public_id, now=now,
        before={"terms": running.published.public_id}, after=offerings.told_figures(session, offering),
        reason=f"Amended by {amendment.public_id}; dropped out: {', '.join(sorted(dropped)) or 'nothing'}.",
    )
    amending.log(session, amendment, "effective", now=now, before="voting" if not amendment.leave_until else "leaving")
    outbox.enqueue(
        session, "notice", {"kind": "amendment_effective", "amendment_id": amendment.id}, now=now,
        key=f"notice:amendment_effective:{amendment.public_id}",
    )


def _under_appeal(session: Session, offering: Offering, running: steps.Running, now: dt.datetime) -> set[str]:
    """Return the keys of milestones whose founder may still appeal a "not met", or was not told of it yet (MIL-10)."""
    at, held = halts.clock(offering, now), set()
    for row in running.rows.values():
        until = appeals.until(session, offering, row, now) if row.ordinal else None
        if until is not None and (row.notified_at is None or at < until):
            held.add(row.key)
    return held


def _accepted_seats(session: Session, amendment: Amendment) -> set[tuple[str, int]]:
    rows = session.execute(
        sa.select(AmendmentSeat.milestone_key, AmendmentSeat.party_id)
        .where(AmendmentSeat.amendment_id == amendment.id, AmendmentSeat.state == "accepted")
    )
    return {(key, party_id) for key, party_id in rows}


def _publish(
    session: Session, offering: Offering, amendment: Amendment, running: steps.Running, left: Terms, *,
    now: dt.datetime,
) -> None:
    current = running.published.terms
    version = amended.publish_amended(
        session, contract=contract_queries.contract(session, offering.contract_id), offering_id=offering.id,
        before=current, terms=left, tranches_minor=tranches_of(running.plan, left), actor=Actor(amendment.proposed_by),
        object_id=offering.public_id, now=now,
    )
    offering.terms_version_id = version.id
    offering.long_stop_at += left.long_stop_at() - current.long_stop_at()
    offering.step_due_at = offering.long_stop_at
    amendment.state, amendment.ended_at, amendment.effective_version_id = "effective", now, version.id
    session.flush()
    steps.run(
        session, offering, engine.follow_amendment, actor=SYSTEM, now=now,
        reason=f"amended by {amendment.public_id}",
    )


def tranches_of(plan: engine.Plan, terms: Terms) -> dict[str, int]:
    """Return what the tranches not yet submitted are worth under other terms, minor units by key (MIL-1)."""
    fixed = {each.key: each.remaining_minor for each in plan.unsettled if not _is_free(each)}
    settled = {each.key for each in plan.milestones if each.is_settled}
    return amend.tranches(terms, fixed, plan.unreleased_minor, settled)


def _is_free(milestone: MilestoneState) -> bool:
    return milestone.state in amend.AMENDABLE and milestone.key != CLOSING_KEY


def end_with_plan(session: Session, amendment: Amendment, *, now: dt.datetime) -> None:
    """End a proposal whose plan is being wound down or has ended: it changes nothing any more."""
    amending.end(session, amendment, "void", PLAN_ENDED, now=now)


# -- leaving ------------------------------------------------------------------------------------------


def may_leave(session: Session, amendment: Amendment, party_ids: Sequence[int]) -> list[int]:
    """Return which of these parties did not vote for an adverse proposal that has passed."""
    if amendment.state != "leaving":
        return []
    poll = amending.poll_of(session, amendment)
    agreed = set(
        session.scalars(
            sa.select(PollAnswer.party_id).where(
                PollAnswer.poll_id == poll.id, PollAnswer.choice == polls.YES, PollAnswer.struck_at.is_(None)
            )
        )
    )
    return [each for each in party_ids if each not in agreed]


def unreleased_of(session: Session, offering: Offering, party_id: int) -> tuple[int, int]:
    """Return a party's unreleased money in an offering, minor units, and the tokens it would still bring."""
    last = escrow.last_rows(offering.id)
    money, tokens = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor), 0),
            sa.func.coalesce(sa.func.sum(last.c.entitled_after_tokens - last.c.issued_after_tokens), 0),
        ).where(last.c.party_id == party_id)
    ).one()
    return int(money), int(tokens)


def leave(
    session: Session, *, actor: Actor, amendment_id: str, party_id: int, key: str, now: dt.datetime
) -> AmendmentExit:
    """Let one of the actor's investors leave with their whole unreleased share, before the change takes effect.

    Their money becomes a refund at once, the tokens it would have brought lapse, the tranches of the others shrink.
    Who leaves last ends the plan. Raises ``NotFound`` for who has nothing here, ``Conflict`` ``leave_over``,
    ``Refused`` ``voted_for``, ``nothing_left``.
    """
    accounts.demand(actor, "investor")
    fields = {"amendment": amendment_id, "party": party_id}
    earlier = idempotency.claim(session, actor=actor, operation="leave_amendment", key=key, fields=fields, now=now)
    if earlier is not None:
        return session.scalars(sa.select(AmendmentExit).where(AmendmentExit.public_id == earlier)).one()
    offering, amendment = amending.locked(session, amendment_id)
    amount, tokens = unreleased_of(session, offering, party_id)
    if not actor.acts_for(party_id, "investor") or not _was_here(session, offering, party_id):
        raise NotFound("There is no such proposal for you.", code="amendment_not_found")
    until = amendment.leave_until
    if amendment.state != "leaving" or until is None or halts.clock(offering, now) >= until:
        raise Conflict("The time to leave is over, or has not begun.", code="leave_over")
    if offering.state != "active":
        raise Conflict("The plan is ending, and what is unreleased goes back anyway.", code="not_active")
    if party_id not in may_leave(session, amendment, [party_id]):
        raise Refused("You voted for this change, so you stay.", code="voted_for")
    if not amount:
        raise Refused("Nothing of yours is unreleased here.", code="nothing_left")
    exit_id = public_id("aex")
    left = leaving.give_back(
        session, offering, lambda last: last.c.party_id == party_id, key=f"exit:{exit_id}", cause=exit_id,
        reason="They did not vote for an adverse change of the plan.", actor=actor, now=now,
    )
    found = AmendmentExit(
        public_id=exit_id, amendment_id=amendment.id, party_id=party_id, user_id=accounts.user_of(actor),
        amount_minor=left.amount_minor, tokens_lapsed=tokens, journal_id=left.journal_id or 0, left_at=now,
    )
    session.add(found)
    session.flush()
    outbox.enqueue(
        session, "notice", {"kind": "amendment_left", "amendment_id": amendment.id, "party_id": party_id}, now=now,
        key=f"notice:amendment_left:{found.public_id}",
    )
    idempotency.settle(session, actor=actor, operation="leave_amendment", key=key, result_ref=found.public_id)
    _follow_departure(session, offering, now=now)
    return found


def _was_here(session: Session, offering: Offering, party_id: int) -> bool:
    last = escrow.last_rows(offering.id)
    return session.execute(sa.select(last.c.party_id).where(last.c.party_id == party_id).limit(1)).first() is not None


def _follow_departure(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Let the tranches follow what is left; a plan that everybody left is wound down (MIL-1, MIL-13)."""
    if not ledger_queries.balance(session, chart.escrow(offering.public_id, offering.currency)):
        interventions.wind_down(
            session, actor=SYSTEM, offering_id=offering.public_id, trigger="all_left",
            reason="Every investor left before a change of the plan took effect.", now=now,
        )
        return
    steps.run(session, offering, engine.Step, actor=SYSTEM, now=now, reason="an investor left")
