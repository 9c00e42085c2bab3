"""Keep what auditors say of themselves: whether they take work and which, for whom they work, their conflicts (MIL-8).

It decides who stands in the next draw; a seat that somebody holds already is not touched by it.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import NotFound, Refused
from app.offerings import independence
from app.offerings.auditing_models import AuditorProfile, DeclaredConflict
from app.offerings.models import Issuer

MAX_CHARACTERS = 500


def offer(
    session: Session, *, actor: Actor, is_willing: bool, sectors: str, firm: str, fee_note: str, now: dt.datetime
) -> AuditorProfile:
    """Say whether one takes new reviews, of which sectors (one a line, none for all), one's firm, and what one asks.

    Raises ``Refused`` ``too_long``.
    """
    accounts.demand(actor, "auditor")
    for field, text in (("sectors", sectors), ("firm", firm), ("fee_note", fee_note)):
        if len(text) > MAX_CHARACTERS:
            raise Refused("Write at most 500 characters.", code="too_long", field=field)
    party_id = min(actor.parties("auditor"))
    profile = profile_for(session, party_id, now=now)
    profile.is_willing, profile.firm, profile.fee_note = is_willing, firm.strip(), fee_note.strip()
    profile.sectors = "\n".join(line.strip() for line in sectors.splitlines() if line.strip())
    profile.firm_key, profile.updated_at = independence.firm_key(firm), now
    session.flush()
    audit.record(
        session, actor=actor, action="auditor.offered", object_id=_name(session, party_id), now=now,
        after={"willing": "yes" if is_willing else "no", "sectors": len(profile.sectors.splitlines()),
               "names_firm": "yes" if profile.firm else "no"},
    )
    return profile


def declare_conflict(
    session: Session, *, actor: Actor, issuer_id: str, reason: str, now: dt.datetime
) -> DeclaredConflict:
    """Say that one is not independent of a company (public id); one is drawn for none of its panels from now on."""
    accounts.demand(actor, "auditor")
    if not reason.strip() or len(reason) > MAX_CHARACTERS:
        raise Refused("Say in at most 500 characters what ties you to it.", code="reason_empty", field="reason")
    issuer = session.execute(sa.select(Issuer).where(Issuer.public_id == issuer_id)).scalar_one_or_none()
    if issuer is None:
        raise NotFound("There is no such company.", code="issuer_not_found")
    return note_conflict(session, min(actor.parties("auditor")), issuer, reason.strip(), actor=actor, now=now)


def note_conflict(
    session: Session, party_id: int, issuer: Issuer, reason: str, *, actor: Actor, now: dt.datetime
) -> DeclaredConflict:
    """Keep a conflict, or return the one that stands already."""
    earlier = session.execute(
        sa.select(DeclaredConflict).where(
            DeclaredConflict.party_id == party_id, DeclaredConflict.issuer_id == issuer.id,
            DeclaredConflict.ended_at.is_(None),
        )
    ).scalars().first()
    if earlier is not None:
        return earlier
    row = DeclaredConflict(
        public_id=public_id("dcl"), party_id=party_id, issuer_id=issuer.id, reason=reason, declared_at=now
    )
    session.add(row)
    session.flush()
    audit.record(
        session, actor=actor, action="conflict.declared", object_id=row.public_id, now=now,
        after={"auditor": _name(session, party_id), "issuer": issuer.public_id},
    )
    return row


def declared_by(session: Session, party_id: int) -> list[tuple[DeclaredConflict, str]]:
    """Return the conflicts that an auditor declared and that stand, with the names of the companies."""
    rows = session.execute(
        sa.select(DeclaredConflict, Issuer.name).join(Issuer, Issuer.id == DeclaredConflict.issuer_id)
        .where(DeclaredConflict.party_id == party_id, DeclaredConflict.ended_at.is_(None))
        .order_by(DeclaredConflict.id)
    )
    return [(row, name) for row, name in rows]


def companies(session: Session) -> list[tuple[str, str]]:
    """Return every company by public id and name, for an auditor to say which they are tied to."""
    return [
        (public_id, name)
        for public_id, name in session.execute(sa.select(Issuer.public_id, Issuer.name).order_by(Issuer.name))
    ]


def profile_of(session: Session, party_id: int) -> AuditorProfile | None:
    """Return what an auditor said of themselves."""
    return session.execute(
        sa.select(AuditorProfile).where(AuditorProfile.party_id == party_id)
    ).scalar_one_or_none()


def profile_for(session: Session, party_id: int, *, now: dt.datetime) -> AuditorProfile:
    """Return an auditor's profile, begun when there is none: they take every kind of work."""
    profile = profile_of(session, party_id)
    if profile is None:
        profile = AuditorProfile(
            party_id=party_id, is_willing=True, sectors="", firm="", firm_key="", fee_note="", updated_at=now
        )
        session.add(profile)
        session.flush()
    return profile


def _name(session: Session, party_id: int) -> str:
    return next((each.public_id for each in people.auditors(session) if each.party_id == party_id), str(party_id))
