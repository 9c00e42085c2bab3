"""The worked cases: each passes, or deviates by decision, or belongs to a rule that is not built yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.regimes import cases
from app.regimes.deviations import DEVIATIONS
from app.regimes.rules import RULES

FILE = "regime_cases.json"

#: Cases of other policies, with our answer: (product rule, inputs, what the case expects, what we answer).
DEVIATING = {
    ("escrow", "oversubscription_allocation"): (
        {"method": "first_come_first_served", "available": "120000.00",
         "commitments_in_time_order": ["100000.00", "50000.00"]},
        {"allocated": ["100000.00", "20000.00"], "refunded": ["0.00", "30000.00"]},
        {"allocated": ["100000.00", "0.00"], "refunded": ["0.00", "50000.00"]},
    ),
    ("escrow", "tranche_amounts"): (
        {"total": "0.07", "basis_points": [2500, 2500, 5000], "rounding": "remainder_to_last"},
        {"tranches": ["0.01", "0.01", "0.05"]},
        {"tranches": ["0.01", "0.02", "0.04"]},
    ),
    ("escrow", "pro_rata_refund"): (
        {"contributions": ["0.01", "0.01", "0.01"], "released": "0.02", "interest": "0.00", "escrow_fees": "0.00"},
        {"refunds": ["0.01", "0.00", "0.00"], "interest_shares": ["0.00", "0.00", "0.00"]},
        {"refunds": ["0.00", "0.00", "0.01"], "interest_shares": ["0.00", "0.00", "0.00"]},
    ),
    ("escrow", "token_retention_after_refund"): (
        {"tokens_issued": 60000, "allocated": "60000.00", "refunded": "24000.00"},
        {"burn": 24000, "keep": 36000},
        {"burn": 0, "keep": 36000},
    ),
    ("escrow", "milestone_release_gate"): (
        {"attestations": [{"by": "aud1", "verdict": "met"}, {"by": "aud2", "verdict": "met"}],
         "eligible_attestors": ["aud1", "aud2", "founder"], "issuer_parties": ["founder"], "required": 2,
         "quorum_reached_at": "2026-04-02T00:00:00Z", "dispute_window_days": 10, "open_disputes": 1,
         "milestone_deadline": "2026-04-01T00:00:00Z", "now": "2026-04-20T00:00:00Z",
         "previous_tranche_released": True, "frozen_by_regulator": True},
        {"release": False, "reasons": ["frozen", "quorum_after_deadline", "dispute_open"]},
        {"release": False, "reasons": ["frozen", "dispute_open"]},
    ),
}


def case(regime: str, rule: str, inputs: object, expected: object) -> cases.Outcome:
    return cases.evaluate({"id": "X", "regime": regime, "rule": rule, "inputs": inputs, "expected": expected})


@pytest.fixture(scope="module")
def outcomes(real_data: Path) -> list[cases.Outcome]:
    return [cases.evaluate(each) for each in cases.read(real_data / FILE)]


def test_no_worked_case_fails(outcomes: list[cases.Outcome]) -> None:
    failed = [each for each in outcomes if each.status == cases.FAILED]
    assert not failed, "\n".join(f"{each.case_id}: {each.answer} not {each.expected} {each.words}" for each in failed)


def test_only_escrow_cases_deviate_and_each_answer_differs(outcomes: list[cases.Outcome]) -> None:
    deviating = [each for each in outcomes if each.status == cases.DEVIATING]
    assert {"X-AL-05", "X-MG-08", "X-PR-05", "X-TK-01", "X-TK-02", "X-TK-04"} <= {each.case_id for each in deviating}
    for each in deviating:
        assert dict(each.answer) != dict(each.expected)
        assert each.words.startswith(DEVIATIONS[each.regime, each.rule].product_rule)


def test_the_rules_that_are_not_built_are_those_said_to_be(outcomes: list[cases.Outcome]) -> None:
    counts = cases.summary(outcomes)
    waiting = {key for key, row in counts.items() if row[cases.NOT_YET]}
    assert waiting == {key for key in counts if key not in RULES}
    for regime, _rule in waiting:
        assert regime in {
            "aml", "cn.mainland", "escrow", "scenario", "token.cmtat", "token.erc1400", "token.erc3643",
            "token.generic", "us.reg_cf", "us.reg_s", "us.rule_144",
        }


@pytest.mark.parametrize("key", DEVIATING, ids="/".join)
def test_a_deviation_is_ours_and_differs(key: tuple[str, str]) -> None:
    inputs, theirs, ours = DEVIATING[key]
    outcome = case(*key, inputs, theirs)
    assert outcome.status == cases.DEVIATING
    assert dict(outcome.answer) == ours != theirs
    assert case(*key, inputs, ours).status == cases.PASSED


def test_every_deviation_is_tested() -> None:
    assert set(DEVIATING) == set(DEVIATIONS)


def test_an_answer_that_is_neither_ours_nor_the_other_policys_fails() -> None:
    inputs, _theirs, _ours = DEVIATING["escrow", "token_retention_after_refund"]
    assert case("escrow", "token_retention_after_refund", inputs, {"burn": 1, "keep": 1}).status == cases.FAILED


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"fiscal_year_end": "2027-12-32"}, "no date"),
        ({}, "does not say fiscal_year_end"),
        ({"fiscal_year_end": None}, "may not be empty"),
        ([], "no inputs"),
    ],
)
def test_a_case_that_cannot_be_asked_fails_with_words(inputs: object, words: str) -> None:
    outcome = case("us.reg_cf", "form_c_ar", inputs, {"nominal_due": "2028-04-29"})
    assert outcome.status == cases.FAILED
    assert words in outcome.words


def test_true_is_not_answered_by_a_number() -> None:
    outcome = case("eu.ecspr", "kiis_pages", {"a4_sides": 6}, {"ok": 1})
    assert outcome.status == cases.FAILED


def test_a_rule_that_is_not_there_is_not_yet() -> None:
    assert case("aml", "sar_due", {}, {"due": "2026-01-01"}).status == cases.NOT_YET


def test_numbers_with_a_point_are_read_as_text(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text('[{"id": "A", "amount": 1000.01}]', encoding="utf-8")
    assert cases.read(file) == [{"id": "A", "amount": "1000.01"}]
    file.write_text("{", encoding="utf-8")
    with pytest.raises(cases.CaseUnreadable):
        cases.read(file)


def test_the_same_reasons_in_another_order_or_other_words_agree_and_are_told_so() -> None:
    inputs = {"committed": "0.00", "target": "1.00", "cancellation_period_elapsed": False, "days_public": 20,
              "custodian_kind": "bank", "intermediary_kind": "funding_portal"}
    expected = {"allowed": False,
                "reasons": ["under_21_days", "target_not_met", "cancellation_period_not_elapsed"]}
    outcome = case("us.reg_cf", "release_gate", inputs, expected)
    assert (outcome.status, outcome.words) == (cases.PASSED, cases.OTHER_ORDER)
    fewer = {"allowed": False, "reasons": ["under_21_days", "target_not_met"]}
    assert case("us.reg_cf", "release_gate", inputs, fewer).status == cases.FAILED
