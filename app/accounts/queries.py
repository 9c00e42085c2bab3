"""Read who people are and what they may do. Nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.accounts.models import Invitation, Membership, Party, RecoveryCode, User

#: A membership counts while it is approved and not ended.
IN_FORCE = sa.and_(Membership.approved_at.is_not(None), Membership.ended_at.is_(None))


@dataclass(frozen=True, slots=True)
class AuditorListing:
    """An approved auditor: their natural party, name and mail domain (for MIL-8)."""

    party_id: int
    public_id: str
    name: str
    mail_domain: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a request needs to know of the person behind its cookie."""

    user_id: int
    public_id: str
    party_id: int
    email: str
    name: str
    session_nonce: str
    has_second_factor: bool
    demo: bool
    locked: bool
    memberships: frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the operators' list of people."""

    user: User
    memberships: tuple[Membership, ...]


def actor_for(session: Session, user_id: int, *, second_factor: bool = False) -> Actor:
    """Return the actor that a user is, with the memberships in force.

    ``second_factor`` is true only for programs that stand in for a person (demo, replay, tests);
    requests get theirs from ``app.security.current_actor``.
    """
    name = session.execute(sa.select(User.name).where(User.id == user_id)).scalar_one()
    held = session.execute(
        sa.select(Membership.party_id, Membership.role).where(Membership.user_id == user_id, IN_FORCE)
    )
    return Actor(
        user_id=user_id,
        memberships=frozenset((party, role) for party, role in held),
        second_factor=second_factor,
        name=name,
    )


def sign_in_by_public_id(session: Session, public_id: str) -> SignIn | None:
    """Return the person with this public id and their memberships in force, in one query."""
    rows = session.execute(
        sa.select(User, Membership.party_id, Membership.role)
        .outerjoin(Membership, sa.and_(Membership.user_id == User.id, IN_FORCE))
        .where(User.public_id == public_id)
    ).all()
    if not rows:
        return None
    user = rows[0][0]
    return SignIn(
        user_id=user.id,
        public_id=user.public_id,
        party_id=user.party_id,
        email=user.email,
        name=user.name,
        session_nonce=user.session_nonce,
        has_second_factor=user.totp_confirmed_at is not None,
        demo=user.demo,
        locked=user.locked_at is not None,
        memberships=frozenset((party, role) for _user, party, role in rows if party is not None),
    )


def user_by_email(session: Session, email: str) -> User | None:
    """Return the user with this mail address, however it is typed."""
    return session.scalars(sa.select(User).where(User.email == email.strip().casefold())).one_or_none()


def user_by_id(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)


def user_by_public_id(session: Session, public_id: str) -> User | None:
    return session.scalars(sa.select(User).where(User.public_id == public_id)).one_or_none()


def natural_party_of(session: Session, user_id: int) -> int:
    """Return the id of the user's own natural party."""
    return session.execute(sa.select(User.party_id).where(User.id == user_id)).scalar_one()


def party_by_public_id(session: Session, public_id: str) -> Party | None:
    return session.scalars(sa.select(Party).where(Party.public_id == public_id)).one_or_none()


def party_name(session: Session, party_id: int) -> str:
    """Return the name of a party as people see it."""
    return session.execute(sa.select(Party.name).where(Party.id == party_id)).scalar_one()


def party_names(session: Session, party_ids: Sequence[int] | set[int] | frozenset[int]) -> dict[int, str]:
    """Return the names of several parties by id."""
    rows = session.execute(sa.select(Party.id, Party.name).where(Party.id.in_(list(party_ids))))
    return {row.id: row.name for row in rows}


def auditors(session: Session) -> list[AuditorListing]:
    """Return every approved auditor, by name."""
    rows = session.execute(
        sa.select(Party.id, Party.public_id, Party.name, User.email)
        .join(Membership, Membership.party_id == Party.id)
        .join(User, User.id == Membership.user_id)
        .where(Membership.role == "auditor", IN_FORCE, User.locked_at.is_(None))
        .order_by(Party.name, Party.id)
    )
    return [
        AuditorListing(party_id=party, public_id=public, name=name, mail_domain=mail_domain(email))
        for party, public, name, email in rows
    ]


def members_of(session: Session, party_id: int, role: str | None = None) -> list[User]:
    """Return the users who may act for a party now (in ``role`` when given)."""
    query = (
        sa.select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.party_id == party_id, IN_FORCE)
        .distinct()
        .order_by(User.id)
    )
    if role is not None:
        query = query.where(Membership.role == role)
    return list(session.scalars(query))


def user_ids_with_role(session: Session, role: str) -> list[int]:
    """Return every user who holds a role now (for notices to all operators, say)."""
    query = sa.select(Membership.user_id).where(Membership.role == role, IN_FORCE).distinct()
    return sorted(session.scalars(query))


def mail_domains_of(session: Session, party_id: int) -> frozenset[str]:
    """Return the mail domains of the people who act for a party (MIL-8); public ones included."""
    return frozenset(mail_domain(user.email) for user in members_of(session, party_id))


def mail_domain(email: str) -> str:
    """Return what stands behind the @, casefolded."""
    return email.rpartition("@")[2].casefold()


def memberships_of(session: Session, user_id: int) -> list[Membership]:
    """Return a user's memberships that have not ended, waiting ones included."""
    query = (
        sa.select(Membership)
        .where(Membership.user_id == user_id, Membership.ended_at.is_(None))
        .order_by(Membership.id)
    )
    return list(session.scalars(query))


def membership_by_public_id(session: Session, public_id: str) -> Membership | None:
    return session.scalars(sa.select(Membership).where(Membership.public_id == public_id)).one_or_none()


def has_operator(session: Session) -> bool:
    """Tell whether anybody is an operator; an empty database has none."""
    query = sa.select(sa.exists().where(Membership.role == "operator", IN_FORCE))
    return bool(session.execute(query).scalar())


def waiting_auditors(session: Session) -> list[tuple[Membership, User]]:
    """Return the auditors who wait for an operator, oldest first."""
    query = (
        sa.select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.role == "auditor", Membership.approved_at.is_(None), Membership.ended_at.is_(None))
        .order_by(Membership.created_at, Membership.id)
    )
    return [(membership, user) for membership, user in session.execute(query)]


def people(session: Session, *, after_user_id: int = 0, limit: int = 50) -> list[Person]:
    """Return one page of users with their memberships, oldest first."""
    users = list(
        session.scalars(sa.select(User).where(User.id > after_user_id).order_by(User.id).limit(limit))
    )
    held = session.scalars(
        sa.select(Membership)
        .where(Membership.user_id.in_([user.id for user in users]), Membership.ended_at.is_(None))
        .order_by(Membership.id)
    ).all()
    return [
        Person(user=user, memberships=tuple(row for row in held if row.user_id == user.id)) for user in users
    ]


def open_invitations(session: Session) -> list[Invitation]:
    """Return invitations that nobody accepted yet, newest first, expired ones included."""
    query = sa.select(Invitation).where(Invitation.accepted_at.is_(None)).order_by(Invitation.id.desc()).limit(50)
    return list(session.scalars(query))


def recovery_codes_left(session: Session, user_id: int) -> int:
    """Return how many recovery codes are unused."""
    query = sa.select(sa.func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.execute(query).scalar_one()
