"""A plan that is amended on the way, played by the simulator: money divided anew, and what may not be (MIL-13)."""

from datetime import date
from typing import Any

import pytest

from milestones.document import parse_document
from milestones.following import Amended
from milestones.money import Asset
from milestones.simulate import FAILED, Outcome, Simulation, SimulationError, simulate
from tests.unit.milestones.documents import contract, document, milestone

HOLDERS = (100_001, 50_000, 33_333)
#: The first step is released and the second open.
ON = date(2027, 2, 20)


def play(on: date, *milestones: dict[str, Any], scenario: dict[int, Outcome] | None = None) -> Simulation:
    """Play 40 + 30 + 30 % from January on, with these milestones from a day on."""
    return simulate(
        contract(4000, 3000, 3000), proceeds_minor=sum(HOLDERS), holders=HOLDERS, price_micro=10_000,
        asset=Asset("USD", 2), fee_bp=500, scenario=scenario or {}, closes_on=date(2027, 1, 4),
        amended=Amended(parse_document(document(milestones=list(milestones))), on),
    )


def released(found: Simulation) -> list[tuple[str, int]]:
    return [(step.label, step.released_minor) for step in found.steps if step.released_minor]


def test_mil_1_what_is_unreleased_is_divided_anew_and_a_new_milestone_has_its_part() -> None:
    found = play(ON, milestone(1, 4000), milestone(2, 1500), milestone(3, 2500), milestone(4, 2000))
    assert found.ends == "completed"
    assert released(found) == [("Step 1", 73_333), ("Step 2", 27_500), ("Step 3", 45_834), ("Step 4", 36_667)]
    assert [each.released_minor for each in found.totals.per_holder] == list(HOLDERS)


def test_mil_13_the_scenario_counts_the_amended_milestones_and_an_open_one_waits_for_the_day() -> None:
    milestones = (milestone(1, 4000), milestone(2, 3000), milestone(5, 1000), milestone(3, 2000))
    found = play(date(2027, 2, 24), *milestones, scenario={4: Outcome(FAILED)})
    assert [label for label, _minor in released(found)] == ["Step 1", "Step 2", "Step 5"]
    assert (found.ends, found.steps[-1].label, found.steps[-1].returned_minor) == ("wound_down", "Step 3", 36_667)
    sooner = milestone(2, 3000, target_date="2027-02-01")
    at = {step.label: step.at for step in play(date(2027, 2, 24), milestone(1, 4000), sooner, milestone(3, 3000)).steps}
    unchanged = {step.label: step.at for step in play(
        date(2027, 2, 24), milestone(1, 4000), milestone(2, 3000, target_date="2027-02-24"), milestone(3, 3000)
    ).steps}
    assert at == unchanged


def test_mil_13_what_is_submitted_by_then_keeps_its_terms_and_its_share() -> None:
    found = play(
        date(2027, 3, 1), milestone(1, 4000), milestone(2, 2000, title="Other"),
        milestone(3, 4000, target_date="2027-06-30"),
    )
    assert released(found) == [("Step 1", 73_333), ("Step 2", 55_000), ("Step 3", 55_001)]
    assert found.steps[-1].at > date(2027, 6, 30)


@pytest.mark.parametrize(("code", "on", "milestones"), [
    ("amendment_overtaken", date(2029, 1, 1), (milestone(1, 4000), milestone(2, 2000), milestone(3, 4000))),
    ("amendment_overtaken", ON, (milestone(1, 4000, title="Other"), milestone(2, 3000), milestone(3, 3000))),
    ("milestone_removed", ON, (milestone(1, 4000), milestone(2, 6000))),
    ("amendment_too_soon", ON, (milestone(1, 4000), milestone(2, 4100), milestone(3, 1900))),
    ("amendment_date_past", ON, (
        milestone(1, 4000), milestone(2, 3000, target_date="2027-02-01", long_stop="2027-02-20"), milestone(3, 3000)
    )),
])
def test_mil_13_what_the_rules_refuse_is_refused_here(
    code: str, on: date, milestones: tuple[dict[str, Any], ...]
) -> None:
    with pytest.raises(SimulationError) as refused:
        play(on, *milestones)
    assert refused.value.code == code
