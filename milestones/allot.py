"""Cutting paid orders to the maximum, in whole tokens (OFF-7, pro rata).

Pure arithmetic: who is linked to whom, what was paid, and what becomes of the excess are decided by `closing`.
Dividing what leaves escrow afterwards is `apportion`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from milestones.apportion import ApportionError, apportion
from milestones.money import Asset, cost_minor, tokens_for


@dataclass(frozen=True, slots=True)
class Paid:
    """One paid order: the tokens it asked for, and whose it is.

    `group` is the investor, or the linked group that the investor belongs to; orders of one group count as one.
    `most_tokens` is what the investor may hold at most by a limit, None where there is none.
    """

    tokens: int
    group: Hashable
    most_tokens: int | None = None

    @property
    def wanted(self) -> int:
        """What can be given at most: never above the ask or the limit."""
        return self.tokens if self.most_tokens is None else min(self.tokens, self.most_tokens)


@dataclass(frozen=True, slots=True)
class Allotted:
    """What each order gets, in whole tokens and what they cost, in the order of the orders."""

    tokens: tuple[int, ...]
    cost_minor: tuple[int, ...]


def allot(
    orders: Sequence[Paid], *, maximum_minor: int, ticket_minor: int, price_micro: int, asset: Asset
) -> Allotted:
    """Cut paid orders, in the order of their ordinals, to a maximum in minor units (OFF-7).

    Everybody gets the same part of what they asked for, in whole tokens by largest remainder, ties to the lower
    ordinal. An investor (or linked group) whose part would be below the minimum ticket gets the minimum ticket, and
    the others share the rest; where not even that is enough for all, the first get it and the last get nothing. What
    the tokens cost never sums above the maximum. Raises ApportionError for an order or an amount below 0.
    """
    if any(order.wanted < 0 for order in orders):
        raise ApportionError("order_negative", "No order may be below 0 tokens.")
    if maximum_minor < 0:
        raise ApportionError("amount_negative", "The maximum may not be below 0.")

    def costs(tokens: Sequence[int]) -> list[int]:
        return [cost_minor(each, price_micro, asset) if each else 0 for each in tokens]

    least = _tokens_of_ticket(ticket_minor, price_micro, asset)
    capacity = tokens_for(maximum_minor, price_micro, asset)
    return _within(maximum_minor, capacity, lambda most: _divide(orders, most, least), costs, price_micro, asset)


def _within(
    maximum_minor: int, capacity: int, divide: Callable[[int], list[int]], costs: Callable[[Sequence[int]], list[int]],
    price_micro: int, asset: Asset,
) -> Allotted:
    """Take away tokens until the cost is within the maximum: each order's cost is rounded up on its own (COM-3)."""
    while True:
        tokens = divide(capacity)
        spent = costs(tokens)
        above = sum(spent) - maximum_minor
        if above <= 0:
            return Allotted(tuple(tokens), tuple(spent))
        capacity = max(0, min(capacity, sum(tokens)) - max(1, tokens_for(above, price_micro, asset)))


def _tokens_of_ticket(ticket_minor: int, price_micro: int, asset: Asset) -> int:
    """Count the tokens that the minimum ticket buys; at least one."""
    return max(1, tokens_for(ticket_minor, price_micro, asset))


def _divide(orders: Sequence[Paid], capacity: int, least: int) -> list[int]:
    """Divide `capacity` tokens over the orders: among groups first, then within each."""
    members: dict[Hashable, list[int]] = {}
    for index, order in enumerate(orders):
        members.setdefault(order.group, []).append(index)
    # Groups stand in the order of their first orders, so that ties go to whoever came first.
    groups = list(members.values())
    shares = _among_groups([sum(orders[index].wanted for index in group) for group in groups], capacity, least)
    found = [0] * len(orders)
    for group, share in zip(groups, shares, strict=True):
        for index, part in zip(group, apportion(share, [orders[index].wanted for index in group]), strict=True):
            found[index] = part
    return found


def _among_groups(wanted: Sequence[int], capacity: int, least: int) -> list[int]:
    if sum(wanted) <= capacity:
        return list(wanted)
    floors = [min(least, each) for each in wanted]
    if sum(floors) > capacity:
        return _first_come(floors, capacity)
    raised: set[int] = set()
    while True:
        rest = [0 if index in raised else each for index, each in enumerate(wanted)]
        left, total = capacity - sum(floors[index] for index in raised), sum(rest)
        # Whose exact part of the rest is below the ticket gets the ticket instead.
        below = {
            index for index, each in enumerate(rest)
            if index not in raised and each * left < floors[index] * total
        }
        if not below:
            shares = apportion(left, rest)
            return [floors[index] if index in raised else share for index, share in enumerate(shares)]
        raised |= below


def _first_come(floors: Sequence[int], capacity: int) -> list[int]:
    found = []
    for floor in floors:
        share = floor if floor <= capacity else 0
        found.append(share)
        capacity -= share
    return found
