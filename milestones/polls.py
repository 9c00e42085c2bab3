"""How investors' votes are weighed and counted: the table of polls, the cap on one holder's weight, and the result.

Weights are unreleased money in minor units. Who is asked, and what follows from a result, is the application's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from milestones.apportion import WHOLE_BP

HALT, SHORTFALL, AMENDMENT, ADVERSE_AMENDMENT = "halt", "shortfall", "amendment", "adverse_amendment"
DISPUTE, FAILURE, WIND_DOWN_FOR_CAUSE, WIND_DOWN = "dispute", "failure", "wind_down_for_cause", "wind_down"
YES, NO = "yes", "no"
CHOICES = (YES, NO)
FIFTH_BP, QUARTER_BP, THIRD_BP, HALF_BP = 2000, 2500, 3300, 5000


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of poll is counted.

    `cap_bp`: no holder weighs more than this share of all weight, 10,000 for no cap. `quorum_bp`: the part of all
    weight that must be cast. `majority_bp`: yes must be above this share of the votes cast, or, `of_all`, reach it of
    all weight. `heads`: more than half of those who vote must say yes too. `answers_at_most`: how often one may
    answer, None for as often as one likes until the end. `arms_length`: linked, disputed and frozen money has no vote
    (COM-11). `tolled`: a halt moves the end.
    """

    cap_bp: int = WHOLE_BP
    quorum_bp: int = QUARTER_BP
    majority_bp: int = HALF_BP
    of_all: bool = False
    heads: bool = False
    answers_at_most: int | None = None
    arms_length: bool = True
    tolled: bool = True


#: A vote after a halt runs while the offering is halted. Whether to stay is everybody's own question, not a vote.
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        HALT: Rule(answers_at_most=2, tolled=False),  # OFF-13
        SHORTFALL: Rule(answers_at_most=2, arms_length=False),  # OFF-11
        AMENDMENT: Rule(cap_bp=FIFTH_BP),  # MIL-13
        ADVERSE_AMENDMENT: Rule(cap_bp=FIFTH_BP, heads=True),  # MIL-13
        DISPUTE: Rule(),  # MIL-10
        FAILURE: Rule(),  # MIL-2
        WIND_DOWN_FOR_CAUSE: Rule(quorum_bp=THIRD_BP),  # WND-6
        WIND_DOWN: Rule(quorum_bp=0, majority_bp=7500, of_all=True),  # WND-6
    }
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was answered, in weight (minor units) and in heads. `total_minor` is the weight of all who were asked."""

    total_minor: int
    yes_minor: int
    no_minor: int
    yes_heads: int = 0
    no_heads: int = 0


def has_quorum(rule: Rule, tally: Tally) -> bool:
    """Say whether enough weight was cast; a quorum of nothing is none."""
    cast = tally.yes_minor + tally.no_minor
    return cast > 0 and cast * WHOLE_BP >= tally.total_minor * rule.quorum_bp


def carries(rule: Rule, tally: Tally) -> bool:
    """Say whether the poll says yes: a quorum, the majority, and where asked for more than half of the heads.

    A tie is a no, of weight and of heads alike.
    """
    if not has_quorum(rule, tally):
        return False
    if rule.of_all:
        by_weight = tally.yes_minor * WHOLE_BP >= tally.total_minor * rule.majority_bp
    else:
        by_weight = tally.yes_minor * WHOLE_BP > (tally.yes_minor + tally.no_minor) * rule.majority_bp
    return by_weight and (not rule.heads or tally.yes_heads > tally.no_heads)


def level(weights: Sequence[int], cap_bp: int) -> int:
    """Give the most that one holder weighs, so that nobody weighs more than `cap_bp` of all weight as counted.

    The largest whole L with L × 10,000 ≤ `cap_bp` × Σ min(weight, L): what is cut off one holder is cut off the whole
    too, so the share itself is met. Where there are too few holders for that, all weigh the same, which is the least
    that one can weigh. Weights are unreleased money above 0; without any, 0.
    """
    if not weights:
        return 0
    ordered = sorted(weights)
    if cap_bp >= WHOLE_BP:
        return ordered[-1]
    if len(ordered) * cap_bp <= WHOLE_BP:
        return ordered[0]
    # Holders below the level keep their weight. With k of them: L × (10,000 − cap × (n − k)) ≤ cap × what they have.
    below, count = 0, len(ordered)
    for index, weight in enumerate(ordered):
        free = WHOLE_BP - cap_bp * (count - index)
        if free > 0 and weight * free > cap_bp * below:
            return cap_bp * below // free
        below += weight
    return ordered[-1]


def capped(weights: Sequence[int], cap_bp: int) -> list[int]:
    """Weigh each holder: their unreleased money, at most the :func:`level`."""
    most = level(weights, cap_bp)
    return [min(weight, most) for weight in weights]
