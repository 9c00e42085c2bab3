"""The waterfall: open, win and lose what a rail takes back, one journal each, money and tokens together (WND-4).

Everybody's own money comes first: what is on its way back to the payer, then their unreleased money; then released
money, set off against what the company has not been sent, else our claim on it; what had left twice is our loss. The
arithmetic is ``milestones.reversal``, the steps are ``reversal_steps``, our own money meanwhile ``advances``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.commitments import reversing
from app.commitments import service as commitments
from app.db import public_id
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.outbox import service as outbox
from app.payments import advances, claims, intents, ports, refunds, rules, standing, subjects
from app.payments import reversal_steps as steps
from app.payments.models import Operation
from app.payments.reversal_models import Reversal
from app.register import service as register
from milestones import reversal as waterfall

FLOAT_SHORT, TOKENS_GONE = "float_short", "tokens_gone"


# -- taken by the rail --------------------------------------------------------------------------------


def opened(session: Session, operation: Operation, told: ports.Dispute, *, now: dt.datetime) -> str | None:
    """Set apart what a payer disputes: D receivable:dispute / C cash; D what is theirs / C disputed.

    Returns ``float_short`` and posts nothing when the offering's cash does not bear it. Tokens that were issued stay
    until the dispute is lost; those the money was to buy are set apart with it.
    """
    scene = steps.Scene(session, operation)
    row = _new(session, scene, "dispute", told.ref, told.amount_minor, told.opened_at)
    row.due_at = told.window_ends_at + rules.AFTER_WINDOW
    found = steps.own_money(session, scene, row.amount_minor, now)
    row.owed_minor, row.escrow_minor = found.aside.taken_minor, 0
    if scene.is_raising:
        row.owed_minor += found.escrow_taken
    else:
        row.escrow_minor, row.tokens = found.escrow_taken, found.tokens
    apart = row.owed_minor + row.escrow_minor
    lent = _lend(session, scene, row, row.amount_minor - apart, now)
    if lent is None:
        return FLOAT_SHORT
    posted = _post(
        session, scene, row, "dispute_opened", now,
        [
            ledger.debit(scene.receivable, row.amount_minor), ledger.credit(scene.cash, row.amount_minor),
            *found.lines, ledger.credit(chart.disputed(*scene.address), apart),
        ],
    )
    row.opened_journal_id, row.reserve_minor = posted.journal_id, lent
    session.add(row)
    session.flush()
    steps.follow(session, scene, found, posted, now)
    reversing.note_disputed(session, scene.commitment, row.amount_minor)
    _log(session, row, "reversal.opened", None, now, "Its payer disputes the payment; the rail decides.")
    _tell(session, "payment_disputed", row, now)
    return None


def returned(session: Session, operation: Operation, effect: ports.Effect, *, now: dt.datetime) -> str | None:
    """Take back what a bank returned, in one journal: D where it stands / C cash. ``float_short`` posts nothing."""
    scene = steps.Scene(session, operation)
    row = _new(session, scene, "return", ports.RETURNED, effect.amount_minor, effect.occurred_at)
    found = steps.own_money(session, scene, row.amount_minor, now, is_final=True)
    row.owed_minor = found.aside.taken_minor + (found.escrow_taken if scene.is_raising else 0)
    lines, taken = steps.released_and_gone(session, scene, row, found)
    lent = _lend(session, scene, row, row.claim_minor + row.loss_minor, now)
    if lent is None:
        return FLOAT_SHORT
    posted = _post(
        session, scene, row, "payment_returned", now,
        [*found.lines, *lines, ledger.credit(scene.cash, row.amount_minor)],
    )
    intents.note_effect(session, operation, effect, posted)
    row.opened_journal_id = row.decided_journal_id = posted.journal_id
    row.reserve_minor, row.state, row.outcome, row.decided_at = lent, "lost", rules.LOST, now
    session.add(row)
    session.flush()
    steps.follow(session, scene, found, posted, now)
    _settle_lost(session, scene, row, taken, posted, now)
    _log(session, row, "reversal.returned", None, now, "Its bank took the payment back.")
    _tell(session, "payment_returned", row, now)
    return None


def note_window(session: Session, row: Reversal, window_ends_at: dt.datetime, *, now: dt.datetime) -> None:
    """Move the day on which an open dispute counts as lost, because the rail gave it another window."""
    due_at = window_ends_at + rules.AFTER_WINDOW
    if row.state == "open" and row.due_at != due_at:
        before, row.due_at = row.due_at, due_at
        session.flush()
        audit.record(
            session, actor=SYSTEM, action="reversal.moved", object_id=row.public_id, now=now,
            before={"due_at": before}, after=told(session, row),
        )


# -- decided ------------------------------------------------------------------------------------------


def lost(session: Session, row: Reversal, *, outcome: str, now: dt.datetime) -> None:
    """Let the rail keep what it took, by the waterfall over what stands where now; tokens are cancelled with it.

    ``outcome`` ``silence`` is our own deadline. The rail's word after that only makes it final.
    """
    scene = steps.Scene(session, session.get_one(Operation, row.operation_id))
    if row.state == "lost":
        row.outcome = outcome
        session.flush()
        _end_if_nothing_is_left(session, scene, row, now)
        _log(session, row, "reversal.confirmed", "lost", now, "The rail says so, too.")
        return
    apart = row.owed_minor + row.escrow_minor
    found = steps.own_money(session, scene, row.amount_minor - apart, now, is_final=True)
    row.owed_minor += found.aside.taken_minor
    lines, taken = steps.released_and_gone(session, scene, row, found)
    posted = _post(
        session, scene, row, "dispute_lost", now,
        [
            ledger.debit(chart.disputed(*scene.address), apart), *found.lines, *lines,
            ledger.credit(scene.receivable, row.amount_minor),
        ],
    )
    row.state, row.outcome, row.decided_at, row.decided_journal_id = "lost", outcome, now, posted.journal_id
    session.flush()
    reversing.note_disputed(session, scene.commitment, -row.amount_minor)
    steps.follow(session, scene, found, posted, now)
    _settle_lost(session, scene, row, taken, posted, now)
    reason = rules.OUTCOME_WORDS[outcome]
    _log(session, row, "reversal.lost", "open", now, reason)
    _tell(session, "payment_lost", row, now)


def won(session: Session, row: Reversal, *, outcome: str, now: dt.datetime) -> str | None:
    """Give back what a won dispute had taken, in the same order; also one that had counted as lost (WND-4).

    What was the investor's own goes back to escrow while the plan can still use it, else to the investor. Returns
    ``tokens_gone`` and posts nothing where the class has no tokens left for it.
    """
    scene = steps.Scene(session, session.get_one(Operation, row.operation_id))
    was_lost, has_plan = row.state == "lost", steps.can_take(session, scene)
    to_escrow = row.escrow_minor if has_plan else 0
    released = row.set_off_minor + row.claim_minor if was_lost else 0
    before = reversing.holding_of(session, scene.commitment.id)
    back = waterfall.restore(before, to_escrow, released, row.tokens, *scene.price)
    others = steps.others_of(session, row) if back.left_tokens else []
    # What the money does not buy yet stays reserved for what is still disputed of it, else it is free.
    stays = back.left_tokens if others and others[0].state == "open" else 0
    if was_lost and ledger_queries.balance(
        session, chart.unissued(scene.token_class.public_id, scene.token_class.asset)
    ) < back.reissued_tokens + back.due_tokens + stays:
        return TOKENS_GONE
    to_payer = row.owed_minor + row.escrow_minor - to_escrow
    lines = [
        ledger.debit(scene.cash, row.amount_minor),
        ledger.credit(chart.escrow(*scene.address), to_escrow),
        ledger.credit(chart.refunds(*scene.address), to_payer),
    ]
    owed_to_issuer = 0
    if was_lost:
        claim_lines, owed_to_issuer = claims.win_back(session, row, scene.claim, scene.payable, scene.offering, now=now)
        lines += [*claim_lines, ledger.credit(chart.loss(*scene.address), row.loss_minor)]
        lines += scene.tokens(cancelled=-back.reissued_tokens, lapsed=-back.due_tokens - stays)
    else:
        lines += [
            ledger.credit(scene.receivable, row.amount_minor),
            ledger.debit(chart.disputed(*scene.address), row.owed_minor + row.escrow_minor),
        ]
        lines += scene.tokens(lapsed=row.tokens - back.due_tokens - stays)
    posted = _post(session, scene, row, "dispute_won", now, lines)
    _write_won(session, scene, row, back, others, posted, now)
    if to_payer:
        commitments.owe_refund(
            session, commitment=scene.commitment, amount_minor=to_payer, reason="dispute_won", journal=posted, now=now,
            source_id=row.operation_id,
        )
    if owed_to_issuer:
        claims.owe_again(session, scene.offering, row, owed_to_issuer, now=now)
    if not was_lost:
        reversing.note_disputed(session, scene.commitment, -row.amount_minor)
    before_state, row.state, row.outcome = row.state, "won", outcome
    row.decided_at, row.decided_journal_id = now, posted.journal_id
    session.flush()
    _bring_home(session, scene, row, now)
    _log(session, row, "reversal.won", before_state, now, rules.OUTCOME_WORDS[outcome])
    _tell(session, "payment_kept", row, now)
    return None


def _write_won(
    session: Session, scene: steps.Scene, row: Reversal, back: waterfall.Restored, others: Sequence[Reversal],
    posted: ledger.Posted, now: dt.datetime,
) -> None:
    before = reversing.holding_of(session, scene.commitment.id)
    if back.holding != before:
        reversing.write(session, scene.commitment, reversing.RESTORED, back.holding, journal=posted, now=now)
        reversing.carry_again(
            session, scene.commitment.id, row.opened_journal_id, back.holding.unreleased_minor
        )
    if back.reissued_tokens:
        register.change(
            session, token_class_id=scene.token_class.id, party_id=scene.commitment.party_id,
            commitment_id=scene.commitment.id, kind="restored", quantity=back.reissued_tokens,
            journal_id=posted.journal_id, now=now,
        )
    if back.left_tokens and others:
        others[0].tokens += back.left_tokens
        session.flush()
        _log(session, others[0], "reversal.tokens_moved", None, now, "Another dispute of the commitment was won.")


def refund_stayed(session: Session, operation: Operation, *, now: dt.datetime) -> None:
    """End a refund that did not arrive of a payment that its rail took back meanwhile: D refunds / C loss.

    It had counted as gone twice (WND-4); its payer has the money already, so nothing is sent again.
    """
    refund = subjects.lock_refund(session, operation.refund_id or 0)
    lost_twice = session.scalars(
        sa.select(Reversal)
        .where(Reversal.operation_id == operation.source_id, Reversal.state == "lost", Reversal.loss_minor > 0)
        .order_by(Reversal.id)
        .limit(1)
    ).one_or_none()
    if lost_twice is None or refund.status not in ("open", "unclaimed"):
        return
    scene = steps.Scene(session, session.get_one(Operation, lost_twice.operation_id))
    amount = min(refund.amount_minor, lost_twice.loss_minor)
    if refund.amount_minor > amount:
        refunds.split_off(session, refund, amount, source_id=refund.source_id, now=now)
    owed = chart.refunds(*scene.address) if refund.status == "open" else chart.unclaimed(*scene.address)
    ledger.post(
        session, kind="loss_recovered", key=f"reversal:{lost_twice.public_id}:recovered:{refund.public_id}",
        cause=lost_twice.public_id, offering_id=scene.offering.id, occurred_at=now,
        lines=[ledger.debit(owed, amount), ledger.credit(chart.loss(*scene.address), amount)],
    )
    refunds.settle_otherwise(session, refund, standing.RETURNED_BY_THE_BANK, now=now)
    lost_twice.loss_minor -= amount
    lost_twice.owed_minor += amount
    session.flush()
    _bring_home(session, scene, lost_twice, now)
    _log(session, lost_twice, "reversal.recovered", None, now, "Its refund never arrived, so it was not gone twice.")


def _settle_lost(
    session: Session, scene: steps.Scene, row: Reversal, taken: waterfall.Taken | None, posted: ledger.Posted,
    now: dt.datetime,
) -> None:
    """Write what is gone for good: statement, register, set-off, claim; bring home what stood in for it."""
    if taken is not None and (taken.unreleased_minor or taken.released_minor):
        reversing.write(session, scene.commitment, reversing.TAKEN_BACK, taken.holding, journal=posted, now=now)
    if row.cancelled_tokens:
        register.change(
            session, token_class_id=scene.token_class.id, party_id=scene.commitment.party_id,
            commitment_id=scene.commitment.id, kind="cancelled", quantity=-row.cancelled_tokens,
            journal_id=posted.journal_id, now=now,
        )
    claims.set_off_payouts(session, scene.offering.id, row.set_off_minor, now=now, cause=row.public_id)
    if row.claim_minor:
        claims.open_claim(session, scene.offering, row, now=now)
    _end_if_nothing_is_left(session, scene, row, now)
    _bring_home(session, scene, row, now)


def _end_if_nothing_is_left(session: Session, scene: steps.Scene, row: Reversal, now: dt.datetime) -> None:
    """End a commitment of which nothing is left, once the rail said so: our own deadline may be overruled."""
    left = reversing.holding_of(session, scene.commitment.id)
    is_empty = not left.unreleased_minor and not left.released_minor and not scene.commitment.disputed_minor
    if scene.commitment.status == "held" and is_empty and row.outcome == rules.LOST and _took_part(row):
        overruled = session.scalar(
            sa.select(Reversal.id)
            .where(Reversal.commitment_id == scene.commitment.id, Reversal.outcome == rules.SILENCE)
            .limit(1)
        )
        if overruled is None:
            commitments.end_reversed(session, scene.commitment, now=now)


def _took_part(row: Reversal) -> bool:
    """Whether it took something of the commitment itself, and not only what was on its way back."""
    return bool(row.escrow_minor or row.set_off_minor or row.claim_minor)


# -- small steps --------------------------------------------------------------------------------------


def _new(
    session: Session, scene: steps.Scene, kind: str, ref: str, amount_minor: int, opened_at: dt.datetime
) -> Reversal:
    """Return a reversal that is not stored yet: first its journal must be possible."""
    del session
    return Reversal(
        public_id=public_id("rev"), offering_id=scene.offering.id, commitment_id=scene.commitment.id,
        operation_id=scene.operation.id, ref=ref, kind=kind, state="open", amount_minor=amount_minor, escrow_minor=0,
        owed_minor=0, set_off_minor=0, claim_minor=0, loss_minor=0, tokens=0, cancelled_tokens=0, reserve_minor=0,
        opened_at=opened_at,
    )


def _lend(session: Session, scene: steps.Scene, row: Reversal, amount_minor: int, now: dt.datetime) -> int | None:
    """Let our own money stand in for what is not the payer's own; the reserve only for what could be taken back."""
    seasons_at = scene.commitment.seasons_at
    return advances.lend(
        session, scene.offering, row.public_id, amount_minor, needed_minor=row.amount_minor,
        from_reserve=seasons_at is not None and seasons_at > row.opened_at, now=now,
    )


def _bring_home(session: Session, scene: steps.Scene, row: Reversal, now: dt.datetime) -> None:
    row.reserve_minor -= advances.bring_home(
        session, scene.offering, row.public_id, reserve_minor=row.reserve_minor, now=now
    )
    session.flush()


def _post(
    session: Session, scene: steps.Scene, row: Reversal, kind: str, now: dt.datetime, lines: list[ledger.Line]
) -> ledger.Posted:
    return ledger.post(
        session, kind=kind, key=f"reversal:{row.public_id}:{kind}", cause=scene.operation.public_id,
        offering_id=scene.offering.id, occurred_at=now, lines=lines,
    )


def _log(
    session: Session, row: Reversal, action: str, before: str | None, now: dt.datetime, reason: str
) -> None:
    audit.record(
        session, actor=SYSTEM, action=action, object_id=row.public_id, now=now, reason=reason,
        before={"state": before} if before else None, after=told(session, row),
    )


def told(session: Session, row: Reversal) -> dict[str, object]:
    """Return what the log keeps of a reversal; the self-check compares the row with the last of them."""
    operation = session.get_one(Operation, row.operation_id)
    return {
        "state": row.state, "outcome": row.outcome, "operation": operation.public_id, "kind": row.kind,
        "amount_minor": row.amount_minor, "escrow_minor": row.escrow_minor, "owed_minor": row.owed_minor,
        "set_off_minor": row.set_off_minor, "claim_minor": row.claim_minor, "loss_minor": row.loss_minor,
        "tokens": row.tokens, "cancelled_tokens": row.cancelled_tokens, "ref": row.ref, "opened_at": row.opened_at,
        "due_at": row.due_at, "decided_at": row.decided_at,
    }


def _tell(session: Session, kind: str, row: Reversal, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice",
        {"kind": kind, "commitment_id": row.commitment_id, "offering_id": row.offering_id, "reversal_id": row.id},
        now=now, key=f"notice:{kind}:{row.public_id}",
    )
