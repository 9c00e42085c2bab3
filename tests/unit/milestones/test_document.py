"""The document form: every problem named, written resolved, hashed alike however it was written (MIL-3)."""

import copy
import json
import os
import unicodedata
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from milestones.document import (
    SEMANTIC_CODES,
    ContractError,
    canonical_bytes,
    contract_hash,
    parse_document,
    schema,
    to_document,
)
from milestones.terms import RELAXABLE, SCHEMA_2, SCHEMAS
from tests.unit.milestones.documents import contract, criterion, document, milestone

VALIDATORS = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}


def is_valid(doc):
    """Ask the schema of the version that a document names, the newest where it names none that is known."""
    named = doc.get("schema") if isinstance(doc, dict) else None
    return VALIDATORS.get(named if isinstance(named, str) else None, VALIDATORS[SCHEMA_2]).is_valid(doc)

DATA = Path(os.environ.get("MILESTAKE_DATA") or Path(__file__).parents[3].parent / "shared" / "data")

# Every default, written in by hand: if one of them ever changed, old hashes would.
RESOLVED = {
    "schema": "milestake/contract/1",
    "title": "Solar kilns",
    "currency": "USD/2",
    "zone": "America/New_York",
    "calendar": "US",
    "order": "sequential",
    "long_stop": "2028-12-31",
    "closing_bp": 0,
    "relaxed": [],
    "milestones": [
        {
            "key": "step-1",
            "title": "Step 1",
            "deliverable": "What step 1 delivers",
            "tranche_bp": 10000,
            "target_date": "2027-01-28",
            "long_stop": "2028-01-28",
            "grace_days": 30,
            "quorum": {"approvals": 2, "auditors": 3},
            "auditors": [],
            "review_business_days": 10,
            "challenge_business_days": 5,
            "resubmissions": 2,
            "on_failure": "wind_down",
            "criteria": [
                {
                    "key": "revenue",
                    "text": "Revenue of the month reaches 50,000",
                    "procedure": "Inspect the March bank statement, recompute revenue",
                    "evidence": ["bank_statement"],
                    "measure": {"quantity": "revenue", "at_least": "50000", "unit": "USD"},
                    "weight_bp": 10000,
                    "must": True,
                }
            ],
        }
    ],
}


def problems(doc):
    with pytest.raises(ContractError) as refused:
        parse_document(doc)
    return {(problem.path, problem.code) for problem in refused.value.problems}


def shuffled(value):
    """The same data with the fields of every map in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def test_mil_3_defaults_are_written_in():
    assert to_document(contract(10_000)) == RESOLVED


def test_mil_3_the_hash_of_a_contract_never_changes():
    assert (
        canonical_bytes(contract(10_000))
        == json.dumps(RESOLVED, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert (
        contract_hash(contract(10_000)) == "82413a4aaf5144732d035d2392f2615c9b60620e44279511edab60fc356415ac"
    )


def test_mil_3_a_resolved_document_reads_back_to_the_same_terms():
    terms = contract(2000, 3000, 3000, closing_bp=2000, order="parallel", relaxed=["parallel_tail"])
    assert parse_document(to_document(terms)) == terms
    assert is_valid(to_document(terms))


def test_mil_3_order_of_fields_defaults_and_unicode_form_do_not_change_the_hash():
    plain = document(5000, 5000, title=unicodedata.normalize("NFC", "Fours à café\nsolaires"))
    reference = contract_hash(parse_document(plain))
    decomposed = {
        **plain,
        "title": unicodedata.normalize("NFD", plain["title"]).replace("\n", "\r\n") + " \n",
    }
    for same in (
        shuffled(plain),
        to_document(parse_document(plain)),
        decomposed,
        json.loads(json.dumps(plain)),
    ):
        assert contract_hash(parse_document(same)) == reference


def test_mil_3_relaxed_rules_are_a_set():
    one = contract(5000, 5000, relaxed=["tranche_over_40", "no_measure"])
    other = contract(5000, 5000, relaxed=["no_measure", "tranche_over_40"])
    assert contract_hash(one) == contract_hash(other)


def test_mil_3_any_changed_field_changes_the_hash():
    hashes = {contract_hash(contract(4000, 3000, 3000))}
    for changes in ({"title": "Other"}, {"zone": "UTC"}, {"order": "parallel"}, {"long_stop": "2029-01-01"}):
        hashes.add(contract_hash(contract(4000, 3000, 3000, **changes)))
    hashes.add(contract_hash(contract(3999, 3001, 3000)))
    assert len(hashes) == 6


def test_mil_1_tranches_of_9999_basis_points_are_refused():
    assert problems(document(4000, 3000, 2999)) == {("/milestones", "tranches_not_whole")}
    assert problems(document(4000, 3000, 3000, closing_bp=1)) == {("/milestones", "tranches_not_whole")}


def test_mil_3_all_problems_are_named_at_once_with_their_places():
    doc = document(4000, 3000, 3000, colour="red")
    del doc["currency"]
    doc["milestones"][0]["tranche_bp"] = 1.5
    doc["milestones"][1]["target_date"] = "2027-02-30"
    doc["milestones"][1]["quorum"] = {"approvals": 4, "auditors": 3}
    doc["milestones"][2]["key"] = "step-2"
    doc["milestones"][2]["criteria"][0]["measure"]["at_most"] = "7"
    doc["milestones"][2]["criteria"].append("nothing")
    assert problems(doc) == {
        ("/colour", "field_unknown"),
        ("/currency", "field_missing"),
        ("/milestones/0/tranche_bp", "not_a_whole_number"),
        ("/milestones/1/target_date", "date_not_in_calendar"),
        ("/milestones/1/quorum/approvals", "quorum_above_auditors"),
        ("/milestones/2/key", "key_repeated"),
        ("/milestones/2/criteria/0/measure", "measure_bounds"),
        ("/milestones/2/criteria/1", "not_a_map"),
    }


def test_mil_3_weights_left_out_share_equally_what_is_left():
    def weights(*chosen):
        criteria = [criterion(key=f"c{i}", **({"weight_bp": w} if w else {})) for i, w in enumerate(chosen)]
        doc = document(10_000, milestones=[milestone(1, 10_000, criteria=criteria)])
        return tuple(c.weight_bp for c in parse_document(doc).milestones[0].criteria)

    assert weights(None, None, None) == (3334, 3333, 3333)
    assert weights(None, 4000, None) == (3000, 4000, 3000)
    assert weights(2500, 7500) == (2500, 7500)
    for chosen in ((5000, 4999), (6000, 6000), (10_000, None)):
        with pytest.raises(ContractError) as refused:
            weights(*chosen)
        assert [p.code for p in refused.value.problems] == ["criteria_weights_not_whole"]


# Each is one change to a good document: a path, and the value put there (or taken away).
GONE = object()
MUTATIONS = [
    *[((), value) for value in (None, [], "text", 5)],
    (("schema",), "milestake/contract/3"), (("schema",), GONE), (("title",), ""), (("title",), " \n"),
    (("title",), 5), (("title",), None), (("title",), "x" * 201), (("currency",), "USD"), (("currency",), "USD/9"),
    (("zone",), "Mars/Olympus"), (("zone",), ""), (("zone",), "../etc"), (("zone",), None), (("zone",), GONE),
    (("zone",), "America"), (("calendar",), "us"), (("order",), "random"), (("long_stop",), "31.12.2027"),
    (("long_stop",), "2027-13-01"), (("long_stop",), "2027-02-29"), (("long_stop",), 20271231),
    (("closing_bp",), -1), (("closing_bp",), 9999),
    (("closing_bp",), 10_000), (("closing_bp",), "2000"), (("closing_bp",), True),
    (("closing_bp",), 2000), (("relaxed",), ["tranche_over_40"]), (("relaxed",), ["dates_out_of_order"]),
    (("relaxed",), ["no_measure", "no_measure"]), (("relaxed",), "no_measure"), (("relaxed",), [5]),
    (("extra",), 1), (("milestones",), []), (("milestones",), {}), (("milestones",), GONE), (("milestones",), None),
    (("milestones", 0), None), (("milestones", 0, "key"), "Step One"), (("milestones", 0, "key"), "closing"),
    (("milestones", 0, "key"), GONE), (("milestones", 0, "deliverable"), GONE),
    (("milestones", 0, "title"), "nul \x00"), (("milestones", 0, "title"), "lone \ud800"),
    (("milestones", 0, "tranche_bp"), 0), (("milestones", 0, "tranche_bp"), 10_001),
    (("milestones", 0, "tranche_bp"), 1.5), (("milestones", 0, "tranche_bp"), 3999),
    (("milestones", 0, "grace_days"), 366), (("milestones", 0, "grace_days"), 0), (("milestones", 0, "quorum"), []),
    (("milestones", 0, "quorum"), {"approvals": 1, "auditors": 1}), (("milestones", 0, "quorum"), {"approvals": 1}),
    (("milestones", 0, "quorum"), {"approvals": 2, "auditors": 1}),
    (("milestones", 0, "quorum"), {"approvals": 0, "auditors": 1}),
    (("milestones", 0, "quorum"), {"approvals": 1, "auditors": 1, "x": 1}),
    (("milestones", 0, "auditors"), ["pty_a", "pty_a"]), (("milestones", 0, "auditors"), ["pty_a", "pty_b"]),
    (("milestones", 0, "auditors"), ["a b"]), (("milestones", 0, "auditors"), [None]),
    (("milestones", 0, "review_business_days"), 0), (("milestones", 0, "challenge_business_days"), 61),
    (("milestones", 0, "resubmissions"), 11), (("milestones", 0, "on_failure"), "investors_decide"),
    (("milestones", 0, "on_failure"), "shrug"), (("milestones", 0, "criteria"), []),
    (("milestones", 0, "criteria", 0, "procedure"), GONE), (("milestones", 0, "criteria", 0, "evidence"), []),
    (("milestones", 0, "criteria", 0, "evidence"), GONE), (("milestones", 0, "criteria", 0, "evidence"), ["a", "a"]),
    (("milestones", 0, "criteria", 0, "evidence"), ["Bank statement"]),
    (("milestones", 0, "criteria", 0, "measure"), GONE), (("milestones", 0, "criteria", 0, "measure"), None),
    (("milestones", 0, "criteria", 0, "measure"), {"quantity": "q", "unit": "u"}),
    (("milestones", 0, "criteria", 0, "measure", "at_least"), 50_000),
    (("milestones", 0, "criteria", 0, "measure", "at_least"), "50000.00"),
    (("milestones", 0, "criteria", 0, "measure", "at_least"), "050"),
    (("milestones", 0, "criteria", 0, "measure", "at_most"), "1"),
    (("milestones", 0, "criteria", 0, "measure", "unit"), "x" * 41),
    (("milestones", 0, "criteria", 0, "weight_bp"), 0), (("milestones", 0, "criteria", 0, "weight_bp"), 1),
    (("milestones", 0, "criteria", 0, "weight_bp"), 9999),
    (("milestones", 0, "criteria", 0, "must"), "yes"), (("milestones", 0, "criteria", 0, "must"), 1),
    (("milestones", 0, "criteria", 0, "must"), False),
]  # fmt: skip


def mutated(doc, path, value):
    """A copy of the document with one change; the same document where an earlier change took the place away."""
    if not path:
        return value
    doc = copy.deepcopy(doc)
    node = doc
    try:
        for part in path[:-1]:
            node = node[part]
        if value is GONE:
            del node[path[-1]]
        else:
            node[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return doc
    return doc


def assert_reader_and_schema_agree(doc):
    """The schema refuses exactly what the reader refuses, but for what a schema cannot express."""
    try:
        terms = parse_document(doc)
    except ContractError as refused:
        codes = {problem.code for problem in refused.problems}
        assert is_valid(doc) == (codes <= SEMANTIC_CODES), codes
        assert all(problem.message.endswith(".") for problem in refused.problems)
    else:
        assert is_valid(doc)
        assert parse_document(to_document(terms)) == terms


def test_mil_3_the_published_schema_is_a_schema():
    for name in SCHEMAS:
        Draft202012Validator.check_schema(schema(name))
        assert schema(name)["properties"]["schema"] == {"const": name}
        assert sorted(schema(name)["properties"]["relaxed"]["items"]["enum"]) == sorted(RELAXABLE)


@pytest.mark.parametrize("number", range(len(MUTATIONS)))
def test_mil_3_reader_and_schema_agree_on_one_change(number):
    for name in SCHEMAS:
        assert_reader_and_schema_agree(mutated(document(4000, 3000, 3000, schema=name), *MUTATIONS[number]))


RETAINAGE = {"bp": 500, "event": "The defects are made good.", "procedure": "Read the certificate."}
#: Fields of version 2 and values, with the codes of what is wrong with them there.
ADDED = [
    (("report_months",), 6, set()), (("report_months",), 13, {"number_out_of_range"}),
    (("report_months",), None, {"not_a_whole_number"}),
    (("milestones", 0, "partial_releases"), 0, set()),
    (("milestones", 0, "partial_releases"), 3, {"number_out_of_range"}),
    (("milestones", 2, "partial_releases"), 1, {"partial_last"}), (("milestones", 2, "partial_releases"), 0, set()),
    (("milestones", 0, "retainage"), RETAINAGE, set()),
    (("milestones", 0, "retainage"), {**RETAINAGE, "bp": 1001}, {"number_out_of_range"}),
    (("milestones", 0, "retainage"), {**RETAINAGE, "bp": 0}, {"number_out_of_range"}),
    (("milestones", 0, "retainage"), {**RETAINAGE, "days": 366}, {"number_out_of_range"}),
    (("milestones", 0, "retainage"), {**RETAINAGE, "after_days": 365}, {"retainage_days"}),
    (("milestones", 0, "retainage"), {"bp": 500}, {"field_missing"}),
    (("milestones", 0, "retainage"), {**RETAINAGE, "evidence": ["certificate", "certificate"]}, {"list_repeated"}),
    (("milestones", 0, "reporting_retainage_bp"), 1000, set()),
    (("milestones", 0, "reporting_retainage_bp"), 1001, {"number_out_of_range"}),
    (("milestones", 0, "extension_days"), 91, {"number_out_of_range"}),
    (("milestones", 0, "auditor_fee_minor"), "500", {"not_a_whole_number"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "codes"), ADDED)
def test_mil_3_version_2_adds_fields_that_version_1_cannot_use(path, value, codes):
    new = mutated(document(4000, 3000, 3000, schema=SCHEMA_2), path, value)
    assert_reader_and_schema_agree(new)
    assert codes_of(new) == codes
    old = mutated(document(4000, 3000, 3000), path, value)
    assert_reader_and_schema_agree(old)
    assert codes_of(old) == {"field_unknown"}


def codes_of(doc):
    try:
        parse_document(doc)
    except ContractError as refused:
        return {problem.code for problem in refused.problems}
    return set()


def test_mil_3_defaults_of_version_2_are_written_in_and_change_no_hash_of_version_1():
    old, new = contract(4000, 3000, 3000), contract(4000, 3000, 3000, schema=SCHEMA_2)
    assert "report_months" not in to_document(old) and not ADDED_KEYS & set(to_document(old)["milestones"][0])
    resolved = to_document(new)
    assert resolved["report_months"] == 3
    assert [{key: each[key] for key in sorted(ADDED_KEYS & set(each))} for each in resolved["milestones"]] == [
        {"auditor_fee_minor": 0, "extension_days": 30, "partial_releases": most, "reporting_retainage_bp": 0}
        for most in (2, 2, 0)
    ]
    assert parse_document(resolved) == new and contract_hash(parse_document(resolved)) == contract_hash(new)
    with_event = contract(4000, 3000, 3000, schema=SCHEMA_2, milestones=[
        milestone(1, 4000, retainage=RETAINAGE), milestone(2, 3000), milestone(3, 3000)])  # fmt: skip
    assert to_document(with_event)["milestones"][0]["retainage"] == {
        **RETAINAGE, "evidence": [], "after_days": 0, "days": 365,
    }  # fmt: skip


ADDED_KEYS = {"partial_releases", "retainage", "reporting_retainage_bp", "extension_days", "auditor_fee_minor"}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(MUTATIONS), min_size=2, max_size=5))
def test_mil_3_reader_and_schema_agree_on_many_changes(changes):
    doc = document(4000, 3000, 3000)
    for path, value in changes:
        doc = mutated(doc, path, value)
    assert_reader_and_schema_agree(doc)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 20_000) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["title", "milestones", "key", "criteria", "x", "/~"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_mil_3_anything_at_all_is_answered_with_problems(doc):
    assert_reader_and_schema_agree(doc)


def test_mil_3_a_date_ends_with_its_day_in_the_contracts_zone():
    terms = contract(10_000)
    first = terms.milestones[0]
    assert first.target_at(terms.zone).isoformat() == "2027-01-29T05:00:00+00:00"
    assert first.grace_ends_at(terms.zone).isoformat() == "2027-02-28T05:00:00+00:00"
    assert first.long_stop_at(terms.zone).isoformat() == "2028-01-29T05:00:00+00:00"
    assert terms.long_stop_at().isoformat() == "2029-01-01T05:00:00+00:00"
    summer = contract(10_000, milestones=[milestone(7, 10_000)])
    assert summer.milestones[0].target_at(summer.zone).isoformat() == "2027-07-29T04:00:00+00:00"


def test_mil_3_canonical_form_follows_rfc_8785():
    vectors = DATA / "vectors" / "rfc8785_jcs.json"
    if not vectors.exists():
        pytest.skip(f"the published vectors of RFC 8785 are not at {vectors}")
    cases = json.loads(vectors.read_text(encoding="utf-8"))["cases"]
    for case in cases:
        assert rfc8785.dumps(json.loads(case["input"])).hex() == case["canonical_hex"], case["name"]
    assert len(cases) == 6
