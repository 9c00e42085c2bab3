"""What changed between two versions, field by field (MIL-3)."""

from milestones.diff import Change, diff
from tests.unit.milestones.documents import contract, criterion, milestone


def test_mil_3_equal_contracts_have_no_difference():
    assert diff(contract(5000, 5000), contract(5000, 5000, calendar="US", closing_bp=0)) == ()


def test_mil_3_changes_are_named_by_the_keys_of_milestones_and_criteria():
    old = contract(5000, 5000)
    changed = milestone(2, 4000, quorum={"approvals": 1, "auditors": 3}, criteria=[criterion(text="Less")])
    new = contract(milestones=[milestone(1, 5000), changed, milestone(3, 1000)], zone="UTC")
    changes = diff(old, new)
    assert [change.path for change in changes] == [
        "/zone",
        "/milestones/step-2/tranche_bp",
        "/milestones/step-2/quorum/approvals",
        "/milestones/step-2/criteria/revenue/text",
        "/milestones/step-3",
    ]
    assert changes[1] == Change("/milestones/step-2/tranche_bp", 5000, 4000)
    assert (changes[4].before, changes[4].after["tranche_bp"]) == (None, 1000)


def test_mil_3_removing_and_reordering_are_changes():
    old = contract(4000, 3000, 3000)
    reordered = contract(milestones=[milestone(2, 3000), milestone(1, 4000), milestone(3, 3000)])
    assert diff(old, reordered) == (
        Change("/milestones", ["step-1", "step-2", "step-3"], ["step-2", "step-1", "step-3"]),
    )
    removed = diff(old, contract(milestones=[milestone(1, 4000), milestone(3, 6000)]))
    assert [(change.path, change.after) for change in removed] == [
        ("/milestones/step-2", None),
        ("/milestones/step-3/tranche_bp", 6000),
    ]
