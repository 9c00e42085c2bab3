"""Commitments of which only a part arrived: they wait for the rest, then are scaled down or end (COM-5).

Whose money it is and where it stands is ``payments``; here are the commitment's own figures.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.commitments import places, rules
from app.commitments.models import Commitment
from app.offerings import halts, versions
from app.offerings.models import Offering
from app.outbox import service as outbox
from milestones import money

STATUS = "underpaid"


def await_transfer(session: Session, commitment: Commitment, offering: Offering, *, now: dt.datetime) -> None:
    """Give a payer who sends money by bank five business days since the commitment, or the deadline if sooner (COM-4).

    The time to pay only becomes longer by this.
    """
    until = min(
        calendars.add_business_days(
            commitment.created_at, rules.PAY_BY_BANK_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
        ),
        offering.deadline_at,
    )
    if until <= commitment.pay_by:
        return
    before, commitment.pay_by = commitment.pay_by, until
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="commitment.pay_by_extended", object_id=commitment.public_id, now=now,
        before={"pay_by": before}, after={"pay_by": until}, reason="It is paid by bank transfer.",
    )


def fits(session: Session, commitment: Commitment, offering: Offering, received_minor: int) -> bool:
    """Say whether what arrived is a commitment of its own: the minimum ticket or more, and a token or more.

    By the version its investor agreed to: a change that nobody reconfirmed binds no commitment (COM-2, OFF-8).
    """
    asset = money.Asset.parse(offering.currency)
    agreed = versions.numbered(session, offering.id, commitment.version_number)
    ticket_minor = versions.figure(agreed.document, "minimum_ticket_minor")
    return received_minor >= ticket_minor and money.tokens_for(received_minor, commitment.price_micro, asset) > 0


def scale_down(
    session: Session, commitment: Commitment, offering: Offering, received_minor: int, *, now: dt.datetime
) -> None:
    """Make a commitment as large as the whole tokens that ``received_minor`` buys; its place shrinks with it (COM-3).

    They are bought at the commitment's own price; only reconfirming gives it another. ``fits`` has said that it may.
    Its money is held next, in the same transaction.
    """
    asset = money.Asset.parse(offering.currency)
    tokens = money.tokens_for(received_minor, commitment.price_micro, asset)
    amount_minor = money.cost_minor(tokens, commitment.price_micro, asset)
    before = {"amount_minor": commitment.amount_minor, "tokens": commitment.tokens}
    places.shrink(session, commitment, amount_minor)
    commitment.amount_minor, commitment.tokens = amount_minor, tokens
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="commitment.scaled_down", object_id=commitment.public_id, now=now,
        before=before, after={"amount_minor": amount_minor, "tokens": tokens},
        reason=f"{received_minor} of {before['amount_minor']} arrived in time.",
    )
    outbox.enqueue(
        session, "notice", {"kind": "commitment_scaled_down", "commitment_id": commitment.id}, now=now,
    )


def due(session: Session, now: dt.datetime, limit: int) -> list[int]:
    """Return commitments whose time to pay the rest is over, by their ids."""
    query = (
        sa.select(Commitment.id)
        .join(Offering, Offering.id == Commitment.offering_id)
        .where(Commitment.status == STATUS, Commitment.pay_by <= halts.clock_sql(now))
        .order_by(Commitment.pay_by, Commitment.id)
        .limit(limit)
    )
    return list(session.scalars(query))
