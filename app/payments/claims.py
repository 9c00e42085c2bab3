"""What a company owes us because released money was taken back: set off, paid, or given up (WND-4, ADR 23).

Set off first against what it has not been sent, then against every later payable of the same offering as it arises,
oldest claim first. Paying is always possible; giving up takes two operators and is our loss.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.audit.models import LogEntry
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox
from app.payments import advances, rules, subjects
from app.payments.models import Payout
from app.payments.reversal_models import IssuerClaim, Reversal
from milestones import money

GIVE_UP_PROPOSED = "claim.give_up_proposed"


@dataclass(frozen=True, slots=True)
class Proposal:
    """That an operator proposed to give a claim up, and nobody has confirmed it yet."""

    user_id: int
    reason: str
    proposed_at: dt.datetime


# -- payables ---------------------------------------------------------------------------------------


def payable_minor(session: Session, offering_id: int) -> int:
    """Return what of an offering is released and neither sent nor on its way, minor units."""
    return sum(each.due_minor for each in _waiting(session, offering_id))


def _waiting(session: Session, offering_id: int) -> list[Payout]:
    return list(
        session.scalars(
            sa.select(Payout)
            .where(Payout.offering_id == offering_id, Payout.status == "waiting")
            .order_by(Payout.id)
            .with_for_update()
        )
    )


def set_off_payouts(
    session: Session, offering_id: int, amount_minor: int, *, now: dt.datetime, cause: str
) -> None:
    """Take ``amount_minor`` off waiting payouts, oldest first; the caller debited ``payable`` with exactly that."""
    for payout in _waiting(session, offering_id):
        part = min(amount_minor, payout.due_minor)
        if not part:
            continue
        amount_minor -= part
        is_whole = part == payout.due_minor
        payout.set_off_minor += part
        if is_whole:
            payout.status, payout.waits_for = "set_off", None
        session.flush()
        audit.record(
            session, actor=SYSTEM, action="payout.set_off", object_id=payout.public_id, now=now,
            before={"state": "waiting"}, after={"state": payout.status, "set_off_minor": payout.set_off_minor,
                                                "cause": cause},
            reason="Released money was taken back, and the company had not been sent this.",
        )
    assert not amount_minor


# -- a claim ----------------------------------------------------------------------------------------


def open_claim(session: Session, offering: Offering, row: Reversal, *, now: dt.datetime) -> IssuerClaim:
    """Write down what the company owes because of a reversal; its journal debited ``receivable:issuer``."""
    claim = IssuerClaim(
        public_id=public_id("clm"), offering_id=offering.id, issuer_id=offering.issuer_id, reversal_id=row.id,
        amount_minor=row.claim_minor, paid_minor=0, set_off_minor=0, given_up_minor=0, won_back_minor=0, state="open",
        created_at=now, due_at=now + rules.CLAIM_DUE_AFTER,
    )
    session.add(claim)
    session.flush()
    _log(session, claim, "claim.opened", SYSTEM, now, "Released money was taken back after it had been paid out.")
    _tell(session, "claim_opened", claim, now)
    return claim


def set_off(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Set open claims off against what the company has not been sent, oldest first: D payable / C receivable:issuer.

    The offering's row is locked. Runs whenever something becomes payable, so that a payout never leaves before it.
    """
    for claim in _open(session, offering.id):
        amount = min(claim.left_minor, payable_minor(session, offering.id))
        if not amount:
            return
        issuer = session.get_one(Issuer, offering.issuer_id).public_id
        address = (issuer, offering.public_id, offering.currency)
        ledger.post(
            session, kind="claim_set_off", key=f"claim:{claim.public_id}:set_off:{claim.set_off_minor + amount}",
            cause=claim.public_id, offering_id=offering.id, occurred_at=now,
            lines=[ledger.debit(chart.payable(*address), amount), ledger.credit(chart.claim(*address), amount)],
        )
        set_off_payouts(session, offering.id, amount, now=now, cause=claim.public_id)
        claim.set_off_minor += amount
        _settle(session, claim, SYSTEM, "claim.set_off", now, "Set off against money released later.")
        _bring_home(session, offering, claim, now)


def _bring_home(session: Session, offering: Offering, claim: IssuerClaim, now: dt.datetime) -> None:
    row = session.get_one(Reversal, claim.reversal_id)
    row.reserve_minor -= advances.bring_home(
        session, offering, claim.public_id, reserve_minor=row.reserve_minor, now=now
    )
    session.flush()


def _open(session: Session, offering_id: int) -> list[IssuerClaim]:
    return list(
        session.scalars(
            sa.select(IssuerClaim)
            .where(IssuerClaim.offering_id == offering_id, IssuerClaim.state == "open")
            .order_by(IssuerClaim.id)
            .with_for_update()
        )
    )


def pay(
    session: Session, *, actor: Actor, claim_id: str, amount_minor: int, reference: str, key: str, now: dt.datetime
) -> IssuerClaim:
    """Record that the company paid a claim, whole or in part: D cash:R:platform / C receivable:issuer.

    For operators with a fresh second factor; ``reference`` is the line of our bank's statement, the same ``key`` posts
    once. Raises ``NotFound``, ``Conflict`` ``claim_settled``, ``Refused`` ``amount_above_claim``, ``reference_empty``.
    """
    accounts.demand(actor, "operator", second_factor=True)
    offering, claim = _locked(session, claim_id)
    fields = {"claim": claim_id, "amount_minor": amount_minor, "reference": reference}
    earlier = idempotency.claim(session, actor=actor, operation="pay_claim", key=key, fields=fields, now=now)
    if earlier is not None:
        return claim
    _demand_open(claim)
    if not reference.strip():
        raise Refused("Name the line of the bank’s statement.", code="reference_empty", field="reference")
    if not 0 < amount_minor <= claim.left_minor:
        words = money.display_amount(claim.left_minor, money.Asset.parse(offering.currency))
        raise Refused(f"Enter an amount above zero, at most {words}.", code="amount_above_claim", field="amount")
    row = session.get_one(Reversal, claim.reversal_id)
    to_reserve = min(amount_minor, row.reserve_minor)
    issuer = session.get_one(Issuer, offering.issuer_id).public_id
    ledger.post(
        session, kind="claim_paid", key=f"claim:{claim.public_id}:paid:{claim.paid_minor + amount_minor}",
        cause=claim.public_id, offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.reserve_cash(offering.rail, offering.currency), to_reserve),
            ledger.debit(chart.platform_cash(offering.rail, offering.currency), amount_minor - to_reserve),
            ledger.credit(chart.claim(issuer, offering.public_id, offering.currency), amount_minor),
        ],
    )
    row.reserve_minor -= to_reserve
    claim.paid_minor += amount_minor
    _settle(session, claim, actor, "claim.paid", now, f"Statement line {reference.strip()}.")
    idempotency.settle(session, actor=actor, operation="pay_claim", key=key, result_ref=claim.public_id)
    return claim


def give_up(session: Session, *, actor: Actor, claim_id: str, reason: str, now: dt.datetime) -> IssuerClaim:
    """Propose to give up what is left of a claim, or confirm what another operator proposed: our loss (PPL-2).

    D loss:platform / C receivable:issuer. Raises ``Forbidden`` ``four_eyes`` for the proposer, ``Refused``
    ``reason_empty``, ``Conflict`` ``claim_settled``; then nothing has changed.
    """
    accounts.demand(actor, "operator", second_factor=True)
    offering, claim = _locked(session, claim_id)
    _demand_open(claim)
    if not reason.strip():
        raise Refused("Say why; it is kept in the log.", code="reason_empty", field="reason")
    proposed = proposal(session, claim)
    if proposed is None:
        audit.record(
            session, actor=actor, action=GIVE_UP_PROPOSED, object_id=claim.public_id, now=now, reason=reason,
            after={"left_minor": claim.left_minor},
        )
        return claim
    if proposed.user_id == actor.user_id:
        raise Forbidden("You proposed this, so another operator must confirm it.", code="four_eyes")
    issuer = session.get_one(Issuer, offering.issuer_id).public_id
    left = claim.left_minor
    ledger.post(
        session, kind="claim_given_up", key=f"claim:{claim.public_id}:given_up", cause=claim.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[
            ledger.debit(chart.loss(offering.public_id, offering.currency), left),
            ledger.credit(chart.claim(issuer, offering.public_id, offering.currency), left),
        ],
    )
    claim.given_up_minor += left
    _settle(session, claim, actor, "claim.given_up", now, reason)
    return claim


def proposal(session: Session, claim: IssuerClaim) -> Proposal | None:
    """Return that an operator proposed to give up exactly what is left of a claim, None when nobody did."""
    entry = session.scalars(
        sa.select(LogEntry)
        .where(LogEntry.object_id == claim.public_id, LogEntry.action == GIVE_UP_PROPOSED)
        .order_by(LogEntry.id.desc())
        .limit(1)
    ).one_or_none()
    if entry is None or json.loads(entry.after or "{}").get("left_minor") != claim.left_minor:
        return None
    return Proposal(entry.actor_user_id or 0, entry.reason or "", entry.at)


def remind(session: Session, claim_id: int, *, now: dt.datetime) -> None:
    """Tell the operators and the founder once that a claim was not paid in time; it stays owed."""
    found = session.get_one(IssuerClaim, claim_id)
    subjects.lock_offering(session, found.offering_id)
    session.refresh(found, with_for_update=True)
    if found.state != "open" or found.told_at is not None or found.due_at > now:
        return
    found.told_at = now
    session.flush()
    _log(session, found, "claim.overdue", SYSTEM, now, "It was not paid in time; it stays owed.")
    _tell(session, "claim_overdue", found, now)


# -- a dispute that was won after all ------------------------------------------------------------------


def win_back(
    session: Session, row: Reversal, claim_account: chart.Account, payable: chart.Account, offering: Offering, *,
    now: dt.datetime,
) -> tuple[list[ledger.Line], int]:
    """Undo a reversal's set-off and claim; return the lines, and what is owed to the company again.

    What is left of the claim is owed no more; what was paid or set off is payable again; what was given up was no loss.
    """
    claim = session.scalars(
        sa.select(IssuerClaim).where(IssuerClaim.reversal_id == row.id).with_for_update()
    ).one_or_none()
    left = given_up = settled = 0
    if claim is not None:
        left, given_up, settled = claim.left_minor, claim.given_up_minor, claim.paid_minor + claim.set_off_minor
        if left:
            claim.won_back_minor += left
            claim.state = "won_back"
            session.flush()
            _log(session, claim, "claim.won_back", SYSTEM, now, "The dispute was won after all.")
    owed = row.set_off_minor + settled
    return [
        ledger.credit(claim_account, left), ledger.credit(payable, owed),
        ledger.credit(chart.loss(offering.public_id, offering.currency), given_up),
    ], owed


def owe_again(session: Session, offering: Offering, row: Reversal, amount_minor: int, *, now: dt.datetime) -> Payout:
    """Make the payout of what was set off or paid for a dispute that was won after all."""
    payout = Payout(
        public_id=public_id("pyo"), offering_id=offering.id, issuer_id=offering.issuer_id, reversal_id=row.id,
        amount_minor=amount_minor, set_off_minor=0, status="waiting", failures=0, next_at=now, created_at=now,
    )
    session.add(payout)
    session.flush()
    set_off(session, offering, now=now)
    return payout


# -- small steps --------------------------------------------------------------------------------------


def _locked(session: Session, claim_id: str) -> tuple[Offering, IssuerClaim]:
    found = session.scalars(sa.select(IssuerClaim).where(IssuerClaim.public_id == claim_id)).one_or_none()
    if found is None:
        raise NotFound("There is no such claim.", code="claim_not_found")
    offering = subjects.lock_offering(session, found.offering_id)
    session.refresh(found, with_for_update=True)
    return offering, found


def _demand_open(claim: IssuerClaim) -> None:
    if claim.state != "open":
        raise Conflict("Nothing is owed of this claim any more.", code="claim_settled")


def _settle(
    session: Session, claim: IssuerClaim, actor: Actor, action: str, now: dt.datetime, reason: str
) -> None:
    """Write down what is left of a claim, and tell once when nothing is."""
    if not claim.left_minor:
        claim.state = "given_up" if claim.given_up_minor else "settled"
        if claim.given_up_minor:
            _tell(session, "claim_given_up", claim, now)
        else:
            _tell(session, "claim_settled", claim, now)
    session.flush()
    _log(session, claim, action, actor, now, reason)


def told(claim: IssuerClaim) -> dict[str, object]:
    """Return what the log keeps of a claim; the self-check compares the row with the last of them."""
    return {
        "state": claim.state, "amount_minor": claim.amount_minor, "paid_minor": claim.paid_minor,
        "set_off_minor": claim.set_off_minor, "given_up_minor": claim.given_up_minor,
        "won_back_minor": claim.won_back_minor, "created_at": claim.created_at, "due_at": claim.due_at,
        "told_at": claim.told_at,
    }


def _log(
    session: Session, claim: IssuerClaim, action: str, actor: Actor, now: dt.datetime, reason: str
) -> None:
    audit.record(
        session, actor=actor, action=action, object_id=claim.public_id, now=now, reason=reason, after=told(claim)
    )


def _tell(session: Session, kind: str, claim: IssuerClaim, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "offering_id": claim.offering_id, "claim_id": claim.id}, now=now,
        key=f"notice:{kind}:{claim.public_id}",
    )


def left_of(session: Session, offering: Offering) -> int:
    """Return what the company owes us of an offering by the books, minor units."""
    issuer = session.get_one(Issuer, offering.issuer_id).public_id
    return ledger_queries.balance(session, chart.claim(issuer, offering.public_id, offering.currency))
