"""Check and change what proves who somebody is: passwords and second factors (PPL-1).

Times here are of the system clock. How attempts are limited is ``app.ratelimit``, counted by the
views in their own unit of work before anything here runs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import passwords, queries, rules
from app.accounts.actor import Actor
from app.accounts.authenticator import TOLERATED_STEPS, authenticator, step_at
from app.accounts.models import RecoveryCode, User
from app.audit import service as audit
from app.errors import Refused, SecondFactorNeeded

RECOVERY_CODES = 10
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_session_nonce() -> str:
    """Return what ties session cookies to the present password."""
    return secrets.token_urlsafe(12)


def demand_second_factor(actor: Actor) -> None:
    """Refuse unless a second factor was given within the last 15 minutes (PPL-1)."""
    if not actor.is_system and not actor.second_factor:
        raise SecondFactorNeeded("Give a code from your authenticator app first; then send this again.")


# -- passwords ----------------------------------------------------------------------------------------


def check_password(session: Session, *, email: str, password: str) -> User | None:
    """Return the user whose address and password these are, else None, in the same time either way.

    Locked accounts give None as well, so that nothing is told apart (PPL-1).
    """
    user = queries.user_by_email(session, email)
    if user is None:
        passwords.spend_the_time(password[: rules.MAX_PASSWORD_CHARACTERS])
        return None
    if len(password) > rules.MAX_PASSWORD_CHARACTERS:
        passwords.spend_the_time(password[: rules.MAX_PASSWORD_CHARACTERS])
        return None
    right = passwords.matches(user.password_hash, password)
    return user if right and user.locked_at is None else None


def rehash_password(session: Session, *, user_id: int, password: str) -> None:
    """Store a checked password under today's parameters."""
    session.get_one(User, user_id).password_hash = passwords.hash_password(password)


def change_password(
    session: Session, *, actor: Actor, current: str, new: str, now: dt.datetime
) -> User:
    """Replace the actor's password and sign out every other session.

    Refuses when ``current`` is not the present password or ``new`` is weak; then nothing changes.
    """
    user = session.get_one(User, actor.user_id, with_for_update=True)
    if len(current) > rules.MAX_PASSWORD_CHARACTERS or not passwords.matches(user.password_hash, current):
        raise Refused("This is not your present password. Type it again.", code="password_wrong", field="current")
    problem = rules.password_problem(new, user.email)
    if problem:
        raise Refused(problem, code="password_weak", field="new")
    user.password_hash = passwords.hash_password(new)
    user.session_nonce = new_session_nonce()
    audit.record(session, actor=actor, action="user.password_changed", object_id=user.public_id, now=now)
    return user


# -- second factors -------------------------------------------------------------------------------------


def enrol_second_factor(session: Session, *, actor: Actor, now: dt.datetime) -> str:
    """Begin to set up codes by time and return the secret; it counts only once confirmed.

    Replacing a confirmed factor needs a fresh code of the present one.
    """
    user = session.get_one(User, actor.user_id, with_for_update=True)
    if user.totp_confirmed_at is not None:
        demand_second_factor(actor)
    user.totp_pending_secret = authenticator().new_secret()
    audit.record(session, actor=actor, action="second_factor.begun", object_id=user.public_id, now=now)
    return user.totp_pending_secret


def confirm_second_factor(session: Session, *, actor: Actor, code: str, now: dt.datetime) -> list[str]:
    """Put the begun factor in force when ``code`` is right, and return ten new recovery codes."""
    user = session.get_one(User, actor.user_id, with_for_update=True)
    if user.totp_pending_secret is None:
        raise Refused("Start setting up the second factor again.", code="second_factor_not_begun")
    if user.totp_confirmed_at is not None:
        demand_second_factor(actor)
    step = authenticator().matching_step(user.totp_pending_secret, _typed(code), now=now, last_step=None)
    if step is None:
        raise _wrong_code()
    user.totp_secret = user.totp_pending_secret
    user.totp_pending_secret = None
    user.totp_confirmed_at = now
    user.totp_last_step = step
    session.flush()
    audit.record(session, actor=actor, action="second_factor.confirmed", object_id=user.public_id, now=now)
    return _replace_recovery_codes(session, user.id, now)


def verify_second_factor(session: Session, *, user_id: int, code: str, now: dt.datetime) -> None:
    """Take a code of the second factor, or a recovery code, once.

    Raises ``Refused`` (``second_factor_wrong``) for a wrong code and for one that was taken before.
    """
    typed = _typed(code)
    user = session.get_one(User, user_id, with_for_update=True)
    if user.totp_secret is None or user.totp_confirmed_at is None:
        raise Refused("Set up a second factor first.", code="second_factor_missing")
    if len(typed) == 6 and typed.isascii() and typed.isdigit():
        step = authenticator().matching_step(user.totp_secret, typed, now=now, last_step=user.totp_last_step)
        if step is None:
            raise _wrong_code()
        user.totp_last_step = step
        session.flush()
        return
    used = session.execute(
        sa.update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == _digest(typed),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    if used.rowcount != 1:
        raise _wrong_code()
    audit.record(
        session,
        actor=Actor(user_id=user_id),
        action="second_factor.recovered",
        object_id=user.public_id,
        now=now,
    )


def new_recovery_codes(session: Session, *, actor: Actor, now: dt.datetime) -> list[str]:
    """Replace every recovery code by ten new ones and return them; needs a fresh second factor."""
    demand_second_factor(actor)
    user = session.get_one(User, actor.user_id, with_for_update=True)
    audit.record(session, actor=actor, action="recovery_codes.replaced", object_id=user.public_id, now=now)
    return _replace_recovery_codes(session, user.id, now)


def give_demo_second_factor(
    session: Session, *, user_id: int, sandbox: bool, now: dt.datetime, password_hash: str | None = None
) -> str:
    """Put a second factor in force for an account of the demo; its code is shown on the page.

    With a ``password_hash`` the account can be signed in to from now on. Refuses outside a sandbox.
    """
    if not sandbox:
        raise Refused("Demo accounts exist only in a sandbox.", code="demo_account_off")
    user = session.get_one(User, user_id, with_for_update=True)
    user.demo = True
    if password_hash is not None:
        user.password_hash = password_hash
    user.totp_secret = authenticator().new_secret()
    user.totp_confirmed_at = now
    user.totp_last_step = None
    session.flush()
    return user.totp_secret


def sandbox_code(user: User, *, sandbox: bool, now: dt.datetime) -> str | None:
    """Return a code that a demo account may type now, None for everybody else.

    When the present step's code was used, the next one is given; it is taken early by the tolerance.
    """
    if not sandbox or not user.demo or user.totp_secret is None:
        return None
    present = step_at(now)
    step = max(present, (user.totp_last_step or 0) + 1)
    return authenticator().code_at(user.totp_secret, step) if step <= present + TOLERATED_STEPS else None


# -- pieces -----------------------------------------------------------------------------------------------


def _replace_recovery_codes(session: Session, user_id: int, now: dt.datetime) -> list[str]:
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(user_id=user_id, code_hash=_digest(_typed(code)), created_at=now) for code in codes
    )
    session.flush()
    return codes


def _recovery_code() -> str:
    letters = "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def _typed(code: str) -> str:
    return "".join(code.split()).replace("-", "").casefold()


def _wrong_code() -> Refused:
    return Refused(
        "This code is not right, or it was used already. Wait for the next one and type its six digits.",
        code="second_factor_wrong",
        field="code",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
