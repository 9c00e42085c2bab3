"""Accept, cancel and expire commitments, and keep their escrow statement (COM-1–4, 6–8).

The rail's side of a payment is ``payments``; what becomes of held money after the deadline is
``closing`` and ``progress``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow, limits, places, quotes, rules, rush
from app.commitments.models import HOLDS_PLACE, UNPAID, Commitment, Refund
from app.contracts import queries as contract_queries
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.investors import service as investors
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import figures, halts, versions
from app.offerings import service as offerings
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from milestones import states

#: The table speaks of what people see; a commitment's own row keeps only the fact behind it.
_STORED = {"refunding": "cancelled"}


def accept_commitment(
    session: Session,
    *,
    actor: Actor,
    offering_id: str,
    party_id: int,
    amount_minor: int,
    terms_hash: str,
    wording_hash: str,
    key: str,
    now: dt.datetime,
) -> Commitment:
    """Accept a binding order for a place in the offering; no money has moved yet.

    The price and the terms are the server's: a ``terms_hash`` other than that of the offering's version
    (``versions.hash_of``) raises ``Conflict`` ``terms_changed`` (COM-2). The same ``key`` gives the same
    commitment back (COM-8). Two people at the last place: one gets it (COM-7), by the lock and the CHECK. Somebody
    whom the waiting list offered a place takes that one, at the price and terms of now (OFF-5). The investor must be
    verified, have declared and have understood (PPL-3), and confirm the wording of today. Raises ``Refused``
    as ``quotes.quote`` and ``places`` do (COM-13), ``not_open`` outside the window, ``conflict_of_interest`` for the
    issuer's team and auditors, ``cooling_off``, ``Conflict`` ``unpaid_commitment`` while one is unpaid (COM-13).
    """
    accounts.demand(actor, "investor")
    if not actor.acts_for(party_id, "investor"):
        raise NotFound("There is no such investor.", code="party_not_found")
    fields = {
        "offering": offering_id, "party": party_id, "amount": amount_minor, "terms": terms_hash,
        "wording": wording_hash,
    }
    earlier = idempotency.claim(session, actor=actor, operation="commit", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    # Its row is locked until the commit, so that two people, or two tabs, never both find the last place, and no
    # change takes effect between what is compared here and what is written.
    offering = offerings.locked(session, offering_id)
    demand_open(offering, now)
    version = demand_version(session, offering, terms_hash)
    demand_no_interest(session, offering, party_id)
    investors.demand_may_commit(session, party_id, now=now)
    investors.demand_risk_wording(wording_hash)
    _demand_none_unpaid(session, offering, party_id)
    room = places.room_of(session, offering, frozenset({party_id}), now=now)
    quoted = quotes.quote(offering, amount_minor, room)
    asked = limits.demand(session, offering, party_id, quoted.charge_minor, now=now)
    places.demand_large(session, offering, party_id, quoted.charge_minor, room.offer)
    at_once = places.must_pay_at_once(session, offering, party_id, quoted.charge_minor)
    ordinal = places.take(session, offering, quoted.charge_minor, room.offer)
    commitment = Commitment(
        public_id=public_id("com"), offering_id=offering.id, party_id=party_id, user_id=actor.user_id or 0,
        ordinal=ordinal, tokens=quoted.tokens, amount_minor=quoted.charge_minor, price_micro=offering.price_micro,
        terms_version_id=version.terms_version_id, version_number=version.number, wording_hash=wording_hash,
        status="awaiting_payment", status_since=now,
        pay_by=rules.pay_by(now, offering.deadline_at, at_once=at_once), created_at=now,
    )
    _keep(session, commitment, actor=actor, now=now)
    limits.store(session, commitment, asked, now=now)
    idempotency.settle(session, actor=actor, operation="commit", key=key, result_ref=commitment.public_id)
    if room.offer is not None:
        places.note_accepted(session, room.offer, commitment, actor=actor, now=now)
    return commitment


def _keep(session: Session, commitment: Commitment, *, actor: Actor, now: dt.datetime) -> None:
    """Write a new commitment down with what its investor confirmed, log it and tell."""
    session.add(commitment)
    investors.acknowledge(
        session, actor=actor, party_id=commitment.party_id, kind="risk", about=commitment.public_id,
        wording_hash=commitment.wording_hash, now=now,
    )
    session.flush()
    audit.record(
        session, actor=actor, action="commitment.accepted", object_id=commitment.public_id, now=now,
        after={"state": "awaiting_payment", "amount_minor": commitment.amount_minor, "tokens": commitment.tokens,
               "version": commitment.version_number},
    )
    _tell(session, "commitment_accepted", commitment, now)


def demand_version(session: Session, offering: Offering, terms_hash: str) -> versions.Version:
    """Return the version that people commit to now; raises ``Conflict`` ``terms_changed`` for another hash (COM-2)."""
    version = versions.current(session, offering)
    if version is None or version.content_hash != terms_hash:
        raise Conflict(
            "The terms changed since you opened this page. Read what changed, then decide again.",
            code="terms_changed",
            facts={"terms_hash": version.content_hash if version else ""},
        )
    return version


def demand_open(offering: Offering, now: dt.datetime) -> None:
    """Refuse what comes while the offering is halted, not live or past its deadline: ``halted``, ``not_open``."""
    halts.demand_running(offering)
    if offering.state != "live" or now >= offering.deadline_at:
        raise Refused(
            "This offering is closed for new commitments. Nothing was charged.", code="not_open", field="amount"
        )


def _demand_none_unpaid(session: Session, offering: Offering, party_id: int) -> None:
    """Refuse a second commitment while the first is unpaid, or its payment is under way and may fail (COM-13)."""
    unpaid = session.scalars(
        sa.select(Commitment.public_id)
        .where(
            Commitment.offering_id == offering.id, Commitment.party_id == party_id,
            Commitment.status.in_(UNPAID),
        )
        .limit(1)
    ).one_or_none()
    if unpaid is not None:
        raise Conflict(
            "You have a commitment to this offering that is not paid yet. Pay it or cancel it, then commit again.",
            code="unpaid_commitment",
            facts={"commitment": unpaid},
        )


def demand_no_interest(session: Session, offering: Offering, party_id: int) -> None:
    """Refuse the issuer's own people and the offering's auditors until linked commitments exist (COM-11, MIL-8)."""
    from app.accounts import queries as people

    issuer = session.get_one(Issuer, offering.issuer_id)
    team = {issuer.party_id} | {user.party_id for user in people.members_of(session, issuer.party_id)}
    if party_id in team:
        raise Forbidden(
            "You belong to this company's team, so you cannot commit to its offering.", code="conflict_of_interest"
        )
    if any(party_id == each for each in contract_queries.auditor_parties(session, offering.contract_id)):
        raise Forbidden(
            "You are one of this offering's auditors, so you cannot invest in it.", code="conflict_of_interest"
        )


def cancel(session: Session, *, actor: Actor, commitment_id: str, now: dt.datetime) -> Commitment:
    """Cancel one's own commitment, free until 48 hours before the deadline (COM-6).

    Held money becomes a refund in the same transaction: D escrow / C refunds. A second call does
    nothing. Raises ``Refused`` ``too_late_to_cancel`` naming the last moment.
    """
    found = by_public_id(session, commitment_id)
    if not actor.acts_for(found.party_id, "investor"):
        raise NotFound("There is no such commitment.", code="commitment_not_found")
    # The offering's lock comes first everywhere, so that a payment and a close never wait in a circle.
    offering, commitment = locked(session, commitment_id)
    if commitment.status == "cancelled":
        return commitment
    if commitment.status not in HOLDS_PLACE:
        raise Conflict(f"This commitment is {commitment.status} already.", code="not_cancellable")
    if not figures.may_cancel(offering, commitment.created_at, now):
        last = figures.cancel_until(offering, commitment.created_at)
        words = f"It can no longer be cancelled: the last moment was {last:%d %B %Y %H:%M} UTC."
        raise Refused(words, code="too_late_to_cancel")
    return cancel_now(session, offering, commitment, actor=actor, now=now)


def cancel_now(
    session: Session, offering: Offering, commitment: Commitment, *, actor: Actor, now: dt.datetime
) -> Commitment:
    """Cancel a commitment that holds a place, whatever the hour; the caller says that it may be, and has the locks."""
    was_held = commitment.status == "held"
    _set_status(session, commitment, "cancel", "investor", actor=actor, now=now)
    places.free(session, commitment)
    if was_held:
        _refund_held(session, offering, commitment, now=now)
        rush.extend_if_rushed(session, offering, now=now)
    _tell(session, "commitment_cancelled", commitment, now)
    return commitment


def return_over_limit(session: Session, offering: Offering, commitment: Commitment, *, now: dt.datetime) -> None:
    """Give all of a paid commitment back at the close: by now it is above its investor's yearly limit (COM-9)."""
    _set_status(session, commitment, "lapse", "worker", actor=SYSTEM, now=now)
    places.free(session, commitment)
    _refund_held(session, offering, commitment, now=now, reason="over_limit")
    _tell(session, "commitment_over_limit", commitment, now)


def _refund_held(
    session: Session, offering: Offering, commitment: Commitment, *, now: dt.datetime, reason: str = "cancelled"
) -> None:
    amount = escrow.position(session, commitment.id).unreleased_minor
    posted = ledger.post(
        session, kind="cancelled", key=f"commitment:{commitment.public_id}:cancelled", cause=commitment.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.escrow(offering.public_id, offering.currency), amount),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), amount),
        ],
    )
    _append(session, commitment, "cancelled", -amount, 0, posted, now)
    owe_refund(session, commitment=commitment, amount_minor=amount, reason=reason, journal=posted, now=now)


def expire(session: Session, commitment: Commitment, *, now: dt.datetime) -> None:
    """Let an unpaid commitment lapse and free its place (COM-4)."""
    _set_status(session, commitment, "expire", "clock", actor=SYSTEM, now=now)
    places.free(session, commitment)
    _tell(session, "commitment_expired", commitment, now)


def payment_pending(session: Session, commitment: Commitment, *, now: dt.datetime) -> None:
    """Note that the rail has the payment under way."""
    if commitment.status in ("awaiting_payment", "payment_failed"):
        _set_status(session, commitment, "payment_pending", "worker", actor=SYSTEM, now=now)


def part_paid(session: Session, commitment: Commitment, *, now: dt.datetime) -> None:
    """Note that a part arrived: the place is kept and the rest may follow until ``pay_by`` (COM-5)."""
    if commitment.status != "underpaid":
        _set_status(session, commitment, "part_paid", "worker", actor=SYSTEM, now=now)
        _tell(session, "commitment_underpaid", commitment, now)


def payment_failed(session: Session, commitment: Commitment, *, is_first: bool, now: dt.datetime) -> None:
    """Note that a payment failed; the place is kept once, for seven days or until the deadline, then it is free."""
    if commitment.status not in UNPAID:
        return
    # Kept or not, it may not lift the unpaid places above what they may hold, even for an instant (COM-13).
    if not is_first or not places.may_stay_unpaid(session, commitment):
        expire(session, commitment, now=now)
        return
    if commitment.status != "payment_failed":
        _set_status(session, commitment, "payment_failed", "worker", actor=SYSTEM, now=now)
    offering = session.get_one(Offering, commitment.offering_id)
    at_once = places.must_pay_at_once(session, offering, commitment.party_id, commitment.amount_minor)
    commitment.pay_by = rules.retry_by(now, offering.deadline_at, at_once=at_once)
    _tell(session, "payment_failed", commitment, now)


def hold(session: Session, commitment: Commitment, *, journal: ledger.Posted, now: dt.datetime) -> None:
    """Count cleared money for a commitment: its journal credited escrow with exactly its amount."""
    _set_status(session, commitment, "payment_cleared", "worker", actor=SYSTEM, now=now)
    _append(session, commitment, "paid", commitment.amount_minor, commitment.tokens, journal, now)
    _tell(session, "payment_cleared", commitment, now)


def reverse(session: Session, commitment: Commitment, *, journal: ledger.Posted, now: dt.datetime) -> None:
    """End a held commitment before the close because a payment of it was taken back: its place is free (WND-4).

    ``journal`` debited escrow with all of its money. What of it was not taken back is the caller's to owe back.
    """
    before = escrow.position(session, commitment.id)
    _set_status(session, commitment, "reverse", "worker", actor=SYSTEM, now=now)
    _append(session, commitment, "reversed", -before.unreleased_minor, 0, journal, now)
    places.free(session, commitment)


def end_reversed(session: Session, commitment: Commitment, *, now: dt.datetime) -> None:
    """End a commitment after the close, because its payments were taken back for good and nothing of it is left."""
    _set_status(session, commitment, "reverse", "worker", actor=SYSTEM, now=now)


def owe_refund(
    session: Session, *, commitment: Commitment, amount_minor: int, reason: str, journal: ledger.Posted,
    now: dt.datetime, source_id: int | None = None, part: int = 1,
) -> Refund:
    """Record that ``amount_minor`` is owed back to the commitment's payer; the journal credited ``refunds``.

    ``source_id`` is the payment it must go back to, where the commitment has several; ``part`` numbers refunds of
    one journal.
    """
    offering = session.get_one(Offering, commitment.offering_id)
    refund = Refund(
        public_id=public_id("rfd"), offering_id=offering.id, commitment_id=commitment.id,
        party_id=commitment.party_id, amount_minor=amount_minor, reason=reason, status="open", failures=0,
        journal_id=journal.journal_id, created_at=now, due_at=refund_due(offering, now), source_id=source_id, part=part,
    )
    session.add(refund)
    session.flush()
    return refund


def refund_due(offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return when a refund owed now must have left (OFF-9)."""
    return figures.refund_due(offering, now)


def locked(session: Session, commitment_id: str) -> tuple[Offering, Commitment]:
    """Return the offering and the commitment, locked in this order as everywhere: no circles; raises ``NotFound``."""
    commitment = by_public_id(session, commitment_id)
    offering = session.get_one(Offering, commitment.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(commitment, with_for_update=True)
    return offering, commitment


def by_public_id(session: Session, commitment_id: str) -> Commitment:
    """Return the commitment; raises ``NotFound``."""
    commitment = session.scalars(sa.select(Commitment).where(Commitment.public_id == commitment_id)).one_or_none()
    if commitment is None:
        raise NotFound("There is no such commitment.", code="commitment_not_found")
    return commitment


def _append(
    session: Session, commitment: Commitment, kind: str, amount: int, entitled: int, journal: ledger.Posted,
    now: dt.datetime,
) -> None:
    escrow.append(
        session, offering_id=commitment.offering_id, commitment_id=commitment.id, party_id=commitment.party_id,
        ordinal=commitment.ordinal, kind=kind, amount_minor=amount, entitled_tokens=entitled,
        journal_id=journal.journal_id, now=now,
    )


def _set_status(
    session: Session, commitment: Commitment, event: str, who: str, *, actor: Actor, now: dt.datetime
) -> None:
    try:
        after = states.next_state(states.COMMITMENT_TRANSITIONS, commitment.status, event, who)
    except states.TransitionError as error:
        raise Conflict(error.message, code=error.code) from error
    before, commitment.status, commitment.status_since = commitment.status, _STORED.get(after, after), now
    session.flush()
    places.count_unpaid(session, commitment, before, commitment.status)
    audit.record(
        session, actor=actor, action=f"commitment.{event}", object_id=commitment.public_id, now=now,
        before={"state": before}, after={"state": after},
    )


def _tell(session: Session, kind: str, commitment: Commitment, now: dt.datetime) -> None:
    outbox.enqueue(session, "notice", {"kind": kind, "commitment_id": commitment.id}, now=now)
