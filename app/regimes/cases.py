"""Ask the rules the questions of a file of worked cases, and tell how each answer compares.

A case is ``{id, regime, rule, inputs, expected}``: money as decimal text, dates and instants as ISO 8601, holidays as
a list. A rule's parameters say how an input is read: ``x_minor`` is the amount ``x``, ``x_ppm`` the percentage ``x``.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path

from app.regimes.deviations import DEVIATIONS
from app.regimes.rules import RULES, Decision, decide
from app.regimes.rules.registry import Rule, decide_newest
from milestones import money

#: Cases name no currency, only two places: XXX is ISO 4217's code for none.
CENTS = money.Asset("XXX", 2)
PERCENT = money.Asset("PERCENT", 4)

PASSED, DEVIATING, NOT_YET, FAILED = "passed", "deviating", "not_yet", "failed"
OTHER_ORDER = "The same reasons in other words or in another order."


#: What other sets of cases call a reason of ours.
OTHER_WORDS: Mapping[str, str] = types.MappingProxyType({
    "cancellation_period_not_elapsed": "cancellation_period_open",
    "cancellation_period_running": "cancellation_period_open",
    "cancellation_open": "cancellation_period_open",
    "account_missing": "no_account", "account_not_opened": "no_account",
    "risk_representation_missing": "no_risk_representation", "representation_missing": "no_risk_representation",
    "no_questionnaire": "questionnaire_missing", "questionnaire_not_passed": "questionnaire_missing",
    "over_limit": "over_investor_limit", "limit_exceeded": "over_investor_limit",
    "over_cap": "over_issuer_cap", "cap_exceeded": "over_issuer_cap",
})


class CaseUnreadable(ValueError):
    """A case that cannot be asked as it is written; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case came out: its status, our answer in the case's own words, and what was expected."""

    case_id: str
    regime: str
    rule: str
    status: str
    answer: Mapping[str, object]
    expected: Mapping[str, object]
    words: str = ""


def read(path: Path) -> list[Mapping[str, object]]:
    """Return the cases of a file. Raises :class:`CaseUnreadable`; a number with a point in it stays text."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=str)
    except (OSError, ValueError) as error:
        raise CaseUnreadable(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise CaseUnreadable(f"{path} is not a list of cases.")
    return found


def evaluate(case: Mapping[str, object]) -> Outcome:
    """Answer one case. Never raises for what a case says: an unreadable one is a failure with words."""
    regime, name = str(case.get("regime")), str(case.get("rule"))
    expected = case.get("expected")
    outcome = {"case_id": str(case.get("id")), "regime": regime, "rule": name, "expected": expected}
    rule = RULES.get((regime, name))
    if rule is None:
        return Outcome(**outcome, status=NOT_YET, answer={})
    try:
        if not isinstance(expected, dict) or not expected:
            raise CaseUnreadable("the case expects nothing")
        inputs = case.get("inputs")
        if not isinstance(inputs, dict):
            raise CaseUnreadable("the case has no inputs")
        bound = bind(rule, inputs)
        answer = spoken(rule, ask(rule, inputs, bound))
    except CaseUnreadable as error:
        return Outcome(**outcome, status=FAILED, answer={}, words=str(error))
    if _agrees(answer, expected):
        return Outcome(**outcome, status=PASSED, answer=_asked_for(answer, expected))
    # The order of reasons is fixed in each rule and nowhere by law: the same ones in another order are the same answer.
    if _agrees(_in_one_order(answer), _in_one_order(expected)):
        return Outcome(**outcome, status=PASSED, answer=_asked_for(answer, expected), words=OTHER_ORDER)
    deviation = DEVIATIONS.get((regime, name))
    if deviation is not None and _agrees(_texts(deviation.theirs(**bound)), expected):
        words = f"{deviation.product_rule}: {deviation.reason}"
        return Outcome(**outcome, status=DEVIATING, answer=_asked_for(answer, expected), words=words)
    return Outcome(**outcome, status=FAILED, answer=_asked_for(answer, expected))


def ask(rule: Rule, inputs: Mapping[str, object], bound: Mapping[str, object]) -> Decision:
    """Return the decision of a rule on a case's own day, or by the newest arm where the case has none."""
    if rule.day is None or inputs.get(rule.day) is None:
        return decide_newest(rule.regime, rule.name, **bound)
    day = _day(inputs[rule.day])
    return decide(rule.regime, rule.name, day=day, **bound)


def spoken(rule: Rule, decision: Decision) -> dict[str, object]:
    """Return a decision in the words of the cases: amounts and dates as text, ``allowed`` under the rule's own name."""
    answer = _texts(decision.facts) | {"allowed": decision.allowed, "reasons": list(decision.reasons)}
    if rule.answer is not None:
        answer[rule.answer] = decision.allowed
    return answer


def bind(rule: Rule, inputs: Mapping[str, object]) -> dict[str, object]:
    """Return a case's inputs as the rule's parameters. Raises :class:`CaseUnreadable` for one missing or misspelled."""
    return _bound(rule.function, inputs, skip=1)


def _bound(target: typing.Any, inputs: Mapping[str, object], *, skip: int = 0) -> dict[str, object]:
    kinds = typing.get_type_hints(target)
    parameters = list(inspect.signature(target).parameters.values())[skip:]
    found = {}
    for parameter in parameters:
        spelled = parameter.name.removesuffix("_minor").removesuffix("_ppm")
        if spelled in inputs:
            found[parameter.name] = _value(parameter.name, kinds[parameter.name], inputs[spelled])
        elif parameter.default is inspect.Parameter.empty:
            raise CaseUnreadable(f"the case does not say {spelled}")
    return found


def _value(name: str, kind: typing.Any, given: object) -> object:
    """Return one input as its parameter's type wants it."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if given is None:
        if types.NoneType not in options:
            raise CaseUnreadable(f"{name} may not be empty")
        return None
    kind = next(each for each in options if each is not types.NoneType)
    container = typing.get_origin(kind)
    if container in (tuple, frozenset):
        if not isinstance(given, list):
            raise CaseUnreadable(f"{name} is not a list")
        return container(_value(name, typing.get_args(kind)[0], each) for each in given)
    if is_dataclass(kind):
        if not isinstance(given, dict):
            raise CaseUnreadable(f"{name} is not an object")
        return kind(**_bound(kind, given))
    if kind is int and name.endswith("_minor"):
        return _amount(name, given, CENTS)
    if kind is int and name.endswith("_ppm"):
        return _amount(name, given, PERCENT)
    if kind is dt.date:
        return _day(given)
    if kind is dt.datetime:
        return _instant(given)
    if kind in (bool, str, int) and type(given) is kind:
        return given
    raise CaseUnreadable(f"{name} is {given!r}")


def _amount(name: str, given: object, asset: money.Asset) -> int:
    text = str(given)
    try:
        return -money.parse_amount(text[1:], asset) if text.startswith("-") else money.parse_amount(text, asset)
    except money.MoneyError as error:
        raise CaseUnreadable(f"{name}: {error.message}") from error


def _day(given: object) -> dt.date:
    text = str(given)
    return _instant(text).date() if "T" in text else _iso(dt.date.fromisoformat, text)


def _instant(given: object) -> dt.datetime:
    found = _iso(dt.datetime.fromisoformat, str(given))
    if found.tzinfo is None:
        raise CaseUnreadable(f"{given} has no time zone")
    return found.astimezone(dt.UTC)


def _iso(read_as: typing.Callable[[str], typing.Any], text: str) -> typing.Any:
    try:
        return read_as(text)
    except ValueError as error:
        raise CaseUnreadable(f"{text} is no date or instant") from error


def _texts(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts as cases write them: ``x_minor`` as the amount ``x``, dates and instants as text."""
    return {
        name.removesuffix("_minor"): _text(value, is_money=name.endswith("_minor")) for name, value in facts.items()
    }


def _text(value: object, *, is_money: bool) -> object:
    if isinstance(value, tuple | list):
        return [_text(each, is_money=is_money) for each in value]
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if is_money and isinstance(value, int):
        return money.format_amount(value, CENTS)
    return value


def _agrees(answer: Mapping[str, object], expected: Mapping[str, object]) -> bool:
    """Say whether every field that is expected is there with exactly this value."""
    missing = object()
    return all(_same(answer.get(name, missing), value) for name, value in expected.items())


def _in_one_order(answer: Mapping[str, object]) -> Mapping[str, object]:
    """Return an answer with its reasons in our words and sorted."""
    reasons = answer.get("reasons")
    if not isinstance(reasons, list) or not all(isinstance(each, str) for each in reasons):
        return answer
    return {**answer, "reasons": sorted(OTHER_WORDS.get(each, each) for each in reasons)}


def _same(ours: object, theirs: object) -> bool:
    # True is 1 in Python; a case that expects true is not answered by a number.
    return type(ours) is type(theirs) and ours == theirs


def _asked_for(answer: Mapping[str, object], expected: Mapping[str, object]) -> dict[str, object]:
    return {name: answer[name] for name in expected if name in answer}


def summary(outcomes: Sequence[Outcome]) -> dict[tuple[str, str], dict[str, int]]:
    """Count outcomes by rule, rules in the order in which they first appear."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for each in outcomes:
        row = counts.setdefault((each.regime, each.rule), dict.fromkeys((PASSED, DEVIATING, NOT_YET, FAILED), 0))
        row[each.status] += 1
    return counts
