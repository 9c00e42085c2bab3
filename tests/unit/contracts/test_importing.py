"""Contract files: strict values, lines of what is wrong, and one hash for YAML and JSON (MIL-3)."""

from __future__ import annotations

import json

import pytest
import yaml

from app.contracts.importing import MAX_BYTES, ContractFileError, read_contract, write_yaml
from milestones.document import contract_hash, parse_document
from tests.unit.milestones.documents import document


def problems(text: str | bytes) -> list[tuple[int | None, str, str]]:
    with pytest.raises(ContractFileError) as caught:
        read_contract(text if isinstance(text, bytes) else text.encode())
    return [(each.line, each.path, each.code) for each in caught.value.problems]


def test_mil_3_yaml_and_json_of_one_contract_hash_alike() -> None:
    terms = parse_document(document())
    as_yaml = read_contract(yaml.safe_dump(document()).encode()).terms
    as_json = read_contract(json.dumps(document(), indent=2).encode()).terms
    assert contract_hash(as_yaml) == contract_hash(as_json) == contract_hash(terms)
    assert contract_hash(read_contract(write_yaml(terms).encode()).terms) == contract_hash(terms)


def test_dates_need_no_quotes_in_yaml_and_a_mark_at_the_start_is_no_matter() -> None:
    text = yaml.safe_dump(document()).replace("'2028-12-31'", "2028-12-31")
    assert "2028-12-31\n" in text
    assert read_contract(b"\xef\xbb\xbf" + text.encode()).terms.long_stop.isoformat() == "2028-12-31"


def test_what_is_wrong_names_its_line() -> None:
    text = yaml.safe_dump(document(4000, 3000, 2999), sort_keys=False)
    line = text.splitlines().index("milestones:") + 2
    assert problems(text) == [(line, "/milestones", "tranches_not_whole")]
    text = json.dumps(document(), indent=1).replace('"zone": "America/New_York"', '"zone": "Mars"')
    line = next(n for n, each in enumerate(text.splitlines(), start=1) if "Mars" in each)
    assert problems(text) == [(line, "/zone", "zone_unknown")]


def test_a_missing_field_names_the_thing_around_it() -> None:
    wrong = document()
    del wrong["milestones"][1]["deliverable"]
    text = yaml.safe_dump(wrong, sort_keys=False)
    line = [n for n, each in enumerate(text.splitlines(), start=1) if each.startswith("- key")][1]
    assert problems(text) == [(line, "/milestones/1/deliverable", "field_missing")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (None, "", "file_empty")),
        ("a: 1\nb: 1.5", (2, "/b", "number_not_whole")),
        ("a: 1e9", (1, "/a", "number_not_whole")),
        ("a: .inf", (1, "/a", "number_not_whole")),
        ("a: ~", (1, "/a", "value_missing")),
        ("a:\nb: 1", (1, "/a", "value_missing")),
        ("a: &x 1", (1, "/a", "tag")),
        ("a: *x", (1, "/a", "alias")),
        ("a: !!python/object/apply:os.system [id]", (1, "/a", "tag")),
        ("a: 1\na: 2", (2, "/a", "key_twice")),
        ("? [1]\n: 2", (1, "/", "key_not_text")),
        ("a: 1\n---\nb: 2", (2, "", "documents_many")),
        ("a: [", (2, "", "file_not_yaml")),
        ('{"a": 1,}', (1, "", "file_not_json")),
        ('{"a": 1.5}', (1, "/a", "number_not_whole")),
        ('{"a": null}', (1, "/a", "value_missing")),
        ('{"a": 1, "a": 2}', (1, "/a", "key_twice")),
    ],
)
def test_values_are_strict(text: str, found: tuple[int | None, str, str]) -> None:
    assert problems(text)[0] == found


def test_a_file_of_any_shape_is_refused_quickly() -> None:
    assert problems(b"x" * (MAX_BYTES + 1)) == [(None, "", "file_too_large")]
    assert problems(b"\xff\xfe")[0][2] == "file_not_utf8"
    assert problems("[" * 100_000)[0][2] == "file_too_deep"
    assert problems("{" * 100_000)[0][2] in ("file_not_json", "file_too_deep")
    assert problems("a: " + "[[]," * 50_000)[0][2] in ("file_too_deep", "file_not_yaml")


def test_a_calendar_that_nobody_keeps_is_refused() -> None:
    assert problems(yaml.safe_dump(document(calendar="XX")))[0][1:] == ("/calendar", "calendar_unknown")
