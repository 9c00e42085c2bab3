"""Lint names what stands in the way of publishing, and the risk line says what was relaxed (MIL-4, OFF-10)."""

from datetime import UTC, datetime

import pytest

from milestones.lint import LintContext, blocks_publishing, grain_problem, lint, percent, risk_line
from milestones.money import Asset, parse_price
from milestones.terms import RELAXABLE
from tests.unit.milestones.documents import contract, criterion, milestone

USD = Asset("USD", 2)


def found(terms, **context):
    return [(finding.path, finding.code, finding.severity) for finding in lint(terms, LintContext(**context))]


def with_first(*bps, **changes):
    rest = [milestone(i, bp) for i, bp in enumerate(bps[1:], start=2)]
    return contract(*bps, milestones=[milestone(1, bps[0], **changes), *rest])


def test_mil_4_a_sound_contract_has_no_findings():
    terms = contract(4000, 3000, 3000)
    assert lint(terms) == ()
    assert not blocks_publishing(lint(terms, LintContext(deadline_at=datetime(2026, 12, 1, tzinfo=UTC))))


@pytest.mark.parametrize(
    ("bps", "path", "code"),
    [
        ((4001, 3000, 2999), "/milestones/0/tranche_bp", "tranche_over_40"),
        ((4000, 4000, 501, 1499), "/milestones/3/tranche_bp", "last_under_15"),
    ],
)
def test_mil_4_too_much_at_once_or_too_little_at_the_end(bps, path, code):
    assert found(contract(*bps)) == [(path, code, "relaxable")]
    relaxed = contract(*bps, relaxed=[code])
    assert found(relaxed) == [(path, code, "relaxed")]
    assert not blocks_publishing(lint(relaxed))
    assert blocks_publishing(lint(contract(*bps)))


def test_mil_1_a_closing_tranche_above_30_percent_is_refused():
    assert found(contract(3999, 3000, closing_bp=3001)) == [("/closing_bp", "closing_over_30", "refused")]
    assert found(contract(4000, 3000, closing_bp=3000)) == []


def test_mil_4_more_than_half_in_the_first_sixty_days():
    terms = contract(2500, 2501, 2500, 2499)
    # Step 2 ends on 1 March 2027 05:00 UTC, exactly sixty days after the first of these deadlines.
    exactly = datetime(2026, 12, 31, 5, tzinfo=UTC)
    assert found(terms, deadline_at=exactly) == [("/milestones", "half_in_60_days", "relaxable")]
    assert found(terms, deadline_at=datetime(2026, 12, 31, 4, 59, tzinfo=UTC)) == []
    assert found(contract(2500, 2500, 2500, 2500), deadline_at=exactly) == []


def test_mil_4_parallel_milestones_do_not_keep_the_last_quarter():
    assert found(contract(4000, 3000, 3000, order="parallel")) == [("/order", "parallel_tail", "relaxable")]
    alone = contract(10_000, order="parallel", relaxed=["tranche_over_40", "parallel_tail"])
    assert [finding.code for finding in lint(alone)] == ["tranche_over_40"]
    assert len(risk_line(alone)) == 1


def test_mil_4_criteria_need_evidence_and_a_measure():
    bare = criterion(key="bare", evidence=[])
    del bare["measure"]
    assert found(with_first(4000, 3000, 3000, criteria=[bare])) == [
        ("/milestones/0/criteria/0/evidence", "no_evidence", "relaxable"),
        ("/milestones/0/criteria", "no_measure", "relaxable"),
    ]
    assert found(with_first(4000, 3000, 3000, criteria=[criterion(), {**bare, "evidence": ["photo"]}])) == []


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"target_date": "2028-01-29"}, "/milestones/0/target_date"),
        ({"target_date": "2027-03-01"}, "/milestones/1/target_date"),
        ({"long_stop": "2028-03-01"}, "/milestones/1/long_stop"),
        ({"target_date": "2026-12-01"}, "/milestones/0/target_date"),
    ],
)
def test_mil_4_dates_out_of_order_are_refused_and_cannot_be_relaxed(changes, path):
    terms = with_first(4000, 3000, 3000, **changes)
    findings = found(terms, deadline_at=datetime(2026, 12, 20, tzinfo=UTC))
    assert (path, "dates_out_of_order", "refused") in findings
    assert "dates_out_of_order" not in RELAXABLE


def test_mil_4_a_long_stop_after_the_offerings_is_refused():
    terms = contract(4000, 6000, long_stop="2028-02-27")
    assert ("/milestones/1/long_stop", "dates_out_of_order", "refused") in found(terms)


def test_mil_4_auditors_must_be_known_independent_and_as_many_as_the_quorum():
    known = {"pty_a": None, "pty_b": "works for the issuer", "pty_c": None}
    terms = with_first(10_000, auditors=["pty_a", "pty_b", "pty_x"])
    findings = [f for f in lint(terms, LintContext(known_auditors=known)) if f.code.startswith("auditor")]
    assert [(f.path, f.code, f.severity) for f in findings] == [
        ("/milestones/0/auditors/1", "auditor_not_independent", "refused"),
        ("/milestones/0/auditors/2", "auditor_unknown", "refused"),
    ]
    assert "works for the issuer" in findings[0].message
    missing = found(with_first(10_000, auditors=["pty_a"]), known_auditors=known)
    assert ("/milestones/0/auditors", "auditors_missing", "refused") in missing


def test_mil_9_above_25_000_two_auditors_have_to_approve():
    terms = with_first(4000, 3000, 3000, quorum={"approvals": 1, "auditors": 1})
    assert found(terms, maximum_minor=2_500_000) == []
    assert found(terms, maximum_minor=2_500_001) == [
        ("/milestones/0/quorum/approvals", "quorum_too_small", "relaxable")
    ]


def test_off_10_the_smallest_part_of_the_minimum_ticket_buys_100_tokens():
    terms = contract(4000, 4000, 2000)
    assert grain_problem(terms, 10_000, parse_price("0.20"), USD) is None
    assert grain_problem(terms, 10_000, parse_price("0.200001"), USD) == parse_price("0.20")
    assert grain_problem(terms, 4, 1, USD) == 0
    context = {"min_ticket_minor": 10_000, "price_micro": parse_price("0.25")}
    assert found(terms, **context) == [("/milestones", "grain", "refused")]
    assert "0.20" in lint(terms, LintContext(**context))[0].message


def test_mil_4_the_risk_line_prints_what_is_relaxed_with_its_figures():
    terms = contract(
        8750, 1250, relaxed=["tranche_over_40", "last_under_15", "half_in_60_days", "no_measure"]
    )
    assert risk_line(terms) == [
        "More than half of the money may be released within 60 days of the deadline.",
        "Only 12.5 % waits for the last milestone; 15 % is usual.",
        "One milestone alone releases 87.5 % of the money; 40 % is usual.",
    ]
    assert risk_line(contract(4000, 3000, 3000)) == []


def test_mil_4_every_rule_that_can_be_relaxed_has_its_sentence():
    bare = criterion(evidence=[])
    del bare["measure"]
    steps = [
        milestone(i, bp, criteria=[bare], quorum={"approvals": 1, "auditors": 1})
        for i, bp in enumerate((9000, 1000), start=1)
    ]
    terms = contract(milestones=steps, order="parallel", relaxed=list(RELAXABLE))
    assert len(risk_line(terms)) == len(RELAXABLE)


def test_basis_points_are_written_for_people():
    assert [percent(bp) for bp in (4000, 1250, 1, 10_000, 105)] == [
        "40 %",
        "12.5 %",
        "0.01 %",
        "100 %",
        "1.05 %",
    ]
