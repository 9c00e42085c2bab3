"""US Regulation A: caps of its tiers and the limit per offering (17 CFR 230.251). No offering runs under it here."""

from __future__ import annotations

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import reasons, share
from app.regimes.rules.registry import rule

REGIME = "us.reg_a"


@rule(REGIME, "tier_cap")
def tier_cap(
    arm: Arm,
    *,
    tier: int,
    aggregate_offering_price_minor: int,
    aggregate_sales_12m_minor: int,
    affiliate_secondary_minor: int,
) -> Ruling:
    """Say whether an offering fits under its tier's caps over twelve months (230.251(a))."""
    group = f"tier{tier}"
    total = aggregate_offering_price_minor + aggregate_sales_12m_minor
    return Ruling(
        {"total_minor": total},
        reasons([
            (total > arm.minor(group, "cap"), "over_tier_cap"),
            (affiliate_secondary_minor > arm.minor(group, "secondary_cap"), "over_affiliate_cap"),
        ]),
    )


@rule(REGIME, "investor_limit_per_offering")
def investor_limit_per_offering(
    arm: Arm,
    *,
    tier: int,
    accredited: bool,
    to_be_listed: bool,
    annual_income_or_revenue_minor: int,
    net_worth_or_net_assets_minor: int,
) -> Ruling:
    """Say how much one investor may put into one offering: no floor, nothing added up over offerings (230.251(d))."""
    group = f"tier{tier}"
    if accredited or to_be_listed or not arm.has(group, "investor_rate_bp"):
        # The first tier has no federal limit; an unknown tier has no figures at all and is refused.
        arm.raw(group, "cap")
        return Ruling({"limit_minor": None})
    base = max(annual_income_or_revenue_minor, net_worth_or_net_assets_minor)
    return Ruling({"limit_minor": share(base, arm.whole(group, "investor_rate_bp"))})
