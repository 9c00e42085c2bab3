"""What is made of a record: its course of events, and the offering that it becomes. No database."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.replay import amended, crowd, drafting, fates, records
from milestones.document import parse_document
from milestones.money import Asset

PANEL = ["E01", "E02"]


def evaluation(day: int, status: str, evaluator: str = "E07", accepted: int = 3, items: int = 3) -> dict[str, Any]:
    at = dt.datetime(2023, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)
    return {"at": at.isoformat(), "status": status, "evaluator": evaluator, "accepted_items": accepted, "items": items}


def milestone(number: int, cost: str = "1000", days: object = 30, **changes: Any) -> dict[str, Any]:
    return {
        "number": number, "title": f"Part {number}", "cost": cost, "duration_days": days, "outcome": "none",
        "deliverables": [["0a", "License"], ["1", "A thing"], ["2", "Another thing"]], "evaluations": [], **changes,
    }


def line(*milestones: dict[str, Any], currency: str = "USD", **status: bool) -> str:
    return json.dumps({
        "id": "made-up", "project": "Made up", "currency": currency, "accepted_at": "2023-01-01T00:00:00Z",
        "programme_status": status or None, "milestones": list(milestones),
    })


def record(*milestones: dict[str, Any], tmp_path: Path, currency: str = "USD", **status: bool) -> records.Record:
    file = tmp_path / "contracts.jsonl"
    file.write_text(line(*milestones, currency=currency, **status) + "\n", encoding="utf-8")
    return next(records.read(file))


def ends(found: records.Record) -> list[str]:
    return [fate.end for fate in fates.fates_of(found, PANEL, Counter())]


def test_accepted_is_met_by_whoever_evaluated(tmp_path: Path) -> None:
    found = record(milestone(1, evaluations=[evaluation(40, "accepted")]), milestone(2), tmp_path=tmp_path)
    first, second = fates.fates_of(found, PANEL, Counter())
    assert (first.end, first.auditors, first.approvals, first.resubmissions) == ("met", ("E07",), 1, 0)
    assert [(each.day, each.met) for each in first.rounds] == [(40, True)]
    # No evaluation and no status: it passes its long-stop.
    assert (second.end, second.rounds) == ("long_stop", ())


def test_an_evaluation_in_progress_is_tried_again_when_the_record_has_a_later_one(tmp_path: Path) -> None:
    attempts = [evaluation(40, "in_progress", "E07", 2, 3), evaluation(90, "accepted", "E08")]
    found = record(milestone(1, evaluations=attempts), tmp_path=tmp_path)
    (fate,) = fates.fates_of(found, PANEL, Counter())
    assert [(each.day, each.met) for each in fate.rounds] == [(40, False), (90, True)]
    assert (fate.end, fate.auditors, fate.approvals, fate.resubmissions) == ("met", ("E07", "E08"), 1, 1)


def test_a_rejection_is_final_and_what_comes_later_is_never_reached(tmp_path: Path) -> None:
    found = record(
        milestone(1, evaluations=[evaluation(20, "in_progress"), evaluation(60, "rejected")]),
        milestone(2, evaluations=[evaluation(90, "accepted")]), tmp_path=tmp_path,
    )
    notes: Counter[str] = Counter()
    first, second = fates.fates_of(found, PANEL, notes)
    assert (first.end, first.resubmissions, second.end, second.rounds) == ("rejected", 1, "unreached", ())
    assert notes["accepted in the record, but an earlier milestone was not: never reached"] == 1


def test_evaluations_of_the_same_days_are_one_panel_that_decides_as_the_record_did(tmp_path: Path) -> None:
    split = [evaluation(40, "accepted", "E07"), evaluation(41, "in_progress", "E08", 0, 3)]
    both = [evaluation(40, "accepted", "E07"), evaluation(42, "accepted", "E08")]
    found = record(milestone(1, evaluations=split), milestone(2, evaluations=both), tmp_path=tmp_path)
    first, second = fates.fates_of(found, PANEL, Counter())
    assert (len(first.rounds), first.auditors, first.approvals, first.end) == (1, ("E07", "E08"), 1, "met")
    assert (len(second.rounds), second.approvals, second.end) == (1, 2, "met")


def test_the_status_of_the_programme_is_believed_where_an_evaluation_is_missing(tmp_path: Path) -> None:
    assert ends(record(milestone(1), milestone(2), tmp_path=tmp_path, completed=True)) == ["met", "met"]
    delivered = record(milestone(1), milestone(2), tmp_path=tmp_path, first_delivery=True)
    assert ends(delivered) == ["met", "long_stop"]
    assert ends(record(milestone(1), milestone(2), tmp_path=tmp_path, terminated=True)) == ["resigns", "unreached"]


def draft(found: records.Record, notes: Counter[str]) -> drafting.Draft:
    course = fates.fates_of(found, PANEL, notes)
    launch_at = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    return drafting.draft(found, course, launch_at=launch_at, dice=random.Random(1), notes=notes)


def test_mil_1_costs_become_basis_points_and_it_says_where_they_are_not_exact(tmp_path: Path) -> None:
    exact = draft(record(milestone(1, "2500"), milestone(2, "7500"), tmp_path=tmp_path), Counter())
    assert exact.inexact is None
    assert [each["tranche_bp"] for each in exact.document["milestones"]] == [2_500, 7_500]
    thirds = draft(record(*(milestone(n, "1000") for n in (1, 2, 3)), tmp_path=tmp_path), Counter())
    assert thirds.inexact == drafting.Inexact("made-up", (3_334, 3_333, 3_333), "USD/2", 20)


def test_off_10_bitcoin_has_eight_decimals_and_a_ticket_that_buys_tokens_in_every_part(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    found = draft(record(milestone(1, "0.0005"), milestone(2, "0.0995"), tmp_path=tmp_path, currency="BTC"), notes)
    assert found.fields.currency == "BTC/8"
    assert found.fields.target_minor == 10_000_000
    assert [each["tranche_bp"] for each in found.document["milestones"]] == [400, 9_600]
    assert notes["part too small to buy a token: doubled at the largest part's cost"] == 3
    assert found.fields.minimum_ticket_minor * 400 // 10_000 >= found.fields.price_micro * 100 * 100


def test_oddities_are_made_fit_and_counted(tmp_path: Path) -> None:
    odd = record(
        milestone(1, "0", None, deliverables=[]), milestone(2, "10.005", 0, deliverables=[["1", "Only\x07 this"]]),
        tmp_path=tmp_path, currency="DAI",
    )
    notes: Counter[str] = Counter()
    found = draft(odd, notes)
    parse_document(found.document)
    assert [each["tranche_bp"] for each in found.document["milestones"]] == [256, 9_744]
    assert notes["milestone without a cost: 1 basis point"] == 1
    assert notes["cost finer than a minor unit: rounded down"] == 1
    assert notes["planned duration missing: 30 days"] == 2
    assert notes["deliverables of one kind only: divided in two halves"] == 2
    assert "tranche_over_40" in found.relaxed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Line 1 is not a milestone contract"),
        ('{"id": "x"}', "Line 1 is not a milestone contract"),
        (line(), "Line 1 has no milestones"),
    ],
)
def test_a_line_that_is_no_contract_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(records.RecordError, match=words):
        list(records.read(file))


def test_costs_that_cannot_be_raised_are_refused(tmp_path: Path) -> None:
    for cost, words in (("0", "cost nothing"), ("-5", "below 0"), ("ten", "not a cost")):
        with pytest.raises(records.RecordError, match=words):
            draft(record(milestone(1, cost), tmp_path=tmp_path), Counter())


def test_the_crowd_is_the_same_for_a_seed_uneven_and_enough() -> None:
    def make(seed: int) -> list[crowd.Pledge]:
        return crowd.crowd(
            target_minor=900_000, minimum_minor=540_000, ticket_minor=4_500, open_days=25, people=120,
            dice=random.Random(seed),
        )

    assert make(1) == make(1) != make(2)
    for seed in range(30):
        pledges = make(seed)
        assert len(pledges) >= 20
        assert len({each.investor for each in pledges}) == len(pledges)
        assert min(each.amount_minor for each in pledges) >= 4_500
        assert sum(each.amount_minor for each in pledges if each.habit in crowd.STAYS) >= 540_000
        assert [each.day for each in pledges] == sorted(each.day for each in pledges)
    habits = {each.habit for seed in range(30) for each in make(seed)}
    assert habits == {name for name, _weight in crowd.HABITS}


def amended_line(*first: tuple[int, str, int], **row: Any) -> str:
    """Return a record of two milestones at 600 and 400, 30 days each, that was first agreed as said."""
    found = json.loads(line(milestone(1, "600"), milestone(2, "400"), completed=True))
    milestones = [{"number": number, "cost": cost, "days": days} for number, cost, days in first]
    return json.dumps({**found, **row, "as_accepted": {"milestones": milestones}})


def as_first_agreed(text: str, tmp_path: Path, notes: Counter[str]) -> records.Record:
    file = tmp_path / "contracts.jsonl"
    file.write_text(text + "\n", encoding="utf-8")
    return amended.as_first_agreed(next(records.read(file)), 100_000, Asset.parse("USD/2"), notes)


def test_mil_13_first_terms_raise_what_the_last_ones_do_in_their_own_shares(tmp_path: Path) -> None:
    notes: Counter[str] = Counter()
    found = as_first_agreed(amended_line((1, "0.5", 20), (2, "0.25", 10), (3, "0.25", 7)), tmp_path, notes)
    assert [(each.cost, each.days, each.title) for each in found.milestones] == [
        ("500.00", 20, "Part 1"), ("250.00", 10, "Part 2"), ("250.00", 7, "Milestone 3"),
    ]
    assert notes == {"amended in its total too: what is raised stays, only the shares are amended": 1}
    assert found.first_agreed == ()
    with pytest.raises(records.RecordError, match="“much” is not a cost"):
        as_first_agreed(amended_line((1, "much", 20)), tmp_path, notes)
    with pytest.raises(records.RecordError, match="below 0"):
        as_first_agreed(amended_line((1, "-1", 20)), tmp_path, notes)


def test_mil_13_a_proposal_keeps_the_seats_in_force_and_seats_what_it_adds() -> None:
    in_force = {
        "title": "Made up", "long_stop": "2027-01-01", "relaxed": [],
        "milestones": [{"key": "m1", "tranche_bp": 10_000, "auditors": ["p1"], "target_date": "2026-05-01"}],
    }
    recorded = {
        "title": "Other", "long_stop": "2027-03-01", "relaxed": ["last_under_15"],
        "milestones": [
            {"key": "m1", "tranche_bp": 9_000, "auditors": [], "target_date": "2026-06-01"},
            {"key": "m2", "tranche_bp": 1_000, "auditors": [], "target_date": "2026-09-01"},
        ],
    }
    assert amended.proposal(in_force, recorded, {"m1": ["p9"], "m2": ["p3", "p2"]}) == {
        "title": "Made up", "long_stop": "2027-03-01", "relaxed": ["last_under_15"],
        "milestones": [
            {"key": "m1", "tranche_bp": 9_000, "auditors": ["p1"], "target_date": "2026-06-01"},
            {"key": "m2", "tranche_bp": 1_000, "auditors": ["p2", "p3"], "target_date": "2026-09-01"},
        ],
    }
    assert in_force["milestones"][0]["tranche_bp"] == 10_000
