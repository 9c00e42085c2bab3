"""Send released money to the issuer: its gates, its reservation and what came of it (REL-5, MIL-12).

A release is final when it posts; a payout only follows. If it fails the money is payable again and the
tokens stay issued.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.db import public_id
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.payments import claims, intents, ports, rules, subjects, treasury
from app.payments.models import Operation, Payout


class ReleasedMoney(Protocol):
    """What a payout needs to know of a release; amounts in minor units."""

    id: int
    amount_minor: int
    fee_minor: int


def create_payout(session: Session, *, release: ReleasedMoney, offering: Offering, now: dt.datetime) -> Payout | None:
    """Make the payout of a release that has just posted; None when the fee took all of it.

    The release's journal credited ``payable`` with exactly the amount less the fee. What the company owes us because
    released money was taken back is set off against it at once (WND-4).
    """
    amount_minor = release.amount_minor - release.fee_minor
    if amount_minor == 0:
        return None
    payout = Payout(
        public_id=public_id("pyo"), offering_id=offering.id, issuer_id=offering.issuer_id, release_id=release.id,
        amount_minor=amount_minor, set_off_minor=0, status="waiting", failures=0, next_at=now, created_at=now,
    )
    session.add(payout)
    session.flush()
    claims.set_off(session, offering, now=now)
    return payout


def reserve(session: Session, payout_id: int, *, now: dt.datetime) -> Operation | None:
    """Reserve a waiting payout and make its operation, or note what it waits for: D payable / C paying."""
    offering = subjects.lock_offering(session, session.get_one(Payout, payout_id).offering_id)
    payout = subjects.lock_payout(session, payout_id)
    if payout.status != "waiting" or payout.next_at > now:
        return None
    gate = _gate(session, payout, offering, now)
    if gate is not None:
        payout.waits_for, payout.next_at = gate[:2]
        _let_act(payout, offering, gate[2], now)
        session.flush()
        return None
    issuer = subjects.issuer_of(session, offering)
    operation = intents.create(
        session, kind="payout", offering=offering, amount_minor=payout.due_minor, method=issuer.payee_ref, now=now,
        payout_id=payout.id,
    )
    _move(session, operation, offering, "payout_reserved", "reserved", payout.due_minor, now)
    payout.status, payout.waits_for = "reserved", None
    if not payout.failures:
        _let_act(payout, offering, None, now)
    session.flush()
    _log(session, payout, "payout.reserved", "waiting", now)
    _tell(session, "payout_leaving", payout, now)
    return operation


def _let_act(payout: Payout, offering: Offering, waits_on: str | None, now: dt.datetime) -> None:
    """Write down who has to act, and by when; the same owner again keeps their date (states.md)."""
    if payout.waits_on == waits_on:
        return
    payout.waits_on, payout.overdue_at = waits_on, None
    if waits_on == rules.ON_OPERATOR:
        payout.act_by = calendars.add_business_days(
            now, rules.PAYOUT_OPERATOR_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
        )
    else:
        payout.act_by = now + rules.PAYOUT_FOUNDER_AFTER if waits_on == rules.ON_FOUNDER else None


def escalate(session: Session, payout_id: int, *, now: dt.datetime) -> None:
    """Hand a payout on whose owner did not act: a failed one to the founder, any other to a second operator.

    It stays payable whatever anybody does: the tokens for it are out, so it never goes back to investors.
    """
    offering = subjects.lock_offering(session, session.get_one(Payout, payout_id).offering_id)
    payout = subjects.lock_payout(session, payout_id)
    is_late = payout.act_by is not None and payout.act_by <= halts.clock(offering, now)
    if payout.status != "waiting" or payout.overdue_at is not None or not is_late:
        return
    before = payout.waits_on
    if before == rules.ON_OPERATOR and payout.failures:
        _let_act(payout, offering, rules.ON_FOUNDER, now)
    else:
        payout.overdue_at = now
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="payout.overdue", object_id=payout.public_id, now=now,
        before={"waits_on": before}, after={"waits_on": payout.waits_on}, reason=payout.waits_for,
    )
    _tell(session, "payout_overdue", payout, now)


def is_payee_settled(session: Session, operation: Operation, now: dt.datetime) -> bool:
    """Whether a payout that is about to be sent still goes to an account that is unchanged for 7 days (MIL-12)."""
    issuer = subjects.issuer_of(session, subjects.lock_offering(session, operation.offering_id))
    return issuer.payee_ref == operation.method and issuer.payee_changed_at + rules.PAYEE_UNCHANGED_FOR <= now


def recall(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Make a payout payable again that was reserved and never sent: its payee changed meanwhile (MIL-12)."""
    offering, payout = _locked(session, operation)
    intents.change_state(session, operation, "failed", now=now, code=rules.PAYEE_CHANGED,
                         message="The payee changed before the payout was sent.")
    _move(session, operation, offering, "payout_failed", "failed", operation.amount_minor, now)
    issuer = subjects.issuer_of(session, offering)
    before, payout.status = payout.status, "waiting"
    payout.failures += 1
    payout.next_at = max(issuer.payee_changed_at + rules.PAYEE_UNCHANGED_FOR, now)
    payout.waits_for = f"the payee to be unchanged for 7 days, until {payout.next_at:%d %B %Y %H:%M} UTC"
    _let_act(payout, offering, rules.ON_CLOCK, now)
    session.flush()
    _log(session, payout, "payout.recalled", before, now, payout.waits_for)
    _tell(session, "payout_recalled", payout, now)


def _gate(
    session: Session, payout: Payout, offering: Offering, now: dt.datetime
) -> tuple[str, dt.datetime, str] | None:
    """Return what a payout waits for, in words, when to ask again, and on whom; None when it may go (MIL-12)."""
    issuer = subjects.issuer_of(session, offering)
    again = now + rules.PAYOUT_ASK_AGAIN_AFTER
    if offering.halted_since is not None:
        return "the end of the halt of this offering", again, rules.ON_CLOCK
    if offering.releases_stopped is not None:
        return f"an operator: {offering.releases_stopped}", again, rules.ON_OPERATOR
    if offering.end_trigger == "authority":
        return "an operator: an authority ordered the end of this offering", again, rules.ON_OPERATOR
    if not issuer.payee_ref:
        return "the founder, who must name the account that payouts go to", again, rules.ON_FOUNDER
    settled_at = issuer.payee_changed_at + rules.PAYEE_UNCHANGED_FOR
    if settled_at > now:
        waits_for = f"the payee to be unchanged for 7 days, until {settled_at:%d %B %Y %H:%M} UTC"
        return waits_for, settled_at, rules.ON_CLOCK
    balances = ledger_queries.balances(session, offering_id=offering.id)
    if treasury.uncovered_minor(balances, offering.rail, offering.public_id, offering.currency):
        # The cash that is missing is what refunds may need; a payout must not take it first.
        words = "our float to cover what the payment provider kept or took back of this offering's payments"
        return words, again, rules.ON_OPERATOR
    if subjects.free_cash_minor(session, offering) < payout.due_minor:
        return "the rail to hold the money of this offering", again, rules.ON_OPERATOR
    return None


# -- the rail's answers -----------------------------------------------------------------------------


def accepted(session: Session, operation: Operation, *, now: dt.datetime) -> None:  # noqa: ARG001 - one shape for all
    """Note that the payout is on its way."""
    _offering, payout = _locked(session, operation)
    if payout.status == "reserved":
        payout.status = "sending"
        session.flush()


def rejected(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """Make the money payable again and try once more a day later: D paying / C payable."""
    offering, payout = _locked(session, operation)
    _move(session, operation, offering, "payout_failed", "failed", operation.amount_minor, now)
    _wait_again(session, payout, operation, now)


def apply_effect(
    session: Session, operation: Operation, effect: ports.Effect, *, now: dt.datetime
) -> tuple[str, str] | None:
    """Post that a payout arrived, or that it came back later; return what stands in its way."""
    if effect.amount_minor != operation.amount_minor:
        return "amount_differs", "The rail moved another amount than was asked. Compare its statement."
    offering, payout = _locked(session, operation)
    is_done = effect.kind == ports.DONE
    kind, step = ("payout_done", "done") if is_done else ("payout_returned", "bounced")
    posted = _move(session, operation, offering, kind, step, effect.amount_minor, now)
    intents.note_effect(session, operation, effect, posted)
    if not is_done:
        payout.paid_at = None
        _wait_again(session, payout, operation, now)
        return None
    before, payout.status, payout.paid_at, payout.waits_for = payout.status, "paid", now, None
    payout.waits_on = payout.act_by = payout.overdue_at = None
    session.flush()
    _log(session, payout, "payout.paid", before, now)
    _tell(session, "payout_paid", payout, now)
    return None


def _move(
    session: Session, operation: Operation, offering: Offering, kind: str, step: str, amount_minor: int,
    now: dt.datetime,
) -> ledger.Posted:
    issuer = subjects.issuer_of(session, offering).public_id
    payable = chart.payable(issuer, offering.public_id, offering.currency)
    paying = chart.paying(issuer, offering.public_id, offering.currency)
    cash = chart.cash(operation.rail, offering.public_id, offering.currency)
    accounts = {
        "payout_reserved": (payable, paying),
        "payout_done": (paying, cash),
        "payout_failed": (paying, payable),
        "payout_returned": (cash, payable),
    }
    debited, credited = accounts[kind]
    return ledger.post(
        session, kind=kind, key=f"payout:{operation.public_id}:{step}", cause=operation.public_id,
        offering_id=offering.id, occurred_at=now,
        lines=[ledger.debit(debited, amount_minor), ledger.credit(credited, amount_minor)],
    )


def _locked(session: Session, operation: Operation) -> tuple[Offering, Payout]:
    assert operation.payout_id is not None
    offering = subjects.lock_offering(session, operation.offering_id)
    return offering, subjects.lock_payout(session, operation.payout_id)


def _wait_again(session: Session, payout: Payout, operation: Operation, now: dt.datetime) -> None:
    before, payout.status = payout.status, "waiting"
    payout.failures += 1
    payout.next_at = now + rules.PAYOUT_RETRY_AFTER
    payout.waits_for = f"another attempt: {operation.failure_message or 'the rail gave it back'}"
    # A founder who has their days already keeps them, however often it is tried meanwhile.
    if payout.waits_on in (None, rules.ON_CLOCK):
        again = rules.ON_OPERATOR if payout.failures == 1 else rules.ON_FOUNDER
        _let_act(payout, subjects.lock_offering(session, payout.offering_id), again, now)
    session.flush()
    _log(session, payout, "payout.failed", before, now, payout.waits_for)
    _tell(session, "payout_failed", payout, now)
    claims.set_off(session, subjects.lock_offering(session, payout.offering_id), now=now)


def _log(
    session: Session, payout: Payout, action: str, before: str, now: dt.datetime, reason: str | None = None
) -> None:
    audit.record(
        session, actor=SYSTEM, action=action, object_id=payout.public_id, now=now, reason=reason,
        before={"state": before},
        after={"state": payout.status, "amount_minor": payout.amount_minor, "failures": payout.failures},
    )


def _tell(session: Session, kind: str, payout: Payout, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "offering_id": payout.offering_id, "payout_id": payout.id}, now=now
    )
