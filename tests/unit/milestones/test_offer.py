"""What a change of an open offering is, and whether the table makes it material (OFF-8)."""

import pytest

from milestones import offer
from milestones.diff import Change, diff_documents


def document(**groups):
    """Return a version's document with some fields changed."""
    base = {
        "schema": offer.SCHEMA_NAME,
        "figures": {
            "price_micro": 500_000, "minimum_minor": 200_000, "target_minor": 500_000, "maximum_minor": 1_000_000,
            "minimum_ticket_minor": 50_000, "fee_bp": 500, "deadline_at": "2027-03-01T12:00:00.000000Z",
            "currency": "USD/2", "zone": "UTC", "calendar": "US", "rail": "sandbox",
        },
        "class": {"rights": "One vote."},
        "texts": {"name": "Halden", "pitch": "p", "sector": "s", "story": "st", "risks": "r"},
        "disclosures": {
            "use_of_proceeds": [use("hiring", 6000), use("rent", 4000)],
            "officers": "Fay", "litigation": "", "insolvency": "", "financial_statements": "",
        },
        "updates": [],
        "contract": {"title": "Plan", "milestones": [{"key": "m1", "tranche_bp": 5000}]},
    }
    return offer.merge(base, groups)


def use(key, share_bp):
    return {"key": key, "share_bp": share_bp}


@pytest.mark.parametrize(
    ("changed", "paths", "material"),
    [
        ({"figures": {"price_micro": 600_000}}, ["/figures/price_micro"], True),
        ({"figures": {"minimum_ticket_minor": 1}}, ["/figures/minimum_ticket_minor"], True),
        ({"figures": {"deadline_at": "2027-03-01T12:00:01.000000Z"}}, ["/figures/deadline_at"], True),
        ({"class": {"rights": "No vote."}}, ["/class/rights"], True),
        ({"contract": {"title": "Plan", "milestones": [{"key": "m1", "tranche_bp": 4999}]}},
         ["/contract/milestones/m1/tranche_bp"], True),
        ({"contract": {"title": "A plan", "milestones": [{"key": "m1", "tranche_bp": 5000}]}},
         ["/contract/title"], False),
        ({"disclosures": {"officers": "Max"}}, ["/disclosures/officers"], True),
        ({"disclosures": {"litigation": "Sued."}}, ["/disclosures/litigation"], True),
        ({"texts": {"story": "Other words", "risks": "Others"}}, ["/texts/story", "/texts/risks"], False),
        ({"updates": [{"key": "upd_1", "text": "Sued."}]}, ["/updates/upd_1"], True),
    ],
)
def test_off_8_what_is_material_stands_in_one_table(changed, paths, material):
    judged = offer.judge(document(), document(**changed))
    found = [each.change.path for each in judged]
    assert found == paths
    assert offer.is_material(judged) is material


@pytest.mark.parametrize(
    ("uses", "moved", "material"),
    [
        ([use("hiring", 5001), use("rent", 4999)], 999, False),
        ([use("hiring", 5000), use("rent", 5000)], 1000, True),
        ([use("hiring", 5500), use("rent", 4000), use("law", 500)], 500, False),
        ([use("salaries", 6000), use("rent", 4000)], 6000, True),
        ([], 10_000, True),
    ],
)
def test_off_8_the_use_of_proceeds_is_material_from_ten_percent(uses, moved, material):
    old, new = document(), document(disclosures={"use_of_proceeds": uses})
    shares = [{each["key"]: each["share_bp"] for each in found} for found in (
        old["disclosures"]["use_of_proceeds"], uses)]
    assert offer.moved_share_bp(*shares) == moved
    assert offer.is_material(offer.judge(old, new)) is material


def test_off_8_what_no_row_names_is_material_and_what_is_fixed_is_told():
    judged = offer.judge(document(), document(figures={"zone": "Europe/Berlin", "novel": 1}))
    assert {each.change.path: each.is_material for each in judged} == {"/figures/zone": True, "/figures/novel": True}
    assert offer.fixed_paths(judged) == ("/figures/zone",)


def test_off_8_a_patch_holds_only_what_differs_and_leaves_the_rest_alone():
    old = document()
    new = document(figures={"price_micro": 1}, texts={"story": "x"})
    changes = offer.patch(old, new)
    assert changes == {"figures": {"price_micro": 1}, "texts": {"story": "x"}}
    assert offer.merge(old, changes) == new
    moved = document(figures={"deadline_at": "2027-04-01T12:00:00.000000Z"})
    assert offer.merge(moved, changes)["figures"]["deadline_at"] == "2027-04-01T12:00:00.000000Z"
    assert offer.patch(old, old) == {}
    assert old["figures"]["price_micro"] == 500_000


def test_off_8_uses_sum_to_the_whole_and_are_named_once():
    assert list(offer.use_problems([])) == []
    assert list(offer.use_problems([use("a", 6000), use("b", 4000)])) == []
    assert len(list(offer.use_problems([use("a", 6000), use("a", 3000)]))) == 2


def test_mil_3_a_list_that_was_empty_is_compared_by_keys():
    assert diff_documents({"a": []}, {"a": [use("x", 1)]}) == (Change("/a/x", None, use("x", 1)),)
    assert diff_documents({"a": ["s"]}, {"a": []}) == (Change("/a", ["s"], []),)
