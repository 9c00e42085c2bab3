"""EU crowdfunding (Regulation 2020/1503): threshold, who is sophisticated, days to think, warnings that are no caps."""

from __future__ import annotations

import datetime as dt

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import reasons, share, years_after
from app.regimes.rules.registry import rule

REGIME = "eu.ecspr"
QUARTERS = 4


@rule(REGIME, "offer_threshold", answer="in_scope")
def offer_threshold(
    arm: Arm,
    *,
    crowdfunding_raised_prev_12m_all_platforms_minor: int,
    other_prospectus_exempt_public_offers_12m_art_1_3_or_3_2_minor: int,
    this_offer_minor: int,
) -> Ruling:
    """Say whether an offer still is a crowdfunding offer, by its owner's public offers of a year (Art 1(2)(c))."""
    total = (
        crowdfunding_raised_prev_12m_all_platforms_minor
        + other_prospectus_exempt_public_offers_12m_art_1_3_or_3_2_minor + this_offer_minor
    )
    return Ruling({"total_minor": total}, reasons([(total > arm.minor("issuer", "cap"), "over_issuer_cap")]))


@rule(REGIME, "sophisticated_investor", answer="sophisticated")
def sophisticated_investor(
    arm: Arm,
    *,
    kind: str,
    gross_income_minor: int = 0,
    portfolio_minor: int = 0,
    finance_sector_months: int = 0,
    executive_months: int = 0,
    transactions_last_4_quarters: tuple[int, ...] = (),
    own_funds_minor: int = 0,
    net_turnover_minor: int = 0,
    balance_sheet_minor: int = 0,
) -> Ruling:
    """Say whether an investor is sophisticated: a legal person by one of three, another by two of three (Annex II)."""
    group = "sophisticated"
    if kind == "legal":
        met = [
            own_funds_minor >= arm.minor(group, "own_funds"), net_turnover_minor >= arm.minor(group, "turnover"),
            balance_sheet_minor >= arm.minor(group, "balance_sheet"),
        ]
        return Ruling({"criteria_met": sum(met)}, reasons([(not any(met), "no_criterion_met")]))
    if kind != "natural":
        return Ruling({"criteria_met": 0}, ("unknown_kind",))
    met = [
        gross_income_minor >= arm.minor(group, "income") or portfolio_minor > arm.minor(group, "portfolio"),
        finance_sector_months >= arm.whole(group, "finance_months")
        or executive_months >= arm.whole(group, "executive_months"),
        sum(transactions_last_4_quarters[-QUARTERS:]) >= QUARTERS * arm.whole(group, "transactions_per_quarter"),
    ]
    return Ruling(
        {"criteria_met": sum(met)},
        reasons([(sum(met) < arm.whole(group, "criteria"), "fewer_than_two_criteria")]),
    )


@rule(REGIME, "review_due")
def review_due(
    arm: Arm,
    *,
    knowledge_test_on: dt.date | None,
    simulation_on: dt.date | None,
    sophisticated_approved_on: dt.date | None,
) -> Ruling:
    """Say until when a knowledge test, a simulation and a category hold (Art 21(4), (5); Annex II)."""

    def after(day: dt.date | None, name: str) -> dt.date | None:
        return None if day is None else years_after(day, arm.whole("review", name))

    return Ruling({
        "knowledge_test_again": after(knowledge_test_on, "knowledge_years"),
        "simulation_again": after(simulation_on, "simulation_years"),
        "sophisticated_until": after(sophisticated_approved_on, "sophisticated_years"),
    })


def guard_threshold(arm: Arm, net_worth_minor: int) -> int:
    """Return the amount above which the warning of Art 21(7) must come first: the higher of a sum and a share."""
    return max(arm.minor("guard", "least"), share(net_worth_minor, arm.whole("guard", "rate_bp")))


@rule(REGIME, "net_worth_simulation")
def net_worth_simulation(
    arm: Arm, *, net_annual_income_minor: int, liquid_assets_minor: int, annual_financial_commitments_minor: int
) -> Ruling:
    """Simulate the ability to bear loss (Art 21(5)); a net worth below zero shows 0, and stops nobody."""
    worth = net_annual_income_minor + liquid_assets_minor - annual_financial_commitments_minor
    return Ruling({
        "net_worth_minor": worth,
        "ability_to_bear_loss_minor": max(0, share(worth, arm.whole("simulation", "loss_rate_bp"))),
        "art_21_7_threshold_minor": guard_threshold(arm, worth),
    })


@rule(REGIME, "art_21_7_guard", answer="may_proceed")
def art_21_7_guard(
    arm: Arm,
    *,
    sophisticated: bool,
    net_worth_minor: int | None,
    amount_minor: int,
    risk_warning_given: bool,
    explicit_consent: bool,
    proved_understanding: bool,
) -> Ruling:
    """Say whether an amount may be accepted: above the threshold only after warning, consent and proof (Art 21(7)).

    A guard and no cap: with all three any amount may proceed. An unknown net worth counts as zero.
    """
    threshold = guard_threshold(arm, net_worth_minor or 0)
    required = not sophisticated and amount_minor > threshold
    return Ruling(
        {"guard_required": required, "threshold_minor": threshold},
        reasons([
            (required and not risk_warning_given, "risk_warning_missing"),
            (required and not explicit_consent, "consent_missing"),
            (required and not proved_understanding, "understanding_not_proved"),
        ]),
    )


@rule(REGIME, "reflection_period", day="offer_made", answer="may_revoke")
def reflection_period(arm: Arm, *, sophisticated: bool, offer_made: dt.datetime, now: dt.datetime) -> Ruling:
    """Say whether an offer may be taken back without a reason (Art 22): four days of 24 hours.

    The last instant still belongs to the investor: whoever may leave loses nothing by one more tick.
    """
    if sophisticated:
        return Ruling({"expires": None}, ("no_reflection_right",))
    expires = offer_made.astimezone(dt.UTC) + dt.timedelta(days=arm.whole("raising", "reflection_days"))
    return Ruling({"expires": expires}, reasons([(now > expires, "reflection_over")]))


@rule(REGIME, "project_owner_conflict", answer="may_be_project_owner")
def project_owner_conflict(arm: Arm, *, holds_percent_of_provider_ppm: int, is_manager_or_employee: bool) -> Ruling:
    """Say whether somebody may raise on the platform they own or work for (Art 8(2))."""
    owns = holds_percent_of_provider_ppm >= arm.whole("conflict", "holding_bp") * 100
    return Ruling({}, reasons([(owns, "holds_the_platform"), (is_manager_or_employee, "works_for_the_platform")]))


@rule(REGIME, "kiis_pages", answer="ok")
def kiis_pages(arm: Arm, *, a4_sides: int) -> Ruling:
    """Say whether the key investment information sheet is short enough (Art 23)."""
    return Ruling({}, reasons([(a4_sides > arm.whole("information_sheet", "sides"), "sheet_too_long")]))


@rule(REGIME, "kiis_unfixed_defect", day="offer_suspended_on")
def kiis_unfixed_defect(arm: Arm, *, offer_suspended_on: dt.date, today: dt.date, corrected: bool) -> Ruling:
    """Say what becomes of an offer suspended for a defect in its sheet (Art 23)."""
    cancel_after = offer_suspended_on + dt.timedelta(days=arm.whole("information_sheet", "suspended_days"))
    state = "resumed" if corrected else "cancel_offer" if today > cancel_after else "suspended"
    return Ruling({"state": state, "cancel_after": cancel_after})


@rule(REGIME, "prudential_minimum")
def prudential_minimum(arm: Arm, *, fixed_overheads_previous_year_minor: int) -> Ruling:
    """Work out the platform's own prudential minimum (Art 11)."""
    quarter = -(-fixed_overheads_previous_year_minor // arm.whole("prudential", "overhead_divisor"))
    return Ruling({"minimum_minor": max(arm.minor("prudential", "least"), quarter)})
