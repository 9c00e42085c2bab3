"""Turn a record into an offering: the figures a founder would enter and the contract document.

Pure. What had to be changed to make it a contract here is counted in ``notes``, never silently.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any

from app.offerings.rules import OfferingFields
from app.replay.fates import UNREACHED, Fate
from app.replay.records import Record, RecordedMilestone, RecordError
from milestones import lint as linting
from milestones.apportion import bp_from_costs, tranche_amounts
from milestones.document import parse_document
from milestones.money import PRICE_UNIT, Asset
from milestones.terms import RELAXABLE

#: Decimals of the currencies that such files have; any other gets as many as its amounts need, 2 at least.
SCALES = {"USD": 2, "EUR": 2, "USDT": 2, "USDC": 2, "DAI": 2, "BTC": 8}
CALENDARS = {"EUR": "TARGET"}

OPEN_DAYS = 24
GRACE_TO_LONG_STOP_DAYS = 180
#: Where a record was later than that, its long-stop lies so many days behind what happened.
MARGIN_DAYS = 60
#: From the last milestone's long-stop to the offering's: longer than all the time that reviews may take.
TO_OFFERING_STOP_DAYS = 120
#: The smallest ticket is this part of the target, unless OFF-10 asks for more.
TICKETS_IN_TARGET = 200
#: So many tickets there must be at least, for so many investors.
LEAST_TICKETS_IN_TARGET = 25
MAX_TITLE, MAX_TEXT = 200, 4000


@dataclass(frozen=True, slots=True)
class Inexact:
    """A contract whose costs are no whole basis points, and by how much a tranche differs from its cost at most."""

    record_id: str
    tranche_bps: tuple[int, ...]
    currency: str
    most_minor: int


@dataclass(slots=True)
class Draft:
    """What is entered for one record."""

    fields: OfferingFields
    document: dict[str, Any]
    code: str
    authorised_tokens: int
    inexact: Inexact | None
    relaxed: tuple[str, ...] = field(default=())


def draft(
    record: Record, fates: Sequence[Fate], *, launch_at: dt.datetime, dice: random.Random, notes: Counter[str]
) -> Draft:
    """Return a record's offering, launching at ``launch_at``; raise :class:`RecordError` if none can be made."""
    asset = _asset(record)
    costs = _costs(record, asset, notes)
    total_minor = sum(costs)
    bps = _fine_enough(bp_from_costs(costs), total_minor, asset, notes)
    deadline_at = launch_at + dt.timedelta(days=OPEN_DAYS + dice.randrange(6))
    ticket_minor, price_micro = _ticket_and_price(total_minor, min(bps), asset, dice, notes)
    maximum_minor = total_minor * 115 // 100
    fields = OfferingFields(
        name=record.project[:100],
        pitch=f"{record.project}: {len(record.milestones)} milestones, as agreed and evaluated in the record.",
        story="\n\n".join(f"{each.title}: {_names(each.deliverables)}" for each in record.milestones),
        risks="Played from a record of a real contract. Whatever happened to it happens here.",
        sector="Replay", currency=str(asset), price_micro=price_micro, minimum_minor=max(1, total_minor * 60 // 100),
        target_minor=total_minor, maximum_minor=maximum_minor, minimum_ticket_minor=ticket_minor,
        zone="UTC", calendar=CALENDARS.get(asset.code, "US"), deadline_at=deadline_at,
    )
    document = _document(record, fates, bps, fields, notes)
    document["relaxed"] = _relaxed(record, document, fields)
    return Draft(
        fields=fields, document=document, code=f"R{record.line:04d}-A",
        authorised_tokens=maximum_minor * PRICE_UNIT // (price_micro * asset.unit) * 5 // 4 + 1,
        inexact=_inexact(record, costs, bps, asset), relaxed=tuple(document["relaxed"]),
    )


# -- figures ----------------------------------------------------------------------------------------


def _asset(record: Record) -> Asset:
    code = record.currency.upper()
    scale = SCALES.get(code)
    if scale is None:
        scale = min(8, max(2, *(len(each.cost.partition(".")[2]) for each in record.milestones)))
    return Asset.parse(f"{code}/{scale}")


def _costs(record: Record, asset: Asset, notes: Counter[str]) -> list[int]:
    """Return the costs in minor units; what is finer than a minor unit, or nothing at all, is said."""
    costs = []
    for milestone in record.milestones:
        try:
            exact = Decimal(milestone.cost) * asset.unit
            cost = int(exact.to_integral_value(ROUND_DOWN))
        except (InvalidOperation, OverflowError):
            raise RecordError(f"Line {record.line}: “{milestone.cost}” is not a cost.") from None
        if cost < 0:
            raise RecordError(f"Line {record.line}: a cost is below 0.")
        if exact != cost:
            notes["cost finer than a minor unit: rounded down"] += 1
        if cost == 0:
            notes["milestone without a cost: 1 basis point"] += 1
        costs.append(cost)
    if not sum(costs):
        raise RecordError(f"Line {record.line}: the milestones cost nothing, so there is nothing to raise.")
    return costs


def _fine_enough(bps: Sequence[int], total_minor: int, asset: Asset, notes: Counter[str]) -> tuple[int, ...]:
    """Raise parts that could buy no token even of the largest ticket, at the largest part's cost (OFF-10)."""
    found = list(bps)
    largest_ticket = max(1, total_minor // LEAST_TICKETS_IN_TARGET)
    while not _largest_price(largest_ticket, min(found), asset):
        smallest, largest = found.index(min(found)), found.index(max(found))
        raised_bp = min(found[smallest], found[largest] - found[smallest] - 1)
        if raised_bp < 1:
            raise RecordError(f"{total_minor} minor units of {asset} are too few for any price.")
        found[smallest] += raised_bp
        found[largest] -= raised_bp
        notes["part too small to buy a token: doubled at the largest part's cost"] += 1
    return tuple(found)


def _ticket_and_price(
    total_minor: int, smallest_bp: int, asset: Asset, dice: random.Random, notes: Counter[str]
) -> tuple[int, int]:
    """Return a minimum ticket and a price fine enough for OFF-10; an odd price, as real ones are."""
    ticket_minor = max(1, total_minor // TICKETS_IN_TARGET)
    while not (largest_micro := _largest_price(ticket_minor, smallest_bp, asset)):
        ticket_minor = min(2 * ticket_minor, max(1, total_minor // LEAST_TICKETS_IN_TARGET))
        notes["minimum ticket doubled so that every part buys tokens"] += 1
    return ticket_minor, max(1, largest_micro * dice.randrange(30, 101) // 100)


def _largest_price(ticket_minor: int, smallest_bp: int, asset: Asset) -> int:
    part_minor = ticket_minor * smallest_bp // 10_000
    return part_minor * PRICE_UNIT // (linting.LEAST_TOKENS_A_PART * asset.unit)


def _inexact(record: Record, costs: Sequence[int], bps: Sequence[int], asset: Asset) -> Inexact | None:
    total = sum(costs)
    if all(cost * 10_000 == bp * total for cost, bp in zip(costs, bps, strict=True)):
        return None
    differences = [abs(a - b) for a, b in zip(tranche_amounts(total, bps), costs, strict=True)]
    return Inexact(record.id, tuple(bps), str(asset), max(differences))


# -- the document -------------------------------------------------------------------------------------


def _document(
    record: Record, fates: Sequence[Fate], bps: Sequence[int], fields: OfferingFields, notes: Counter[str]
) -> dict[str, Any]:
    # The deadline's day is day 0 of the record. The first milestone's target must lie behind it.
    day_0 = fields.deadline_at.date()
    milestones, stop_day = [], 0
    for position, (milestone, fate, bp) in enumerate(zip(record.milestones, fates, bps, strict=True), start=1):
        usual = fate.target_day + GRACE_TO_LONG_STOP_DAYS
        if fate.end != UNREACHED and fate.last_day + MARGIN_DAYS > usual and fate.rounds:
            notes["evaluated long after its target: long-stop moved out to let it be"] += 1
            usual = fate.last_day + MARGIN_DAYS
        stop_day = max(stop_day, usual)
        milestones.append(_milestone(position, milestone, fate, bp, day_0, stop_day, notes))
    return {
        "schema": "milestake/contract/1",
        "title": record.project[:MAX_TITLE],
        "currency": fields.currency,
        "zone": fields.zone,
        "calendar": fields.calendar,
        "order": "sequential",
        "long_stop": _day(day_0, stop_day + TO_OFFERING_STOP_DAYS),
        "closing_bp": 0,
        "relaxed": [],
        "milestones": milestones,
    }


def _milestone(
    position: int, milestone: RecordedMilestone, fate: Fate, bp: int, day_0: dt.date, stop_day: int,
    notes: Counter[str],
) -> dict[str, Any]:
    return {
        "key": f"m{position}",
        "title": milestone.title[:MAX_TITLE],
        "deliverable": (_names(milestone.deliverables) or milestone.title)[:MAX_TEXT],
        "tranche_bp": bp,
        "target_date": _day(day_0, max(1, fate.target_day)),
        "long_stop": _day(day_0, stop_day),
        "quorum": {"approvals": fate.approvals, "auditors": len(fate.auditors)},
        "resubmissions": min(10, fate.resubmissions),
        "on_failure": "wind_down",
        "criteria": _criteria(milestone, notes),
    }


def _criteria(milestone: RecordedMilestone, notes: Counter[str]) -> list[dict[str, Any]]:
    """Return two criteria: what every delivery needs (numbered 0a, 0b …), and what this milestone is about."""
    groundwork = [each for each in milestone.deliverables if each[0].startswith("0")]
    work = [each for each in milestone.deliverables if not each[0].startswith("0")]
    if not groundwork or not work:
        notes["deliverables of one kind only: divided in two halves"] += 1
        every = list(milestone.deliverables) or [("1", milestone.title)]
        half = (len(every) + 1) // 2
        groundwork, work = every[:half], every[half:] or every[:half]
    return [_criterion("groundwork", groundwork), _criterion("work", work)]


def _criterion(key: str, deliverables: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "key": key,
        "text": f"Delivered and accepted: {_names(deliverables)}"[:MAX_TEXT],
        "procedure": "Compare each delivered item with its specification and count those that meet it.",
        "evidence": ["delivery_report"],
        "measure": {"quantity": "accepted items", "at_least": str(len(deliverables)), "unit": "items"},
    }


def _names(deliverables: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{number} {name}" for number, name in deliverables)


def _day(day_0: dt.date, days: int) -> str:
    return (day_0 + dt.timedelta(days=days)).isoformat()


def _relaxed(record: Record, document: dict[str, Any], fields: OfferingFields) -> list[str]:
    """Return the rules that the founder would have to relax; refuse a record that breaks any other."""
    context = linting.LintContext(
        deadline_at=fields.deadline_at, maximum_minor=fields.maximum_minor,
        min_ticket_minor=fields.minimum_ticket_minor, price_micro=fields.price_micro,
    )
    findings = linting.lint(parse_document(document), context)
    for finding in findings:
        if finding.code not in RELAXABLE:
            raise RecordError(f"Line {record.line}: {finding.path}: {finding.message}")
    return sorted({finding.code for finding in findings})
