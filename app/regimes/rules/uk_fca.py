"""UK restricted mass market investments: time to think, tries at the test, categories, the public offer exemption."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import months_after, reasons, share
from app.regimes.rules.registry import rule

REGIME = "uk.fca"


@rule(REGIME, "cooling_off", day="requested", answer="may_show_direct_offer")
def cooling_off(
    arm: Arm,
    *,
    first_direct_offer_from_this_firm: bool,
    requested: dt.datetime,
    now: dt.datetime,
    actively_chose_to_proceed: bool,
) -> Ruling:
    """Say whether an offer may be shown: a day after the first request, and only to who then chose it (COBS 4.12A)."""
    if not first_direct_offer_from_this_firm:
        return Ruling({"not_before": None})
    not_before = requested.astimezone(dt.UTC) + dt.timedelta(hours=arm.whole("raising", "cooling_off_hours"))
    return Ruling(
        {"not_before": not_before},
        reasons([(now < not_before, "cooling_off"), (not actively_chose_to_proceed, "no_active_choice")]),
    )


@rule(REGIME, "appropriateness_retry", answer="may_retry")
def appropriateness_retry(
    arm: Arm, *, failed_attempts: int, last_attempt: dt.datetime | None, now: dt.datetime
) -> Ruling:
    """Say whether the test may be tried again: after two failures a day before each further try (COBS 10)."""
    if failed_attempts < arm.whole("investor", "understanding_tries") or last_attempt is None:
        return Ruling({"not_before": None})
    wait = dt.timedelta(hours=arm.whole("investor", "understanding_wait_hours"))
    not_before = last_attempt.astimezone(dt.UTC) + wait
    return Ruling({"not_before": not_before}, reasons([(now < not_before, "wait_before_retry")]))


@rule(REGIME, "high_net_worth", day="statement_date", answer="qualifies")
def high_net_worth(arm: Arm, *, income_last_year_minor: int, net_assets_last_year_minor: int) -> Ruling:
    """Say whether a person may sign the statement of a high net worth investor (COBS 4.12A)."""
    enough = (
        income_last_year_minor >= arm.minor("high_net_worth", "income")
        or net_assets_last_year_minor >= arm.minor("high_net_worth", "net_assets")
    )
    return Ruling({}, reasons([(not enough, "below_high_net_worth")]))


@rule(REGIME, "restricted_investor", answer="qualifies")
def restricted_investor(
    arm: Arm, *, invested_past_12m_percent_of_net_assets_ppm: int, intends_next_12m_percent_ppm: int
) -> Ruling:
    """Say whether a person may sign as a restricted investor: less than a tenth, before and after (COBS 4.12A)."""
    below = arm.whole("restricted", "below_bp") * 100
    return Ruling({}, reasons([
        (invested_past_12m_percent_of_net_assets_ppm >= below, "invested_too_much"),
        (intends_next_12m_percent_ppm >= below, "intends_too_much"),
    ]))


@rule(REGIME, "net_assets")
def net_assets(
    arm: Arm,
    *,
    total_assets_minor: int,
    primary_residence_minor: int,
    residence_loan_minor: int,
    pension_minor: int,
    qualifying_insurance_minor: int,
    other_debts_minor: int,
) -> Ruling:
    """Work out net assets without home, pension and insurance; the loan on the home drops out with it (COBS 4.12A)."""
    net = total_assets_minor - primary_residence_minor - pension_minor - qualifying_insurance_minor - other_debts_minor
    return Ruling({
        "net_assets_minor": net, "ten_percent_minor": max(0, share(net, arm.whole("restricted", "advice_rate_bp"))),
        "left_out_loan_minor": residence_loan_minor,
    })


@dataclass(frozen=True, slots=True)
class EarlierOffer:
    """An offer of the same issuer before: until when it was open, how much, and whether only this paragraph let it."""

    open_until: dt.date
    amount_minor: int
    exempt_only_by_5m_paragraph: bool


@rule(REGIME, "poatr_route", day="offer_date", answer="below_5m_exemption")
def poatr_route(
    arm: Arm, *, offer_date: dt.date, amount_minor: int, earlier_offers: tuple[EarlierOffer, ...] = ()
) -> Ruling:
    """Say whether an offer is exempt as a small one, with those of the last year that relied on only this (POATR)."""
    since = months_after(offer_date, -arm.whole("issuer", "window_months"))
    counted = sum(
        each.amount_minor for each in earlier_offers if each.exempt_only_by_5m_paragraph and each.open_until >= since
    )
    total = amount_minor + counted
    return Ruling(
        {"aggregate_for_5m_test_minor": total}, reasons([(total > arm.minor("issuer", "cap"), "over_issuer_cap")])
    )


@rule(REGIME, "pop_material_change", answer="may_withdraw")
def pop_material_change(
    _arm: Arm, *, acceptance_before_notice: bool, securities_delivered: bool, offer_open: bool
) -> Ruling:
    """Say whether an investor may withdraw after a supplementary notice (COBS 23.7)."""
    return Ruling(
        {"must_notify": acceptance_before_notice},
        reasons([
            (not acceptance_before_notice, "accepted_knowing"),
            (securities_delivered, "delivered_already"),
            (not offer_open, "offer_closed"),
        ]),
    )
