"""The simulator's question, read out of a page's address: what is raised, one's own part, each milestone's fate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import gettext as _

from app.offerings.queries import Offering
from milestones import money
from milestones.simulate import FAILED, LATE, MET, PARTIAL, Outcome
from milestones.terms import Terms

MOST_DAYS_LATE = 3_650
SHARES = ("50", "60", "70", "80", "90")
USUAL_DAYS_LATE = 35
_USUAL_OWN_MAJOR = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """What a reader asks; ``typed`` keeps what stands in the fields, ``errors`` maps fields to words."""

    raised_minor: int
    own_minor: int
    scenario: Mapping[int, Outcome]
    typed: Mapping[str, str]
    errors: Mapping[str, str]
    is_asked: bool


def read_question(args: Mapping[str, str], terms: Terms, offering: Offering, asset: money.Asset) -> Question:
    """Read the question; what is missing is the target, an own part of 1,000 and all milestones met."""
    errors: dict[str, str] = {}
    usual_raised = offering.proceeds_minor or offering.target_minor
    usual_own = min(max(offering.minimum_ticket_minor, _USUAL_OWN_MAJOR * asset.unit), usual_raised)
    typed = {
        "raised": args.get("raised", money.format_amount(usual_raised, asset))[:40],
        "own": args.get("own", money.format_amount(usual_own, asset))[:40],
    }
    raised = _amount(typed["raised"], "raised", asset, errors)
    own = _amount(typed["own"], "own", asset, errors)
    if "raised" not in errors and not 0 < raised <= offering.maximum_minor:
        errors["raised"] = _(
            "Enter more than zero and at most the maximum, %(maximum)s.",
            maximum=money.display_amount(offering.maximum_minor, asset),
        )
    if not errors and own > raised:
        errors["own"] = _("Enter at most what the offering raises: your part is in it.")
    scenario: dict[int, Outcome] = {}
    for number in range(1, len(terms.milestones) + 1):
        kind = args.get(f"m{number}", MET)
        agreed = terms.milestone(number)
        kind = kind if kind in (MET, LATE, FAILED) or (kind == PARTIAL and agreed.partial_releases) else MET
        days = typed[f"m{number}_days"] = args.get(f"m{number}_days", str(USUAL_DAYS_LATE))[:6].strip()
        typed[f"m{number}"] = kind
        late = 0
        if kind == LATE:
            if days.isascii() and days.isdigit() and 1 <= int(days) <= MOST_DAYS_LATE:
                late = int(days)
            else:
                errors[f"m{number}_days"] = _("Enter the days late as a whole number from 1 to 3,650.")
        share = typed[f"m{number}_share"] = args.get(f"m{number}_share", "50")[:3]
        rest = typed[f"m{number}_rest"] = args.get(f"m{number}_rest", "").strip()[:6]
        typed[f"m{number}_unshown"] = "1" if agreed.retainage and args.get(f"m{number}_unshown") else ""
        if rest and not (rest.isascii() and rest.isdigit() and int(rest) <= MOST_DAYS_LATE):
            errors[f"m{number}_days"] = _("Enter the days until the rest as a whole number, or leave it empty.")
            rest = ""
        if kind == PARTIAL and share not in SHARES:
            errors[f"m{number}_days"] = _("Choose a share of 50 to 90 percent.")
            share = SHARES[0]
        scenario[number] = Outcome(
            kind, late, int(share) if kind == PARTIAL else 100, int(rest) if rest else None,
            is_shown=not typed[f"m{number}_unshown"],
        )
    return Question(raised, own, scenario, typed, errors, "raised" in args)


def _amount(text: str, name: str, asset: money.Asset, errors: dict[str, str]) -> int:
    try:
        return money.parse_amount(text, asset)
    except money.MoneyError as error:
        errors[name] = error.message
        return 0
