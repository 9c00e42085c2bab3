"""Hash and check passwords with Argon2 (PPL-1). Nothing else knows how they are kept."""

from __future__ import annotations

import functools
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

#: The library's defaults follow RFC 9106, second recommended option (64 MiB, 3 passes).
HASHER = PasswordHasher()

#: A hash that no password matches, for accounts that nobody signs in to.
NO_PASSWORD = "!"  # noqa: S105 - not a password


def hash_password(password: str) -> str:
    """Return the Argon2id hash of ``password``, salt and parameters included."""
    return HASHER.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Tell whether ``password`` belongs to the hash."""
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def spend_the_time(password: str) -> None:
    """Do the work of a check for an account that does not exist, so that time tells nothing."""
    matches(_nobody(), password)


def is_outdated(password_hash: str) -> bool:
    """Tell whether the hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


@functools.cache
def _nobody() -> str:
    return HASHER.hash(secrets.token_urlsafe(32))
