"""Regulation Crowdfunding at its edges: limits, cap, statements, and the course of a raise."""

from __future__ import annotations

import datetime as dt

import pytest

from app.regimes.rules import Decision, decide
from app.regimes.rules.us_reg_cf import Purchase

NOW = dt.date(2026, 8, 1)
HOLIDAYS = frozenset({dt.date(2026, 5, 25), dt.date(2026, 6, 19), dt.date(2026, 7, 3), dt.date(2026, 9, 7)})


def ask(name: str, day: dt.date = NOW, **inputs: object) -> Decision:
    return decide("us.reg_cf", name, day=day, **inputs)


def limit(day: dt.date, income: int, worth: int, *, accredited: bool = False, **more: object) -> object:
    found = ask("investor_limit", day, accredited=accredited, annual_income_minor=income * 100,
                net_worth_minor=worth * 100, **more)
    return found.facts["limit_minor"]


@pytest.mark.parametrize(
    ("income", "worth", "expected"),
    [
        (30_000, 105_000, 525_000), (150_000, 80_000, 750_000), (150_000, 124_000, 1_500_000),
        (200_000, 900_000, 9_000_000), (1_200_000, 2_000_000, 12_400_000), (40_000, 30_000, 250_000),
        (123_999, 124_000, 620_000), (124_000, 124_000, 1_240_000), (0, 0, 250_000),
    ],
)
def test_com_9_the_limit_of_today(income: int, worth: int, expected: int) -> None:
    assert limit(NOW, income, worth) == expected


@pytest.mark.parametrize(
    ("day", "income", "worth", "expected"),
    [
        (dt.date(2022, 9, 19), 124_000, 123_000, 1_240_000),
        (dt.date(2022, 9, 20), 124_000, 123_000, 620_000),
        (dt.date(2021, 3, 14), 150_000, 80_000, 400_000),
        (dt.date(2021, 3, 15), 150_000, 80_000, 750_000),
        (dt.date(2016, 5, 16), 30_000, 20_000, 200_000),
    ],
)
def test_com_9_the_limit_of_each_arm(day: dt.date, income: int, worth: int, expected: int) -> None:
    assert limit(day, income, worth) == expected


def test_com_9_accredited_investors_are_free_only_since_2021() -> None:
    assert limit(dt.date(2021, 3, 14), 1_000_000, 1_000_000, accredited=True) == 10_000_000
    assert limit(dt.date(2021, 3, 15), 1_000_000, 1_000_000, accredited=True) is None


def test_com_9_the_careful_reading_caps_the_first_limb() -> None:
    assert limit(NOW, 100_000, 3_000_000) == 12_400_000
    assert limit(NOW, 100_000, 3_000_000, cap_applies_to_limb_i=False) == 15_000_000


def test_com_9_a_share_is_rounded_down_to_the_cent() -> None:
    found = ask("investor_limit", accredited=False, annual_income_minor=6_000_019, net_worth_minor=0)
    assert found.facts["limit_minor"] == 300_000


def check(amount: int, *bought: tuple[str, int, str], day: dt.date = NOW) -> Decision:
    return ask(
        "investor_check", day, transaction_date=day, accredited=False, annual_income_minor=6_000_000,
        net_worth_minor=20_000_000, amount_minor=amount,
        prior_purchases=tuple(Purchase(dt.date.fromisoformat(on), minor, "A", under) for on, minor, under in bought),
    )


@pytest.mark.parametrize(
    ("amount", "bought", "allowed"),
    [
        (100_000, [("2026-02-01", 900_000, "reg_cf")], True),
        (100_001, [("2026-02-01", 900_000, "reg_cf")], False),
        (1_000_000, [("2025-08-01", 900_000, "reg_cf")], True),
        (100_001, [("2025-08-02", 900_000, "reg_cf")], False),
        (1_000_000, [("2026-02-01", 5_000_000, "506b")], True),
        (1, [("2026-08-01", 1_000_000, "reg_cf")], False),
    ],
)
def test_com_9_purchases_of_twelve_months_over_all_issuers_count(
    amount: int, bought: list[tuple[str, int, str]], allowed: bool
) -> None:
    found = check(amount, *bought)
    assert found.allowed is allowed
    assert found.reasons == (() if allowed else ("over_investor_limit",))


def test_a_decision_names_its_rule_its_arm_and_its_source() -> None:
    found = check(100)
    assert (found.rule_id, found.regime, found.arm) == ("investor_check", "us.reg_cf", "us.reg_cf@2022-09-20")
    assert found.source == "17 CFR 227; 87 FR 57394"


def test_before_the_first_arm_everything_is_refused() -> None:
    found = check(100, day=dt.date(2016, 5, 15))
    assert (found.allowed, found.reasons, found.arm) == (False, ("no_figures_for_this_day",), "none")


@pytest.mark.parametrize(
    ("maximum", "sold", "allowed"),
    [(180_000_000, 320_000_000, True), (180_000_001, 320_000_000, False), (500_000_000, 0, True)],
)
def test_off_14_the_issuers_cap_counts_the_maximum(maximum: int, sold: int, allowed: bool) -> None:
    found = ask("issuer_cap", max_offering_minor=maximum, sold_cf_12m_issuer_minor=sold)
    assert found.allowed is allowed
    assert found.facts["headroom_before_minor"] == 500_000_000 - sold


def test_off_14_other_exemptions_do_not_count_for_the_cap() -> None:
    found = ask("issuer_cap", max_offering_minor=500_000_000, sold_other_exemptions_12m_minor=1_000_000_000)
    assert found.allowed


def early(**changes: object) -> Decision:
    usual = {
        "info_public_date": dt.date(2026, 3, 2), "original_deadline": dt.date(2026, 5, 29),
        "notice_date": dt.date(2026, 3, 16), "new_deadline": dt.date(2026, 3, 23), "target_minor": 10_000_000,
        "committed_at_notice_minor": 10_000_000, "committed_at_new_deadline_minor": 10_000_000, "holidays": HOLIDAYS,
    }
    return ask("early_close", **(usual | changes))


def test_off_6_an_early_close_on_the_first_possible_day() -> None:
    assert early().allowed
    assert early().facts["earliest_new_deadline"] == dt.date(2026, 3, 23)


def test_off_6_every_reason_is_told_in_one_order() -> None:
    found = early(
        info_public_date=dt.date(2026, 3, 10), new_deadline=dt.date(2026, 3, 20), committed_at_notice_minor=1,
        committed_at_new_deadline_minor=9_999_999,
    )
    assert found.reasons == (
        "target_not_reached_at_notice", "under_21_days", "notice_under_5_business_days", "target_not_met",
    )


def test_off_6_a_holiday_lengthens_the_notice() -> None:
    found = early(info_public_date=dt.date(2026, 6, 1), original_deadline=dt.date(2026, 9, 30),
                  notice_date=dt.date(2026, 6, 30), new_deadline=dt.date(2026, 7, 7))
    assert found.reasons == ("notice_under_5_business_days",)
    assert found.facts["earliest_new_deadline"] == dt.date(2026, 7, 8)


@pytest.mark.parametrize(
    ("seconds_before", "open_change", "allowed"),
    [(172_801, False, True), (172_800, False, False), (60, True, True)],
)
def test_com_6_cancelling_ends_48_elapsed_hours_before_the_deadline(
    seconds_before: int, open_change: bool, allowed: bool
) -> None:
    # Over the change to winter time: elapsed hours, not the clock on the wall.
    deadline = dt.datetime.fromisoformat("2026-11-02T12:00:00-05:00")
    found = ask(
        "investor_cancel", deadline=deadline, now=deadline - dt.timedelta(seconds=seconds_before),
        material_change_reconfirmation_open=open_change,
    )
    assert found.allowed is allowed
    assert found.facts["cutoff"] == dt.datetime(2026, 10, 31, 17, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("reconfirmed", "today", "status"),
    [
        ("2026-07-02", "2026-07-02", "confirmed"), (None, "2026-07-02", "pending"),
        (None, "2026-07-03", "cancel_and_refund"), ("2026-07-03", "2026-07-03", "cancel_and_refund"),
    ],
)
def test_off_8_silence_cancels_and_refunds(reconfirmed: str | None, today: str, status: str) -> None:
    found = ask(
        "reconfirmation", notice_received=dt.date(2026, 6, 25), today=dt.date.fromisoformat(today), holidays=HOLIDAYS,
        reconfirmed_on=dt.date.fromisoformat(reconfirmed) if reconfirmed else None,
    )
    assert (found.facts["status"], found.facts["deadline"]) == (status, dt.date(2026, 7, 2))
    refunds = dt.date(2026, 7, 10) if status == "cancel_and_refund" else None
    assert found.facts["refund_and_notice_due_by"] == refunds


def test_off_8_the_deadline_moves_when_less_than_five_business_days_are_left() -> None:
    found = ask("material_change_extension", notice_received=dt.date(2026, 9, 3),
                current_deadline=dt.date(2026, 9, 8), holidays=HOLIDAYS)
    assert (found.facts["must_extend"], found.facts["new_deadline_not_before"]) == (True, dt.date(2026, 9, 11))


def test_off_9_one_cent_short_refunds_everybody() -> None:
    found = ask("closing_outcome", target_minor=10_000_000, committed_minor=9_999_999, deadline=dt.date(2026, 6, 30),
                holidays=HOLIDAYS)
    assert (found.facts["outcome"], found.facts["refund_total_minor"]) == ("refund_all", 9_999_999)
    assert found.facts["act_by"] == dt.date(2026, 7, 8)


@pytest.mark.parametrize(
    ("custodian", "allowed"),
    [("bank_escrow", True), ("bank", True), ("broker_dealer_carrying", True), ("credit_union_ncua", True),
     ("platform_wallet", False), ("smart_contract", False), ("issuer", False), ("", False)],
)
def test_off_14_only_a_qualified_third_party_holds_the_money(custodian: str, allowed: bool) -> None:
    found = ask("release_gate", committed_minor=1, target_minor=1, cancellation_period_elapsed=True, days_public=21,
                custodian_kind=custodian)
    assert found.reasons == (() if allowed else ("not_a_qualified_third_party",))


def test_the_release_gate_tells_every_reason_in_one_order() -> None:
    found = ask("release_gate", committed_minor=0, target_minor=1, cancellation_period_elapsed=False, days_public=20,
                custodian_kind="wallet")
    assert found.reasons == (
        "target_not_met", "cancellation_period_open", "under_21_days", "not_a_qualified_third_party",
    )


@pytest.mark.parametrize(
    ("maximum", "sold", "repeats", "requirement"),
    [
        (12_400_000, 0, False, "certified"), (12_400_001, 0, False, "reviewed"), (12_400_000, 1, True, "reviewed"),
        (61_800_001, 0, True, "audited"), (123_500_000, 0, False, "reviewed"), (123_500_001, 0, False, "audited"),
    ],
)
def test_statements_follow_the_maximum_and_what_was_sold(
    maximum: int, sold: int, repeats: bool, requirement: str
) -> None:
    found = ask("financial_statements", max_offering_minor=maximum, sold_cf_12m_minor=sold,
                has_prior_reg_cf_sale=repeats)
    assert found.facts["requirement"] == requirement


@pytest.mark.parametrize(
    ("home_debt", "drawn", "net_worth"), [(30_000_000, 0, 13_000_000), (45_000_000, 0, 8_000_000),
                                          (30_000_000, 3_000_000, 10_000_000)],
)
def test_net_worth_leaves_the_home_out(home_debt: int, drawn: int, net_worth: int) -> None:
    found = ask(
        "net_worth_501", assets_excl_residence_minor=15_000_000, residence_fmv_minor=40_000_000,
        residence_debt_minor=home_debt, residence_debt_increase_60d_not_acquisition_minor=drawn,
        other_liabilities_minor=2_000_000,
    )
    assert found.facts["net_worth_minor"] == net_worth


def test_a_security_is_free_on_its_anniversary_also_from_29_february() -> None:
    free = {"exception": None, "transfer": dt.date(2025, 2, 28), "issued": dt.date(2024, 2, 29)}
    assert ask("resale", dt.date(2024, 2, 29), **free).allowed
    held = {"exception": None, "transfer": dt.date(2024, 2, 29), "issued": dt.date(2023, 3, 1)}
    assert ask("resale", dt.date(2023, 3, 1), **held).reasons == ("within_one_year",)


@pytest.mark.parametrize(
    ("kind", "frequent", "accepts_more", "is_due"),
    [
        ("reached_50_percent", False, True, True), ("reached_100_percent", True, True, False),
        ("offering_deadline", False, False, False), ("offering_deadline", False, True, True),
        ("offering_deadline", True, False, True),
    ],
)
def test_the_final_update_is_always_due_where_the_platform_shows_progress(
    kind: str, frequent: bool, accepts_more: bool, is_due: bool
) -> None:
    found = ask("form_c_u", kind=kind, trigger_date=dt.date(2026, 6, 30), accepts_oversubscription=accepts_more,
                platform_publishes_frequent_updates=frequent, holidays=HOLIDAYS)
    assert found.facts["due"] == (dt.date(2026, 7, 8) if is_due else None)
