"""Read the demo's invented companies, and write each as the fields and the contract that a founder would enter.

What happens to them is ``loading``.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.offerings.rules import OfferingFields
from milestones.money import Asset, parse_amount, parse_price

CURRENCY = "USD/2"
ZONE, CALENDAR = "UTC", "US"
#: From a target date to its long-stop, and from the last one to the offering's.
TO_LONG_STOP_DAYS, TO_OFFERING_STOP_DAYS = 90, 60
VENTURES = Path(__file__).parent / "ventures.yaml"


@dataclass(frozen=True, slots=True)
class Venture:
    """One company with its offering, as written in ``ventures.yaml``."""

    key: str
    written: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.written[name]

    @property
    def auditors(self) -> int:
        return int(self["quorum"][1])

    def fields(self, deadline_at: dt.datetime) -> OfferingFields:
        """Return the offering's figures and texts; amounts in minor units."""
        asset = Asset.parse(CURRENCY)
        return OfferingFields(
            name=str(self["company"]).rsplit(" ", 1)[0], pitch=self["pitch"], story=_unfolded(self["story"]),
            risks=_unfolded(self["risks"]), sector=self["sector"], currency=CURRENCY,
            price_micro=parse_price(self["price"]), minimum_minor=parse_amount(self["minimum"], asset),
            target_minor=parse_amount(self["target"], asset), maximum_minor=parse_amount(self["maximum"], asset),
            minimum_ticket_minor=parse_amount(self["ticket"], asset), zone=ZONE, calendar=CALENDAR,
            deadline_at=deadline_at, regime=self.written.get("regime", "private"),
            holding=self.written.get("holding", "escrow_agent"),
        )

    def document(self, deadline_at: dt.datetime) -> dict[str, Any]:
        """Return the milestone contract, its dates counted from the deadline."""
        first = deadline_at.date()
        approvals, auditors = self["quorum"]
        milestones = [
            {
                "key": f"m{number}",
                "title": step["title"],
                "deliverable": step["deliverable"],
                "tranche_bp": step["bp"],
                "target_date": _day(first, step["days"]),
                "long_stop": _day(first, step["days"] + TO_LONG_STOP_DAYS),
                "quorum": {"approvals": approvals, "auditors": auditors},
                "resubmissions": self.written.get("resubmissions", 2),
                "criteria": [_criterion(each) for each in step["criteria"]],
                **step.get("more", {}),
            }
            for number, step in enumerate(self["milestones"], start=1)
        ]
        last = max(step["days"] for step in self["milestones"])
        return {
            "schema": f"milestake/contract/{self.written.get('version', 1)}",
            "title": f"Milestones of {self['company']}",
            "currency": CURRENCY,
            "zone": ZONE,
            "calendar": CALENDAR,
            "order": "sequential",
            "long_stop": _day(first, last + TO_LONG_STOP_DAYS + TO_OFFERING_STOP_DAYS),
            "closing_bp": self["closing_bp"],
            "relaxed": list(self.written.get("relaxed", [])),
            "milestones": milestones,
        }


def _criterion(written: Mapping[str, Any]) -> dict[str, Any]:
    quantity, value, unit, *bound = written["measure"]
    return {
        "key": written["key"],
        "text": written["text"],
        "procedure": written["procedure"],
        "evidence": list(written["evidence"]),
        "measure": {"quantity": quantity, bound[0] if bound else "at_least": value, "unit": unit},
        **({"must": False} if written.get("may_be_partly") else {}),
    }


def _day(first: dt.date, days: int) -> str:
    return (first + dt.timedelta(days=days)).isoformat()


@functools.cache
def ventures() -> Mapping[str, Venture]:
    """Return every company of the demo by its key."""
    written = yaml.safe_load(VENTURES.read_text(encoding="utf-8"))
    return {each["key"]: Venture(each["key"], each) for each in written}


def _unfolded(text: str) -> str:
    """Return text without the line ends that the file has for its own readers; an empty line parts paragraphs."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.strip())
