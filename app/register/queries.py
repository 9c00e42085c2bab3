"""Read the register: holdings now or at any past moment, and the cap table (OFF-3, TOK-3)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.register.models import RegisterEntry


@dataclass(frozen=True, slots=True)
class Holding:
    """What a party holds of a class, whole tokens."""

    party_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class CapRow:
    """One step of the cap table: tokens existing outside the class, issued, and the investors' share of all."""

    label: str
    existing: int
    issued: int

    @property
    def total(self) -> int:
        return self.existing + self.issued

    @property
    def share_bp(self) -> int:
        """The investors' share of everything, in basis points, rounded down."""
        return self.issued * 10_000 // self.total if self.total else 0


def holdings(session: Session, token_class_id: int, *, as_of: dt.datetime | None = None) -> list[Holding]:
    """Return who holds how much of a class, largest first; ``as_of`` replays a past moment."""
    query = (
        sa.select(RegisterEntry.party_id, sa.func.sum(RegisterEntry.quantity).label("quantity"))
        .where(RegisterEntry.token_class_id == token_class_id)
        .group_by(RegisterEntry.party_id)
        .having(sa.func.sum(RegisterEntry.quantity) != 0)
        .order_by(sa.func.sum(RegisterEntry.quantity).desc(), RegisterEntry.party_id)
    )
    if as_of is not None:
        query = query.where(RegisterEntry.occurred_at <= as_of)
    return [Holding(row.party_id, int(row.quantity)) for row in session.execute(query)]


def held_by(session: Session, party_id: int) -> dict[int, int]:
    """Return a party's tokens by token class."""
    rows = session.execute(
        sa.select(RegisterEntry.token_class_id, sa.func.sum(RegisterEntry.quantity))
        .where(RegisterEntry.party_id == party_id)
        .group_by(RegisterEntry.token_class_id)
    )
    return {token_class: int(quantity) for token_class, quantity in rows}


def lots(session: Session, party_id: int, token_class_id: int) -> list[RegisterEntry]:
    """Return a party's lots of a class, oldest first."""
    return list(
        session.execute(
            sa.select(RegisterEntry)
            .where(RegisterEntry.party_id == party_id, RegisterEntry.token_class_id == token_class_id)
            .order_by(RegisterEntry.id)
        ).scalars()
    )
