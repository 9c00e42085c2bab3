"""Figures and checks of an offering that need no database: OFF-5, OFF-10, MIL-4's context."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from milestones import lint as linting
from milestones import money
from milestones.terms import Terms

REVIEW_BUSINESS_DAYS = 5
LAUNCH_WITHIN_DAYS = 60
DRAFT_IDLE_DAYS = 180
PAYEE_HOLD_DAYS = 7
#: OFF-14: how far reviews, challenges and halts may move one milestone, and what the last refund takes.
TOLLING_DAYS = 60
LAST_REFUND_DAYS = 30
#: OFF-2, OFF-8: a new version is reviewed, a change decided, a commitment reconfirmed within so many business days.
NEW_VERSION_BUSINESS_DAYS = 5
CHANGE_BUSINESS_DAYS = 2
#: A change that would end the offering: so many more for a second operator before silence says it is material.
SECOND_BUSINESS_DAYS = 3
MATERIAL_CHANGES_AT_MOST = 2
#: OFF-12: cancelled in the last so many hours before the cut-off, more than so many percent of the minimum.
RUSH_HOURS = 72
RUSH_PERCENT = 20
RUSH_BUSINESS_DAYS = 3
#: How places are divided (OFF-7). What is accepted above the maximum is somebody's money for a few weeks: at most
#: twice the maximum.
FIRST_COME, PRO_RATA = "first_come", "pro_rata"
ALLOTMENTS = (FIRST_COME, PRO_RATA)
ACCEPT_AT_MOST_TIMES = 2


@dataclass(frozen=True, slots=True)
class RailFigures:
    """Who holds money at a rail, as regimes name custodians, and for how long at most; None without a limit."""

    custodian: str
    max_hold_days: int | None


#: The rails an offering may name, with what their adapters declare (``payments.ports.Capabilities``). The sandbox
#: plays a bank that holds pretend money.
RAILS: Mapping[str, RailFigures] = MappingProxyType({"sandbox": RailFigures("bank", None)})

#: REL-4: what Milestake takes of released money, unless an operator agreed another share at the review.
PLATFORM_FEE_BP = 500
FEE_AT_MOST_BP = 2000

CODE = re.compile(r"[A-Z][A-Z0-9-]{1,14}[A-Z0-9]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands in the way of submitting: where (form field or contract path), code, words."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OfferingFields:
    """What a founder decides about an offering, and its fee. Minor units, millionths, basis points, instants in UTC."""

    name: str
    pitch: str
    story: str
    risks: str
    sector: str
    currency: str
    price_micro: int
    minimum_minor: int
    target_minor: int
    maximum_minor: int
    minimum_ticket_minor: int
    zone: str
    calendar: str
    deadline_at: dt.datetime
    #: Milestake's, never the founder's to choose (REL-4, ``fees``).
    fee_bp: int = PLATFORM_FEE_BP
    rail: str = "sandbox"
    #: How places are divided when more is wanted than there is (OFF-7): ``first_come`` or ``pro_rata``.
    allotment: str = "first_come"
    #: With ``pro_rata``: the most that is accepted before it is cut to the maximum; 0 otherwise.
    accept_up_to_minor: int = 0
    regime: str = "private"
    holding: str = "escrow_agent"


def amount_problems(fields: OfferingFields) -> list[Problem]:
    """Return what is wrong with the amounts among themselves (OFF-5)."""
    asset = money.Asset.parse(fields.currency)
    problems = []
    if not 0 < fields.minimum_minor <= fields.target_minor <= fields.maximum_minor:
        problems.append(
            Problem("maximum", "amounts_out_of_order", "The minimum may not be above the target, nor the target above "
                    "the maximum; all must be above zero.")
        )
    if not 0 < fields.minimum_ticket_minor <= fields.maximum_minor:
        problems.append(
            Problem("minimum_ticket", "ticket_out_of_range", "The minimum ticket must be above zero and at most the "
                    "maximum.")
        )
    if money.tokens_for(fields.minimum_ticket_minor, fields.price_micro, asset) < 1:
        problems.append(
            Problem("minimum_ticket", "ticket_buys_nothing", "The minimum ticket must buy at least one token.")
        )
    return problems + _allotment_problems(fields)


def _allotment_problems(fields: OfferingFields) -> list[Problem]:
    """Return what is wrong with how places are divided (OFF-7)."""
    if fields.allotment not in ALLOTMENTS:
        return [Problem("allotment", "allotment_unknown", "Choose how places are divided.")]
    most = ACCEPT_AT_MOST_TIMES * fields.maximum_minor
    if fields.allotment == PRO_RATA and not fields.maximum_minor < fields.accept_up_to_minor <= most:
        return [
            Problem("accept_up_to", "accept_up_to_out_of_range", "When places are divided in proportion, say up to "
                    "which amount you accept commitments: more than the maximum, at most twice the maximum.")
        ]
    return []


def accept_up_to(fields: OfferingFields) -> int:
    """Return the hard stop of commitments, minor units: the maximum, or what is accepted before the cut (OFF-7)."""
    return fields.accept_up_to_minor if fields.allotment == PRO_RATA else fields.maximum_minor


def contract_problems(
    fields: OfferingFields, terms: Terms, known_auditors: dict[str, str | None]
) -> tuple[list[Problem], list[Problem]]:
    """Return (what refuses the contract, what the founder relaxed) by MIL-4 and OFF-10.

    ``known_auditors`` maps public party ids to why they are not independent, or None when they are.
    """
    context = linting.LintContext(
        deadline_at=fields.deadline_at,
        maximum_minor=fields.maximum_minor,
        known_auditors=known_auditors,
        min_ticket_minor=fields.minimum_ticket_minor,
        price_micro=fields.price_micro,
    )
    refused, relaxed = [], []
    for finding in linting.lint(terms, context):
        problem = Problem("contract" + finding.path, finding.code, finding.message)
        (relaxed if finding.severity == "relaxed" else refused).append(problem)
    if terms.currency != fields.currency:
        refused.append(
            Problem("contract/currency", "currency_differs",
                    f"The contract is in {terms.currency}, the offering in {fields.currency}.")
        )
    if (terms.zone, terms.calendar) != (fields.zone, fields.calendar):
        refused.append(
            Problem("contract/zone", "zone_differs", "Contract and offering must name the same time zone and calendar.")
        )
    return refused, relaxed


def slug_from(name: str) -> str:
    """Return the address part for a name: lower-case ASCII letters, digits and hyphens."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    return slug[:60].strip("-") or "offering"


def percent_text(bp: int) -> str:
    """Return basis points for a person: ``12.5 %``."""
    return linting.percent(bp)
