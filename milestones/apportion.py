"""Dividing whole amounts exactly: by largest remainder, into tranches, and into tokens (REL-2, REL-3, MIL-1).

Responsible for every division of money and tokens in the program; the database's release does the same arithmetic in
SQL and is tested against this. What is divided, and when, is decided by `plan` and the ledger.
"""

from collections.abc import Sequence

from milestones.money import Asset, tokens_for

WHOLE_BP = 10_000


class ApportionError(ValueError):
    """An amount that cannot be divided as asked. `code` is stable, `message` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount over weights of the same unit by largest remainder (REL-2).

    Weights are each investor's unreleased money in the order of the commitments' ordinals. Floors first, the missing
    units to the largest remainders, ties to the lower index. The shares sum to `amount`, none is negative and none is
    more than its weight. Raises ApportionError when the amount is below 0 or above the sum of the weights, or a
    weight is below 0.
    """
    if any(weight < 0 for weight in weights):
        raise ApportionError("weight_negative", "No weight may be below 0.")
    if amount < 0:
        raise ApportionError("amount_negative", "The amount to divide may not be below 0.")
    if amount > sum(weights):
        raise ApportionError("amount_above_weights", "The amount to divide is more than what is there.")
    return _largest_remainder(amount, weights)


def _largest_remainder(amount: int, weights: Sequence[int]) -> list[int]:
    total = sum(weights)
    if amount == 0 or total == 0:
        return [0] * len(weights)
    shares = [amount * weight // total for weight in weights]
    missing = amount - sum(shares)
    # sorted() is stable, so equal remainders keep their order: ties go to the lower ordinal.
    by_remainder = sorted(range(len(weights)), key=lambda i: -(amount * weights[i] % total))
    for index in by_remainder[:missing]:
        shares[index] += 1
    return shares


def tranche_amounts(proceeds_minor: int, tranche_bps: Sequence[int]) -> tuple[int, ...]:
    """Turn tranches in basis points into money at close (MIL-1).

    The first k together are floor(proceeds × cumulative bp ÷ 10,000), so the last takes the remainder and all sum to
    the proceeds: 0.05 at 50/50 is 0.02 and 0.03. Raises ApportionError unless they sum to exactly 10,000, none zero.
    """
    if sum(tranche_bps) != WHOLE_BP:
        raise ApportionError(
            "tranches_not_whole", f"The tranches sum to {sum(tranche_bps)} bp, not {WHOLE_BP}."
        )
    return recompute_tranches(proceeds_minor, tranche_bps)


def recompute_tranches(unreleased_minor: int, unsettled_bps: Sequence[int]) -> tuple[int, ...]:
    """Divide what is still unreleased over the unsettled tranches, in contract order (MIL-1, second sentence).

    The first k together are floor(unreleased × their cumulative bp ÷ their total bp). Sums exactly to
    `unreleased_minor`. Raises ApportionError on money below 0, a tranche below 1 bp, or money with no tranche left.
    """
    if unreleased_minor < 0:
        raise ApportionError("amount_negative", "Unreleased money may not be below 0.")
    if any(bp < 1 for bp in unsettled_bps):
        raise ApportionError("tranche_zero", "Every tranche must be at least 1 basis point.")
    if not unsettled_bps:
        if unreleased_minor:
            raise ApportionError("no_tranche_left", "Money is unreleased but no tranche is left to carry it.")
        return ()
    total_bp = sum(unsettled_bps)
    amounts, cumulative_bp, cumulative_minor = [], 0, 0
    for bp in unsettled_bps:
        cumulative_bp += bp
        upto_minor = unreleased_minor * cumulative_bp // total_bp
        amounts.append(upto_minor - cumulative_minor)
        cumulative_minor = upto_minor
    return tuple(amounts)


def entitlement_for(kept_minor: int, price_micro: int, asset: Asset, allotted: int) -> int:
    """Count the tokens an investor can still end with: for money released or still in escrow, never for money returned.

    `kept_minor` is released plus unreleased. Equals `allotted` until something was returned or reversed (WND-3).
    """
    return min(tokens_for(kept_minor, price_micro, asset), allotted)


def tokens_after(
    cum_released_minor: int, unreleased_minor_after: int, price_micro: int, asset: Asset, allotted: int
) -> int:
    """Count all tokens an investor holds once a release has posted (REL-3); the issue is this minus what they held.

    floor(cumulative released ÷ price), never above the entitlement; the release after which nothing of theirs is
    unreleased gives the whole remaining entitlement, which money returned in between has already made smaller.
    """
    entitlement = entitlement_for(cum_released_minor + unreleased_minor_after, price_micro, asset, allotted)
    if unreleased_minor_after == 0:
        return entitlement
    return min(tokens_for(cum_released_minor, price_micro, asset), entitlement)


def bp_from_costs(costs: Sequence[int]) -> tuple[int, ...]:
    """Express costs as basis points of their total by largest remainder, each at least 1, summing to 10,000.

    Costs are integers of any one unit. A cost too small for one basis point gets 1 and the others share the rest.
    Raises ApportionError when there are no costs, one is below 0, all are 0, or there are more than 10,000.
    """
    if not costs or len(costs) > WHOLE_BP:
        raise ApportionError("costs_count", f"There must be 1 to {WHOLE_BP} costs.")
    if any(cost < 0 for cost in costs) or sum(costs) == 0:
        raise ApportionError("costs_negative", "No cost may be below 0 and at least one must be above 0.")
    raised: set[int] = set()
    while True:
        rest = [0 if i in raised else cost for i, cost in enumerate(costs)]
        left_bp = WHOLE_BP - len(raised)
        tiny = {i for i, cost in enumerate(rest) if i not in raised and cost * left_bp < sum(rest)}
        if not tiny:
            shares = _largest_remainder(left_bp, rest)
            return tuple(1 if i in raised else share for i, share in enumerate(shares))
        raised |= tiny
