"""US Regulation D: who is accredited, how that is verified, the form after the first sale (17 CFR 230.501-506)."""

from __future__ import annotations

import datetime as dt

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import reasons
from app.regimes.rules.registry import rule
from milestones.calendar import business_day_after, is_business_day

REGIME = "us.reg_d"
RECORD = "us.reg_d_506c"


@rule(REGIME, "accredited_natural_person", record=RECORD, answer="accredited")
def accredited_natural_person(
    arm: Arm,
    *,
    income_year_minus_1_minor: int,
    income_year_minus_2_minor: int,
    joint_income: bool,
    expects_same_this_year: bool,
    net_worth_minor: int,
) -> Ruling:
    """Say whether a person is accredited by net worth or by the income of two years (230.501(a)(5), (6)).

    Both thresholds must be exceeded: exactly on one is not above it.
    """
    least = arm.minor("accredited", "joint_income" if joint_income else "income")
    by_income = (
        expects_same_this_year and income_year_minus_1_minor > least and income_year_minus_2_minor > least
    )
    by_worth = net_worth_minor > arm.minor("accredited", "net_worth")
    return Ruling(
        {"by_income": by_income, "by_net_worth": by_worth},
        reasons([(not by_income and not by_worth, "not_accredited")]),
    )


@rule(REGIME, "rule_506b", record=RECORD)
def rule_506b(
    arm: Arm,
    *,
    non_accredited_purchasers_trailing_90d: int,
    new_non_accredited: int,
    new_are_sophisticated_or_have_representative: bool,
    general_solicitation: bool,
) -> Ruling:
    """Say whether further purchasers may be taken without open advertising (230.506(b))."""
    counted = non_accredited_purchasers_trailing_90d + new_non_accredited
    return Ruling(
        {"non_accredited": counted, "window_days": arm.whole("non_accredited", "window_days")},
        reasons([
            (general_solicitation, "general_solicitation"),
            (counted > arm.whole("non_accredited", "most"), "over_35_non_accredited"),
            (new_non_accredited > 0 and not new_are_sophisticated_or_have_representative, "not_sophisticated"),
        ]),
    )


@rule(REGIME, "rule_506c_minimum_investment", record=RECORD, answer="reasonable_steps")
def rule_506c_minimum_investment(
    arm: Arm,
    *,
    purchaser_kind: str,
    minimum_investment_minor: int,
    equity_owner_count_natural: int | None,
    written_representations: bool,
    financed_by_third_party: bool,
    actual_knowledge_not_accredited: bool,
) -> Ruling:
    """Say whether a high minimum investment verifies that a purchaser is accredited (staff letter of 2025-03-12)."""
    least = arm.minor("minimum_investment", "natural_person" if purchaser_kind == "natural_person" else "entity")
    owners = equity_owner_count_natural
    if (
        purchaser_kind == "entity_all_owners_accredited" and owners is not None
        and 0 < owners < arm.whole("minimum_investment", "owners_below")
    ):
        least = min(least, owners * arm.minor("minimum_investment", "each_owner"))
    known = purchaser_kind in ("natural_person", "entity_by_assets", "entity_all_owners_accredited")
    return Ruling(
        {"least_minor": least},
        reasons([
            (not known, "unknown_purchaser_kind"),
            (minimum_investment_minor < least, "below_minimum_investment"),
            (not written_representations, "no_written_representations"),
            (financed_by_third_party, "financed_by_third_party"),
            (actual_knowledge_not_accredited, "known_not_accredited"),
        ]),
    )


@rule(REGIME, "form_d_due", record=RECORD, day="first_sale_date")
def form_d_due(arm: Arm, *, first_sale_date: dt.date, holidays: frozenset[dt.date]) -> Ruling:
    """Say when Form D is due: fifteen days after the first sale, or the next business day (230.503)."""
    due = first_sale_date + dt.timedelta(days=arm.whole("form_d", "days"))
    return Ruling({"due": due if is_business_day(due, holidays) else business_day_after(due, 1, holidays)})
