"""Turn a record of a contract that was amended into what was agreed first, and into the proposal that amends it.

Pure. Records say what the milestones were when the contract was accepted and what they are now; not when that changed,
nor who agreed. What is raised cannot change here once money came in, so only the shares of it do.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from app.replay.records import FirstAgreed, Record, RecordedMilestone, RecordError
from milestones.apportion import bp_from_costs, tranche_amounts
from milestones.money import Asset, format_amount

#: What a recorded amendment changes of a milestone; its seats, its quorum and its windows stay as they are in force.
AMENDED = ("title", "deliverable", "tranche_bp", "target_date", "long_stop", "resubmissions", "criteria")
#: Costs in another currency than the contract's now are compared as whole units of this size.
_FINEST = Decimal(10) ** 8


def as_first_agreed(record: Record, total_minor: int, asset: Asset, notes: Counter[str]) -> Record:
    """Return the record with its milestones as first accepted, which raise ``total_minor`` too, in their first shares.

    Evaluations and deliverables stay with their number. Raises :class:`RecordError` for costs that are none.
    """
    shares = bp_from_costs([_cost(record, each) for each in record.first_agreed])
    first_total = sum(Decimal(each.cost) for each in record.first_agreed)
    if first_total != sum(Decimal(each.cost) for each in record.milestones):
        notes["amended in its total too: what is raised stays, only the shares are amended"] += 1
    amounts = tranche_amounts(total_minor, shares)
    now = {each.number: each for each in record.milestones}
    milestones = tuple(
        _milestone(each, now.get(each.number), format_amount(amount, asset))
        for each, amount in zip(record.first_agreed, amounts, strict=True)
    )
    return replace(record, milestones=milestones, first_agreed=())


def _cost(record: Record, first: FirstAgreed) -> int:
    try:
        cost = int(Decimal(first.cost) * _FINEST)
    except (InvalidOperation, OverflowError, ValueError):
        raise RecordError(f"Line {record.line}: “{first.cost}” is not a cost.") from None
    if cost < 0:
        raise RecordError(f"Line {record.line}: a cost is below 0.")
    return cost


def _milestone(first: FirstAgreed, now: RecordedMilestone | None, cost: str) -> RecordedMilestone:
    if now is None:
        return RecordedMilestone(first.number, f"Milestone {first.number}", cost, first.days, (), ())
    return replace(now, cost=cost, days=first.days)


def proposal(
    in_force: Mapping[str, Any], recorded: Mapping[str, Any], panels: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Return the terms in force, changed as the record says; both are resolved documents, ``panels`` seats new ones."""
    found = copy.deepcopy(dict(in_force))
    before = {each["key"]: each for each in found["milestones"]}
    found["milestones"] = []
    for milestone in recorded["milestones"]:
        old = before.get(milestone["key"])
        if old is None:
            found["milestones"].append({**milestone, "auditors": sorted(panels[milestone["key"]])})
        else:
            found["milestones"].append({**old, **{name: milestone[name] for name in AMENDED if name in milestone}})
    for name in ("long_stop", "relaxed"):
        found[name] = recorded.get(name, found.get(name))
    return found
