"""Findings to verdict: the k-th highest counts, and nothing but findings that answer the criteria goes in (MIL-7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.verdict import CriterionResult, Finding, FindingError, check_findings, verdict
from tests.unit.milestones.documents import contract, criterion, milestone

SHARES = {"met": 100, "not_met": 0, "cannot_tell": 0, "partly": 70}


def panel(approvals, auditors, *keys):
    step = milestone(
        1,
        10_000,
        quorum={"approvals": approvals, "auditors": auditors},
        criteria=[criterion(key=key) for key in keys or ("one",)],
    )
    return contract(10_000, milestones=[step]).milestones[0]


def found(**results):
    return [Finding(key, result, SHARES[result], "seen") for key, result in results.items()]


def given_by(*results, key="one"):
    return {f"auditor-{number}": found(**{key: result}) for number, result in enumerate(results)}


@pytest.mark.parametrize(
    ("results", "share_pct"),
    [
        (("met", "met", "met"), 100),
        (("met", "met", "not_met"), 100),
        (("met", "not_met", "not_met"), 0),
        (("met", "partly", "not_met"), 70),
        (("met", "cannot_tell", "met"), 100),
        (("met", "cannot_tell", "cannot_tell"), 0),
        (("partly", "partly", "partly"), 70),
    ],
)
def test_mil_7_two_of_three_take_the_second_highest(results, share_pct):
    result = verdict(panel(2, 3), given_by(*results), at_time_limit=False)
    assert result.criteria == (CriterionResult("one", share_pct, share_pct == 100),)
    assert (result.met, result.counted) == (share_pct == 100, 3)


def test_mil_7_every_criterion_has_to_be_met():
    milestone = panel(1, 1, "one", "two")
    assert verdict(milestone, {"a": found(one="met", two="met")}, at_time_limit=False).met
    partly = verdict(milestone, {"a": found(two="partly", one="met")}, at_time_limit=False)
    assert not partly.met
    assert partly.criteria == (CriterionResult("one", 100, True), CriterionResult("two", 70, False))


def test_mil_7_different_auditors_may_carry_different_criteria():
    milestone = panel(2, 3, "one", "two")
    attestations = {
        "a": found(one="met", two="not_met"),
        "b": found(one="met", two="met"),
        "c": found(one="not_met", two="met"),
    }
    assert verdict(milestone, attestations, at_time_limit=False).met


def test_mil_7_computed_when_all_are_in_or_at_the_time_limit_with_k():
    assert verdict(panel(2, 3), given_by("met", "met"), at_time_limit=False) is None
    assert verdict(panel(2, 3), given_by("met", "met"), at_time_limit=True).met
    assert verdict(panel(2, 3), given_by("met"), at_time_limit=True) is None
    assert verdict(panel(2, 3), {}, at_time_limit=True) is None


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        (found(one="met"), "finding_missing"),
        ([], "finding_missing"),
        (found(one="met", two="met", three="met"), "finding_unknown"),
        (found(one="met", two="met") + found(one="not_met"), "finding_repeated"),
        ([Finding("one", "met", 90), Finding("two", "met", 100)], "finding_share"),
        ([Finding("one", "partly", 75), Finding("two", "met", 100)], "finding_share"),
        ([Finding("one", "partly", 100), Finding("two", "met", 100)], "finding_share"),
        ([Finding("one", "cannot_tell", 10), Finding("two", "met", 100)], "finding_share"),
        ([Finding("one", "maybe", 0), Finding("two", "met", 100)], "finding_result"),
    ],
)
def test_mil_7_findings_must_answer_each_criterion_once(findings, code):
    for refuse in (
        lambda: check_findings(panel(1, 1, "one", "two"), findings),
        lambda: verdict(panel(1, 1, "one", "two"), {"a": findings}, at_time_limit=False),
    ):
        with pytest.raises(FindingError) as refused:
            refuse()
        assert refused.value.code == code


@given(st.lists(st.sampled_from(sorted(SHARES)), min_size=3, max_size=7), st.data())
def test_mil_7_met_needs_k_auditors_and_more_favour_never_hurts(results, data):
    approvals = data.draw(st.integers(1, len(results)))
    milestone = panel(approvals, len(results))
    result = verdict(milestone, given_by(*results), at_time_limit=False)
    assert result.met == (results.count("met") >= approvals)
    index = data.draw(st.integers(0, len(results) - 1))
    better = [*results[:index], "met", *results[index + 1 :]]
    raised = verdict(milestone, given_by(*better), at_time_limit=False)
    assert raised.criteria[0].share_pct >= result.criteria[0].share_pct
