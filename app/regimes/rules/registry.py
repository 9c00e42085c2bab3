"""One table of the rules: which there are, whose figures each reads, and how one is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from app.regimes import records
from app.regimes.records import Arm, NoFigures
from app.regimes.rules.decision import NO_FIGURES, Decision, Ruling


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its name in its regime, whose record it reads, which input's day decides, and its function.

    ``answer`` is what worked cases call ``allowed`` where they have a word of their own. ``day`` None: nothing in the
    rule's inputs says on which day it is asked.
    """

    regime: str
    name: str
    record: str
    day: str | None
    answer: str | None
    function: Callable[..., Ruling]


RULES: dict[tuple[str, str], Rule] = {}


def rule(
    regime: str, name: str, *, record: str | None = None, day: str | None = None, answer: str | None = None
) -> Callable[[Callable[..., Ruling]], Callable[..., Ruling]]:
    """Enter a function into the table. Its parameters are an arm and keywords named by their units."""

    def enter(function: Callable[..., Ruling]) -> Callable[..., Ruling]:
        RULES[regime, name] = Rule(regime, name, record or regime, day, answer, function)
        return function

    return enter


def decide(regime: str, name: str, *, day: dt.date, **inputs: object) -> Decision:
    """Ask one rule by the figures in force on ``day``.

    Raises KeyError for a rule that is not there. A day without figures, or an arm that lacks one that the rule needs,
    is a no with the reason ``no_figures_for_this_day`` (fail closed), never a later figure.
    """
    found = RULES[regime, name]
    try:
        arm = records.arm_on(found.record, day)
    except NoFigures as error:
        return Decision(name, found.record, "none", "none", (NO_FIGURES,), {"words": error.message})
    return judge(found, arm, **inputs)


def decide_newest(regime: str, name: str, **inputs: object) -> Decision:
    """Ask one rule by the newest arm of its record, for questions that have no day."""
    found = RULES[regime, name]
    return judge(found, records.record(found.record).arms[-1], **inputs)


def judge(found: Rule, arm: Arm, **inputs: object) -> Decision:
    """Ask one rule by one arm's figures."""
    return apply(found.name, found.function, arm, **inputs)


def apply(name: str, function: Callable[..., Ruling], arm: Arm, **inputs: object) -> Decision:
    """Ask a function by one arm's figures; one that the arm lacks is a no, never a figure of another day."""
    try:
        ruling = function(arm, **inputs)
    except NoFigures as error:
        return Decision(name, arm.regime, arm.version, arm.source, (NO_FIGURES,), {"words": error.message})
    return Decision(name, arm.regime, arm.version, arm.source, ruling.reasons, dict(ruling.facts))
