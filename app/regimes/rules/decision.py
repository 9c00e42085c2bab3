"""What a rule answers: yes or no, every reason, the facts it stands on, and by which arm of which record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import rfc8785

#: Reasons that come before any rule's own: the question could not be asked, so the answer is no.
NO_FIGURES = "no_figures_for_this_day"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a rule's function gives: reasons against, in the rule's own order, and facts."""

    facts: Mapping[str, object]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule's answer. ``facts`` holds whole numbers (``_minor`` is money), texts, dates and lists of them.

    ``allowed`` is exactly "no reason stands against it"; every reason is there, in the rule's own order.
    """

    rule_id: str
    regime: str
    arm: str
    source: str
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons

    def as_row(self) -> dict[str, object]:
        """Return the columns of a stored decision: reasons and facts as RFC 8785 text."""
        return {
            "rule_id": self.rule_id, "regime": self.regime, "arm": self.arm, "source": self.source,
            "allowed": self.allowed, "reasons": canonical(list(self.reasons)), "facts": canonical(self.facts),
        }


def canonical(value: object) -> str:
    """Return RFC 8785 text; dates as ISO, whole numbers beyond 53 bits as text. Raises TypeError for anything else."""
    return rfc8785.dumps(_portable(value)).decode()


def digest(row: Mapping[str, object]) -> str:
    """Return the SHA-256 (hexadecimal) over RFC 8785 of a stored decision without its id and its hash."""
    return hashlib.sha256(canonical(row).encode()).hexdigest()


def _portable(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return str(value)
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a decision holds texts, dates and whole numbers, not {type(value).__name__}")
