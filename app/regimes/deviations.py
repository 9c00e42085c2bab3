"""Worked cases that were written for another policy than the product's, on purpose answered differently.

Each entry says which product rule wins, why, and what the other policy would answer, so that a case counts as such a
deviation only when it asks for exactly that; anything else that differs is a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from milestones.apportion import WHOLE_BP, apportion

Answer = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Deviation:
    """Why a rule answers otherwise than cases of another policy; ``theirs`` is that policy's own answer, typed."""

    product_rule: str
    reason: str
    theirs: Callable[..., Answer]


def cut_the_last(
    *, method: str, available_minor: int, commitments_in_time_order_minor: tuple[int, ...]
) -> Answer:
    """First come, the last one cut to the room that is left."""
    asked, left, allocated = commitments_in_time_order_minor, available_minor, []
    for amount in asked if method == "first_come_first_served" else ():
        allocated.append(min(amount, left))
        left -= allocated[-1]
    return {
        "allocated_minor": tuple(allocated),
        "refunded_minor": tuple(ask - got for ask, got in zip(asked, allocated, strict=False)),
    }


def floor_each_tranche(*, total_minor: int, basis_points: tuple[int, ...], rounding: str = "") -> Answer:
    """Round each tranche down by itself and give the last whatever is missing."""
    if sum(basis_points) != WHOLE_BP or 0 in basis_points or rounding not in ("", "remainder_to_last"):
        return {}
    parts = [total_minor * bp // WHOLE_BP for bp in basis_points[:-1]]
    return {"tranches_minor": (*parts, total_minor - sum(parts))}


def divide_the_rest(
    *, contributions_minor: tuple[int, ...], released_minor: int, interest_minor: int = 0, escrow_fees_minor: int = 0
) -> Answer:
    """Divide what is left anew by contribution, so that the earliest gets a tied unit back instead of out."""
    if released_minor > sum(contributions_minor) or interest_minor > sum(contributions_minor):
        return {}
    _ = escrow_fees_minor
    return {
        "refunds_minor": tuple(apportion(sum(contributions_minor) - released_minor, contributions_minor)),
        "interest_shares_minor": tuple(apportion(interest_minor, contributions_minor)),
    }


def burn_after_the_fact(*, tokens_issued: int, allocated_minor: int, refunded_minor: int) -> Answer:
    """Issue every token at the close and burn the share that was refunded, rounded down."""
    burn = tokens_issued * refunded_minor // allocated_minor if allocated_minor else 0
    return {"burn": burn, "keep": tokens_issued - burn}


def quorum_decides(**inputs: object) -> Answer:
    """Let the day on which the quorum was reached decide the milestone's deadline."""
    from app.regimes.rules.registry import decide_newest

    ours = decide_newest("escrow", "milestone_release_gate", **inputs)
    reached, deadline = inputs["quorum_reached_at"], inputs["milestone_deadline"]
    late = reached is not None and reached > deadline and "attestations_short" not in ours.reasons
    after = ("dispute_window_open", "dispute_open")
    reasons = [each for each in ours.reasons if each not in after]
    reasons += ["quorum_after_deadline"] if late else []
    reasons += [each for each in ours.reasons if each in after]
    return {"release": not reasons, "reasons": tuple(reasons)}


DEVIATIONS: Mapping[tuple[str, str], Deviation] = MappingProxyType({
    ("escrow", "oversubscription_allocation"): Deviation(
        "OFF-5", "A commitment larger than the room is refused with the room shown; it is never cut.", cut_the_last,
    ),
    ("escrow", "tranche_amounts"): Deviation(
        "MIL-1", "The first k tranches together are rounded down, so that no rounding piles up in the last.",
        floor_each_tranche,
    ),
    ("escrow", "pro_rata_refund"): Deviation(
        "REL-2", "The release was divided by largest remainder and the refund is what each has left; a tied unit went "
        "out of the earliest commitment, so it comes back to a later one.", divide_the_rest,
    ),
    ("escrow", "token_retention_after_refund"): Deviation(
        "REL-3, WND-3", "Tokens are issued as money leaves escrow, so that a refund has no token to burn.",
        burn_after_the_fact,
    ),
    ("escrow", "milestone_release_gate"): Deviation(
        "MIL-14", "A complete submission before the long-stop meets it; the time that review takes is tolled.",
        quorum_decides,
    ),
})
