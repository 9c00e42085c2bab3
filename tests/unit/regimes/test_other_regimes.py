"""The other regimes at their edges: Regulation D and A, the Union, the United Kingdom, and our own escrow rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from app.regimes.rules import Decision, decide
from app.regimes.rules.uk_fca import EarlierOffer

NOW = dt.date(2026, 8, 1)


def ask(regime: str, name: str, day: dt.date = NOW, **inputs: object) -> Decision:
    return decide(regime, name, day=day, **inputs)


# -- Regulation D and A


@pytest.mark.parametrize(
    ("year_1", "year_2", "joint", "worth", "allowed"),
    [
        (20_000_000, 20_000_001, False, 0, False), (20_000_001, 20_000_001, False, 0, True),
        (30_000_001, 30_000_000, True, 0, False), (0, 0, False, 100_000_000, False), (0, 0, False, 100_000_001, True),
    ],
)
def test_accredited_means_above_the_threshold(
    year_1: int, year_2: int, joint: bool, worth: int, allowed: bool
) -> None:
    found = ask("us.reg_d", "accredited_natural_person", income_year_minus_1_minor=year_1,
                income_year_minus_2_minor=year_2, joint_income=joint, expects_same_this_year=True,
                net_worth_minor=worth)
    assert found.allowed is allowed


@pytest.mark.parametrize(
    ("kind", "owners", "amount", "allowed"),
    [
        ("natural_person", None, 19_999_999, False), ("natural_person", None, 20_000_000, True),
        ("entity_all_owners_accredited", 4, 80_000_000, True), ("entity_all_owners_accredited", 4, 79_999_999, False),
        ("entity_all_owners_accredited", 5, 80_000_000, False), ("entity_by_assets", None, 99_999_999, False),
        ("trust", None, 900_000_000, False),
    ],
)
def test_a_high_minimum_verifies_the_status(kind: str, owners: int | None, amount: int, allowed: bool) -> None:
    found = ask("us.reg_d", "rule_506c_minimum_investment", purchaser_kind=kind, minimum_investment_minor=amount,
                equity_owner_count_natural=owners, written_representations=True, financed_by_third_party=False,
                actual_knowledge_not_accredited=False)
    assert found.allowed is allowed


def test_the_staff_route_of_2025_is_not_applied_before_it() -> None:
    found = ask("us.reg_d", "rule_506c_minimum_investment", dt.date(2025, 3, 11), purchaser_kind="natural_person",
                minimum_investment_minor=90_000_000, equity_owner_count_natural=None, written_representations=True,
                financed_by_third_party=False, actual_knowledge_not_accredited=False)
    assert found.reasons == ("no_figures_for_this_day",)


def test_506b_tells_every_reason() -> None:
    found = ask("us.reg_d", "rule_506b", non_accredited_purchasers_trailing_90d=35, new_non_accredited=1,
                new_are_sophisticated_or_have_representative=False, general_solicitation=True)
    assert found.reasons == ("general_solicitation", "over_35_non_accredited", "not_sophisticated")


def test_form_d_rolls_to_the_next_business_day() -> None:
    found = ask("us.reg_d", "form_d_due", dt.date(2026, 6, 18), first_sale_date=dt.date(2026, 6, 18),
                holidays=frozenset({dt.date(2026, 7, 3)}))
    assert found.facts["due"] == dt.date(2026, 7, 6)


def test_regulation_a_has_caps_by_tier_and_a_limit_per_offering() -> None:
    both = {"aggregate_sales_12m_minor": 200_000_000, "affiliate_secondary_minor": 600_000_001}
    found = ask("us.reg_a", "tier_cap", tier=1, aggregate_offering_price_minor=1_800_000_001, **both)
    assert found.reasons == ("over_tier_cap", "over_affiliate_cap")
    limits = {"accredited": False, "to_be_listed": False, "annual_income_or_revenue_minor": 8_000_000,
              "net_worth_or_net_assets_minor": 5_000_000}
    assert ask("us.reg_a", "investor_limit_per_offering", tier=2, **limits).facts["limit_minor"] == 800_000
    assert ask("us.reg_a", "investor_limit_per_offering", tier=1, **limits).facts["limit_minor"] is None
    assert not ask("us.reg_a", "investor_limit_per_offering", tier=3, **limits).allowed


# -- the Union


def guard(amount: int, worth: int | None = 2_400_000, **changes: bool) -> Decision:
    proofs = {"sophisticated": False, "risk_warning_given": True, "explicit_consent": True,
              "proved_understanding": True} | changes
    return ask("eu.ecspr", "art_21_7_guard", net_worth_minor=worth, amount_minor=amount, **proofs)


def test_art_21_7_is_a_guard_and_no_cap() -> None:
    assert guard(120_000).facts["guard_required"] is False
    assert guard(120_001).facts["guard_required"] is True
    assert guard(2_400_000).allowed
    assert guard(120_001, risk_warning_given=False, proved_understanding=False).reasons == (
        "risk_warning_missing", "understanding_not_proved",
    )
    assert guard(120_001, sophisticated=True, explicit_consent=False).allowed
    assert guard(100_001, None, explicit_consent=False).reasons == ("consent_missing",)


def test_the_last_instant_of_the_reflection_period_belongs_to_the_investor() -> None:
    made = dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)
    ends = made + dt.timedelta(days=4)
    for now, allowed in ((ends, True), (ends + dt.timedelta(microseconds=1), False)):
        found = ask("eu.ecspr", "reflection_period", made.date(), sophisticated=False, offer_made=made, now=now)
        assert (found.allowed, found.facts["expires"]) == (allowed, ends)
    assert not ask("eu.ecspr", "reflection_period", sophisticated=True, offer_made=made, now=made).allowed


def natural(**figures: object) -> bool:
    return ask("eu.ecspr", "sophisticated_investor", kind="natural", **figures).allowed


def test_two_of_three_criteria_make_an_investor_sophisticated() -> None:
    assert not natural(gross_income_minor=9_000_000, portfolio_minor=50_000_000)
    assert natural(portfolio_minor=10_000_001, finance_sector_months=12)
    assert not natural(portfolio_minor=10_000_000, finance_sector_months=12)
    assert natural(gross_income_minor=6_000_000, transactions_last_4_quarters=(12, 8, 10, 10))
    assert not natural(gross_income_minor=6_000_000, transactions_last_4_quarters=(12, 8, 10, 9))
    assert not ask("eu.ecspr", "sophisticated_investor", kind="robot").allowed


def test_a_net_worth_below_zero_bears_no_loss_and_stops_nobody() -> None:
    found = ask("eu.ecspr", "net_worth_simulation", net_annual_income_minor=1_500_000, liquid_assets_minor=100_000,
                annual_financial_commitments_minor=2_000_000)
    assert found.allowed
    assert (found.facts["net_worth_minor"], found.facts["ability_to_bear_loss_minor"]) == (-400_000, 0)


def test_a_test_of_29_february_is_due_again_on_the_28th() -> None:
    found = ask("eu.ecspr", "review_due", knowledge_test_on=dt.date(2024, 2, 29), simulation_on=None,
                sophisticated_approved_on=None)
    assert found.facts["knowledge_test_again"] == dt.date(2026, 2, 28)


# -- the United Kingdom


@pytest.mark.parametrize(
    ("day", "allowed"),
    [(dt.date(2024, 1, 30), True), (dt.date(2024, 1, 31), False), (dt.date(2024, 3, 26), False),
     (dt.date(2024, 3, 27), True), (dt.date(2022, 11, 30), False)],
)
def test_high_net_worth_by_the_figures_of_the_statements_day(day: dt.date, allowed: bool) -> None:
    found = ask("uk.fca", "high_net_worth", day, income_last_year_minor=10_000_000, net_assets_last_year_minor=0)
    assert found.allowed is allowed


def test_a_day_to_think_then_an_active_choice() -> None:
    asked_at = dt.datetime(2026, 2, 10, 9, tzinfo=dt.UTC)

    def cooling(now: dt.datetime, *, chose: bool) -> tuple[str, ...]:
        return ask("uk.fca", "cooling_off", first_direct_offer_from_this_firm=True, requested=asked_at, now=now,
                   actively_chose_to_proceed=chose).reasons

    day = dt.timedelta(days=1)
    assert cooling(asked_at + day - dt.timedelta(seconds=1), chose=False) == ("cooling_off", "no_active_choice")
    assert cooling(asked_at + day, chose=True) == ()


def test_after_two_failures_each_try_waits_a_day() -> None:
    last = dt.datetime(2026, 2, 10, 9, tzinfo=dt.UTC)
    ready = last + dt.timedelta(hours=24)

    def may(failed: int, now: dt.datetime) -> bool:
        return ask("uk.fca", "appropriateness_retry", failed_attempts=failed, last_attempt=last, now=now).allowed

    assert may(1, last)
    assert not may(2, ready - dt.timedelta(seconds=1))
    assert may(2, ready)


def test_restricted_means_below_a_tenth_both_ways() -> None:
    def reasons(past: int, future: int) -> tuple[str, ...]:
        return ask("uk.fca", "restricted_investor", invested_past_12m_percent_of_net_assets_ppm=past,
                   intends_next_12m_percent_ppm=future).reasons

    assert reasons(99_900, 99_900) == ()
    assert reasons(100_000, 100_000) == ("invested_too_much", "intends_too_much")


def test_small_offers_add_up_only_with_those_that_relied_on_the_same_exemption() -> None:
    def total(day: dt.date, until: dt.date, *, only: bool) -> tuple[object, bool]:
        found = ask("uk.fca", "poatr_route", day, offer_date=day, amount_minor=250_000_000,
                    earlier_offers=(EarlierOffer(until, 300_000_000, only),))
        return found.facts.get("aggregate_for_5m_test_minor"), found.allowed

    assert total(dt.date(2026, 9, 1), dt.date(2026, 1, 31), only=True) == (550_000_000, False)
    assert total(dt.date(2026, 9, 1), dt.date(2026, 1, 31), only=False) == (250_000_000, True)
    assert total(dt.date(2027, 9, 1), dt.date(2026, 8, 31), only=True) == (250_000_000, True)
    assert total(dt.date(2026, 1, 18), dt.date(2025, 1, 31), only=False) == (None, False)


# -- escrow, by the product's rules


def allocate(method: str, available: int, *asked: int) -> Mapping[str, object]:
    return ask("escrow", "oversubscription_allocation", method=method, available_minor=available,
               commitments_in_time_order_minor=asked).facts


def test_off_5_a_commitment_larger_than_the_room_is_never_cut() -> None:
    assert allocate("first_come_first_served", 12_000, 10_000, 5_000)["allocated_minor"] == (10_000, 0)
    assert allocate("first_come_first_served", 12_000, 10_000, 5_000, 2_000)["allocated_minor"] == (10_000, 0, 2_000)


def test_off_7_pro_rata_by_largest_remainder_and_never_above_the_ask() -> None:
    assert allocate("pro_rata", 10_000, 10_000, 10_000, 10_000)["allocated_minor"] == (3_334, 3_333, 3_333)
    assert allocate("pro_rata", 3_333, 1_000, 2_000, 7_000)["allocated_minor"] == (333, 667, 2_333)
    assert allocate("pro_rata", 50_000, 1_000, 2_000)["allocated_minor"] == (1_000, 2_000)


def test_mil_1_tranches_are_rounded_together() -> None:
    found = ask("escrow", "tranche_amounts", total_minor=7, basis_points=(1_500, 1_500, 7_000))
    assert found.facts["tranches_minor"] == (1, 1, 5)
    assert not ask("escrow", "tranche_schedule_valid", basis_points=(5_000, 5_000, 0)).allowed


def test_rel_2_a_tied_unit_goes_out_of_the_earliest_commitment() -> None:
    found = ask("escrow", "pro_rata_refund", contributions_minor=(1, 1, 1), released_minor=2)
    assert found.facts["refunds_minor"] == (0, 0, 1)


def test_rel_3_nothing_is_burnt() -> None:
    found = ask("escrow", "token_retention_after_refund", tokens_issued=7, allocated_minor=10_000,
                refunded_minor=5_000)
    assert found.facts == {"burn": 0, "keep": 3}
