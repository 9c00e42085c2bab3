"""Draw auditors by lot: commit seeds beforehand, rank who is willing and independent, keep the whole draw (MIL-9).

The arithmetic is ``milestones.lots``. What a drawn auditor is asked, and what silence means, is the caller's; the next
in line is :func:`next_in_line`. Nobody chooses: an exclusion has a code, and the record of a draw tells all of them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.accounts.queries import AuditorListing
from app.audit import service as audit
from app.db import public_id
from app.errors import Conflict
from app.offerings import independence
from app.offerings.auditing_models import AuditorProfile
from app.offerings.lot_models import Draw, DrawTicket, LotSeed
from app.offerings.models import Offering
from milestones import lots

#: What is drawn for; the word stands in the context of the ranks.
PANEL, REPLACEMENT, SECOND_REVIEW, DISPUTE, APPEAL = "panel", "replacement", "second_review", "dispute", "appeal"
PURPOSES = (PANEL, REPLACEMENT, SECOND_REVIEW, DISPUTE, APPEAL)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw with the auditors who get its seats, in order. Fewer than ``draw.seats`` when there are no more."""

    draw: Draw
    seated: tuple[AuditorListing, ...]

    @property
    def is_short(self) -> bool:
        return len(self.seated) < self.draw.seats


def commit_seed(session: Session, offering: Offering, *, actor: Actor, now: dt.datetime) -> LotSeed:
    """Publish the commitment to the offering's next seed, or return the one that waits for a draw.

    Called when an offering is submitted and after each draw, so one is always there before anybody knows for what.
    """
    waiting = _unused(session, offering.id)
    if waiting is not None:
        return waiting
    number = session.scalar(sa.select(sa.func.count()).where(LotSeed.offering_id == offering.id)) or 0
    seed = secrets.token_hex(lots.SEED_DIGITS // 2)
    row = LotSeed(
        public_id=public_id("lsd"), offering_id=offering.id, number=number + 1, commitment=lots.commitment(seed),
        seed=seed, committed_at=now,
    )
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="lot.committed", object_id=row.public_id, now=now,
        after={"offering": offering.public_id, "number": row.number, "commitment": row.commitment},
    )
    return row


def draw(
    session: Session,
    offering: Offering,
    *,
    purpose: str,
    milestone_key: str,
    seats: int,
    mixed_in: str,
    barred: Mapping[int, str] | None = None,
    beside: Collection[int] = (),
    actor: Actor,
    now: dt.datetime,
) -> Drawn:
    """Rank every willing, independent auditor and seat the first ``seats`` who are independent of each other (MIL-8).

    ``mixed_in`` is a hash of what the drawing is about (contract, manifest, findings): whoever committed the seed did
    not know it then, whoever made it does not know the seed. ``barred`` maps parties to the code of why they get no
    ticket (``first_panel``, ``asked_before``); ``beside`` are parties who sit there already. The offering is locked.
    Raises ``Conflict`` ``no_seed`` when none was committed before.
    """
    seed = _unused(session, offering.id)
    if seed is None:
        raise Conflict("No seed was committed before this draw, so it would prove nothing.", code="no_seed")
    barred = barred or {}
    everybody = people.auditors(session)
    reasons = independence.reasons(session, offering)
    idle = _not_taking(session, offering)
    excluded = {
        each.public_id: barred.get(each.party_id)
        or (found.code if (found := reasons[each.public_id]) else idle.get(each.party_id))
        for each in everybody
    }
    context = "/".join((purpose, offering.public_id, milestone_key or "-", str(seed.number), mixed_in))
    drawn = lots.order(seed.seed, context, [name for name, code in excluded.items() if code is None])
    record = Draw(
        public_id=public_id("drw"), offering_id=offering.id, milestone_key=milestone_key, purpose=purpose, seats=seats,
        context=context, seed_id=seed.id, content_hash="", drawn_by=actor.user_id, drawn_at=now,
    )
    place = {ticket.candidate: number for number, ticket in enumerate(drawn, start=1)}
    tickets = [
        DrawTicket(
            party_id=each.party_id, candidate=each.public_id, rank=lots.rank(seed.seed, context, each.public_id),
            position=place.get(each.public_id), excluded=excluded[each.public_id],
        )
        for each in everybody
    ]
    record.content_hash = draw_hash(record, seed, tickets)
    _keep(session, offering, record, seed, tickets, actor=actor, now=now)
    commit_seed(session, offering, actor=actor, now=now)
    return Drawn(record, _seated(session, [ticket.candidate for ticket in drawn], seats, everybody, beside))


def may_draw(session: Session, offering: Offering, *, asked: Collection[int], beside: Collection[int] = ()) -> bool:
    """Whether a draw could seat somebody who was not asked yet, so that none is made in vain."""
    out = {*asked, *_not_taking(session, offering)}
    reasons, everybody = independence.reasons(session, offering), people.auditors(session)
    line = [each.public_id for each in everybody if reasons[each.public_id] is None and each.party_id not in out]
    return _unused(session, offering.id) is not None and bool(_seated(session, line, 1, everybody, beside))


def _keep(
    session: Session, offering: Offering, record: Draw, seed: LotSeed, tickets: Sequence[DrawTicket], *, actor: Actor,
    now: dt.datetime,
) -> None:
    session.add(record)
    session.flush()
    for ticket in tickets:
        ticket.draw_id = record.id
    session.add_all(tickets)
    session.flush()
    candidates = sum(ticket.position is not None for ticket in tickets)
    audit.record(
        session, actor=actor, action="lot.drawn", object_id=record.public_id, now=now,
        after={"offering": offering.public_id, "milestone": record.milestone_key, "purpose": record.purpose,
               "seats": record.seats, "context": record.context, "seed": seed.seed,
               "content_hash": record.content_hash, "candidates": candidates, "excluded": len(tickets) - candidates},
    )


def next_in_line(
    session: Session,
    offering: Offering,
    record: Draw,
    *,
    asked: Collection[int],
    beside: Collection[int] = (),
    barred: Mapping[int, str] | None = None,
) -> AuditorListing | None:
    """Return the next by lot who was not asked, is still willing and independent, also of those beside, or None."""
    everybody = people.auditors(session)
    party = {each.public_id: each.party_id for each in everybody}
    reasons = independence.reasons(session, offering)
    out = {*(barred or {}), *asked, *_not_taking(session, offering)}
    line = [
        name for name in session.scalars(
            sa.select(DrawTicket.candidate)
            .where(DrawTicket.draw_id == record.id, DrawTicket.position.is_not(None)).order_by(DrawTicket.position)
        )
        if name in party and reasons[name] is None and party[name] not in out
    ]
    found = _seated(session, line, 1, everybody, beside)
    return found[0] if found else None


def _not_taking(session: Session, offering: Offering) -> dict[int, str]:
    """Map the parties who take no new reviews, or none of this sector, to the code that says so."""
    sector = offering.sector.strip().casefold()
    found = {}
    for each in session.scalars(sa.select(AuditorProfile)):
        sectors = {line.strip().casefold() for line in each.sectors.splitlines() if line.strip()}
        if not each.is_willing:
            found[each.party_id] = "unwilling"
        elif sectors and sector not in sectors:
            found[each.party_id] = "sector"
    return found


def _seated(
    session: Session, line: Sequence[str], seats: int, everybody: Sequence[AuditorListing], beside: Collection[int]
) -> tuple[AuditorListing, ...]:
    known = {each.public_id: each for each in everybody}
    ties = independence.ties(session, everybody)
    taken = frozenset(
        tie for each in everybody if each.party_id in beside for tie in ties[each.public_id]
    )
    return tuple(known[name] for name in lots.seated(line, seats, ties, taken))


def draw_hash(record: Draw, seed: LotSeed, tickets: Sequence[DrawTicket]) -> str:
    """Return the SHA-256 over RFC 8785 of a draw: context, seats, commitment, and every ticket by candidate."""
    content = {
        "draw": record.public_id, "context": record.context, "seats": str(record.seats), "commitment": seed.commitment,
        "drawn_at": record.drawn_at.astimezone(dt.UTC).isoformat(),
        "tickets": [
            {"candidate": each.candidate, "rank": each.rank, "position": str(each.position or ""),
             "excluded": each.excluded or ""}
            for each in sorted(tickets, key=lambda each: each.candidate)
        ],
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def _unused(session: Session, offering_id: int) -> LotSeed | None:
    return session.execute(
        sa.select(LotSeed)
        .where(LotSeed.offering_id == offering_id, ~sa.exists().where(Draw.seed_id == LotSeed.id))
        .order_by(LotSeed.number).limit(1)
    ).scalar_one_or_none()
