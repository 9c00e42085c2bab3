"""Find commitments that are linked to the issuer's people or to one another, and let investors contest it (COM-11).

What two parties have in common is kept as keyed hashes only. A linked commitment holds its place under the maximum and
counts toward no minimum, quorum, vote or challenge. Who paid is told by ``payments``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.accounts.models import Membership, User
from app.audit import service as audit
from app.commitments import rules
from app.commitments import service as commitments
from app.commitments.models import HOLDS_PLACE, Commitment, CommitmentLink, LinkFact
from app.db import insert_for, keyed_hash, public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox

STANDING = ("stands", "contested", "upheld")
MAX_CONTEST_CHARACTERS = 2000


def note_facts(session: Session, party_id: int, facts: Mapping[str, str], *, now: dt.datetime) -> None:
    """Keep what is known of a party, by kind of ``rules.LINK_WORDS``, as keyed hashes, each once (PPL-6).

    Values are brought to one form by the caller. Marks no commitment by itself: :func:`find` does.
    """
    for kind, value in sorted(facts.items()):
        if kind not in rules.LINK_WORDS or kind == rules.TEAM:
            raise LookupError(f"no kind of link “{kind}”")
        session.execute(
            insert_for(session, LinkFact)
            .values(party_id=party_id, kind=kind, mark=mark_of(session, kind, value), noted_at=now)
            .on_conflict_do_nothing(index_elements=["party_id", "kind", "mark"])
        )


def mark_of(session: Session, kind: str, value: str) -> str:
    """Return the keyed hash that stands for a value of a kind."""
    return keyed_hash(session, f"{kind}:{value}")


def declare_family(session: Session, party_id: int, other_party_id: int, *, now: dt.datetime) -> None:
    """Keep that an investor declared another party as family; both have that in common from now on."""
    pair = "-".join(str(each) for each in sorted((party_id, other_party_id)))
    for each in (party_id, other_party_id):
        note_facts(session, each, {"family": pair}, now=now)


# -- finding ----------------------------------------------------------------------------------------


def find(session: Session, offering: Offering, *, now: dt.datetime, party_id: int | None = None) -> int:
    """Mark the commitments of an offering that are linked now and take the mark from those that are no longer.

    ``party_id``: only links of this party, when something was learnt of it. The caller holds the offering's lock. A
    fixed number of queries; one row for each commitment and mark that it shares, however many share it. Returns how
    many were new. Each investor is told once.
    """
    team = _team(session, offering)
    rows = [*_to_issuer(session, offering, team, party_id), *_to_investors(session, offering, team, party_id)]
    links = sa.select(CommitmentLink.commitment_id, CommitmentLink.other_party_id, CommitmentLink.kind)
    known = {
        tuple(row)
        for row in session.execute(
            links.join(Commitment, Commitment.id == CommitmentLink.commitment_id).where(
                Commitment.offering_id == offering.id, CommitmentLink.other_party_id.in_(sorted(team)),
                sa.true() if party_id is None else Commitment.party_id == party_id,
            )
        )
    }
    new = sorted({row for row in rows if row[:3] not in known})
    for commitment_id, other_party_id, kind, is_issuer in new:
        session.add(
            CommitmentLink(
                public_id=public_id("lnk"), commitment_id=commitment_id, other_party_id=other_party_id,
                is_issuer=is_issuer, kind=kind, status="stands", found_at=now,
            )
        )
    session.flush()
    refresh(session, offering, now=now)
    return len(new)


def _team(session: Session, offering: Offering) -> frozenset[int]:
    """Return the parties of the issuer: the company and everybody who acts for it."""
    issuer = session.get_one(Issuer, offering.issuer_id)
    people = session.scalars(
        sa.select(User.party_id).join(Membership, Membership.user_id == User.id).where(
            Membership.party_id == issuer.party_id, Membership.ended_at.is_(None)
        )
    )
    return frozenset({issuer.party_id, *people})


Row = tuple[int, int, str, bool]


def _placed(offering: Offering) -> sa.ColumnElement[bool]:
    return sa.and_(Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE))


def _to_issuer(session: Session, offering: Offering, team: frozenset[int], party_id: int | None) -> list[Row]:
    """Return who is of the issuer's people, shares something with them, or pays from the account payouts go to."""
    theirs = aliased(LinkFact)
    of_party = sa.true() if party_id is None else Commitment.party_id == party_id
    shared = session.execute(
        sa.select(Commitment.id, theirs.party_id, theirs.kind)
        .join(LinkFact, LinkFact.party_id == Commitment.party_id)
        .join(theirs, sa.and_(theirs.kind == LinkFact.kind, theirs.mark == LinkFact.mark))
        .where(_placed(offering), of_party, theirs.party_id.in_(sorted(team)), theirs.party_id != Commitment.party_id)
    )
    found: list[Row] = [(row[0], row[1], row[2], True) for row in shared]
    issuer = session.get_one(Issuer, offering.issuer_id)
    # Whoever joined the company after committing belongs to it all the same (MIL-8).
    found += [
        (commitment_id, issuer.party_id, rules.TEAM, True)
        for commitment_id in session.scalars(
            sa.select(Commitment.id).where(
                _placed(offering), of_party, Commitment.party_id.in_(sorted(team - {issuer.party_id}))
            )
        )
    ]
    if issuer.payee_ref:
        payee = rules.account_form(issuer.payee_ref)
        found += [
            (commitment_id, issuer.party_id, "account", True)
            for commitment_id in session.scalars(
                sa.select(Commitment.id)
                .join(LinkFact, LinkFact.party_id == Commitment.party_id)
                .where(_placed(offering), of_party, LinkFact.kind == "account",
                       LinkFact.mark == mark_of(session, "account", payee))
            )
        ]
    return found


def _to_investors(session: Session, offering: Offering, team: frozenset[int], party_id: int | None) -> list[Row]:
    """Return who shares something with another investor of the offering and has no link for it that says so.

    Each links to one witness, the first party of those who share the mark, and that one to the last: as many rows as
    commitments, not as pairs, and all hang together. One row for each mark is kept for good: it also speaks for those
    who come later, and what an operator lifted stays lifted for the mark.
    """
    member, fact = aliased(Commitment), aliased(LinkFact)
    shared = (
        sa.select(
            fact.kind, fact.mark, sa.func.min(member.party_id).label("first"),
            sa.func.max(member.party_id).label("last"),
        )
        .join(member, member.party_id == fact.party_id)
        .where(
            member.offering_id == offering.id, member.status.in_(HOLDS_PLACE), member.party_id.not_in(sorted(team)),
        )
        .group_by(fact.kind, fact.mark)
    )
    if party_id is not None:
        own = aliased(LinkFact)
        shared = shared.join(own, sa.and_(own.kind == fact.kind, own.mark == fact.mark)).where(own.party_id == party_id)
    group = shared.subquery()
    other = sa.case((Commitment.party_id == group.c.first, group.c.last), else_=group.c.first)
    theirs = aliased(LinkFact)
    is_told = (
        sa.select(CommitmentLink.id)
        .join(theirs, sa.and_(theirs.party_id == CommitmentLink.other_party_id, theirs.kind == CommitmentLink.kind))
        .where(
            CommitmentLink.commitment_id == Commitment.id, CommitmentLink.kind == group.c.kind,
            theirs.mark == group.c.mark, CommitmentLink.other_party_id.not_in(sorted(team)),
        )
        .correlate(Commitment, group)
        .exists()
    )
    rows = session.execute(
        sa.select(Commitment.id, other, group.c.kind)
        .join(LinkFact, LinkFact.party_id == Commitment.party_id)
        .join(group, sa.and_(group.c.kind == LinkFact.kind, group.c.mark == LinkFact.mark))
        .where(
            _placed(offering), other != Commitment.party_id, ~is_told,
            sa.true() if party_id is None
            else Commitment.party_id.in_([sa.literal(party_id), group.c.first, group.c.last]),
        )
        .distinct()
    )
    return [(row[0], row[1], row[2], False) for row in rows]


def refresh(session: Session, offering: Offering, *, now: dt.datetime) -> None:
    """Let ``is_linked`` of an offering's commitments say what its links say; log and tell who changes."""
    # The witness may be out by now: the link stands while anybody else who shares the mark is in.
    witness, theirs, other = aliased(LinkFact), aliased(LinkFact), aliased(Commitment)
    other_is_in = (
        sa.select(other.id)
        .join(theirs, theirs.party_id == other.party_id)
        .join(witness, sa.and_(witness.kind == theirs.kind, witness.mark == theirs.mark))
        .where(
            witness.party_id == CommitmentLink.other_party_id, witness.kind == CommitmentLink.kind,
            other.offering_id == Commitment.offering_id, other.party_id != Commitment.party_id,
            other.status.in_(HOLDS_PLACE),
        )
        .correlate(Commitment, CommitmentLink)
        .exists()
    )
    stands = sa.exists().where(
        CommitmentLink.commitment_id == Commitment.id, CommitmentLink.status.in_(STANDING),
        sa.or_(CommitmentLink.is_issuer, other_is_in),
    )
    differs = sa.or_(
        sa.and_(Commitment.is_linked.is_(False), Commitment.id.in_(sa.select(CommitmentLink.commitment_id)), stands),
        sa.and_(Commitment.is_linked.is_(True), ~stands),
    )
    changed = session.scalars(
        sa.select(Commitment)
        .where(_placed(offering), differs)
        .order_by(Commitment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    for commitment in changed:
        commitment.is_linked = not commitment.is_linked
        session.flush()
        mark = "linked" if commitment.is_linked else "unlinked"
        audit.record(
            session, actor=SYSTEM, action=f"commitment.{mark}", object_id=commitment.public_id, now=now,
            after={"linked": int(commitment.is_linked)},
        )
        told = {"kind": "commitment_linked"} if commitment.is_linked else {"kind": "commitment_unlinked"}
        outbox.enqueue(session, "notice", {**told, "commitment_id": commitment.id}, now=now)


# -- contesting -------------------------------------------------------------------------------------


def contest(session: Session, *, actor: Actor, link_id: str, words: str, now: dt.datetime) -> CommitmentLink:
    """Contest a link of one's own commitment; an operator decides within three business days, else it stands.

    Raises ``NotFound`` for somebody else's, ``Refused`` ``reason_empty``, ``Conflict`` ``link_decided``: a link is
    contested once.
    """
    link, commitment, offering = _locked(session, link_id)
    if not actor.acts_for(commitment.party_id, "investor"):
        raise NotFound("There is no such link.", code="link_not_found")
    if not words.strip():
        raise Refused("Say why you act on your own; an operator reads it.", code="reason_empty", field="words")
    if link.status == "contested":
        return link
    if link.status != "stands":
        raise Conflict("This was decided already.", code="link_decided")
    link.status, link.contest_words = "contested", words.strip()[:MAX_CONTEST_CHARACTERS]
    link.decide_by = calendars.add_business_days(
        now, rules.CONTEST_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
    )
    _log(session, link, "link.contested", "stands", actor, now)
    outbox.enqueue(
        session, "notice", {"kind": "link_contested", "commitment_id": commitment.id}, now=now,
    )
    return link


def decide(
    session: Session, *, actor: Actor, link_id: str, lift: bool, reason: str, now: dt.datetime
) -> CommitmentLink:
    """Decide a contested link: lift it, or let it stand. Operators only, with a second factor and a reason."""
    accounts.demand(actor, "operator", second_factor=True)
    link, _commitment, offering = _locked(session, link_id)
    if link.status != "contested":
        raise Conflict("This link does not wait for a decision.", code="not_waiting")
    if not reason.strip():
        raise Refused("Say why; it is kept in the log.", code="reason_empty", field="reason")
    _settle(session, link, offering, "lifted" if lift else "upheld", actor, now, reason)
    return link


def let_stand(session: Session, link_id: int, *, now: dt.datetime) -> None:
    """Let a contested link stand because no operator decided in time (COM-11)."""
    found = session.get_one(CommitmentLink, link_id)
    link, _commitment, offering = _locked(session, found.public_id)
    if link.status == "contested" and link.decide_by is not None and link.decide_by <= now:
        _settle(session, link, offering, "upheld", SYSTEM, now, "No operator decided in time.")


def _settle(
    session: Session, link: CommitmentLink, offering: Offering, status: str, actor: Actor, now: dt.datetime,
    reason: str,
) -> None:
    link.status, link.decided_at = status, now
    _log(session, link, f"link.{status}", "contested", actor, now, reason)
    if status == "upheld":
        outbox.enqueue(
            session, "notice", {"kind": "link_upheld", "commitment_id": link.commitment_id}, now=now,
        )
    refresh(session, offering, now=now)


def _locked(session: Session, link_id: str) -> tuple[CommitmentLink, Commitment, Offering]:
    link = session.scalars(sa.select(CommitmentLink).where(CommitmentLink.public_id == link_id)).one_or_none()
    if link is None:
        raise NotFound("There is no such link.", code="link_not_found")
    offering, commitment = commitments.locked(session, session.get_one(Commitment, link.commitment_id).public_id)
    session.refresh(link, with_for_update=True)
    return link, commitment, offering


def _log(
    session: Session, link: CommitmentLink, action: str, before: str, actor: Actor, now: dt.datetime,
    reason: str | None = None,
) -> None:
    session.flush()
    audit.record(
        session, actor=actor, action=action, object_id=link.public_id, now=now, reason=reason,
        before={"state": before}, after={"state": link.status},
    )


# -- reading ----------------------------------------------------------------------------------------


def links_of(session: Session, commitment_ids: Sequence[int]) -> dict[int, list[CommitmentLink]]:
    """Return the links of commitments by their ids, in the order in which they were found; one query."""
    found: dict[int, list[CommitmentLink]] = {each: [] for each in commitment_ids}
    for link in session.scalars(
        sa.select(CommitmentLink)
        .where(CommitmentLink.commitment_id.in_(list(commitment_ids)))
        .order_by(CommitmentLink.id)
    ):
        found[link.commitment_id].append(link)
    return found


def contested(session: Session) -> list[tuple[CommitmentLink, Commitment, Offering]]:
    """Return the links that wait for an operator, the one due first first."""
    rows = session.execute(
        sa.select(CommitmentLink, Commitment, Offering)
        .join(Commitment, Commitment.id == CommitmentLink.commitment_id)
        .join(Offering, Offering.id == Commitment.offering_id)
        .where(CommitmentLink.status == "contested")
        .order_by(CommitmentLink.decide_by, CommitmentLink.id)
        .limit(100)
    )
    return [(row[0], row[1], row[2]) for row in rows]
