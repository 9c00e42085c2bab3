"""Second factors behind one port: codes by time now, other kinds beside it later.

An authenticator only computes; what a user has enrolled and which step was used last are columns of
the user, kept by ``app.accounts.service``.
"""

from __future__ import annotations

import datetime as dt
import hmac
from typing import Protocol

import pyotp

ISSUER = "Milestake"
STEP_SECONDS = 30
#: Steps before and after the present one that are taken, for clocks that differ (RFC 6238 §5.2).
TOLERATED_STEPS = 1


class Authenticator(Protocol):
    """What a kind of second factor must be able to do."""

    def new_secret(self) -> str: ...

    def address(self, secret: str, account: str) -> str: ...

    def matching_step(self, secret: str, code: str, *, now: dt.datetime, last_step: int | None) -> int | None: ...


class TimeCodes:
    """Six digits that change every 30 seconds (RFC 6238)."""

    def new_secret(self) -> str:
        """Return a new secret of 160 bits in base 32."""
        return pyotp.random_base32(32)

    def address(self, secret: str, account: str) -> str:
        """Return the otpauth address that an authenticator app reads from the picture."""
        return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)

    def matching_step(self, secret: str, code: str, *, now: dt.datetime, last_step: int | None) -> int | None:
        """Return the step that ``code`` is right for, or None; never one at or before ``last_step``."""
        present = step_at(now)
        for step in range(present - TOLERATED_STEPS, present + TOLERATED_STEPS + 1):
            fresh = last_step is None or step > last_step
            if hmac.compare_digest(self.code_at(secret, step).encode(), code.encode()) and fresh:
                return step
        return None

    def code_at(self, secret: str, step: int) -> str:
        """Return the code of one step."""
        return pyotp.TOTP(secret).at(step * STEP_SECONDS)


def step_at(now: dt.datetime) -> int:
    """Return the number of the 30-second step that ``now`` is in."""
    return int(now.timestamp()) // STEP_SECONDS


_KINDS: dict[str, TimeCodes] = {"totp": TimeCodes()}


def authenticator(kind: str = "totp") -> TimeCodes:
    """Return the authenticator of a kind; ``totp`` is the only one so far."""
    return _KINDS[kind]
