"""One vocabulary for what can go wrong: words for a person, a stable code for a program.

Features raise these or subclasses of them; ``app/__init__.py`` turns them into pages. Whatever
raises leaves the state as it was, because the unit of work is rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping


class MilestakeError(Exception):
    """The base: ``code`` never changes once published, ``message`` says what to do.

    ``field`` names the form field the words belong to, where there is one; ``facts`` carries figures
    (ids, integers) for a program.
    """

    status = 422
    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.field = field
        self.facts = dict(facts or {})


class Refused(MilestakeError):
    """A rule says no. The message says which and what would be accepted."""


class Conflict(MilestakeError):
    """The thing changed, or was done already, since the page was read."""

    status = 409
    code = "conflict"


class NotFound(MilestakeError):
    """There is no such thing, or not for this person; the two are never told apart."""

    status = 404
    code = "not_found"


class Forbidden(MilestakeError):
    """This person may see the thing but not do this to it."""

    status = 403
    code = "forbidden"


class SecondFactorNeeded(MilestakeError):
    """The act needs a second factor given within the last 15 minutes (PPL-1)."""

    status = 403
    code = "second_factor_needed"


class TooMany(MilestakeError):
    """Too many attempts; ``facts['retry_after_seconds']`` says when to come back."""

    status = 429
    code = "too_many"


class InvariantBroken(MilestakeError):
    """The books or the tables contradict themselves. Never caught: it stops the work."""

    status = 500
    code = "invariant_broken"
