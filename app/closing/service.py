"""Decide an offering at its deadline: success on cleared money, or everybody refunded (OFF-5, OFF-9)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.closing import allotment
from app.commitments import escrow, limits, links, places
from app.commitments import queries as commitment_queries
from app.commitments import rules as commitment_rules
from app.commitments import service as commitments
from app.commitments.models import UNPAID, Commitment, Refund
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings import figures
from app.offerings import service as offerings
from app.offerings.models import Offering, TokenClass
from app.outbox import service as outbox
from app.payments import queries as payments
from app.payments import receipts, subjects
from app.payments.models import UNDECIDED, Operation
from milestones import states

#: States in which everything goes back and nothing else happens.
GIVING_BACK = ("failing", "withdrawing", "winding_down")


def stop_commitments(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """End the raise at its deadline; payments under way have ten business days to arrive."""
    offerings.move(
        session, offering, "deadline", "clock", now=now, due=subjects.payments_count_until(offering)
    )


def may_settle(session: Session, offering: Offering, *, now: dt.datetime) -> bool:
    """Whether success can be decided: nothing is under way, or the clearing window is over.

    And everything that happened at the rail until then is in the books, however late it is heard (TIM-1). A halt
    stops it, and so do the 48 hours to cancel after one (OFF-13).
    """
    if offering.halted_since is not None or now < offering.cancel_until:
        return False
    if limits.may_still_be_revoked(session, offering, now=now):
        return False
    is_over = offering.step_due_at is not None and offering.step_due_at <= now
    waiting = session.execute(
        sa.select(sa.func.count())
        .select_from(Commitment)
        .where(
            Commitment.offering_id == offering.id,
            Commitment.status.in_(UNPAID),
        )
    ).scalar_one()
    if waiting and not is_over:
        return False
    until = offering.step_due_at if is_over and waiting else offering.deadline_at
    return payments.is_heard_until(session, offering, until or offering.deadline_at)


def settle(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Decide success or failure on cleared money at arm's length only (exactly the minimum succeeds).

    Payments still under way count as failed; if they arrive later they go back by themselves. Of what arrived in part
    the whole tokens count (COM-5). Linked money is held like any other and does not count (COM-11).
    """
    _settle_parts(session, offering, now=now)
    links.find(session, offering, now=now)
    _lapse(session, offering, now=now, reason="payment not cleared at the close")
    for commitment in limits.over_at_close(session, offering, now=now):
        commitments.return_over_limit(session, offering, commitment, now=now)
    # Whoever was linked only to somebody that is out by now is at arm's length again.
    links.refresh(session, offering, now=now)
    cleared = ledger_queries.balance(session, chart.escrow(offering.public_id, offering.currency))
    offering.committed_minor = cleared
    offering.closed_at = now
    counted = commitment_queries.raised_sums(session, [offering.id])[offering.id].cleared_minor
    offering.counted_minor = counted
    audit.record(
        session, actor=SYSTEM, action="offering.counted", object_id=offering.public_id, now=now,
        after={"cleared_minor": cleared, "counted_minor": counted},
    )
    if counted >= offering.minimum_minor:
        _succeed(session, offering, cleared, now=now)
    else:
        _fall_short(session, offering, cleared, now=now)


def _settle_parts(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Scale down what arrived in part, or let it end: no more of it can arrive in time (COM-5)."""
    parts = session.scalars(
        sa.select(Commitment.id)
        .where(Commitment.offering_id == offering.id, Commitment.status == "underpaid")
        .order_by(Commitment.id)
    ).all()
    for commitment_id in parts:
        receipts.settle_underpaid(session, commitment_id, now=now, at_close=True)


def _succeed(session: Session, offering: Offering, cleared: int, *, now: dt.datetime) -> None:
    token_class = session.get_one(TokenClass, offering.token_class_id)
    # Only where more was accepted than the maximum can more have cleared (OFF-7).
    division = allotment.divide(session, offering) if cleared > offering.maximum_minor else None
    last = escrow.last_rows(offering.id)
    allotted = division.tokens if division else int(
        session.execute(sa.select(sa.func.coalesce(sa.func.sum(last.c.entitled_after_tokens), 0))).scalar_one()
    )
    excess = cleared - division.proceeds_minor if division else 0
    unsold = ledger_queries.balance(session, chart.reserved(offering.public_id, token_class.asset)) - allotted

    def lines(journal_id: int) -> list[ledger.Line]:
        if division:
            allotment.write(session, offering, division, journal_id=journal_id, now=now)
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), excess),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), excess),
            ledger.debit(chart.unissued(token_class.public_id, token_class.asset), unsold),
            ledger.credit(chart.reserved(offering.public_id, token_class.asset), unsold),
        ]

    if unsold or excess:
        posted = ledger.post(
            session, kind="closed", key=f"offering:{offering.public_id}:closed", cause=offering.public_id,
            offering_id=offering.id, occurred_at=now, lines=lines,
        )
        if excess:
            _owe_excess(session, offering, division, posted.journal_id, now=now)
    offering.proceeds_minor = offering.committed_minor = cleared - excess
    offerings.move(session, offering, "succeed", "worker", now=now, due=offering.long_stop_at)
    outbox.enqueue(
        session, "notice", {"kind": "funding_unstated", "offering_id": offering.id}, now=now,
        key=f"notice:funding_unstated:{offering.public_id}",
    )


def _owe_excess(
    session: Session, offering: Offering, division: allotment.Division | None, journal_id: int, *, now: dt.datetime
) -> None:
    """Owe each investor what was cut off, and tell them (OFF-7: the excess goes back at once)."""
    count = escrow.owe_refunds(
        session, journal_id=journal_id, reason=commitment_rules.OVERSUBSCRIBED,
        due_at=commitments.refund_due(offering, now), now=now,
    )
    audit.record(
        session, actor=SYSTEM, action="orders.cut", object_id=offering.public_id, now=now,
        reason=commitment_rules.OVERSUBSCRIBED, count=count, after={
            "linked": division.linked if division else [], "served_last": division.served_last if division else [],
        },
    )
    outbox.enqueue(
        session, "notice", {"kind": "orders_cut", "cut_id": journal_id}, now=now
    )


def _fall_short(session: Session, offering: Offering, cleared: int, *, now: dt.datetime) -> None:
    offering.end_trigger = "minimum_missed"
    offering.end_reason = "The cleared money did not reach the minimum."
    if cleared >= offering.minimum_minor:
        offering.end_reason = "The cleared money of investors at arm's length did not reach the minimum."
    offerings.move(
        session, offering, "fall_short", "worker", now=now, due=figures.refund_due(offering, now)
    )
    give_everything_back(session, offering, now=now)


def give_everything_back(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Owe every investor all of their money and free every reserved token; runs once per offering (OFF-9).

    One journal: D escrow / C refunds for all; D unissued / C reserved for all.
    """
    key = f"offering:{offering.public_id}:given_back"
    token_class = session.get_one(TokenClass, offering.token_class_id)
    held = ledger_queries.balance(session, chart.escrow(offering.public_id, offering.currency))
    reserved = ledger_queries.balance(session, chart.reserved(offering.public_id, token_class.asset))
    if not held and not reserved:
        return

    def lines(journal_id: int) -> list[ledger.Line]:
        if held:
            escrow.divide(
                session, offering=offering, amount_minor=held, kind=escrow.RETURNED, milestone_id=None,
                journal_id=journal_id, now=now,
            )
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), held),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), held),
            ledger.debit(chart.unissued(token_class.public_id, token_class.asset), reserved),
            ledger.credit(chart.reserved(offering.public_id, token_class.asset), reserved),
        ]

    posted = ledger.post(
        session, kind="given_back", key=key, cause=offering.public_id, offering_id=offering.id, occurred_at=now,
        lines=lines,
    )
    if posted.is_new:
        reason = "withdrawn" if offering.state == "withdrawing" else "minimum_missed"
        count = escrow.owe_refunds(
            session, journal_id=posted.journal_id, reason=reason, due_at=commitments.refund_due(offering, now), now=now
        )
        audit.record(
            session, actor=SYSTEM, action="refunds.owed", object_id=offering.public_id, now=now,
            reason=reason, count=count,
        )


def lapse_unpaid(session: Session, offering: Offering, *, now: dt.datetime) -> int:
    """End the unpaid commitments of an offering that is giving everything back; return how many."""
    return _lapse(session, offering, now=now, reason="the offering ended")


def _lapse(session: Session, offering: Offering, *, now: dt.datetime, reason: str) -> int:
    """Let every commitment that is not paid lapse and log how many there were (PPL-5)."""
    lapsed = session.execute(
        sa.update(Commitment)
        .where(
            Commitment.offering_id == offering.id,
            Commitment.status.in_(UNPAID),
        )
        .values(status="lapsed", status_since=now)
        .execution_options(synchronize_session=False)
    ).rowcount
    if lapsed:
        places.recount(session, offering)
        audit.record(
            session, actor=SYSTEM, action="commitments.lapsed", object_id=offering.public_id, now=now, reason=reason,
            count=lapsed,
        )
    return lapsed


def may_finish(session: Session, offering: Offering) -> bool:
    """Whether no money is in escrow or disputed, no refund under way, no operation undecided (product.md §2)."""
    address = (offering.public_id, offering.currency)
    if any(ledger_queries.balance(session, each) for each in (chart.escrow(*address), chart.disputed(*address))):
        return False
    open_refunds = session.execute(
        sa.select(sa.func.count()).select_from(Refund).where(
            Refund.offering_id == offering.id, Refund.status.in_(["open", "sending", "failed"])
        )
    ).scalar_one()
    undecided = session.execute(
        sa.select(sa.func.count()).select_from(Operation).where(
            Operation.offering_id == offering.id, Operation.state.in_(UNDECIDED)
        )
    ).scalar_one()
    return open_refunds == 0 and undecided == 0


def finish(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Move an offering that gave everything back to its end."""
    offerings.move(session, offering, "settled", "worker", now=now, due=None)
    assert states.is_terminal("offering", offering.state)  # noqa: S101 - the table says so; a slip must not pass
    offering.ended_at = now
