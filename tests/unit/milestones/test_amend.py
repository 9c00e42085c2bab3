"""Amendments compared: what may not be touched, what is adverse, the cap over all of them, what is left (MIL-13)."""

import copy
import datetime as dt
from typing import Any

import pytest

from milestones import amend
from milestones.document import parse_document, to_document
from milestones.terms import Terms
from tests.factories.life import contract_document


def base(**options: Any) -> Terms:
    return parse_document(contract_document(dt.date(2027, 1, 4), **options))


def changed(terms: Terms, *edits: tuple[str, Any]) -> Terms:
    """Return terms with fields at dotted paths set; `m1` names a milestone, `m1.criteria.0` its first criterion."""
    document = copy.deepcopy(to_document(terms))
    for path, value in edits:
        names = path.split(".")
        place: Any = document
        if names[0] in {m["key"] for m in document["milestones"]}:
            key = names.pop(0)
            place = next(m for m in document["milestones"] if m["key"] == key)
        for name in names[:-1]:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if value is None:
            del place[int(names[-1]) if isinstance(place, list) else names[-1]]
        else:
            place[names[-1]] = value
    return parse_document(document)


def judge(new: Terms, old: Terms | None = None, first: Terms | None = None, **states: str) -> amend.Judged:
    old = old or base()
    return amend.judge(old, new, first or old, states)


def codes(judged: amend.Judged) -> list[str]:
    return [each.code for each in judged.objections]


def grounds(judged: amend.Judged) -> set[str]:
    return {each.code for each in judged.grounds}


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([("m2.title", "Another name")], set()),
        ([("m2.target_date", "2027-06-03")], set()),  # 30 days later than 2027-05-04
        ([("m2.target_date", "2027-06-04")], {"date_moved"}),
        ([("m2.target_date", "2027-04-01")], {"date_moved"}),
        ([("long_stop", "2027-12-30")], {"date_moved"}),
        ([("m2.criteria.0.measure.at_least", "60000")], set()),
        ([("m2.criteria.0.measure.at_least", "49999.99")], {"criterion_weaker"}),
        ([("m2.criteria.0.evidence", ["bank_statement", "invoice"])], set()),
        ([("m2.criteria.0.procedure", "Ask the founder.")], {"criterion_weaker"}),
        ([("m2.criteria.1", None), ("m2.criteria.0.weight_bp", 10_000)], {"criterion_removed"}),
        ([("m2.criteria.0.weight_bp", 6000), ("m2.criteria.1.weight_bp", 4000)], {"criterion_weaker"}),
        ([("m2.criteria.0.must", False)], {"criterion_weaker"}),
        ([("m1.tranche_bp", 3001), ("m2.tranche_bp", 2999)], {"more_money"}),
        ([("m1.tranche_bp", 2999), ("m2.tranche_bp", 3001)], set()),
        ([("m2.quorum", {"approvals": 1, "auditors": 2})], {"auditors"}),
        ([("m2.auditors", ["aud_other"])], {"auditors"}),
        ([("m2.on_failure", "return_tranche")], {"failure"}),
        ([("m2.challenge_business_days", 4)], {"terms"}),
        ([("m2.challenge_business_days", 6)], set()),
        ([("m2.resubmissions", 3)], {"terms"}),
        ([("relaxed", ["half_in_60_days", "last_under_15", "no_measure", "parallel_tail", "quorum_too_small",
                       "tranche_over_40"])], {"relaxed"}),
    ],
)  # fmt: skip
def test_mil_13_what_is_adverse_stands_in_one_table(edits: list[tuple[str, Any]], expected: set[str]) -> None:
    judged = judge(changed(base(), *edits))
    assert (grounds(judged), codes(judged)) == (expected, [])
    assert judged.changes


def test_mil_13_dates_that_creep_by_thirty_days_are_adverse_the_second_time() -> None:
    first = base()
    once = changed(first, ("m3.target_date", "2027-08-02"))
    twice = changed(first, ("m3.target_date", "2027-08-03"))
    back = changed(first, ("m3.target_date", "2027-07-20"))
    assert not judge(once).grounds
    assert grounds(judge(twice, once, first)) == {"date_moved"}
    assert not judge(back, twice, first).grounds


def test_mil_13_what_is_submitted_or_released_is_out_of_reach() -> None:
    new = changed(base(), ("m1.criteria.0.measure.at_least", "1"))
    for state in ("submitted", "challengeable", "disputed", "approved", "released", "partly_released", "failed"):
        assert codes(judge(new, m1=state)) == ["milestone_settled"]
    assert codes(judge(new, m1="open")) == []
    assert codes(judge(base())) == ["amendment_empty"]
    assert codes(judge(changed(base(), ("closing_bp", 1000), ("m3.tranche_bp", 3000)))) == ["amendment_fixed"]
    document = copy.deepcopy(to_document(base()))
    del document["milestones"][2]
    document["milestones"][1]["tranche_bp"] = 5500
    assert "milestone_removed" in codes(judge(parse_document(document)))


def test_mil_13_front_loading_cannot_creep_over_several_amendments() -> None:
    """Each step alone is small and its vote is won: the cap is against the first version, at every step."""
    first = base()  # 15 at closing, then 30, 30, 25
    once = changed(first, ("m1.tranche_bp", 3500), ("m3.tranche_bp", 2000))
    twice = changed(first, ("m1.tranche_bp", 4000), ("m3.tranche_bp", 1500))
    thrice = changed(first, ("m1.tranche_bp", 4001), ("m3.tranche_bp", 1499))
    assert codes(judge(once, first, first)) == []
    assert codes(judge(twice, once, first)) == []
    assert set(codes(judge(thrice, twice, first))) == {"amendment_too_soon"}


def with_new(terms: Terms, place: int, bp: int, taken_from: str, key: str = "extra") -> Terms:
    document = copy.deepcopy(to_document(terms))
    document["milestones"].insert(place, {**document["milestones"][place - 1], "key": key, "tranche_bp": bp})
    next(m for m in document["milestones"] if m["key"] == taken_from)["tranche_bp"] -= bp
    return parse_document(document)


def test_mil_13_a_new_milestone_put_first_lets_no_more_go_before_the_old_one() -> None:
    assert codes(judge(with_new(base(), 1, 1000, "m3"))) == []
    assert grounds(judge(with_new(base(), 1, 1000, "m3"))) == {"more_money"}
    assert set(codes(judge(with_new(base(), 1, 1001, "m3")))) == {"amendment_too_soon"}
    assert codes(judge(with_new(base(), 3, 1500, "m3"))) == []
    assert codes(judge(with_new(base(), 0, 500, "m1"), m1="open")) == ["milestone_moved"]


def test_mil_13_in_another_order_the_early_steps_do_not_rise() -> None:
    document = copy.deepcopy(to_document(base()))
    milestones = document["milestones"]
    milestones[0], milestones[2] = milestones[2], milestones[0]
    assert set(codes(judge(parse_document(document)))) == {"amendment_too_soon"}
    parallel = base(order="parallel")
    assert set(codes(judge(changed(parallel, ("m1.tranche_bp", 1500), ("m3.tranche_bp", 4000)), parallel))) == {
        "amendment_too_soon"
    }


def test_mil_13_the_same_subject_in_other_words_is_the_same_subject() -> None:
    one = changed(base(), ("m2.criteria.0.text", "Revenue is at least 50,000"), ("m1.tranche_bp", 3001),
                  ("m2.tranche_bp", 2999))
    other = changed(base(), ("m2.criteria.1.procedure", "Read it."), ("m2.criteria.0.measure.at_least", "1"))
    assert judge(one).subjects == ("m2:criteria", "money")
    assert judge(other).subjects == ("m2:criteria",)
    assert judge(changed(base(), ("m3.target_date", "2027-07-10"))).subjects == ("m3:dates",)


def test_mil_13_a_milestone_submitted_meanwhile_drops_out() -> None:
    old = base()
    new = changed(old, ("m1.criteria.0.measure.at_least", "1"), ("m2.target_date", "2027-05-20"))
    left = amend.without(old, new, {"m1"})
    assert left == changed(old, ("m2.target_date", "2027-05-20"))
    moved = changed(old, ("m1.tranche_bp", 3500), ("m2.tranche_bp", 2500), ("m2.title", "New"))
    assert amend.without(old, moved, {"m1"}) == changed(old, ("m2.title", "New"))
    assert amend.without(old, changed(old, ("m1.title", "New")), {"m1"}) is None
    assert amend.without(old, with_new(old, 1, 500, "m1"), {"m1"}) is None
    assert amend.without(old, new, set()) == new


def test_mil_13_tranches_are_recomputed_from_what_is_unreleased_and_free() -> None:
    new = changed(base(), ("m2.tranche_bp", 2000), ("m3.tranche_bp", 3500))
    assert amend.tranches(new, {"m1": 30_000}, 85_001, ()) == {"m2": 20_000, "m3": 35_001}
    assert amend.tranches(new, {}, 55_001, {"m1"}) == {"m2": 20_000, "m3": 35_001}
