"""Read draws by lot as anybody may see them, and recompute them from the seed (MIL-9)."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.offerings import lots as service
from app.offerings.lot_models import Draw, DrawTicket, LotSeed
from app.offerings.models import Offering
from milestones import lots

#: Why somebody had no ticket, as the page of the draw says it to everybody.
EXCLUDED = {
    "not_independent": "is not independent of the company; the record keeps why",
    "dependent": "has more than a fifth of its reviews from the company",
    "unwilling": "takes no new reviews",
    "sector": "does not review this sector",
    "struck": "was struck off by the company or an investor",
    "first_panel": "sat on the first panel",
    "asked_before": "was asked before",
}


def told(code: str | None) -> str:
    """Return what everybody may know of why somebody had no ticket.

    Who invested, holds tokens, or shares an account, an address or a family with whom is nobody else's to know (PPL-6).
    """
    return code if code in EXCLUDED else "not_independent"


@dataclass(frozen=True, slots=True)
class Shown:
    """A draw with its seed, its tickets in the order drawn, those left out, and names by party."""

    draw: Draw
    seed: LotSeed
    offering: Offering
    tickets: tuple[DrawTicket, ...]
    left_out: tuple[DrawTicket, ...]
    names: dict[int, str]

    @property
    def recomputed_hash(self) -> str:
        """What the record hashes to: as it stands where that differs, else with ranks and places anew from the seed."""
        stored = service.draw_hash(self.draw, self.seed, (*self.tickets, *self.left_out))
        if stored != self.draw.content_hash:
            return stored
        ranked = lots.order(self.seed.seed, self.draw.context, [each.candidate for each in self.tickets])
        place = {ticket.candidate: number for number, ticket in enumerate(ranked, start=1)}
        anew = [
            DrawTicket(
                candidate=each.candidate, rank=lots.rank(self.seed.seed, self.draw.context, each.candidate),
                position=place.get(each.candidate), excluded=each.excluded,
            )
            for each in (*self.tickets, *self.left_out)
        ]
        seed = LotSeed(commitment=lots.commitment(self.seed.seed))
        return service.draw_hash(self.draw, seed, anew)


def shown(session: Session, draw_id: str) -> Shown | None:
    """Return a draw by its public id."""
    row = session.execute(
        sa.select(Draw, LotSeed, Offering).join(LotSeed, LotSeed.id == Draw.seed_id)
        .join(Offering, Offering.id == Draw.offering_id).where(Draw.public_id == draw_id)
    ).one_or_none()
    if row is None:
        return None
    tickets = session.scalars(
        sa.select(DrawTicket).where(DrawTicket.draw_id == row[0].id).order_by(DrawTicket.position, DrawTicket.candidate)
    ).all()
    names = people.party_names(session, {each.party_id for each in tickets})
    return Shown(
        row[0], row[1], row[2], tuple(each for each in tickets if each.position is not None),
        tuple(each for each in tickets if each.position is None), names,
    )


def draws_of(session: Session, offering_id: int) -> list[Draw]:
    """Return an offering's draws, oldest first."""
    return list(session.scalars(sa.select(Draw).where(Draw.offering_id == offering_id).order_by(Draw.id)))


def committed(session: Session, offering_id: int) -> LotSeed | None:
    """Return the seed that waits for the offering's next draw; only its commitment may be shown."""
    return session.execute(
        sa.select(LotSeed)
        .where(LotSeed.offering_id == offering_id, ~sa.exists().where(Draw.seed_id == LotSeed.id))
        .order_by(LotSeed.number).limit(1)
    ).scalar_one_or_none()


def document(found: Shown) -> dict[str, object]:
    """Return a draw as the document that ``flask draw check`` and any other program can recompute."""
    return {
        "draw": found.draw.public_id, "offering": found.offering.public_id, "purpose": found.draw.purpose,
        "seats": found.draw.seats, "drawn_at": found.draw.drawn_at.isoformat(),
        "commitment": found.seed.commitment, "committed_at": found.seed.committed_at.isoformat(),
        "seed": found.seed.seed, "context": found.draw.context, "content_hash": found.draw.content_hash,
        "tickets": [
            {"position": each.position, "candidate": each.candidate, "rank": each.rank} for each in found.tickets
        ],
        "left_out": [{"candidate": each.candidate, "because": told(each.excluded)} for each in found.left_out],
    }
