"""Contract documents that the tests of the engine start from."""

import copy
from typing import Any

from milestones.document import parse_document
from milestones.terms import Terms

_CRITERION = {
    "key": "revenue",
    "text": "Revenue of the month reaches 50,000",
    "procedure": "Inspect the March bank statement, recompute revenue",
    "evidence": ["bank_statement"],
    "measure": {"quantity": "revenue", "at_least": "50000", "unit": "USD"},
}


def criterion(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(_CRITERION), **changes}


def milestone(number: int, tranche_bp: int, **changes: Any) -> dict[str, Any]:
    """A milestone due at the end of its number's month of 2027, with half a year until its long-stop."""
    return {
        "key": f"step-{number}",
        "title": f"Step {number}",
        "deliverable": f"What step {number} delivers",
        "tranche_bp": tranche_bp,
        "target_date": f"2027-{number:02d}-28",
        "long_stop": f"2028-{number:02d}-28",
        "criteria": [criterion()],
        **changes,
    }


def document(*tranche_bps: int, **changes: Any) -> dict[str, Any]:
    """A contract with these tranches and no faults; `changes` replace fields of the top level."""
    return {
        "schema": "milestake/contract/1",
        "title": "Solar kilns",
        "currency": "USD/2",
        "zone": "America/New_York",
        "long_stop": "2028-12-31",
        "milestones": [milestone(i, bp) for i, bp in enumerate(tranche_bps or (4000, 3000, 3000), start=1)],
        **changes,
    }


def contract(*tranche_bps: int, **changes: Any) -> Terms:
    return parse_document(document(*tranche_bps, **changes))
