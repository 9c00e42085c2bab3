"""The library of templates: every one is a contract that can be published, hashed, and played to every end."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from app import calendars
from app.contracts import importing, templates
from app.contracts.templates import Template
from milestones import document as documents
from milestones import lint as linting
from milestones.apportion import tranche_amounts
from milestones.money import tokens_for
from milestones.simulate import FAILED, LATE, Outcome, Simulation, simulate
from milestones.template import resolve
from milestones.terms import RETURN_TRANCHE, SCHEMA_1, SEQUENTIAL, Terms

STARTS_ON = dt.date(2027, 3, 1)
#: name → the hash of the template from 1 March 2027 in dollars, so that a change of words is a change on purpose
#: As written in version 1 of the language, and never to change.
GOLDEN_1: dict[str, str] = {
    "hardware": "0996f5e61cfb85b94a502d79ef76a618e88a18f8ea043ac0fb7ef35bd3e6d5c4",
    "software": "63df76a8061fbed7c9125ac9237c87ccfec1c64b3029a12d9a95cbe3724729fa",
    "biotech": "37044dd03d24e801743817cabefecc51daada7d55e847885fca59378ba23d29a",
    "film": "825602c62c698bbde9c377e6c572972ab5b7e9657328e3534e5bcca501fb540c",
    "food": "3325cf7738655c88334b1bf6c12709f7e8dba68f509198203bd541cbe0346271",
    "solar": "b4956f470601f62f54cceac2af0303e890d63431f67b7533c83903e44c0e9d9b",
    "restaurant": "65612e69e75dcc732421ca6b36fdcc2e02001fb39ffb72edafb311fdb0d70689",
    "protocol": "0f397311d9b9bc531658a836a3195ff717de0344d3bc1671c9401d6472879bc3",
    "game": "97fb4b621f19a3ff5fa73eea950b556994e5e27c3f3bc0df8fab3d9b9c611f60",
}
GOLDEN: dict[str, str] = {
    "hardware": "254420bfeefac30f0d6f4f6ac87f31325d28cff8f9048b37357ede9b1958ae65",
    "software": "4240fd8f505cae24412a42c18e8fa7200d333670bba5f0517f5baee10fae98cf",
    "biotech": "f28d3345ac3bd5a4949f462b5c708a2f312da32037acdbbb75f5c4b33f3a8663",
    "film": "b000f183f6aa8439043f197a674e7323ef7996fc54d29b42fd46ea885ce1ce2c",
    "food": "473a2a353f9cc2b053f43639de38e25d5fe0674ec4b276aa77d665345cc07fd0",
    "solar": "a2f8938d3f6cf73b577abcfea04ebb806245ec2755add65848a2d21cf6e0be11",
    "restaurant": "09d226f504972b2dfc4a66b2a317dec5cf9bf49fd466da10ded61b239ad891a0",
    "protocol": "1b16b89e316c531ecefb2849bc9a53a3f2f2327293ed5e69677c5b4f7332dd32",
    "game": "e29b9456c73ab60da421c2d75463ac53641e098ce0c07e81def751a7477bcbbd",
}
PROCEEDS_MINOR, PRICE_MICRO, FEE_BP = 40_000_003, 250_000, 500
#: ``app.progress.rules.MAX_FILES``, and one file more for what was not foreseen.
MOST_FILES = 21
HOLDERS = (12_345_678, 27_654_325)
#: How a criterion's words may say a figure that they do not write in digits.
SPELLED = {"1": "one|once", "3": "three", "4": "four", "5": "five", "10": "ten", "100": "all|whole"}
every_template = pytest.mark.parametrize("template", templates.library(), ids=lambda each: each.name)


def terms_of(template: Template, starts_on: dt.date = STARTS_ON) -> Terms:
    return documents.parse_document(resolve(template, starts_on=starts_on, currency="USD/2"))


def stands_in(value: str, words: str) -> bool:
    digits = re.escape(f"{int(value):,}" if value.isdigit() else value)
    forms = "|".join(filter(None, (digits, SPELLED.get(value))))
    return re.search(rf"(?<![\w,])(?:{forms})(?![\w,])", words, re.IGNORECASE) is not None


def play(terms: Terms, scenario: dict[int, Outcome]) -> Simulation:
    return simulate(
        terms, proceeds_minor=PROCEEDS_MINOR, holders=HOLDERS, price_micro=PRICE_MICRO, asset=terms.asset,
        fee_bp=FEE_BP, scenario=scenario, closes_on=STARTS_ON, holidays=calendars.holiday_dates("US", 2028),
    )


def test_there_is_a_file_for_every_name_and_none_beside() -> None:
    folder = Path(templates.__file__).parent / "library"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.yaml" for name in templates.NAMES)
    assert len(templates.library()) >= 8


@every_template
def test_mil_3_it_is_a_contract_by_the_published_schema(template: Template) -> None:
    document = resolve(template, starts_on=STARTS_ON, currency="USD/2", zone="America/New_York", title="A title")
    Draft202012Validator(documents.schema()).validate(document)
    terms = documents.parse_document(document)
    Draft202012Validator(documents.schema()).validate(documents.to_document(terms))
    written = importing.read_contract(importing.write_yaml(terms).encode())
    assert documents.contract_hash(written.terms) == documents.contract_hash(terms)
    assert "{" not in importing.write_yaml(terms)


@every_template
def test_mil_3_its_hash_is_stable(template: Template) -> None:
    assert documents.contract_hash(terms_of(template)) == GOLDEN[template.name]


@every_template
def test_mil_3_a_later_version_and_its_defaults_change_no_hash_of_version_1(template: Template) -> None:
    document = {**resolve(template, starts_on=STARTS_ON, currency="USD/2"), "schema": SCHEMA_1}
    assert documents.contract_hash(documents.parse_document(document)) == GOLDEN_1[template.name]


@every_template
@pytest.mark.parametrize("currency", ["USD/2", "EUR/2", "BTC/8"])
def test_mil_4_it_passes_the_lint_with_nothing_relaxed(template: Template, currency: str) -> None:
    terms = documents.parse_document(resolve(template, starts_on=STARTS_ON, currency=currency))
    context = linting.LintContext(
        deadline_at=dt.datetime(2027, 3, 1, 17, tzinfo=dt.UTC),
        maximum_minor=500_000 * terms.asset.unit,
        known_auditors={},
        min_ticket_minor=250 * terms.asset.unit,
        price_micro=PRICE_MICRO,
    )
    assert linting.lint(terms, context) == ()
    assert terms.relaxed == ()
    assert linting.risk_line(terms) == []


@every_template
def test_mil_4_every_criterion_can_be_decided(template: Template) -> None:
    terms = terms_of(template)
    assert 3 <= len(terms.milestones) <= 6
    assert terms.order == SEQUENTIAL
    for milestone in terms.milestones:
        assert milestone.quorum.approvals >= 2
        assert any(criterion.measure for criterion in milestone.criteria)
        # Each kind is a file at least, and a submission has room for more than one of each.
        assert 2 * len({kind for criterion in milestone.criteria for kind in criterion.evidence}) <= MOST_FILES
        for criterion in milestone.criteria:
            assert criterion.evidence
            assert len(criterion.procedure) >= 60, criterion.procedure
            # A figure promised in words is the figure that is measured.
            if criterion.measure and criterion.measure.value != "0":
                assert stands_in(criterion.measure.value, criterion.text), criterion


@every_template
def test_mil_11_partial_verdicts_have_what_they_need(template: Template) -> None:
    """Each milestone has a criterion that must be met, and none weighs more than half."""
    for milestone in terms_of(template).milestones:
        assert sum(criterion.weight_bp for criterion in milestone.criteria) == 10_000
        assert max(criterion.weight_bp for criterion in milestone.criteria) <= 5_000
        assert sum(criterion.weight_bp for criterion in milestone.criteria if criterion.must) >= 5_000


@every_template
def test_mil_14_dates_leave_room_for_review_grace_and_a_second_try(template: Template) -> None:
    terms = terms_of(template)
    for milestone in terms.milestones:
        reviewed = dt.timedelta(days=2 * (milestone.review_business_days + milestone.challenge_business_days))
        assert milestone.long_stop - milestone.target_date >= dt.timedelta(days=milestone.grace_days) + reviewed
    for before, after in pairwise(terms.milestones):
        assert after.target_date > before.target_date
        assert after.long_stop > before.long_stop
    assert terms.long_stop >= terms.milestones[-1].long_stop + dt.timedelta(days=30)


@every_template
def test_mil_5_it_runs_to_its_end_when_all_is_met(template: Template) -> None:
    terms = terms_of(template)
    found = play(terms, {})
    amounts = tranche_amounts(PROCEEDS_MINOR, [tranche.bp for tranche in terms.tranches])
    assert found.ends == "completed"
    assert [step.released_minor for step in found.steps] == list(amounts)
    assert found.totals.released_minor == PROCEEDS_MINOR
    assert found.totals.returned_minor == 0
    assert found.totals.fee_minor == sum(amount * FEE_BP // 10_000 for amount in amounts)
    assert found.totals.to_company_minor == PROCEEDS_MINOR - found.totals.fee_minor
    assert [each.released_minor for each in found.totals.per_holder] == list(HOLDERS)
    assert [each.tokens for each in found.totals.per_holder] == [
        tokens_for(held, PRICE_MICRO, terms.asset) for held in HOLDERS
    ]


@every_template
@pytest.mark.parametrize("kind", [FAILED, LATE])
def test_mil_5_it_runs_to_its_end_when_a_milestone_is_not_met(template: Template, kind: str) -> None:
    """A failure, or a delay beyond the long-stop, gives back exactly what that milestone and later ones would get."""
    terms = terms_of(template)
    amounts = tranche_amounts(PROCEEDS_MINOR, [tranche.bp for tranche in terms.tranches])
    for number, milestone in enumerate(terms.milestones, start=1):
        late = (milestone.long_stop - milestone.target_date).days + 1
        found = play(terms, {number: Outcome(kind, late if kind == LATE else 0)})
        earned = sum(amounts[:number])  # the closing tranche and the milestones before
        assert found.totals.released_minor == earned
        assert found.totals.returned_minor == PROCEEDS_MINOR - earned
        is_last = number == len(terms.milestones)
        assert milestone.on_failure == (RETURN_TRANCHE if is_last else "wind_down")
        assert found.ends == ("completed" if is_last else "wound_down")
        assert found.steps[-1].at == milestone.long_stop
        for held, each in zip(HOLDERS, found.totals.per_holder, strict=True):
            assert each.released_minor + each.returned_minor == held


@every_template
def test_mil_5_a_delay_within_the_long_stop_changes_dates_and_no_amount(template: Template) -> None:
    terms = terms_of(template)
    on_time = play(terms, {})
    for number in range(1, len(terms.milestones) + 1):
        late = play(terms, {number: Outcome(LATE, 30)})
        assert late.ends == "completed"
        assert [step.released_minor for step in late.steps] == [step.released_minor for step in on_time.steps]
        assert late.steps[number].at >= on_time.steps[number].at + dt.timedelta(days=20)


@every_template
def test_its_words_are_those_of_the_product(template: Template) -> None:
    written = importing.write_yaml(terms_of(template)) + template.use
    assert not re.findall(r"(?<![\w-])(protected|safe|guaranteed|risk-free|vetted|invalid)(?![\w-])", written, re.I)
    assert "  " not in re.sub(r"\n *", " ", template.use)
