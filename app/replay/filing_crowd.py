"""Make up the demand for one filed offering, so that it fits the outcome that was recorded.

Pure and seeded. There is no public record of who committed what, so all of this is generated, and the report says so.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.replay import crowd
from app.replay.crowd import Pledge
from app.replay.filing_terms import CURRENCY, Plan
from app.replay.filings import Filing

LEAST_STAYING, MOST_STAYING = 4, 10
#: Days at the end of the raise, as first filed, on which nobody new comes: slow payments arrive before the close.
QUIET_DAYS = 8
#: What somebody does who does not stay. A bank that takes money back after part of it was released is left out: the
#: first part is released at the close. ``silent`` stays unless the offering changes, and then does not answer.
LEAVING: tuple[tuple[str, int], ...] = (
    ("cancels_paid", 30), ("cancels_unpaid", 15), ("cancels_under_way", 15), ("declined", 20), ("never_pays", 15),
    ("fails_late", 10), ("silent", 20),
)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is wanted: pledges in the order of their days; ``staying_minor`` is meant to stay to the close."""

    pledges: tuple[Pledge, ...]
    staying_minor: int


def demand(plan: Plan, ticket_minor: int, people: int, dice: random.Random, notes: Counter[str]) -> Demand:
    """Return the demand for a filing whose outcome is known, or made up as :func:`wanted_minor` says."""
    terms = plan.terms
    open_days = max(21, (terms.deadline_at.date() - plan.filing.filed_on).days)
    wanted = wanted_minor(plan.filing, terms.target_minor, terms.maximum_minor, dice, notes)
    count = min(dice.randrange(LEAST_STAYING, MOST_STAYING + 1), wanted // ticket_minor, people)
    leaving = min(dice.randrange(1, 4), max(0, people - count))
    investors = dice.sample(range(people), count + leaving)
    staying = _staying(wanted, count, investors[:count], ticket_minor, open_days, dice)
    leavers = [
        _pledge(each, ticket_minor * dice.randrange(10, 21) // 10, dice.choices(*zip(*LEAVING, strict=True))[0],
                open_days, dice)
        for each in investors[count:]
    ]
    pledges = sorted([*staying, *leavers], key=lambda each: (each.day, each.investor))
    return Demand(tuple(pledges), sum(each.amount_minor for each in staying))


def wanted_minor(
    filing: Filing, target_minor: int, maximum_minor: int, dice: random.Random, notes: Counter[str]
) -> int:
    """Return how much is meant to stay, in minor units: the closing amount, or what an outcome without one suggests."""
    if filing.closing_amount is not None:
        return int(filing.closing_amount * CURRENCY.unit)
    if filing.outcome == "updated_amount_not_stated":
        notes["closed, but no amount stated: somewhat above the target"] += 1
        return min(maximum_minor, target_minor * dice.randrange(101, 131) // 100)
    notes["withdrawn, or no closing filed: 0 to 80 % of the target comes in"] += 1
    return target_minor * dice.randrange(0, 81) // 100


def _staying(
    wanted: int, count: int, investors: Sequence[int], ticket_minor: int, open_days: int, dice: random.Random
) -> list[Pledge]:
    if not count:
        return []
    amounts = crowd.amounts_of(wanted, count, ticket_minor, dice)
    # What uneven sizes leave over is the first one's, so that all together is what was wanted.
    amounts[0] += wanted - sum(amounts)
    habits, weights = zip(*((name, n) for name, n in crowd.HABITS if name in crowd.STAYS), strict=True)
    return [
        _pledge(investor, amount, dice.choices(habits, weights)[0], open_days, dice)
        for investor, amount in zip(investors, amounts, strict=True)
    ]


def _pledge(investor: int, amount_minor: int, habit: str, open_days: int, dice: random.Random) -> Pledge:
    day = dice.randrange(1, open_days - QUIET_DAYS)
    cancels_after = crowd.CANCELS_AFTER.get(habit)
    return Pledge(investor, amount_minor, habit, day, None if cancels_after is None else day + cancels_after)
