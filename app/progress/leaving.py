"""Let investors leave a running plan with all of their unreleased money, in one journal (OFF-11, MIL-13).

D escrow / C refunds, D unissued / C reserved for the tokens they were still to get. Issued tokens remain; the tranches
shrink by what left (MIL-1). Who may leave, and when, is the caller's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import carrying, escrow
from app.commitments import service as commitments
from app.commitments.models import CarriedShare, EscrowStatement
from app.contracts.models import Milestone
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Offering, TokenClass
from app.payments.reversal_models import Reversal
from milestones import states

LEFT = "left"


class Left(NamedTuple):
    """What one departure came to: refunds it makes, money in minor units, tokens that lapse; its journal's id."""

    refunds: int
    amount_minor: int
    tokens: int
    journal_id: int | None


def give_back(
    session: Session, offering: Offering, who: Callable[[sa.Subquery], sa.ColumnElement[bool]], *, key: str,
    cause: str, reason: str, refund_reason: str = LEFT, actor: Actor = SYSTEM, now: dt.datetime,
) -> Left:
    """Owe all of their unreleased money to those whose last statement row ``who`` selects.

    ``key`` is the journal's, ``cause`` the public id of what let them leave, ``refund_reason`` is on each refund. The
    caller holds the offering's lock.
    """
    token_class = session.get_one(TokenClass, offering.token_class_id)
    last = escrow.last_rows(offering.id)
    leaving = sa.and_(last.c.unreleased_after_minor > 0, who(last))
    back, lapsed = (
        int(each) for each in session.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor), 0),
                sa.func.coalesce(sa.func.sum(last.c.entitled_after_tokens - last.c.issued_after_tokens), 0),
            ).where(leaving)
        ).one()
    )
    if not back:
        return Left(0, 0, 0, None)

    def lines(journal_id: int) -> list[ledger.Line]:
        _write_rows(session, offering, last, leaving, journal_id, now)
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), back),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), back),
            ledger.debit(chart.unissued(token_class.public_id, token_class.asset), lapsed),
            ledger.credit(chart.reserved(offering.public_id, token_class.asset), lapsed),
        ]

    posted = ledger.post(
        session, kind=LEFT, key=key, cause=cause, offering_id=offering.id, occurred_at=now, lines=lines
    )
    due_at = commitments.refund_due(offering, now)
    count = escrow.owe_refunds(
        session, journal_id=posted.journal_id, reason=refund_reason, due_at=due_at, now=now
    )
    audit.record(
        session, actor=actor, action="investors.left", object_id=cause, now=now, count=count,
        after={"amount_minor": back, "tokens": lapsed}, reason=reason,
    )
    return Left(count, back, lapsed, posted.journal_id)


def _stranded(offering_id: int) -> sa.Select[tuple[int]]:
    """Select the commitments with money in escrow that carry no share, and of which something was taken back."""
    last = escrow.last_rows(offering_id)
    carries = sa.exists().where(
        CarriedShare.commitment_id == last.c.commitment_id, CarriedShare.status == "carried"
    )
    taken = sa.exists().where(Reversal.commitment_id == last.c.commitment_id)
    return sa.select(last.c.commitment_id).where(last.c.unreleased_after_minor > 0, taken, ~carries)


def has_stranded(session: Session, offering: Offering) -> bool:
    """Whether escrow holds money that no milestone can take any more, and no dispute is open that could move it.

    That is what is left of a payment that was taken back in part while a released tranche carried shares of it.
    """
    unsettled = sa.exists().where(
        Milestone.offering_id == offering.id,
        sa.or_(Milestone.state.not_in(sorted(states.MILESTONE_TERMINAL)), Milestone.tranche_minor.is_(None)),
    )
    is_open = sa.exists().where(Reversal.offering_id == offering.id, Reversal.state == "open")
    if session.scalar(sa.select(sa.or_(unsettled, is_open))):
        return False
    return session.scalar(_stranded(offering.id).limit(1)) is not None


def return_stranded(session: Session, offering: Offering, *, now: dt.datetime) -> Left:
    """Owe its investors what :func:`has_stranded` found, so that no money stays in escrow for ever (TIM-3)."""
    which = _stranded(offering.id).subquery("stranded")
    cause = session.scalars(
        sa.select(Reversal.public_id)
        .where(Reversal.offering_id == offering.id, Reversal.commitment_id.in_(sa.select(which.c.commitment_id)))
        .order_by(Reversal.decided_at.desc(), Reversal.id.desc())
        .limit(1)
    ).one()
    return give_back(
        session, offering, lambda last: last.c.commitment_id.in_(sa.select(which.c.commitment_id)),
        key=f"stranded:{cause}", cause=cause,
        reason="Part of the payment was taken back, and no milestone can take the rest.",
        refund_reason="other_part_taken_back", now=now,
    )


def _write_rows(
    session: Session, offering: Offering, last: sa.Subquery, leaving: sa.ColumnElement[bool], journal_id: int,
    now: dt.datetime,
) -> None:
    statement = EscrowStatement.__table__
    rows = sa.select(
        sa.literal(offering.id), last.c.commitment_id, last.c.party_id, last.c.ordinal, last.c.seq + 1,
        sa.literal(LEFT), -last.c.unreleased_after_minor, sa.literal(0), sa.literal(0), last.c.released_after_minor,
        last.c.issued_after_tokens, last.c.issued_after_tokens, sa.literal(journal_id),
        sa.literal(now, statement.c.occurred_at.type),
    ).where(leaving).order_by(last.c.ordinal)
    columns = ["offering_id", "commitment_id", "party_id", "ordinal", "seq", "kind", "amount_minor", "tokens_issued",
               "unreleased_after_minor", "released_after_minor", "issued_after_tokens", "entitled_after_tokens",
               "journal_id", "occurred_at"]
    session.execute(sa.insert(statement).from_select(columns, rows, include_defaults=False))
    gone = sa.select(EscrowStatement.commitment_id).where(EscrowStatement.journal_id == journal_id)
    carrying.void(session, gone)
