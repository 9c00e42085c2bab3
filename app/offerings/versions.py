"""Numbered versions of an offering: what investors commit to, with one hash over all of it (OFF-2, COM-2).

A version is written at launch and by every change that takes effect; nothing here decides whether it may.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.service import canonical
from app.contracts import queries as contract_queries
from app.db import public_id
from app.offerings.change_models import OfferingVersion
from app.offerings.models import Offering, TokenClass
from app.offerings.rules import OfferingFields
from milestones import document as documents
from milestones import offer
from milestones.terms import Terms

FIGURES = (
    "price_micro", "minimum_minor", "target_minor", "maximum_minor", "minimum_ticket_minor", "fee_bp", "deadline_at",
    "currency", "zone", "calendar", "rail", "regime", "holding",
)
#: Those of them that are texts.
FIXED_TEXTS = ("currency", "zone", "calendar", "rail", "regime", "holding")
TEXTS = ("name", "pitch", "sector", "story", "risks")
DISCLOSURES = ("use_of_proceeds", "officers", "litigation", "insolvency", "financial_statements")


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it is read: its number, hash and document, and the contract's version in it."""

    number: int
    public_id: str
    content_hash: str
    document: Mapping[str, Any]
    price_micro: int
    terms_version_id: int
    published_at: dt.datetime


def disclosures_of(offering: Offering) -> dict[str, Any]:
    """Return what the founder disclosed, every field there: a list of uses and four texts."""
    return disclosures_from(json.loads(offering.disclosures))


def disclosures_from(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return disclosures whole: every field there, and every use known by its words, whatever it was called."""
    told = {name: stated.get(name, "") for name in DISCLOSURES}
    uses = stated.get("use_of_proceeds", ())
    told["use_of_proceeds"] = [
        {"key": offer.use_key(each["text"]), "text": each["text"], "share_bp": each["share_bp"]} for each in uses
    ]
    return told


def document_of(
    offering: Offering, token_class: TokenClass, terms: Terms, updates: list[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the document that a version of the offering as it stands would have."""
    return {
        "schema": offer.SCHEMA_NAME,
        "figures": figures_document({name: getattr(offering, name) for name in FIGURES}),
        "class": {"rights": token_class.rights},
        "texts": {name: getattr(offering, name) for name in TEXTS},
        "disclosures": disclosures_of(offering),
        "updates": list(updates),
        "contract": documents.to_document(terms),
    }


def figures_document(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as documents have them: instants as text, whole numbers beyond 53 bits as text."""
    return json.loads(canonical(values) or "{}")


def fields_of(document: Mapping[str, Any]) -> OfferingFields:
    """Return the figures and texts of a document as the rules take them."""
    found = {**document["texts"], **{name: figure(document, name) for name in FIGURES}}
    return OfferingFields(**found)


def figure(document: Mapping[str, Any], name: str) -> Any:
    """Return one figure of a document: a whole number, an instant or a text."""
    value = document["figures"][name]
    if name == "deadline_at":
        return dt.datetime.fromisoformat(value)
    return value if name in FIXED_TEXTS else int(value)


def content_hash(document_text: str) -> str:
    """Return the SHA-256 (hexadecimal) over a version's canonical text."""
    return hashlib.sha256(document_text.encode()).hexdigest()


def publish(session: Session, offering: Offering, *, published_by: int, now: dt.datetime) -> Version:
    """Write the offering as it stands as its next version and make it the one that people commit to.

    The caller holds the offering's lock and has its contract published. Material updates are those of the
    version before, which :func:`publish_with` adds to.
    """
    earlier = current(session, offering)
    return publish_with(
        session, offering, updates=list(earlier.document["updates"]) if earlier else [], published_by=published_by,
        now=now,
    )


def publish_with(
    session: Session, offering: Offering, *, updates: list[Mapping[str, Any]], published_by: int, now: dt.datetime
) -> Version:
    """Write the next version with exactly these material updates."""
    assert offering.terms_version_id is not None
    terms = contract_queries.published_terms(session, offering.terms_version_id).terms
    token_class = session.get_one(TokenClass, offering.token_class_id)
    text = canonical(document_of(offering, token_class, terms, updates)) or ""
    offering.version_number += 1
    row = OfferingVersion(
        public_id=public_id("ver"), offering_id=offering.id, number=offering.version_number, document=text,
        content_hash=content_hash(text), price_micro=offering.price_micro,
        terms_version_id=offering.terms_version_id, published_by=published_by, published_at=now,
    )
    session.add(row)
    session.flush()
    return _read(row)


def current(session: Session, offering: Offering) -> Version | None:
    """Return the version that people commit to now; None before the launch."""
    return None if offering.version_number == 0 else numbered(session, offering.id, offering.version_number)


def numbered(session: Session, offering_id: int, number: int) -> Version:
    """Return one version of an offering."""
    return _read(
        session.execute(
            sa.select(OfferingVersion).where(
                OfferingVersion.offering_id == offering_id, OfferingVersion.number == number
            )
        ).scalar_one()
    )


def hash_of(session: Session, offering: Offering) -> str:
    """Return the hash that an order for this offering must name (COM-2); empty before the launch."""
    return session.execute(
        sa.select(OfferingVersion.content_hash).where(
            OfferingVersion.offering_id == offering.id, OfferingVersion.number == offering.version_number
        )
    ).scalar() or ""


def all_of(session: Session, offering_id: int) -> list[Version]:
    """Return every version of an offering, the first one first."""
    rows = session.execute(
        sa.select(OfferingVersion).where(OfferingVersion.offering_id == offering_id).order_by(OfferingVersion.number)
    ).scalars()
    return [_read(row) for row in rows]


def by_hash(session: Session, offering: Offering, wanted: str) -> Version | None:
    """Return the version of an offering with this hash, None when there is none."""
    row = session.execute(
        sa.select(OfferingVersion).where(
            OfferingVersion.offering_id == offering.id, OfferingVersion.content_hash == wanted
        ).order_by(OfferingVersion.number).limit(1)
    ).scalar_one_or_none()
    return None if row is None else _read(row)


def between(session: Session, offering: Offering, old_number: int) -> tuple[offer.Judged, ...]:
    """Return what differs between an older version and the one that people commit to now."""
    now = current(session, offering)
    if now is None:
        return ()
    return offer.judge(numbered(session, offering.id, old_number).document, now.document)


def _read(row: OfferingVersion) -> Version:
    return Version(
        row.number, row.public_id, row.content_hash, _document(row.document), row.price_micro, row.terms_version_id,
        row.published_at,
    )


@lru_cache(maxsize=256)
def _document(text: str) -> Mapping[str, Any]:
    """Return what a frozen text says; nobody changes it, so it is read once."""
    return json.loads(text)
