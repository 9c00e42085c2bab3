"""US Regulation Crowdfunding: what an issuer may raise and what one investor may put in (17 CFR 227.100, 201)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import share, within
from app.regimes.rules.registry import rule
from app.regimes.settings import LimitFormula, limit_formula

REGIME = "us.reg_cf"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What an investor bought before: the day, the amount, of whom, under which exemption."""

    date: dt.date
    amount_minor: int
    issuer: str = ""
    exemption: str = "reg_cf"


@rule(REGIME, "issuer_cap", day="as_of")
def issuer_cap(
    arm: Arm,
    *,
    max_offering_minor: int,
    sold_cf_12m_issuer_minor: int = 0,
    sold_cf_12m_affiliates_predecessors_minor: int = 0,
    sold_other_exemptions_12m_minor: int = 0,
) -> Ruling:
    """Say whether the maximum fits under what the issuer may still raise in twelve months (227.100(a)(1), (c)).

    Sales under other exemptions do not count. The maximum counts, not the target.
    """
    cap = arm.minor("issuer", "cap")
    sold = sold_cf_12m_issuer_minor + sold_cf_12m_affiliates_predecessors_minor
    aggregate = sold + max_offering_minor
    return Ruling(
        {
            "aggregate_minor": aggregate, "headroom_before_minor": max(0, cap - sold), "cap_minor": cap,
            "not_counted_minor": sold_other_exemptions_12m_minor,
        },
        ("over_issuer_cap",) if aggregate > cap else (),
    )


def limit_of(
    formula: LimitFormula, *, accredited: bool, income_minor: int, net_worth_minor: int, caps_limb_i: bool
) -> tuple[int | None, str | None]:
    """Return (how much one person may put in within the window, None without limit; which limb of the formula)."""
    if accredited and formula.accredited_exempt:
        return None, None
    base = (max if formula.combine == "greater" else min)(income_minor, net_worth_minor)
    if income_minor < formula.cut_minor or net_worth_minor < formula.cut_minor:
        limit = max(formula.floor_minor, share(base, formula.low_rate_bp))
        return (min(limit, formula.cap_minor) if caps_limb_i else limit), "i"
    return min(formula.cap_minor, share(base, formula.high_rate_bp)), "ii"


@rule(REGIME, "investor_limit_reading", day="as_of")
@rule(REGIME, "investor_limit", day="as_of")
def investor_limit(
    arm: Arm,
    *,
    accredited: bool,
    annual_income_minor: int,
    net_worth_minor: int,
    cap_applies_to_limb_i: bool | None = None,
) -> Ruling:
    """Say how much one investor may put in within twelve months (227.100(a)(2)).

    ``cap_applies_to_limb_i`` chooses between two readings of the text; by default the record's, the careful one.
    """
    formula = limit_formula(arm)
    if formula is None:
        return Ruling({"limit_minor": None, "limb": None})
    caps = formula.cap_applies_to_limb_i if cap_applies_to_limb_i is None else cap_applies_to_limb_i
    limit, limb = limit_of(
        formula, accredited=accredited, income_minor=annual_income_minor, net_worth_minor=net_worth_minor,
        caps_limb_i=caps,
    )
    return Ruling({"limit_minor": limit, "limb": limb})


@rule(REGIME, "investor_check", day="transaction_date")
def investor_check(
    arm: Arm,
    *,
    transaction_date: dt.date,
    accredited: bool,
    annual_income_minor: int,
    net_worth_minor: int,
    amount_minor: int,
    prior_purchases: tuple[Purchase, ...] = (),
) -> Ruling:
    """Say whether an amount fits under what an investor may still put in, over all issuers (227.100(a)(2), COM-9).

    Purchases under the same exemption within ``(day − window, day]`` count, those of other exemptions do not.
    """
    formula = limit_formula(arm)
    months = formula.window_months if formula else 12
    prior = sum(
        each.amount_minor for each in prior_purchases
        if each.exemption == "reg_cf" and within(each.date, transaction_date, months)
    )
    limit, limb = None, None
    if formula is not None:
        limit, limb = limit_of(
            formula, accredited=accredited, income_minor=annual_income_minor, net_worth_minor=net_worth_minor,
            caps_limb_i=formula.cap_applies_to_limb_i,
        )
    return _room(limit, prior, amount_minor, limb=limb)


@rule(REGIME, "investor_check_joint", day="transaction_date")
def investor_check_joint(
    arm: Arm,
    *,
    joint_annual_income_minor: int,
    joint_net_worth_minor: int,
    spouse_a_prior_12m_minor: int,
    spouse_b_prior_12m_minor: int,
    amount_minor: int,
) -> Ruling:
    """Say whether an amount fits under the one limit that spouses share when they compute jointly."""
    formula = limit_formula(arm)
    limit = None
    if formula is not None:
        limit, _limb = limit_of(
            formula, accredited=False, income_minor=joint_annual_income_minor,
            net_worth_minor=joint_net_worth_minor, caps_limb_i=formula.cap_applies_to_limb_i,
        )
    found = _room(limit, spouse_a_prior_12m_minor + spouse_b_prior_12m_minor, amount_minor)
    return Ruling({**found.facts, "joint_limit_minor": limit}, found.reasons)


def _room(limit: int | None, prior: int, amount: int, **facts: object) -> Ruling:
    remaining = None if limit is None else max(0, limit - prior)
    return Ruling(
        {
            "limit_minor": limit, "prior_12m_minor": prior, "remaining_before_minor": remaining,
            "amount_minor": amount, **facts,
        },
        ("over_investor_limit",) if remaining is not None and amount > remaining else (),
    )


@rule(REGIME, "net_worth_501", record="us.reg_d_506c")
def net_worth_501(
    arm: Arm,
    *,
    assets_excl_residence_minor: int,
    residence_fmv_minor: int,
    residence_debt_minor: int,
    residence_debt_increase_60d_not_acquisition_minor: int,
    other_liabilities_minor: int,
) -> Ruling:
    """Work out net worth without the home (230.501(a)(5)(i)).

    The debt on the home counts as far as it is above the home's value, or was drawn lately and not to buy it.
    """
    above = max(0, residence_debt_minor - residence_fmv_minor)
    debt = min(residence_debt_minor, above + residence_debt_increase_60d_not_acquisition_minor)
    return Ruling(
        {
            "net_worth_minor": assets_excl_residence_minor - debt - other_liabilities_minor,
            "counted_home_debt_minor": debt, "recent_days": arm.whole("accredited", "recent_debt_days"),
        }
    )


@rule(REGIME, "financial_statements", day="as_of")
def financial_statements(
    arm: Arm, *, max_offering_minor: int, sold_cf_12m_minor: int, has_prior_reg_cf_sale: bool
) -> Ruling:
    """Say which financial statements the offering needs, by its maximum and what was sold before (227.201(t))."""
    basis = max_offering_minor + sold_cf_12m_minor
    reviewed_upto = arm.minor("statements", "reviewed_upto")
    if not has_prior_reg_cf_sale:
        reviewed_upto = arm.minor("statements", "first_time_reviewed_upto")
    if basis <= arm.minor("statements", "certified_upto"):
        requirement = "certified"
    else:
        requirement = "reviewed" if basis <= reviewed_upto else "audited"
    return Ruling({"requirement": requirement, "basis_minor": basis})
