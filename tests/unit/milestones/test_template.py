"""Templates: reading them, and the one function that turns days into dates."""

from datetime import date
from typing import Any

import pytest

from milestones.document import ContractError, contract_hash, parse_document
from milestones.template import Template, read_template, resolve
from tests.unit.milestones.documents import criterion


def data(**changes: Any) -> dict[str, Any]:
    """A template of one milestone without faults."""
    return {
        "template": "milestake/template/1",
        "title": "Kiln",
        "use": "When a kiln is built.",
        "long_stop_days": 400,
        "milestones": [
            {
                "key": "built", "title": "Kiln built", "deliverable": "A kiln worth 5,000 {currency}",
                "tranche_bp": 10_000, "target_days": 100, "long_stop_days": 200,
                "criteria": [criterion(measure={"quantity": "cost", "at_most": "5000", "unit": "{currency}"})],
            }
        ],
        **changes,
    }


def read(**changes: Any) -> Template:
    return read_template("kiln", data(**changes))


def test_days_become_dates_and_the_currency_is_written_in() -> None:
    document = resolve(read(), starts_on=date(2027, 12, 31), currency="EUR/2", zone="Europe/Berlin", calendar="DE")
    assert document["milestones"][0]["target_date"] == "2028-04-09"  # 2028 has a 29 February
    assert document["milestones"][0]["long_stop"] == "2028-07-18"
    assert document["long_stop"] == "2029-02-03"
    assert document["milestones"][0]["deliverable"] == "A kiln worth 5,000 EUR"
    assert document["milestones"][0]["criteria"][0]["measure"] == {
        "quantity": "cost", "at_most": "5000", "unit": "EUR",
    }
    assert {key: document[key] for key in ("schema", "title", "currency", "zone", "calendar")} == {
        "schema": "milestake/contract/2", "title": "Kiln", "currency": "EUR/2", "zone": "Europe/Berlin",
        "calendar": "DE",
    }
    assert not {"template", "use", "long_stop_days"} & set(document)
    assert parse_document(document).milestones[0].target_date == date(2028, 4, 9)


def test_mil_3_the_same_arguments_give_the_same_hash_and_others_another() -> None:
    template = read()
    hashes = [
        contract_hash(parse_document(resolve(template, **arguments)))
        for arguments in (
            {"starts_on": date(2027, 1, 1), "currency": "USD/2"},
            {"starts_on": date(2027, 1, 1), "currency": "USD/2", "zone": "UTC", "calendar": "US", "title": "Kiln"},
            {"starts_on": date(2027, 1, 2), "currency": "USD/2"},
            {"starts_on": date(2027, 1, 1), "currency": "EUR/2"},
            {"starts_on": date(2027, 1, 1), "currency": "USD/2", "title": "Our kiln"},
        )
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_resolving_leaves_the_template_as_it_was() -> None:
    template = read()
    first = resolve(template, starts_on=date(2027, 1, 1), currency="USD/2")
    first["milestones"][0]["criteria"].clear()
    assert resolve(template, starts_on=date(2027, 1, 1), currency="USD/2")["milestones"][0]["criteria"]


@pytest.mark.parametrize(
    ("days", "months"), [(1, 0), (15, 0), (16, 1), (30, 1), (365, 12), (480, 16), (960, 32)]
)
def test_months_are_rounded_to_the_nearest(days: int, months: int) -> None:
    milestone = {**data()["milestones"][0], "target_days": days, "long_stop_days": days}
    assert read(milestones=[milestone], long_stop_days=days).months == months


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"template": "milestake/template/2"}, "/template", "choice_unknown"),
        ({"use": " "}, "/use", "text_empty"),
        ({"currency": "USD/2"}, "/currency", "field_of_offering"),
        ({"long_stop": "2030-01-01"}, "/long_stop", "field_of_offering"),
        ({"long_stop_days": "400"}, "/long_stop_days", "not_a_whole_number"),
        ({"long_stop_days": 0}, "/long_stop_days", "number_out_of_range"),
        ({"closing_bp": 1}, "/milestones", "tranches_not_whole"),
        ({"colour": "red"}, "/colour", "field_unknown"),
        ({"milestones": []}, "/milestones", "list_length"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(changes: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(**changes)
    assert [(problem.path, problem.code) for problem in caught.value.problems] == [(path, code)]


@pytest.mark.parametrize("field", ["target_days", "long_stop_days"])
def test_a_milestone_without_days_is_refused(field: str) -> None:
    milestone = {key: value for key, value in data()["milestones"][0].items() if key != field}
    with pytest.raises(ContractError) as caught:
        read(milestones=[milestone])
    assert [(p.path, p.code) for p in caught.value.problems] == [(f"/milestones/0/{field}", "field_missing")]


def test_what_is_no_template_at_all_is_refused() -> None:
    with pytest.raises(ContractError) as caught:
        read_template("kiln", ["not", "a", "map"])  # type: ignore[arg-type]
    assert [problem.code for problem in caught.value.problems] == ["not_a_map"]
