"""Who may hold which roles together, and what a password must be (PPL-1, PPL-2). Pure."""

from __future__ import annotations

from collections.abc import Iterable

#: Roles that anybody may take; an auditor then waits for an operator.
OPEN_ROLES = ("investor", "founder", "auditor")
#: Roles that need an invitation.
INVITED_ROLES = ("operator", "supervisor")

MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 200
MAX_NAME_CHARACTERS = 120


def excluded_roles(role: str) -> frozenset[str]:
    """Return the roles that may not be held together with ``role``.

    Operators neither invest, audit nor raise, and a supervisor changes nothing (PPL-2), so each of
    these two stands alone.
    """
    everything = frozenset(OPEN_ROLES + INVITED_ROLES)
    return everything - {role} if role in INVITED_ROLES else frozenset(INVITED_ROLES)


def may_hold(role: str, held: Iterable[str]) -> bool:
    """Tell whether somebody with the roles ``held`` may also hold ``role``."""
    return excluded_roles(role).isdisjoint(held)


def password_problem(password: str, email: str) -> str | None:
    """Return what is wrong with a new password in words, or None."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        return f"Choose a password of at least {MIN_PASSWORD_CHARACTERS} characters. A few words in a row work well."
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return f"Choose a password of at most {MAX_PASSWORD_CHARACTERS} characters."
    if password.strip().casefold() == email.strip().casefold():
        return "Choose a password that is not your mail address."
    if len(set(password)) == 1:
        return "Choose a password with more than one character in it."
    return None


def name_problem(name: str) -> str | None:
    """Return what is wrong with a person's or company's name in words, or None."""
    if not name.strip():
        return "Enter a name."
    if len(name) > MAX_NAME_CHARACTERS:
        return f"Enter a name of at most {MAX_NAME_CHARACTERS} characters."
    if any(not character.isprintable() for character in name):
        return "Enter a name on one line, without control characters."
    return None
