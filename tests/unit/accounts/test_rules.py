"""Which roles go together, and what a password must be (PPL-1, PPL-2)."""

from __future__ import annotations

import itertools

import pytest

from app.accounts import rules

TOGETHER = {frozenset(pair) for pair in itertools.combinations(rules.OPEN_ROLES, 2)}


@pytest.mark.parametrize("pair", itertools.combinations(rules.OPEN_ROLES + rules.INVITED_ROLES, 2))
def test_ppl_2_operators_and_supervisors_stand_alone(pair: tuple[str, str]) -> None:
    one, other = pair
    allowed = frozenset(pair) in TOGETHER
    assert rules.may_hold(one, {other}) is allowed
    assert rules.may_hold(other, {one}) is allowed


@pytest.mark.parametrize(
    ("password", "is_right"),
    [
        ("twelve chars", True),
        ("eleven char", False),
        ("x" * 200, False),
        ("xy" * 100, True),
        ("xy" * 100 + "z", False),
        ("Ines.Ott@example.com", False),
        ("パスワードは十二文字です。", True),
    ],
)
def test_ppl_1_passwords(password: str, is_right: bool) -> None:
    assert (rules.password_problem(password, "ines.ott@example.com") is None) is is_right


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "x" * 121, "\u202eevil"])
def test_names_are_one_plain_line(name: str) -> None:
    assert rules.name_problem(name)
