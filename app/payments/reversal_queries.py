"""Read what rails took back: of a commitment, of an offering, and all that waits for a rail or a company."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment
from app.errors import NotFound
from app.offerings.models import Issuer, Offering
from app.payments import rules
from app.payments.models import Operation
from app.payments.reversal_models import IssuerClaim, Reversal


@dataclass(frozen=True, slots=True)
class Line:
    """A reversal with what it is of; money in the offering's currency."""

    row: Reversal
    offering: Offering
    commitment: Commitment
    payment: str

    @property
    def released_minor(self) -> int:
        """What had been released to the company, or paid out twice, as far as it is known now."""
        row = self.row
        if row.state == "open":
            return row.amount_minor - row.escrow_minor - row.owed_minor
        return row.set_off_minor + row.claim_minor

    @property
    def outcome_words(self) -> str:
        """How it ended, in words; empty while it is open or where it was final at once."""
        return rules.OUTCOME_WORDS.get(self.row.outcome or "", "") if self.row.kind == "dispute" else ""


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A claim with the company that owes it."""

    row: IssuerClaim
    offering: Offering
    issuer: Issuer


def of_commitment(session: Session, commitment_id: int) -> list[Line]:
    """Return what rails took back of one commitment's payments, the newest first."""
    return _lines(session, Reversal.commitment_id == commitment_id)


def desk(session: Session, *, limit: int = 100) -> tuple[list[Line], list[Line]]:
    """Return the open disputes, the one that ends first first, and what was decided lately."""
    waiting = _lines(session, Reversal.state == "open", limit=limit)
    by_date = sorted(waiting, key=lambda each: (each.row.due_at or each.row.opened_at, each.row.id))
    return by_date, _lines(session, Reversal.state != "open", limit=limit)


def _lines(session: Session, *where: sa.ColumnElement[bool], limit: int = 100) -> list[Line]:
    rows = session.execute(
        sa.select(Reversal, Offering, Commitment, Operation.public_id)
        .join(Offering, Offering.id == Reversal.offering_id)
        .join(Commitment, Commitment.id == Reversal.commitment_id)
        .join(Operation, Operation.id == Reversal.operation_id)
        .where(*where)
        .order_by(Reversal.id.desc())
        .limit(limit)
    )
    return [Line(*row) for row in rows]


def claims(session: Session, *, offering_id: int | None = None, limit: int = 100) -> list[ClaimLine]:
    """Return what companies owe, or owed, those still open first."""
    query = (
        sa.select(IssuerClaim, Offering, Issuer)
        .join(Offering, Offering.id == IssuerClaim.offering_id)
        .join(Issuer, Issuer.id == IssuerClaim.issuer_id)
        .order_by(sa.case((IssuerClaim.state == "open", 0), else_=1), IssuerClaim.due_at, IssuerClaim.id)
        .limit(limit)
    )
    if offering_id is not None:
        query = query.where(IssuerClaim.offering_id == offering_id)
    return [ClaimLine(*row) for row in session.execute(query)]


def claim_by_id(session: Session, claim_id: str) -> ClaimLine:
    """Return a claim by its public id; raises ``NotFound``."""
    found = session.execute(
        sa.select(IssuerClaim, Offering, Issuer)
        .join(Offering, Offering.id == IssuerClaim.offering_id)
        .join(Issuer, Issuer.id == IssuerClaim.issuer_id)
        .where(IssuerClaim.public_id == claim_id)
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such claim.", code="claim_not_found")
    return ClaimLine(*found)

