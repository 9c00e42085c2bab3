"""Create users and parties and give them roles.

What proves who somebody is, is in ``credentials``; how operators come in, is in ``invitations``. Who
may open which page is ``app.security``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import passwords, queries, rules
from app.accounts.actor import Actor
from app.accounts.credentials import demand_second_factor, new_session_nonce
from app.accounts.models import Membership, Party, User
from app.audit import service as audit
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.outbox import service as outbox


def demand(actor: Actor, *roles: str, second_factor: bool = False) -> None:
    """Refuse unless ``actor`` holds one of ``roles`` now, with a fresh second factor where asked.

    The system passes: it acts for the programs of the platform itself.
    """
    if actor.is_system:
        return
    if roles and actor.roles.isdisjoint(roles):
        raise Forbidden(f"Only {' or '.join(_plural(role) for role in roles)} can do this.")
    if second_factor:
        demand_second_factor(actor)


def user_of(actor: Actor) -> int:
    """Return the id of the person who acts; the system is refused (``person_needed``)."""
    if actor.user_id is None:
        raise Forbidden("This needs a person.", code="person_needed")
    return actor.user_id


# -- users ------------------------------------------------------------------------------------------


def sign_up(
    session: Session, *, email: str, name: str, password: str, role: str, now: dt.datetime
) -> User:
    """Create a user with a natural party of their own and one of the open roles.

    Refuses a role that needs an invitation, a weak password and an address that has an account.
    """
    if role not in rules.OPEN_ROLES:
        raise Refused(
            "Choose investor, founder or auditor. Operators and supervisors are invited.",
            code="role_by_invitation",
            field="role",
        )
    email = checked_email(email)
    check_new_password(password, email)
    return create_user(
        session, email=email, name=name, password_hash=passwords.hash_password(password), role=role, now=now
    )


def create_user(
    session: Session,
    *,
    email: str,
    name: str,
    password_hash: str,
    role: str,
    now: dt.datetime,
    approved: bool | None = None,
    demo: bool = False,
) -> User:
    """Create a user from a password hash (``passwords.NO_PASSWORD`` for programs that never sign in).

    An auditor waits for an operator unless ``approved``; programs may say so, pages never do.
    """
    name = _checked_name(name)
    party = _create_party(session, kind="natural", name=name, now=now)
    user = User(
        party_id=party.id,
        email=email.strip().casefold(),
        name=name,
        password_hash=password_hash,
        session_nonce=new_session_nonce(),
        created_at=now,
        demo=demo,
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError:
        raise Refused(
            "There is an account with this mail address already. Sign in, or use another address.",
            code="email_taken",
            field="email",
        ) from None
    audit.record(session, actor=Actor(user_id=user.id), action="user.signed_up", object_id=user.public_id, now=now)
    add_member(session, user_id=user.id, party_id=party.id, role=role, now=now, approved=approved)
    return user


def lock_user(session: Session, *, actor: Actor, user_id: int, reason: str, now: dt.datetime) -> None:
    """Stop a user from signing in, and sign them out everywhere. Operators only, never oneself."""
    demand(actor, "operator", second_factor=True)
    user = _user_for_update(session, user_id)
    if user.id == actor.user_id:
        raise Refused("Ask another operator to lock your own account.", code="lock_oneself")
    _demand_reason(reason)
    user.locked_at = now
    user.session_nonce = new_session_nonce()
    audit.record(session, actor=actor, action="user.locked", object_id=user.public_id, now=now, reason=reason)


def unlock_user(session: Session, *, actor: Actor, user_id: int, reason: str, now: dt.datetime) -> None:
    """Let a locked user sign in again. Operators only."""
    demand(actor, "operator", second_factor=True)
    user = _user_for_update(session, user_id)
    _demand_reason(reason)
    user.locked_at = None
    audit.record(session, actor=actor, action="user.unlocked", object_id=user.public_id, now=now, reason=reason)


# -- parties and roles --------------------------------------------------------------------------------


def create_legal_party(session: Session, *, name: str, now: dt.datetime) -> Party:
    """Create the party of a company. Its first member is added with :func:`add_member`."""
    return _create_party(session, kind="legal", name=_checked_name(name), now=now)


def add_member(
    session: Session,
    *,
    user_id: int,
    party_id: int,
    role: str,
    now: dt.datetime,
    actor: Actor | None = None,
    approved: bool | None = None,
) -> Membership:
    """Let a user act for a party in a role; the same membership again changes nothing.

    Raises ``Refused`` (``roles_exclude``) where PPL-2 keeps the roles apart. The user's row is locked
    first, so that two requests cannot each add one half of a forbidden pair.
    """
    user = _user_for_update(session, user_id)
    held = queries.memberships_of(session, user_id)
    if not rules.may_hold(role, {membership.role for membership in held}):
        raise Refused(
            "Operators and supervisors stay apart from everybody who raises, invests or audits. "
            "Use another account, with its own mail address, for this role.",
            code="roles_exclude",
            field="role",
        )
    if approved is None:
        approved = role != "auditor"
    membership = session.scalars(
        sa.select(Membership).where(
            Membership.user_id == user_id, Membership.party_id == party_id, Membership.role == role
        )
    ).one_or_none()
    if membership is not None and membership.ended_at is None:
        return membership
    if membership is None:
        membership = Membership(user_id=user_id, party_id=party_id, role=role, created_at=now)
        session.add(membership)
    membership.ended_at = None
    membership.approved_at = now if approved else None
    session.flush()
    audit.record(
        session,
        actor=actor or Actor(user_id=user.id),
        action="membership.added",
        object_id=membership.public_id,
        now=now,
        after={"user": user.public_id, "role": role, "approved": "yes" if approved else "waits"},
    )
    return membership


def grant_role(session: Session, *, actor: Actor, user_id: int, role: str, now: dt.datetime) -> Membership:
    """Give a user a role for their own natural party, approved at once. Operators and programs only."""
    demand(actor, "operator", second_factor=True)
    party_id = queries.natural_party_of(session, user_id)
    return add_member(
        session, user_id=user_id, party_id=party_id, role=role, now=now, actor=actor, approved=True
    )


def add_capability(session: Session, *, actor: Actor, role: str, now: dt.datetime) -> Membership:
    """Take one more of the open roles oneself; an auditor then waits for an operator."""
    if actor.user_id is None or role not in rules.OPEN_ROLES:
        raise Refused("Choose investor, founder or auditor.", code="role_by_invitation", field="role")
    party_id = queries.natural_party_of(session, actor.user_id)
    return add_member(session, user_id=actor.user_id, party_id=party_id, role=role, now=now, actor=actor)


def approve_auditor(session: Session, *, actor: Actor, membership_id: int, now: dt.datetime) -> Membership:
    """Let an auditor be appointed from now on. Operators only; approving twice changes nothing."""
    demand(actor, "operator", second_factor=True)
    membership = _waiting_auditor(session, membership_id)
    if membership.approved_at is None:
        membership.approved_at = now
        audit.record(
            session,
            actor=actor,
            action="membership.approved",
            object_id=membership.public_id,
            now=now,
            before={"state": "waits"},
            after={"state": "approved"},
        )
        _tell(session, "membership_approved", membership, now)
    return membership


def refuse_auditor(
    session: Session, *, actor: Actor, membership_id: int, reason: str, now: dt.datetime
) -> Membership:
    """End a waiting auditor's membership with a reason. Operators only."""
    demand(actor, "operator", second_factor=True)
    _demand_reason(reason)
    membership = _waiting_auditor(session, membership_id)
    if membership.approved_at is not None:
        raise Conflict("This auditor is approved already.", code="auditor_approved")
    membership.ended_at = now
    audit.record(
        session,
        actor=actor,
        action="membership.refused",
        object_id=membership.public_id,
        now=now,
        before={"state": "waits"},
        after={"state": "refused"},
        reason=reason,
    )
    _tell(session, "membership_refused", membership, now)
    return membership


def _tell(session: Session, kind: str, membership: Membership, now: dt.datetime) -> None:
    outbox.enqueue(
        session, "notice", {"kind": kind, "membership_id": membership.id}, now=now,
        key=f"notice:{kind}:{membership.public_id}",
    )


# -- pieces -----------------------------------------------------------------------------------------------


def _create_party(session: Session, *, kind: str, name: str, now: dt.datetime) -> Party:
    party = Party(kind=kind, name=name, created_at=now)
    session.add(party)
    session.flush()
    return party


def _user_for_update(session: Session, user_id: int) -> User:
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("There is no such person.")
    return user


def _waiting_auditor(session: Session, membership_id: int) -> Membership:
    membership = session.get(Membership, membership_id, with_for_update=True)
    if membership is None or membership.role != "auditor" or membership.ended_at is not None:
        raise NotFound("There is no such auditor waiting.")
    return membership


def checked_email(email: str) -> str:
    """Return a mail address as it is kept, or refuse it with words for its field."""
    try:
        parts = validate_email(email.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Refused(
            "Enter a mail address like name@example.com.", code="email_form", field="email"
        ) from None
    return parts.normalized.casefold()


def _checked_name(name: str) -> str:
    problem = rules.name_problem(name)
    if problem:
        raise Refused(problem, code="name_form", field="name")
    return " ".join(name.split())


def check_new_password(password: str, email: str) -> None:
    """Refuse a password that :mod:`app.accounts.rules` finds wanting."""
    problem = rules.password_problem(password, email)
    if problem:
        raise Refused(problem, code="password_weak", field="password")


def _demand_reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("Give a reason. It is kept in the log.", code="reason_needed", field="reason")


def _plural(role: str) -> str:
    return f"{role}s"
