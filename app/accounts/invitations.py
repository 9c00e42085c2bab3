"""How operators and supervisors come in: the setup token of an empty database, then invitations.

``now`` is system time throughout: tokens run out by the real clock, whatever the demo clock says.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import passwords, queries, rules, service
from app.accounts.actor import Actor
from app.accounts.models import Invitation, SetupToken, User
from app.audit import service as audit
from app.db import insert_for
from app.errors import NotFound, Refused

INVITATION_DAYS = 7
SETUP_TOKEN_HOURS = 24


def invite(
    session: Session, *, actor: Actor, email: str, role: str, now: dt.datetime
) -> tuple[Invitation, str]:
    """Invite somebody to become an operator or supervisor; return the invitation and its token.

    ``now`` is system time. The token is shown once and kept as a hash; it runs out after 7 days.
    Only addresses without an account can be invited, because these roles stand alone (PPL-2).
    """
    service.demand(actor, "operator", second_factor=True)
    if role not in rules.INVITED_ROLES:
        raise Refused("Invite operators or supervisors; everybody else signs up.", code="role_open", field="role")
    email = service.checked_email(email)
    if queries.user_by_email(session, email) is not None:
        raise Refused(
            "This address has an account already. An operator or supervisor needs an account of its own: "
            "invite another address.",
            code="email_taken",
            field="email",
        )
    token = secrets.token_urlsafe(24)
    invitation = Invitation(
        email=email,
        role=role,
        token_hash=_digest(token),
        invited_by=actor.user_id,
        created_at=now,
        expires_at=now + dt.timedelta(days=INVITATION_DAYS),
    )
    session.add(invitation)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="invitation.sent",
        object_id=invitation.public_id,
        now=now,
        after={"role": role},
    )
    return invitation, token


def find_invitation(
    session: Session, *, token: str, now: dt.datetime, to_accept: bool = False
) -> Invitation:
    """Return the open invitation that a token belongs to; raise ``NotFound`` for any other token.

    ``to_accept`` locks it, so that it is accepted once.
    """
    query = sa.select(Invitation).where(Invitation.token_hash == _digest(token))
    invitation = session.scalars(query.with_for_update() if to_accept else query).one_or_none()
    if invitation is None or invitation.accepted_at is not None or invitation.expires_at <= now:
        raise NotFound(
            "This invitation was used already or has run out. Ask an operator for a new one.",
            code="invitation_gone",
        )
    return invitation


def accept_invitation(
    session: Session, *, token: str, name: str, password: str, now: dt.datetime
) -> User:
    """Create the account that an invitation is for. ``now`` is system time."""
    invitation = find_invitation(session, token=token, now=now, to_accept=True)
    service.check_new_password(password, invitation.email)
    invitation.accepted_at = now
    user = service.create_user(
        session,
        email=invitation.email,
        name=name,
        password_hash=passwords.hash_password(password),
        role=invitation.role,
        now=now,
    )
    audit.record(
        session,
        actor=Actor(user_id=user.id),
        action="invitation.accepted",
        object_id=invitation.public_id,
        now=now,
        after={"user": user.public_id},
    )
    return user


def issue_setup_token(session: Session, *, now: dt.datetime) -> str | None:
    """Return a new one-time token for the first operator, or None when there is one.

    Replaces the token issued before; runs out after 24 hours of system time.
    """
    if queries.has_operator(session):
        return None
    token = secrets.token_urlsafe(24)
    fresh = {
        "token_hash": _digest(token),
        "created_at": now,
        "expires_at": now + dt.timedelta(hours=SETUP_TOKEN_HOURS),
        "used_at": None,
    }
    session.execute(
        insert_for(session, SetupToken)
        .values(id=1, **fresh)
        .on_conflict_do_update(index_elements=["id"], set_=fresh)
    )
    return token


def first_operator(
    session: Session, *, token: str, email: str, name: str, password: str, now: dt.datetime
) -> User:
    """Create the first operator of an empty database with the setup token. ``now`` is system time."""
    row = session.get(SetupToken, 1, with_for_update=True)
    if queries.has_operator(session):
        raise Refused("There is an operator already. Ask them for an invitation.", code="setup_done")
    known = row is not None and row.used_at is None and row.expires_at > now
    if not known or not hmac.compare_digest(row.token_hash, _digest(token.strip())):
        raise Refused(
            "This setup token is not the present one. Print a new one with `flask setup-token`.",
            code="setup_token_unknown",
            field="token",
        )
    email = service.checked_email(email)
    service.check_new_password(password, email)
    row.used_at = now
    return service.create_user(
        session,
        email=email,
        name=name,
        password_hash=passwords.hash_password(password),
        role="operator",
        now=now,
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
