"""Read registers for people: who holds how much of a class on a day, and every change (TOK-3, OFF-3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Party, User
from app.commitments.models import Commitment
from app.ledger.models import Journal
from app.offerings.models import Issuer, Offering, TokenClass
from app.register import queries as register
from app.register.models import RegisterEntry

WHOLE_BP = 10_000


@dataclass(frozen=True, slots=True)
class HolderRow:
    """One holder of a class; the share is of the whole company, in basis points rounded down."""

    party_id: int
    party: str
    name: str
    tokens: int
    share_bp: int


@dataclass(frozen=True, slots=True)
class HolderTable:
    """A class on a day: its holders, what was issued of it, and the equity outside it."""

    rows: tuple[HolderRow, ...]
    issued: int
    existing: int

    @property
    def total(self) -> int:
        return self.issued + self.existing

    def share_bp(self, tokens: int) -> int:
        """Return a part of everything in basis points, rounded down."""
        return tokens * WHOLE_BP // self.total if self.total else 0


def table(session: Session, token_class: TokenClass, *, as_of: dt.datetime | None) -> HolderTable:
    """Return the holders of a class, largest first; ``as_of`` replays a past moment. Two queries."""
    held = register.holdings(session, token_class.id, as_of=as_of)
    issued = sum(each.quantity for each in held)
    total = issued + token_class.existing_tokens
    parties = {
        row.id: row
        for row in session.execute(
            sa.select(Party.id, Party.public_id, Party.name).where(Party.id.in_([each.party_id for each in held]))
        )
    }
    return HolderTable(
        rows=tuple(
            HolderRow(
                each.party_id, parties[each.party_id].public_id, parties[each.party_id].name, each.quantity,
                each.quantity * WHOLE_BP // total,
            )
            for each in held
        ),
        issued=issued, existing=token_class.existing_tokens,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a holding: who, how many, when, and the journal and commitment it came from."""

    id: int
    name: str
    kind: str
    quantity: int
    occurred_at: dt.datetime
    journal: str
    commitment: str


def changes(
    session: Session, token_class: TokenClass, *, as_of: dt.datetime | None, before_id: int | None, limit: int,
    parties: Collection[int] | None = None,
) -> list[Change]:
    """Return the register's entries of a class, newest first, one page by key; of some parties only when given."""
    query = (
        sa.select(
            RegisterEntry.id, Party.name, RegisterEntry.kind, RegisterEntry.quantity, RegisterEntry.occurred_at,
            Journal.public_id, Commitment.public_id,
        )
        .join(Party, Party.id == RegisterEntry.party_id)
        .join(Journal, Journal.id == RegisterEntry.journal_id)
        .join(Commitment, Commitment.id == RegisterEntry.commitment_id)
        .where(RegisterEntry.token_class_id == token_class.id)
        .order_by(RegisterEntry.id.desc())
        .limit(limit)
    )
    if parties is not None:
        query = query.where(RegisterEntry.party_id.in_(list(parties)))
    if as_of is not None:
        query = query.where(RegisterEntry.occurred_at <= as_of)
    if before_id is not None:
        query = query.where(RegisterEntry.id < before_id)
    return [Change(*row) for row in session.execute(query)]


def ever_held(session: Session, token_class: TokenClass, parties: Collection[int]) -> bool:
    """Whether one of these parties holds or held tokens of a class."""
    return bool(parties) and bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    RegisterEntry.token_class_id == token_class.id, RegisterEntry.party_id.in_(list(parties))
                )
            )
        )
    )


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A token class with its company and what is issued of it."""

    token_class: TokenClass
    issuer: Issuer
    issued: int


def classes(session: Session) -> list[ClassRow]:
    """Return every token class with what is issued, by its code; two queries."""
    issued = {
        row.token_class_id: int(row.quantity)
        for row in session.execute(
            sa.select(RegisterEntry.token_class_id, sa.func.sum(RegisterEntry.quantity).label("quantity"))
            .group_by(RegisterEntry.token_class_id)
        )
    }
    rows = session.execute(
        sa.select(TokenClass, Issuer).join(Issuer, Issuer.id == TokenClass.issuer_id).order_by(TokenClass.code)
    )
    return [ClassRow(token_class, issuer, issued.get(token_class.id, 0)) for token_class, issuer in rows]


def counts(session: Session) -> Mapping[str, int]:
    """Return how many offerings are in each state."""
    rows = session.execute(
        sa.select(Offering.state, sa.func.count()).group_by(Offering.state).order_by(Offering.state)
    )
    return dict(rows.all())


def user_names(session: Session, user_ids: Collection[int] | Sequence[int]) -> dict[int, str]:
    """Return the names of users by id; one query."""
    rows = session.execute(sa.select(User.id, User.name).where(User.id.in_(list(user_ids))))
    return dict(rows.all())
