"""Who may audit an offering: computed from what the platform knows, with the reason in words (MIL-8).

Of the issuer: its team, its investors and holders, a shared company, firm, mail domain, address or account, too much of
one's work for it, and what an auditor declared. Of each other: the same ties among those on one panel.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts import queries as people
from app.accounts.models import Membership, Party, User
from app.accounts.queries import IN_FORCE, AuditorListing
from app.errors import Refused
from app.offerings.auditing_models import AuditorProfile, DeclaredConflict
from app.offerings.models import Issuer, Offering, TokenClass

#: Mail domains that say nothing about who employs somebody.
PUBLIC_DOMAINS = frozenset(
    {"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "live.com", "live.co.uk", "msn.com",
     "yahoo.com", "yahoo.co.uk", "ymail.com", "icloud.com", "me.com", "mac.com", "proton.me", "protonmail.com", "pm.me",
     "gmx.net", "gmx.de", "gmx.com", "gmx.at", "web.de", "t-online.de", "freenet.de", "mail.com", "aol.com", "zoho.com",
     "fastmail.com", "hey.com", "tutanota.com", "posteo.de", "mailbox.org", "orange.fr", "free.fr", "laposte.net",
     "libero.it", "btinternet.com", "comcast.net", "verizon.net", "att.net", "qq.com", "163.com", "yandex.com"}
)

#: Words of a firm's name that do not tell it from another.
LEGAL_FORMS = frozenset(
    {"ltd", "limited", "llp", "llc", "inc", "plc", "gmbh", "ag", "sarl", "sas", "bv", "co", "corp", "the", "and"}
)

#: code → words. ``{name}`` is the auditor, ``{what}`` what is shared.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "team": "{name} belongs to the company's team.",
        "invested": "{name} has invested in this company.",
        "holder": "{name} holds tokens of this company.",
        "company": "{name} acts for {what}, as somebody of the company does.",
        "mail_domain": "{name} shares the mail domain {what} with the company.",
        "firm": "{name} works for {what}, as somebody of the company does.",
        "address": "{name} has an address in common with somebody of the company.",
        "account": "{name} has a bank account in common with somebody of the company.",
        "card": "{name} has a card in common with somebody of the company.",
        "payer_name": "{name} has a payer's name in common with somebody of the company.",
        "device": "{name} has a device in common with somebody of the company.",
        "family": "{name} is family of somebody of the company.",
        "dependent": "More than a fifth of the reviews that {name} signed in 24 months were for this company.",
        "declared": "{name} declared a conflict of interest with this company.",
    }
)

#: tie between two auditors → what they share, in words.
TIES: Mapping[str, str] = MappingProxyType(
    {"person": "a person", "company": "a company", "mail": "a mail domain", "firm": "a firm", "address": "an address",
     "account": "a bank account", "card": "a card", "payer_name": "a payer's name", "device": "a device",
     "family": "a family"}
)

DEPENDENT_MONTHS_DAYS = 730
#: Of fewer signed reviews a share says nothing.
DEPENDENT_FROM_REVIEWS = 10


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an auditor may not judge a company: a stable code, and words that name them."""

    code: str
    words: str


def known_auditors(session: Session, offering: Offering) -> dict[str, str | None]:
    """Map every approved auditor's public party id to why they may not audit this offering, or None."""
    return {name: found.words if found else None for name, found in reasons(session, offering).items()}


def reasons(session: Session, offering: Offering) -> dict[str, Reason | None]:
    """Map every approved auditor's public party id to the first reason against them, or None (MIL-8)."""
    issuer = session.get_one(Issuer, offering.issuer_id)
    auditors = people.auditors(session)
    team = people.members_of(session, issuer.party_id)
    theirs = _parties_of(session, {issuer.party_id, *(user.party_id for user in team)})
    known = _Known(
        team=frozenset(theirs) | {issuer.party_id},
        companies={party for held in theirs.values() for party in held} - {issuer.party_id},
        domains=people.mail_domains_of(session, issuer.party_id) - PUBLIC_DOMAINS,
        firms=_firms(session, theirs) | {firm_key(issuer.name)},
        facts=_facts(session, theirs),
        investors=_investors(session, issuer.id),
        holders=_holders(session, issuer.id),
        dependent=_dependent(session, issuer.id),
        declared=set(session.scalars(sa.select(DeclaredConflict.party_id).where(
            DeclaredConflict.issuer_id == issuer.id, DeclaredConflict.ended_at.is_(None)
        ))),
    )
    own = _parties_of(session, {each.party_id for each in auditors})
    firms = _profiles(session)
    facts = _facts_by_party(session, own)
    names = people.party_names(session, {party for held in own.values() for party in held})
    return {
        each.public_id: _against(each, known, own[each.party_id], firms.get(each.party_id), facts, names)
        for each in auditors
    }


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one company, to compare each auditor with."""

    team: Collection[int]
    companies: Collection[int]
    domains: Collection[str]
    firms: Collection[str]
    facts: Collection[tuple[str, str]]
    investors: Collection[int]
    holders: Collection[int]
    dependent: Collection[int]
    declared: Collection[int]


def _against(
    auditor: AuditorListing, known: _Known, companies: frozenset[int], profile: AuditorProfile | None,
    facts: Mapping[int, set[tuple[str, str]]], names: Mapping[int, str],
) -> Reason | None:
    parties = {auditor.party_id, *companies}
    shared = companies & set(known.companies)
    firm = profile.firm_key if profile else ""
    fact = min((kind for kind, mark in facts.get(auditor.party_id, set()) if (kind, mark) in known.facts), default=None)
    found = (
        ("team", bool(parties & set(known.team)), ""),
        ("invested", bool(parties & set(known.investors)), ""),
        ("holder", bool(parties & set(known.holders)), ""),
        ("company", bool(shared), names.get(min(shared), "") if shared else ""),
        ("mail_domain", auditor.mail_domain in known.domains, auditor.mail_domain),
        ("firm", bool(firm) and firm in known.firms, profile.firm if profile else ""),
        (fact or "address", fact is not None, ""),
        ("declared", auditor.party_id in known.declared, ""),
        ("dependent", auditor.party_id in known.dependent, ""),
    )
    return next(
        (Reason(code, REASONS[code].format(name=auditor.name, what=what)) for code, holds, what in found if holds), None
    )


def ties(session: Session, auditors: Sequence[AuditorListing]) -> dict[str, frozenset[str]]:
    """Map each auditor's public party id to what they could share with another auditor, as ``kind:value`` (MIL-8)."""
    own = _parties_of(session, {each.party_id for each in auditors})
    users = _users_of(session, {each.party_id for each in auditors})
    profiles = _profiles(session)
    facts = _facts_by_party(session, own)
    found = {}
    for each in auditors:
        firm = profiles[each.party_id].firm_key if each.party_id in profiles else ""
        found[each.public_id] = frozenset(
            {f"person:{user}" for user in users.get(each.party_id, ())}
            | {f"company:{party}" for party in own.get(each.party_id, ())}
            | {f"mail:{domain}" for domain in {each.mail_domain} - PUBLIC_DOMAINS}
            | ({f"firm:{firm}"} if firm else set())
            | {f"{kind}:{mark}" for kind, mark in facts.get(each.party_id, ())}
        )
    return found


def demand_independent_panel(session: Session, offering: Offering, panel: Sequence[str], *, field: str) -> None:
    """Refuse a panel (public party ids) of which one is not independent of the issuer or of another (MIL-8).

    Raises ``Refused`` ``auditor_not_independent`` with the reason.
    """
    against = known_auditors(session, offering)
    for auditor in panel:
        if against.get(auditor):
            raise Refused(against[auditor] or "", code="auditor_not_independent", field=field)
    seated = [auditor for auditor in people.auditors(session) if auditor.public_id in panel]
    shared = ties(session, seated)
    names: dict[str, str] = {}
    for auditor in seated:
        for tie in sorted(shared[auditor.public_id]):
            if tie in names:
                raise Refused(
                    f"{auditor.name} and {names[tie]} are not independent of each other: they share {_tie_words(tie)}.",
                    code="auditor_not_independent",
                    field=field,
                )
            names[tie] = auditor.name


def _tie_words(tie: str) -> str:
    kind, _colon, value = tie.partition(":")
    return f"the mail domain {value}" if kind == "mail" else TIES[kind]


def firm_key(name: str) -> str:
    """Return a firm's name as it is compared: letters and digits, without its legal form, whatever the case."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    words = "".join(each if each.isalnum() else " " for each in folded if not unicodedata.combining(each)).split()
    return "".join(word for word in words if word not in LEGAL_FORMS)


def _parties_of(session: Session, party_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Map each natural person to the legal parties that they act for."""
    rows = session.execute(
        sa.select(User.party_id, Membership.party_id)
        .join(Membership, Membership.user_id == User.id)
        .join(Party, Party.id == Membership.party_id)
        .where(User.party_id.in_(sorted(party_ids)), IN_FORCE, Party.kind == "legal")
    )
    held: dict[int, set[int]] = {party: set() for party in party_ids}
    for person, company in rows:
        held[person].add(company)
    return {person: frozenset(companies) for person, companies in held.items()}


def _users_of(session: Session, party_ids: Collection[int]) -> dict[int, set[int]]:
    rows = session.execute(
        sa.select(Membership.party_id, Membership.user_id)
        .where(Membership.party_id.in_(sorted(party_ids)), IN_FORCE)
    )
    found: dict[int, set[int]] = {}
    for party, user in rows:
        found.setdefault(party, set()).add(user)
    return found


def _profiles(session: Session) -> dict[int, AuditorProfile]:
    return {each.party_id: each for each in session.scalars(sa.select(AuditorProfile))}


def _firms(session: Session, party_ids: Iterable[int]) -> set[str]:
    """Return the firms that people of a company named of themselves, should they be auditors elsewhere."""
    rows = session.scalars(sa.select(AuditorProfile.firm_key).where(AuditorProfile.party_id.in_(sorted(party_ids))))
    return {key for key in rows if key}


# What later features keep is read by table name: this one may not import them.


def _facts(session: Session, party_ids: Iterable[int]) -> set[tuple[str, str]]:
    found = _facts_by_party(session, party_ids)
    return {fact for facts in found.values() for fact in facts}


def _facts_by_party(session: Session, party_ids: Iterable[int]) -> dict[int, set[tuple[str, str]]]:
    """Return what is kept of each party as hashes: address, account, card, device (COM-11)."""
    fact = sa.table("link_fact", sa.column("party_id"), sa.column("kind"), sa.column("mark"))
    rows = session.execute(
        sa.select(fact.c.party_id, fact.c.kind, fact.c.mark).where(fact.c.party_id.in_(sorted(party_ids)))
    )
    found: dict[int, set[tuple[str, str]]] = {}
    for party, kind, mark in rows:
        found.setdefault(party, set()).add((kind, mark))
    return found


def _investors(session: Session, issuer_id: int) -> set[int]:
    """Return the parties with a commitment in any offering of the issuer."""
    commitment = sa.table("commitment", sa.column("party_id"), sa.column("offering_id"))
    rows = session.execute(
        sa.select(commitment.c.party_id)
        .join(Offering, Offering.id == commitment.c.offering_id)
        .where(Offering.issuer_id == issuer_id)
        .distinct()
    )
    return set(rows.scalars())


def _holders(session: Session, issuer_id: int) -> set[int]:
    """Return the parties that hold tokens of any class of the issuer now."""
    entry = sa.table("register_entry", sa.column("party_id"), sa.column("token_class_id"), sa.column("quantity"))
    rows = session.execute(
        sa.select(entry.c.party_id)
        .join(TokenClass, TokenClass.id == entry.c.token_class_id)
        .where(TokenClass.issuer_id == issuer_id)
        .group_by(entry.c.party_id)
        .having(sa.func.sum(entry.c.quantity) > 0)
    )
    return set(rows.scalars())


def _dependent(session: Session, issuer_id: int) -> set[int]:
    """Return the auditors of whose reviews signed in 24 months more than a fifth were for this issuer.

    Every review of one contract is paid alike, whatever it finds, so its count stands for its fees too.
    """
    signed = sa.table("attestation", sa.column("party_id"), sa.column("submission_id"), sa.column("signed_at"))
    submission = sa.table("submission", sa.column("id"), sa.column("milestone_id"))
    milestone = sa.table("milestone", sa.column("id"), sa.column("offering_id"))
    since = clock.business_now(session) - dt.timedelta(days=DEPENDENT_MONTHS_DAYS)
    here = sa.func.sum(sa.case((Offering.issuer_id == issuer_id, 1), else_=0))
    rows = session.execute(
        sa.select(signed.c.party_id)
        .join(submission, submission.c.id == signed.c.submission_id)
        .join(milestone, milestone.c.id == submission.c.milestone_id)
        .join(Offering, Offering.id == milestone.c.offering_id)
        .where(signed.c.signed_at >= sa.bindparam("since", since, type_=Offering.created_at.type))
        .group_by(signed.c.party_id)
        .having(sa.and_(sa.func.count() >= DEPENDENT_FROM_REVIEWS, here * 5 > sa.func.count()))
    )
    return set(rows.scalars())
