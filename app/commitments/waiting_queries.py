"""Read waiting lists as their investors see them: which place of how many, what is kept and until when (OFF-5).

Nothing here writes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.commitments.models import Commitment
from app.commitments.waiting import ACTIVE
from app.commitments.waiting_models import WaitingEntry
from app.errors import NotFound
from app.offerings.models import Issuer, Offering
from milestones import money


@dataclass(frozen=True, slots=True)
class WaitingView:
    """A place on a list with its offering. ``rank`` of ``total`` counts those who still wait; 0 when it has ended."""

    entry: WaitingEntry
    offering: Offering
    issuer: Issuer
    rank: int
    total: int
    commitment: str | None

    @property
    def asset(self) -> money.Asset:
        return money.Asset.parse(self.offering.currency)

    @property
    def deadline_at(self) -> dt.datetime | None:
        """When silence has its effect in the present status (TIM-5)."""
        return {"offered": self.entry.offer_until, "waitlisted": self.offering.deadline_at}.get(self.entry.status)


def find(session: Session, actor: Actor, entry_id: str) -> WaitingView:
    """Return one of the actor's own places by its public id; raises ``NotFound`` for anybody else's."""
    parties = sorted(actor.parties("investor"))
    found = _views(session, WaitingEntry.public_id == entry_id, WaitingEntry.party_id.in_(parties))
    if not found:
        raise NotFound("There is no such place on a waiting list.", code="waiting_entry_not_found")
    return found[0]


def waiting_of(session: Session, party_ids: Sequence[int] | frozenset[int]) -> list[WaitingView]:
    """Return the places on lists that parties hold now, those that are offered one first."""
    found = _views(session, WaitingEntry.party_id.in_(sorted(party_ids)), WaitingEntry.status.in_(ACTIVE))
    return sorted(found, key=lambda view: (view.entry.status != "offered", view.entry.id))


def _views(session: Session, *where: sa.ColumnElement[bool]) -> list[WaitingView]:
    other = sa.orm.aliased(WaitingEntry)
    in_line = sa.select(sa.func.count()).where(
        other.offering_id == WaitingEntry.offering_id, other.status.in_(ACTIVE)
    ).correlate(WaitingEntry)
    rows = session.execute(
        sa.select(
            WaitingEntry, Offering, Issuer, Commitment.public_id,
            in_line.where(other.position <= WaitingEntry.position).scalar_subquery(), in_line.scalar_subquery(),
        )
        .join(Offering, Offering.id == WaitingEntry.offering_id)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .outerjoin(Commitment, Commitment.id == WaitingEntry.commitment_id)
        .where(*where)
    )
    return [
        WaitingView(entry, offering, issuer, rank if entry.status in ACTIVE else 0, total, commitment)
        for entry, offering, issuer, commitment, rank, total in rows
    ]


def length(session: Session, offering_id: int) -> int:
    """Return how many wait for a place in an offering."""
    return session.scalar(
        sa.select(sa.func.count()).select_from(WaitingEntry)
        .where(WaitingEntry.offering_id == offering_id, WaitingEntry.status.in_(ACTIVE))
    ) or 0
