"""Whose name a payment came in: the documented rule, case by case (COM-12)."""

from __future__ import annotations

import pytest

from app.payments.payer_names import compare

SAME = [
    ("VARGA, Inês", "Ines Varga"),
    ("Mr Ines Varga", "Ines Varga"),
    ("Shaun O'Neill", "SHAUN ONEILL"),
    ("Mary-Ann Smith", "Mary Ann Smith"),
    ("Jürgen Müller", "Juergen Mueller"),
    ("Søren Ærø", "Soeren Aeroe"),
    ("Łukasz Żak", "Lukasz Zak"),
    ("Halden Tidal Limited", "Halden Tidal Ltd."),
]
UNCLEAR = [
    ("I. Varga", "Ines Varga"),
    ("Varga", "Ines Varga"),
    ("Ines Maria Varga", "Ines Varga"),
    ("Ines and Bela Varga", "Ines Varga"),
    ("Ines Vagra", "Ines Varga"),
    ("Ines Vargas", "Ines Varga"),
    ("Halden Tidal", "Halden Tidal Ltd"),
]
OTHER = [
    ("Bela Varga", "Ines Varga"),
    ("I V", "Ines Varga"),
    ("Investor 2", "Investor 1"),
    ("Inse Varga", "Ines Varga"),
    ("???", "Ines Varga"),
    ("Halden Tidal Ltd", "Ines Varga"),
]


@pytest.mark.parametrize(
    ("reported", "verified", "result"),
    [
        (*pair, result)
        for result, pairs in (("same", SAME), ("unclear", UNCLEAR), ("other", OTHER))
        for pair in pairs
    ],
)
def test_com_12_names_are_compared_by_the_rule(reported: str, verified: str, result: str) -> None:
    assert compare(reported, verified) == result
    assert compare(verified, reported) == result


@pytest.mark.parametrize("reported", [None, "", "  "])
def test_com_12_a_rail_that_tells_no_name_tells_nothing(reported: str | None) -> None:
    assert compare(reported, "Ines Varga") == "not_told"
