"""Write the register: what a release issued, lot by lot. Nothing is ever overwritten (TOK-3)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import EscrowStatement
from app.db import UTCDateTime
from app.register.models import RegisterEntry


def issue_from_statement(session: Session, *, token_class_id: int, journal_id: int, now: dt.datetime) -> int:
    """Issue the tokens of every statement row that ``journal_id`` wrote, as lots acquired now; return how many."""
    statement = EscrowStatement.__table__
    rows = sa.select(
        sa.literal(token_class_id, sa.BigInteger), statement.c.party_id, statement.c.commitment_id,
        sa.literal("issued"), statement.c.tokens_issued, statement.c.journal_id,
        sa.literal(now, UTCDateTime), sa.literal(now, UTCDateTime),
    ).where(statement.c.journal_id == journal_id, statement.c.tokens_issued > 0)
    columns = ["token_class_id", "party_id", "commitment_id", "kind", "quantity", "journal_id", "acquired_at",
               "occurred_at"]
    return session.execute(
        sa.insert(RegisterEntry.__table__).from_select(columns, rows), execution_options={"preserve_rowcount": True}
    ).rowcount


def change(
    session: Session, *, token_class_id: int, party_id: int, commitment_id: int, kind: str, quantity: int,
    journal_id: int, now: dt.datetime,
) -> None:
    """Write that tokens of one commitment were cancelled (``quantity`` below zero) or restored (WND-4).

    Cancelled tokens are those acquired last; the row keeps to its journal, so that every past moment can be replayed.
    """
    session.add(
        RegisterEntry(
            token_class_id=token_class_id, party_id=party_id, commitment_id=commitment_id, kind=kind,
            quantity=quantity, journal_id=journal_id, acquired_at=now, occurred_at=now,
        )
    )
    session.flush()
