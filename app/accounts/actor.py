"""Who acts: the value that every service receives instead of a request or a row."""

from __future__ import annotations

from dataclasses import dataclass, field

ROLES = ("investor", "founder", "auditor", "operator", "supervisor")


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user, or the system.

    ``memberships`` holds (party id, role) pairs in force; ``second_factor`` tells whether a second
    factor was given within 15 minutes (PPL-1). ``user_id`` is None for the worker only.
    """

    user_id: int | None
    memberships: frozenset[tuple[int, str]] = field(default_factory=frozenset)
    second_factor: bool = False
    name: str = ""

    @property
    def is_system(self) -> bool:
        return self.user_id is None

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(role for _party, role in self.memberships)

    def has_role(self, role: str) -> bool:
        return role in self.roles

    def parties(self, role: str) -> frozenset[int]:
        """Return the parties for which this user may act in ``role``."""
        return frozenset(party for party, held in self.memberships if held == role)

    def acts_for(self, party_id: int, role: str) -> bool:
        return (party_id, role) in self.memberships


SYSTEM = Actor(user_id=None, name="Milestake")
