"""Read issuers, token classes and offerings: the public list, one page, a founder's own things.

Nothing here writes. What was raised and released is read by ``commitments`` and ``progress``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.errors import NotFound
from app.offerings.models import Issuer, Offering, TokenClass
from milestones import document as documents
from milestones.terms import Terms

#: What people filter by → states. Only offerings that were launched are listed.
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "open": ("live", "clearing"),
        "running": ("active",),
        "finished": ("completed", "failing", "failed", "withdrawing", "withdrawn", "winding_down", "wound_down"),
    }
)

PAGE_SIZE = 12


@dataclass(frozen=True, slots=True)
class Found:
    """An offering with the company and the class it sells."""

    offering: Offering
    issuer: Issuer
    token_class: TokenClass


@dataclass(frozen=True, slots=True)
class Agreed:
    """The terms of an offering as they stand: published and frozen, or a draft (``number`` 0)."""

    terms: Terms
    content_hash: str
    number: int

    @property
    def is_published(self) -> bool:
        return self.number > 0


@dataclass(frozen=True, slots=True)
class Company:
    """A founder's company with its classes and offerings, newest offering first."""

    issuer: Issuer
    classes: tuple[TokenClass, ...]
    offerings: tuple[Offering, ...]


def _found() -> sa.Select[tuple[Offering, Issuer, TokenClass]]:
    return (
        sa.select(Offering, Issuer, TokenClass)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .join(TokenClass, TokenClass.id == Offering.token_class_id)
    )


def group_of(state: str) -> str | None:
    """Return the group that a state is listed in, None for those before launch."""
    return next((group for group, states in GROUPS.items() if state in states), None)


def listing(
    session: Session, *, group: str | None, search: str = "", after: str | None = None, limit: int = PAGE_SIZE
) -> list[Found]:
    """Return launched offerings, one page by key (``after`` is the last offering's public id).

    Open ones with the nearest deadline first, all others with the newest launch first.
    """
    query = _found().where(Offering.launched_at.is_not(None))
    if group is not None:
        query = query.where(Offering.state.in_(GROUPS[group]))
    for word in search.casefold().split()[:5]:
        texts = (Offering.name, Offering.pitch, Offering.sector, Issuer.name, Issuer.place)
        query = query.where(sa.or_(*(sa.func.lower(text).contains(word, autoescape=True) for text in texts)))
    moment = Offering.deadline_at if group == "open" else Offering.launched_at
    last = _by(session, Offering.public_id, after) if after else None
    if last is not None and last.offering.launched_at is not None:
        seen = last.offering.deadline_at if group == "open" else last.offering.launched_at
        bound = sa.tuple_(sa.literal(seen, moment.type), sa.literal(last.offering.id, Offering.id.type))
        key = sa.tuple_(moment, Offering.id)
        query = query.where(key > bound if group == "open" else key < bound)
    if group == "open":
        query = query.order_by(Offering.deadline_at, Offering.id)
    else:
        query = query.order_by(Offering.launched_at.desc(), Offering.id.desc())
    return [Found(*row) for row in session.execute(query.limit(limit))]


def counts(session: Session) -> dict[str, int]:
    """Return how many launched offerings there are in each group."""
    rows = session.execute(
        sa.select(Offering.state, sa.func.count())
        .where(Offering.launched_at.is_not(None))
        .group_by(Offering.state)
    )
    found = dict.fromkeys(GROUPS, 0)
    for state, count in rows:
        group = group_of(state)
        if group is not None:
            found[group] += count
    return found


def for_reader(session: Session, slug: str, actor: Actor | None) -> Found:
    """Return the offering of an address, for whoever may read it; raises ``NotFound``.

    Everybody reads what was launched; before that only its founders, its auditors, operators and supervisors.
    """
    found = _by(session, Offering.slug, slug)
    if found is None or not (found.offering.launched_at or _may_preview(session, found, actor)):
        raise NotFound("There is no such offering.", code="offering_not_found")
    return found


def _may_preview(session: Session, found: Found, actor: Actor | None) -> bool:
    if actor is None:
        return False
    if actor.has_role("operator") or actor.has_role("supervisor") or is_own(found, actor):
        return True
    panel = contract_queries.auditor_parties(session, found.offering.contract_id)
    return not panel.isdisjoint(actor.parties("auditor"))


def is_own(found: Found, actor: Actor | None) -> bool:
    """Whether the actor is a founder of the company that offers."""
    return actor is not None and actor.acts_for(found.issuer.party_id, "founder")


def own_offering(session: Session, actor: Actor, offering_id: str) -> Found:
    """Return an offering of the actor's own company; raises ``NotFound``."""
    found = _by(session, Offering.public_id, offering_id)
    if found is None or not is_own(found, actor):
        raise NotFound("There is no such offering.", code="offering_not_found")
    return found


def _by(session: Session, column: sa.orm.InstrumentedAttribute[str], value: str) -> Found | None:
    row = session.execute(_found().where(column == value)).one_or_none()
    return Found(*row) if row else None


def companies_of(session: Session, party_ids: Collection[int]) -> list[Company]:
    """Return the companies of these legal parties with their classes and offerings."""
    issuers = session.execute(
        sa.select(Issuer).where(Issuer.party_id.in_(list(party_ids))).order_by(Issuer.id)
    ).scalars().all()
    ids = [issuer.id for issuer in issuers]
    classes = session.execute(
        sa.select(TokenClass).where(TokenClass.issuer_id.in_(ids)).order_by(TokenClass.id)
    ).scalars().all()
    offerings = session.execute(
        sa.select(Offering).where(Offering.issuer_id.in_(ids)).order_by(Offering.id.desc())
    ).scalars().all()
    return [
        Company(
            issuer,
            tuple(each for each in classes if each.issuer_id == issuer.id),
            tuple(each for each in offerings if each.issuer_id == issuer.id),
        )
        for issuer in issuers
    ]


def company_of(session: Session, actor: Actor, issuer_id: str) -> Company:
    """Return one of the actor's own companies by its public id; raises ``NotFound``."""
    for company in companies_of(session, actor.parties("founder")):
        if company.issuer.public_id == issuer_id:
            return company
    raise NotFound("There is no such company.", code="issuer_not_found")


def agreed_terms(session: Session, offering: Offering) -> Agreed:
    """Return the published terms, or the draft with the hash it would have as it stands."""
    if offering.terms_version_id is not None:
        published = contract_queries.published_terms(session, offering.terms_version_id)
        return Agreed(published.terms, published.content_hash, published.number)
    terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
    return Agreed(terms, documents.contract_hash(terms), 0)


def siblings_of(session: Session, token_class: TokenClass) -> Sequence[Offering]:
    """Return every offering that sells a class, oldest first."""
    return session.execute(
        sa.select(Offering).where(Offering.token_class_id == token_class.id).order_by(Offering.id)
    ).scalars().all()
