"""Turn a filing into the figures of an offering and its contract; say whatever had to be changed for that.

Pure. What a filing breaks is left broken: the services refuse it, and the report counts by which reason.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from app.offerings import rules
from app.offerings.rules import OfferingFields
from app.replay.filings import OTHER, PRO_RATA, Amendment, Filing
from milestones.money import PRICE_UNIT, Asset

CURRENCY = Asset.parse("USD/2")
#: At the close 30 % need no evidence; the rest waits for one milestone that is quickly met.
CLOSING_BP, REST_BP = 3000, 7000
TARGET_DAYS, LONG_STOP_DAYS, OFFERING_STOP_DAYS = 30, 60, 120
#: A minimum ticket that people would choose, and the most of the target that one may take.
USUAL_TICKET_MINOR, TICKETS_IN_TARGET = 10_000, 10
#: More than six decimals in a price, or two in an amount, come from binary arithmetic before the file was written.
ARTEFACT_PRICE, ARTEFACT_AMOUNT = "price is a float artefact: taken to 6 places", (
    "amount is a float artefact: taken to whole cents")
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Terms:
    """A filing's terms at one time, normalised: minor units, millionths, an instant in UTC."""

    target_minor: int
    maximum_minor: int
    price_micro: int
    deadline_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """A filing with its terms as first filed, and the words for what was changed to read them."""

    filing: Filing
    terms: Terms
    last_deadline: dt.date


def plan(filing: Filing, notes: Counter[str]) -> Plan | None:
    """Return what is to be offered, None for a filing without a price: its tokens cannot be counted."""
    if filing.price is None:
        return None
    terms = Terms(
        target_minor=_minor(filing.target, notes), maximum_minor=_maximum(filing, notes),
        price_micro=_price_micro(filing.price, notes), deadline_at=_end_of(filing.deadline),
    )
    if filing.accepts_more and filing.allocation == OTHER:
        notes["oversubscription “at the intermediary's discretion”: first come, first served"] += 1
    deadlines = [dt.date.fromisoformat(each.changes["deadline"]) for each in filing.amendments
                 if each.changes.get("deadline")]
    return Plan(filing, terms, max([filing.deadline, filing.filed_on, *deadlines]))


def amended(terms: Terms, amendment: Amendment, notes: Counter[str]) -> Terms:
    """Return the terms after an amendment; ``units`` follow from amounts and price, a term taken away stays."""
    changes = amendment.changes
    found = terms
    if changes.get("deadline"):
        found = replace(found, deadline_at=_end_of(dt.date.fromisoformat(changes["deadline"])))
    if changes.get("target"):
        found = replace(found, target_minor=_minor(Decimal(changes["target"]), notes))
    if changes.get("max"):
        found = replace(found, maximum_minor=_minor(Decimal(changes["max"]), notes))
    if changes.get("price"):
        found = replace(found, price_micro=_price_micro(changes["price"], notes))
    return found


def _end_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + DAY, dt.time(), dt.UTC)


def _minor(amount: Decimal, notes: Counter[str]) -> int:
    exact = amount * CURRENCY.unit
    found = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if found != exact:
        notes[ARTEFACT_AMOUNT] += 1
    return max(1, found)


def _maximum(filing: Filing, notes: Counter[str]) -> int:
    if filing.maximum is None or not filing.accepts_more:
        return _minor(filing.target, Counter())
    return _minor(filing.maximum, notes)


def _price_micro(text: str, notes: Counter[str]) -> int:
    exact = Decimal(text) * PRICE_UNIT
    found = int(exact.to_integral_value(ROUND_HALF_EVEN))
    if found != exact:
        notes[ARTEFACT_PRICE] += 1
    return max(1, found)


# -- what is entered --------------------------------------------------------------------------------


def ticket_minor(terms: Terms, price_micro: int) -> int:
    """Return a ticket of which the closing part buys 100 tokens: at least $100, at most a tenth of the target.

    Where a tenth of the target is too little the draft will be refused (OFF-10), and the unit is divided.
    """
    tokens_needed = 100 * 10_000
    fine = -(-tokens_needed * price_micro * CURRENCY.unit // (CLOSING_BP * PRICE_UNIT)) + 1
    most = max(1, terms.target_minor // TICKETS_IN_TARGET)
    return min(max(fine, min(USUAL_TICKET_MINOR, most)), most)


def fields(plan: Plan, terms: Terms, *, divided_by: int = 1) -> OfferingFields:
    """Return what a founder enters. ``divided_by`` tokens make one unit of the filing."""
    filing = plan.filing
    is_pro_rata = filing.accepts_more and filing.allocation == PRO_RATA and terms.maximum_minor > terms.target_minor
    price_micro = max(1, terms.price_micro // divided_by)
    return OfferingFields(
        name=f"{filing.issuer} ({filing.file_number})"[:100],
        pitch=f"{filing.security or 'Security'} at {filing.price} a unit, as filed on {filing.filed_on}.",
        story=f"Filed as {filing.file_number}. The company and its figures are real, the investors are made up.",
        risks="Played from a record of a real offering. Whatever happened to it happens here.",
        sector="Replay", currency=str(CURRENCY), price_micro=price_micro, minimum_minor=terms.target_minor,
        target_minor=terms.target_minor, maximum_minor=terms.maximum_minor,
        minimum_ticket_minor=ticket_minor(terms, price_micro), zone="UTC", calendar="US",
        deadline_at=terms.deadline_at,
        allotment=rules.PRO_RATA if is_pro_rata else rules.FIRST_COME,
        accept_up_to_minor=rules.ACCEPT_AT_MOST_TIMES * terms.maximum_minor if is_pro_rata else 0,
    )


def authorised_tokens(plan: Plan, notes: Counter[str]) -> int:
    """Return tokens enough for the largest maximum at the lowest price that any of the filings names."""
    terms = [plan.terms]
    for each in plan.filing.amendments:
        terms.append(amended(terms[-1], each, Counter()))
    most = max(each.maximum_minor for each in terms)
    least_micro = min(each.price_micro for each in terms)
    if len({each.price_micro for each in terms}) > 1:
        notes["the price was amended: the class is authorised for the lowest"] += 1
    return most * PRICE_UNIT // (least_micro * CURRENCY.unit) * 2 + 1_000


def document(plan: Plan, title: str) -> Mapping[str, Any]:
    """Return the milestone contract: a closing part and one milestone behind the last deadline that was ever filed."""
    day = plan.last_deadline + DAY
    return {
        "schema": "milestake/contract/1",
        "title": title,
        "currency": str(CURRENCY),
        "zone": "UTC",
        "calendar": "US",
        "order": "sequential",
        "long_stop": (day + OFFERING_STOP_DAYS * DAY).isoformat(),
        "closing_bp": CLOSING_BP,
        "relaxed": ["half_in_60_days", "quorum_too_small", "tranche_over_40"],
        "milestones": [{
            "key": "report",
            "title": "First report after the close",
            "deliverable": "An audited account of what the money was used for.",
            "tranche_bp": REST_BP,
            "target_date": (day + TARGET_DAYS * DAY).isoformat(),
            "long_stop": (day + LONG_STOP_DAYS * DAY).isoformat(),
            "quorum": {"approvals": 1, "auditors": 1},
            "on_failure": "wind_down",
            "resubmissions": 1,
            "criteria": [{
                "key": "account",
                "text": "The account covers at least 90 days",
                "procedure": "Read the account and compare it with the bank statement.",
                "evidence": ["bank_statement"],
                "measure": {"quantity": "days covered", "at_least": "90", "unit": "days"},
            }],
        }],
    }
