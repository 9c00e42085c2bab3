"""Let a program that plays auditors know which of them a draw can reach: all others take no work for a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.offerings import auditing
from app.offerings.auditing_models import AuditorProfile

#: What a profile says that was set aside for a moment.
ASIDE = "set aside while a program draws"


def only_these(session: Session, party_ids: Collection[int], *, now: dt.datetime) -> None:
    """Let every other auditor take no new reviews, until :func:`everybody_again`."""
    everybody_again(session, now=now)
    for each in people.auditors(session):
        if each.party_id not in party_ids:
            profile = auditing.profile_for(session, each.party_id, now=now)
            if profile.is_willing:
                profile.is_willing, profile.fee_note = False, ASIDE
    session.flush()


def everybody_again(session: Session, *, now: dt.datetime) -> None:
    """Undo :func:`only_these`."""
    for profile in session.scalars(sa.select(AuditorProfile).where(AuditorProfile.fee_note == ASIDE)):
        if profile.firm or profile.sectors:
            profile.is_willing, profile.fee_note, profile.updated_at = True, "", now
        else:
            session.delete(profile)
    session.flush()
