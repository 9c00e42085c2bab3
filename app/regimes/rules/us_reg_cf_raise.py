"""US Regulation Crowdfunding: the course of a raise, from its listing to the money's release (17 CFR 227.302-304)."""

from __future__ import annotations

import datetime as dt

from app.regimes.records import Arm
from app.regimes.rules.decision import Ruling
from app.regimes.rules.exact import months_after, reasons, years_after
from app.regimes.rules.registry import rule
from milestones.calendar import business_day_after

REGIME = "us.reg_cf"
Holidays = frozenset[dt.date]


@rule(REGIME, "minimum_listing", day="info_public_date")
def minimum_listing(arm: Arm, *, info_public_date: dt.date, proposed_sale_date: dt.date) -> Ruling:
    """Say from which day securities may be sold: the offering was public for 21 days before (227.303(a)(2))."""
    earliest = info_public_date + dt.timedelta(days=arm.whole("raising", "min_open_days"))
    return Ruling({"earliest": earliest}, reasons([(proposed_sale_date < earliest, "under_21_days")]))


@rule(REGIME, "investor_cancel", day="deadline")
def investor_cancel(
    arm: Arm, *, deadline: dt.datetime, now: dt.datetime, material_change_reconfirmation_open: bool
) -> Ruling:
    """Say whether an investor may cancel: strictly before 48 elapsed hours to the deadline (227.304(a), COM-6)."""
    cutoff = deadline.astimezone(dt.UTC) - dt.timedelta(hours=arm.whole("raising", "cancel_hours"))
    late = now >= cutoff and not material_change_reconfirmation_open
    return Ruling({"cutoff": cutoff}, reasons([(late, "too_late_to_cancel")]))


@rule(REGIME, "early_close", day="notice_date")
def early_close(
    arm: Arm,
    *,
    info_public_date: dt.date,
    original_deadline: dt.date,
    notice_date: dt.date,
    new_deadline: dt.date,
    committed_at_notice_minor: int,
    committed_at_new_deadline_minor: int,
    target_minor: int,
    holidays: Holidays,
) -> Ruling:
    """Say whether an offering may close early on a new deadline (227.304(b), OFF-6)."""
    noticed = business_day_after(notice_date, arm.whole("raising", "early_close_notice_bd"), holidays)
    public = info_public_date + dt.timedelta(days=arm.whole("raising", "early_close_min_days"))
    return Ruling(
        {"earliest_new_deadline": max(noticed, public)},
        reasons([
            (committed_at_notice_minor < target_minor, "target_not_reached_at_notice"),
            (new_deadline >= original_deadline, "not_before_original_deadline"),
            (new_deadline < public, "under_21_days"),
            (new_deadline < noticed, "notice_under_5_business_days"),
            (committed_at_new_deadline_minor < target_minor, "target_not_met"),
        ]),
    )


@rule(REGIME, "reconfirmation", day="notice_received")
def reconfirmation(
    arm: Arm, *, notice_received: dt.date, reconfirmed_on: dt.date | None, today: dt.date, holidays: Holidays
) -> Ruling:
    """Say where a reconfirmation stands: silence cancels and refunds (227.304(c), OFF-8)."""
    deadline = business_day_after(notice_received, arm.whole("raising", "reconfirm_bd"), holidays)
    if reconfirmed_on is not None and reconfirmed_on <= deadline:
        return Ruling({"deadline": deadline, "status": "confirmed", "refund_and_notice_due_by": None})
    if reconfirmed_on is None and today <= deadline:
        return Ruling({"deadline": deadline, "status": "pending", "refund_and_notice_due_by": None})
    refund_by = business_day_after(deadline, arm.whole("raising", "refund_bd"), holidays)
    return Ruling(
        {"deadline": deadline, "status": "cancel_and_refund", "refund_and_notice_due_by": refund_by},
        ("not_reconfirmed",),
    )


@rule(REGIME, "material_change_extension", day="notice_received")
def material_change_extension(
    arm: Arm, *, notice_received: dt.date, current_deadline: dt.date, holidays: Holidays
) -> Ruling:
    """Say whether the deadline must move so that everybody has their five business days (227.304(c), OFF-8)."""
    not_before = business_day_after(notice_received, arm.whole("raising", "reconfirm_bd"), holidays)
    return Ruling({"must_extend": current_deadline < not_before, "new_deadline_not_before": not_before})


@rule(REGIME, "closing_outcome", day="deadline")
def closing_outcome(
    arm: Arm, *, target_minor: int, committed_minor: int, deadline: dt.date, holidays: Holidays
) -> Ruling:
    """Say what the deadline brings: all of it or nothing, never a part (227.304(d), OFF-5, OFF-9)."""
    if committed_minor >= target_minor:
        return Ruling({
            "outcome": "close", "securities_sold": True, "refund_total_minor": 0, "to_issuer_minor": committed_minor,
            "act_by": None,
        })
    return Ruling(
        {
            "outcome": "refund_all", "securities_sold": False, "refund_total_minor": committed_minor,
            "to_issuer_minor": 0,
            "act_by": business_day_after(deadline, arm.whole("raising", "refund_bd"), holidays),
        },
        ("target_not_met",),
    )


@rule(REGIME, "release_gate")
def release_gate(
    arm: Arm,
    *,
    committed_minor: int,
    target_minor: int,
    cancellation_period_elapsed: bool,
    days_public: int,
    custodian_kind: str,
    intermediary_kind: str = "funding_portal",
) -> Ruling:
    """Say whether the money may go to the issuer at the close (227.303(e)).

    It must lie with a qualified third party; a kind of custodian that the record does not name is none.
    """
    qualified = custodian_kind.removesuffix("_escrow") in arm.names("holding", "custodians")
    return Ruling(
        {"custodian_kind": custodian_kind, "intermediary_kind": intermediary_kind},
        reasons([
            (committed_minor < target_minor, "target_not_met"),
            (not cancellation_period_elapsed, "cancellation_period_open"),
            (days_public < arm.whole("raising", "min_open_days"), "under_21_days"),
            (not qualified, "not_a_qualified_third_party"),
        ]),
    )


@rule(REGIME, "commitment_gate")
def commitment_gate(
    _arm: Arm,
    *,
    account_opened: bool,
    e_delivery_consent: bool,
    education_version_current: bool,
    risk_representation: bool,
    questionnaire_passed: bool,
    within_limit: bool,
) -> Ruling:
    """Say whether an investor may commit: what must be there before each commitment (227.302, 303(b))."""
    return Ruling({}, reasons([
        (not account_opened, "no_account"),
        (not e_delivery_consent, "no_e_delivery_consent"),
        (not education_version_current, "education_outdated"),
        (not risk_representation, "no_risk_representation"),
        (not questionnaire_passed, "questionnaire_missing"),
        (not within_limit, "over_investor_limit"),
    ]))


@rule(REGIME, "form_c_u", day="trigger_date")
def form_c_u(
    arm: Arm,
    *,
    kind: str,
    trigger_date: dt.date,
    platform_publishes_frequent_updates: bool,
    accepts_oversubscription: bool,
    holidays: Holidays,
) -> Ruling:
    """Say when a progress update is due (203(a)(3)).

    Frequent updates on the platform replace those at half and all of the target, and then the final one is always due;
    without them it is due where more than the target may be accepted.
    """
    if kind == "offering_deadline":
        needed = accepts_oversubscription or platform_publishes_frequent_updates
    else:
        needed = not platform_publishes_frequent_updates
    due = business_day_after(trigger_date, arm.whole("filings", "update_bd"), holidays) if needed else None
    return Ruling({"due": due})


@rule(REGIME, "form_c_ar", day="fiscal_year_end")
def form_c_ar(arm: Arm, *, fiscal_year_end: dt.date) -> Ruling:
    """Say when the annual report is due, counted in calendar days and not rolled (227.202(a))."""
    return Ruling({
        "nominal_due": fiscal_year_end + dt.timedelta(days=arm.whole("filings", "annual_report_days")),
    })


@rule(REGIME, "record_retention", day="record_date")
def record_retention(arm: Arm, *, record_date: dt.date) -> Ruling:
    """Say until when a record is kept, and until when within easy reach (227.404)."""
    return Ruling({
        "keep_until": years_after(record_date, arm.whole("records", "years")),
        "easily_accessible_until": years_after(record_date, arm.whole("records", "accessible_years")),
    })


@rule(REGIME, "resale", day="issued", answer="permitted")
def resale(arm: Arm, *, issued: dt.date, transfer: dt.date, exception: str | None) -> Ruling:
    """Say whether a security may be sold on: free on its anniversary, before it only to those named (227.501)."""
    ends = months_after(issued, arm.whole("resale", "months"))
    excepted = exception is not None and exception in arm.names("resale", "exceptions")
    return Ruling({"restriction_ends": ends}, reasons([(transfer < ends and not excepted, "within_one_year")]))
