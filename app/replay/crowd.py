"""Make up the investors of an offering: how much each commits, when, how they pay and whether they stay.

Pure and seeded: the same seed gives the same crowd. Records of real contracts know no investors, so all of this is
generated, and the table says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

LEAST_INVESTORS, MOST_INVESTORS = 20, 24

#: What an investor does: how many of a thousand do it. ``stays`` in the table below says whose money stays to the end.
HABITS: tuple[tuple[str, int], ...] = (
    ("pays", 470),
    ("pays_by_debit", 120),
    ("pays_with_fee", 120),
    ("answer_lost", 20),
    ("request_lost", 20),
    ("account_closes", 20),
    ("cancels_paid", 60),
    ("cancels_unpaid", 20),
    ("cancels_under_way", 30),
    ("declined", 40),
    ("never_pays", 30),
    ("fails_late", 20),
    ("returned_early", 20),
    ("returned_late", 10),
)

#: habit → the sandbox's method of paying; None: does not pay.
METHODS = {
    "pays": "instant",
    "pays_by_debit": "bank_2d",
    "pays_with_fee": "fee_card",
    "answer_lost": "times_out",
    "request_lost": "lost",
    "account_closes": "refund_fails",
    "cancels_paid": "instant",
    "cancels_unpaid": None,
    "cancels_under_way": "bank_2d",
    "declined": "declined",
    "never_pays": None,
    "fails_late": "fails_late",
    "returned_early": "returned_5d",
    "returned_late": "returned_5d",
    "silent": "instant",
}
STAYS = frozenset({"pays", "pays_by_debit", "pays_with_fee", "answer_lost", "request_lost", "account_closes"})
#: Whoever commits last in the raise: their bank takes the money back after the close, before anything is released.
LATE_DAYS_BEFORE_DEADLINE = 2
#: Days from the commitment to its cancellation; a debit is still under way then.
CANCELS_AFTER = {"cancels_paid": 4, "cancels_unpaid": 0, "cancels_under_way": 1}


@dataclass(frozen=True, slots=True)
class Pledge:
    """One investor's part in one offering. ``day`` counts from the launch; ``cancel_day`` is None for most."""

    investor: int
    amount_minor: int
    habit: str
    day: int
    cancel_day: int | None

    @property
    def method(self) -> str | None:
        return METHODS[self.habit]


def crowd(
    *, target_minor: int, minimum_minor: int, ticket_minor: int, open_days: int, people: int, dice: random.Random
) -> list[Pledge]:
    """Return at least 20 pledges of uneven sizes, all different investors, in the order of their days.

    What stays is more than the minimum, because every record is of a contract that was funded: somebody who
    would leave stays instead until it is.
    """
    count = min(people, LEAST_INVESTORS + dice.randrange(MOST_INVESTORS - LEAST_INVESTORS + 1))
    count = max(1, min(count, target_minor // ticket_minor))
    amounts = amounts_of(target_minor * dice.randrange(96, 108) // 100, count, ticket_minor, dice)
    investors = dice.sample(range(people), count)
    habits, weights = zip(*HABITS, strict=True)
    pledges = [
        _pledge(investor, amount, dice.choices(habits, weights)[0], open_days, dice)
        for investor, amount in zip(investors, amounts, strict=True)
    ]
    return sorted(_sufficient(pledges, minimum_minor), key=lambda each: (each.day, each.investor))


def amounts_of(total_minor: int, count: int, ticket_minor: int, dice: random.Random) -> list[int]:
    """Divide a demand unevenly: a ticket each, and the rest by squared throws, so that some give fifty times more."""
    weights = [dice.randrange(1, 31) ** 2 for _ in range(count)]
    rest = max(0, total_minor - count * ticket_minor)
    return [ticket_minor + rest * weight // sum(weights) for weight in weights]


def _pledge(investor: int, amount_minor: int, habit: str, open_days: int, dice: random.Random) -> Pledge:
    day = open_days - LATE_DAYS_BEFORE_DEADLINE if habit == "returned_late" else dice.randrange(1, open_days - 8)
    cancels_after = CANCELS_AFTER.get(habit)
    return Pledge(investor, amount_minor, habit, day, None if cancels_after is None else day + cancels_after)


def _sufficient(pledges: Sequence[Pledge], minimum_minor: int) -> list[Pledge]:
    """Let those who would leave stay, largest first, until what stays is above the minimum by a tenth."""
    wanted = minimum_minor + minimum_minor // 10
    staying = sum(each.amount_minor for each in pledges if each.habit in STAYS)
    found = list(pledges)
    leaving = sorted(
        (index for index, each in enumerate(found) if each.habit not in STAYS),
        key=lambda index: -found[index].amount_minor,
    )
    for index in leaving:
        if staying >= wanted:
            break
        staying += found[index].amount_minor
        found[index] = replace(found[index], habit="pays", day=max(1, found[index].day - 8), cancel_day=None)
    return found
