"""Escrow, by our own product rules: oversubscription, tranches, the release gate, what goes back (OFF, MIL, REL).

Divisions are those of ``milestones.apportion``, the ones that the books use. Worked cases that were written for
another policy are listed in ``app.regimes.deviations``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import reasons
from app.regimes.rules.registry import rule
from milestones.apportion import ApportionError, apportion
from milestones.apportion import tranche_amounts as tranches_of

REGIME = "escrow"


@rule(REGIME, "oversubscription_allocation")
def oversubscription_allocation(
    _arm: Arm, *, method: str, available_minor: int, commitments_in_time_order_minor: tuple[int, ...]
) -> Ruling:
    """Divide the room over commitments, in their order in time (OFF-5, OFF-7).

    First come: each that fits is taken whole, one larger than the room is refused and never cut. Pro rata: largest
    remainder, ties to the earliest, nobody above their ask.
    """
    asked = commitments_in_time_order_minor
    if method == "first_come_first_served":
        allocated = []
        for amount in asked:
            allocated.append(amount if amount <= available_minor - sum(allocated) else 0)
    elif method == "pro_rata":
        allocated = apportion(min(available_minor, sum(asked)), asked)
    else:
        return Ruling({}, ("unknown_method",))
    return Ruling({
        "allocated_minor": tuple(allocated),
        "refunded_minor": tuple(ask - got for ask, got in zip(asked, allocated, strict=True)),
    })


@rule(REGIME, "tranche_amounts")
def tranche_amounts(
    _arm: Arm, *, total_minor: int, basis_points: tuple[int, ...], rounding: str = "remainder_to_last"
) -> Ruling:
    """Turn tranches into money (MIL-1): the first k together are rounded down, the last takes the remainder."""
    try:
        return Ruling({"tranches_minor": tranches_of(total_minor, basis_points), "rounding": rounding})
    except ApportionError as error:
        return Ruling({"tranches_minor": None}, (error.code,))


@rule(REGIME, "tranche_schedule_valid", answer="ok")
def tranche_schedule_valid(_arm: Arm, *, basis_points: tuple[int, ...]) -> Ruling:
    """Say whether tranches sum to exactly 10,000 basis points and none is zero (MIL-1)."""
    try:
        tranches_of(0, basis_points)
    except ApportionError as error:
        return Ruling({}, (error.code,))
    return Ruling({})


@rule(REGIME, "pro_rata_refund")
def pro_rata_refund(
    _arm: Arm,
    *,
    contributions_minor: tuple[int, ...],
    released_minor: int,
    interest_minor: int = 0,
    escrow_fees_minor: int = 0,
) -> Ruling:
    """Divide what was not released (REL-2): each gets back what they paid less their share of the release.

    No fee is taken from a refund (REL-4); interest, where there is any, is shared by contribution.
    """
    try:
        taken = apportion(released_minor, contributions_minor)
        interest = apportion(interest_minor, contributions_minor)
    except ApportionError as error:
        return Ruling({}, (error.code,))
    return Ruling({
        "refunds_minor": tuple(paid - out for paid, out in zip(contributions_minor, taken, strict=True)),
        "interest_shares_minor": tuple(interest),
        "fees_deducted_minor": 0, "fees_borne_elsewhere_minor": escrow_fees_minor,
    })


@dataclass(frozen=True, slots=True)
class Attested:
    """One auditor's word in a worked case."""

    by: str
    verdict: str


@rule(REGIME, "milestone_release_gate", answer="release")
def milestone_release_gate(
    _arm: Arm,
    *,
    attestations: tuple[Attested, ...],
    eligible_attestors: tuple[str, ...],
    issuer_parties: tuple[str, ...],
    required: int,
    quorum_reached_at: dt.datetime | None,
    dispute_window_days: int,
    open_disputes: int,
    milestone_deadline: dt.datetime,
    now: dt.datetime,
    previous_tranche_released: bool,
    frozen_by_regulator: bool,
) -> Ruling:
    """Say whether a tranche may be released (MIL-12).

    Each eligible auditor counts once, parties of the issuer never (MIL-8). The day of the quorum does not decide the
    deadline: a complete submission before it does, and review tolls it (MIL-14).
    """
    able = set(eligible_attestors) - set(issuer_parties)
    said_met = {each.by for each in attestations if each.verdict == "met"} & able
    short = len(said_met) < required or quorum_reached_at is None
    window_ends = None if quorum_reached_at is None else quorum_reached_at + dt.timedelta(days=dispute_window_days)
    return Ruling(
        {"approvals": len(said_met), "window_ends": window_ends, "long_stop": milestone_deadline},
        reasons([
            (frozen_by_regulator, "frozen"),
            (not previous_tranche_released, "previous_tranche_unreleased"),
            (short, "attestations_short"),
            (not short and window_ends is not None and now < window_ends, "dispute_window_open"),
            (open_disputes > 0, "dispute_open"),
        ]),
    )


@rule(REGIME, "token_retention_after_refund")
def token_retention_after_refund(
    _arm: Arm, *, tokens_issued: int, allocated_minor: int, refunded_minor: int
) -> Ruling:
    """Say what an investor holds after a partial refund (REL-3): tokens for released money, and none to burn.

    ``tokens_issued`` is the whole entitlement; tokens exist only for money that has left escrow.
    """
    released = allocated_minor - refunded_minor
    keep = tokens_issued * released // allocated_minor if allocated_minor else 0
    return Ruling({"burn": 0, "keep": keep})


@rule(REGIME, "rule_419_reconfirmation", answer="stays")
def rule_419_reconfirmation(
    _arm: Arm, *, amount_in_escrow_investor_minor: int, elected_to_remain: bool | None, window_closed: bool
) -> Ruling:
    """Say whether an investor stays: silence at the end of the window refunds (OFF-8, OFF-11)."""
    out = elected_to_remain is False or (elected_to_remain is None and window_closed)
    return Ruling(
        {"refund_minor": amount_in_escrow_investor_minor if out else 0}, reasons([(out, "did_not_elect_to_remain")])
    )
