"""Write what a payment taken back does to its own commitment: statement, carried shares, tokens to come (WND-4).

How much of it is money still unreleased, and how many tokens go with it, is ``milestones.reversal``; which accounts
move, and the journal, is ``payments.reversals``. Nobody else's commitment is touched here.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import carrying, escrow
from app.commitments.models import CarriedShare, Commitment, EscrowStatement
from app.ledger.service import Posted
from milestones.reversal import Holding

#: Kinds of statement rows: set apart while a dispute is open, back after it was won, gone for good.
DISPUTED, RESTORED, TAKEN_BACK = "disputed", "restored", "taken_back"
#: The statement row of whoever left a running plan, as ``progress.leaving`` writes it.
LEFT = "left"


def holding_of(session: Session, commitment_id: int) -> Holding:
    """Return what a commitment has of money and tokens; its row is locked by the caller."""
    at = escrow.position(session, commitment_id)
    return Holding(at.unreleased_minor, at.released_minor, at.issued_tokens, at.entitled_tokens)


def has_left(session: Session, commitment_id: int) -> bool:
    """Whether the investor left the plan with all that was unreleased of a commitment (OFF-11, MIL-13)."""
    return bool(
        session.scalar(
            sa.select(sa.exists().where(EscrowStatement.commitment_id == commitment_id, EscrowStatement.kind == LEFT))
        )
    )


def write(
    session: Session, commitment: Commitment, kind: str, after: Holding, *, journal: Posted, now: dt.datetime
) -> None:
    """Write the statement row that brings a commitment to ``after``, with what follows for shares it carries.

    Shares of released tranches that its money no longer covers are set apart with it, all of them: whoever disputes
    a payment has no part of it released meanwhile (COM-10). :func:`carry_again` brings them back.
    """
    last = session.scalars(
        sa.select(EscrowStatement)
        .where(EscrowStatement.commitment_id == commitment.id)
        .order_by(EscrowStatement.seq.desc())
        .limit(1)
    ).one()
    session.add(
        EscrowStatement(
            offering_id=commitment.offering_id, commitment_id=commitment.id, party_id=commitment.party_id,
            ordinal=commitment.ordinal, seq=last.seq + 1, kind=kind,
            amount_minor=after.unreleased_minor - last.unreleased_after_minor,
            tokens_issued=after.issued_tokens - last.issued_after_tokens,
            unreleased_after_minor=after.unreleased_minor, released_after_minor=after.released_minor,
            issued_after_tokens=after.issued_tokens, entitled_after_tokens=after.entitled_tokens,
            journal_id=journal.journal_id, occurred_at=now,
        )
    )
    session.flush()
    shares = carrying.shares_of(session, commitment.id)
    if sum(each.amount_minor for each in shares) > after.unreleased_minor:
        for each in shares:
            each.status, each.voided_by = "void", journal.journal_id
        session.flush()


def carry_again(session: Session, commitment_id: int, opened_journal_id: int, unreleased_minor: int) -> None:
    """Let the shares wait again that a dispute had set apart, if what is restored still covers all of them."""
    apart = session.scalars(
        sa.select(CarriedShare).where(
            CarriedShare.commitment_id == commitment_id, CarriedShare.status == "void",
            CarriedShare.voided_by == opened_journal_id,
        )
    ).all()
    waiting = carrying.shares_of(session, commitment_id)
    if sum(each.amount_minor for each in (*apart, *waiting)) <= unreleased_minor:
        for each in apart:
            each.status, each.voided_by = "carried", None
        session.flush()


def note_disputed(session: Session, commitment: Commitment, change_minor: int) -> None:
    """Count more, or less, of a commitment's money as under an open dispute."""
    commitment.disputed_minor += change_minor
    session.flush()
