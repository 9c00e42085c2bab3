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
from app.commitments.models import EscrowStatement
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings.models import Offering, TokenClass

LEFT = "left"


class Left(NamedTuple):
    """What one departure came to: refunds it makes, money in minor units, tokens that lapse; its journal's id."""

    refunds: int
    amount_minor: int
    tokens: int
    journal_id: int | None


def give_back(
    session: Session, offering: Offering, who: Callable[[sa.Subquery], sa.ColumnElement[bool]], *, key: str,
    cause: str, reason: str, actor: Actor = SYSTEM, now: dt.datetime,
) -> Left:
    """Owe all of their unreleased money to those whose last statement row ``who`` selects.

    ``key`` is the journal's, ``cause`` the public id of what let them leave. The caller holds the offering's lock.
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
    count = escrow.owe_refunds(
        session, journal_id=posted.journal_id, reason=LEFT, due_at=commitments.refund_due(offering, now), now=now
    )
    audit.record(
        session, actor=actor, action="investors.left", object_id=cause, now=now, count=count,
        after={"amount_minor": back, "tokens": lapsed}, reason=reason,
    )
    return Left(count, back, lapsed, posted.journal_id)


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
