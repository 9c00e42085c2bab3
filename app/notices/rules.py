"""The table of notices: which event tells whom, and whether it may be switched off (PPL-4).

Pure. The words stand in ``templates/emails/<kind>.txt``; who belongs to an audience is ``audiences``, what
happened is ``facts``. Every event that is enqueued for notices stands in ``EVENTS``, or in ``SILENT`` with
the reason why nobody is told of it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: audience → the role that the words speak to
AUDIENCES: Mapping[str, str] = MappingProxyType(
    {
        "holders": "investor",  # whose money is in escrow at the instant of the event
        "holders_before": "investor",  # whose money was in escrow just before it
        "settled": "investor",  # whose money was released or returned at some time
        "moved": "investor",  # whose money the event's journal moved
        "places": "investor",  # who holds a place, paid or not
        "lapsed": "investor",  # whose unpaid place the event ended
        "waited": "investor",  # who waited for a place until the event
        "payer": "investor",  # whose commitment it is
        "asked": "investor",  # who must reconfirm after this change
        "silent": "investor",  # whose commitment this change ended because nothing was answered
        "polled": "investor",  # whom a question is put to, each with their weight
        "founders": "founder",
        "drawn": "auditor",  # who sits on the panel of a dispute now
        "panel": "auditor",  # who accepted to review this milestone, or any of this contract
        "unsigned": "auditor",  # who sits on the panel of the submission and has not signed
        "appointee": "auditor",
        "member": "member",  # whose role, check or complaint it is
        "operators": "operator",
    }
)


@dataclass(frozen=True, slots=True)
class Telling:
    """One audience of an event. ``kind`` names the words; ``legal`` mails cannot be switched off.

    ``link`` says which page the words lead to, a key of ``PATHS``.
    """

    kind: str
    audience: str
    link: str
    legal: bool = True


def _told(kind: str, *audiences: tuple[str, str] | tuple[str, str, bool]) -> tuple[Telling, ...]:
    return tuple(Telling(kind, *each) for each in audiences)


#: Where notices lead: the fields are of ``wording.Book``.
PATHS: Mapping[str, str] = MappingProxyType(
    {
        "offering": "/offerings/{slug}",
        "milestone": "/milestones/{milestone}",
        "challenge": "/challenges/{challenge}",
        "dispute": "/auditor/disputes/{dispute}",
        "commitment": "/commitments/{commitment}",
        "waiting": "/waiting/{waiting}",
        "portfolio": "/portfolio",
        "poll": "/polls/{poll}",
        "amendment": "/amendments/{amendment}",
        "founder": "/founder/offerings/{offering}",
        "company": "/founder/companies/{issuer}",
        "reviews": "/auditor",
        "review": "/operator/offerings/{offering}",
        "console": "/operator",
        "reversals": "/operator/reversals",
        "account": "/account",
        "investor": "/investor",
        "verifications": "/operator/verification",
        "ending": "/offerings/{slug}/end",
        "reports": "/offerings/{slug}/reports",
        "reporting": "/founder/offerings/{offering}/reports",
        "complaint": "/complaints/{complaint}",
        "complaints": "/operator/complaints",
        "changes": "/offerings/{slug}/changes",
        "decisions": "/operator/changes",
        "order": "/operator/offerings/{offering}/wind-down",
    }
)

_OPTIONAL = False

#: event → whom it tells, in this order; who belongs to two audiences is told once, as the first
EVENTS: Mapping[str, tuple[Telling, ...]] = MappingProxyType(
    {
        # offerings
        "offering_in_review": _told("review_asked", ("operators", "review")),
        "fee_agreed": _told("fee_agreed", ("founders", "founder")),
        "offering_draft:ask_changes": _told("changes_asked", ("founders", "founder")),
        "offering_draft:launch_window_over": _told("launch_window_over", ("founders", "founder")),
        "offering_draft:withdraw_submission": _told("review_withdrawn", ("operators", "console", _OPTIONAL)),
        "offering_approved": _told("offering_approved", ("founders", "founder")),
        "offering_live": _told("offering_live", ("founders", "founder"), ("panel", "offering", _OPTIONAL)),
        "offering_clearing": _told("offering_closed", ("places", "portfolio"), ("founders", "founder")),
        "offering_active": (
            *_told("offering_succeeded", ("holders", "offering"), ("founders", "founder"),
                   ("panel", "offering", _OPTIONAL)),
            *_told("commitment_lapsed", ("lapsed", "portfolio")),
        ),
        "offering_failing": (
            *_told("minimum_missed", ("holders_before", "portfolio"), ("founders", "founder")),
            *_told("commitment_lapsed", ("lapsed", "portfolio")),
        ),
        "offering_failed": _told("offering_failed", ("founders", "founder")),
        "offering_withdrawing": (
            *_told("offering_withdrawing", ("holders_before", "portfolio"), ("founders", "founder")),
            *_told("commitment_lapsed", ("lapsed", "portfolio")),
        ),
        "offering_withdrawn": _told("offering_withdrawn", ("founders", "founder")),
        "offering_winding_down": _told("wind_down", ("holders_before", "portfolio"), ("founders", "founder"),
                                       ("panel", "offering", _OPTIONAL)),
        "offering_wound_down": _told("wound_down", ("settled", "portfolio"), ("founders", "founder")),
        "offering_completed": _told("offering_completed", ("settled", "portfolio"), ("founders", "founder")),
        "early_close_announced": _told("early_close_announced", ("places", "portfolio"), ("founders", "founder")),
        "early_close_void": _told("early_close_void", ("places", "portfolio"), ("founders", "founder")),
        "early_close_changed": _told("early_close_changed", ("places", "portfolio"), ("founders", "founder")),
        "deadline_extended": _told("deadline_extended", ("places", "portfolio"), ("founders", "founder")),
        "halt_placed": _told("halt_placed", ("places", "offering"), ("founders", "founder"),
                             ("panel", "offering", _OPTIONAL), ("operators", "console")),
        "halt_extended": _told("halt_extended", ("places", "offering"), ("founders", "founder"),
                               ("operators", "console")),
        "halt_lifted": _told("halt_lifted", ("places", "offering"), ("founders", "founder"),
                             ("panel", "offering", _OPTIONAL)),
        "wind_down_proposed": _told("wind_down_proposed", ("operators", "order")),
        "poll_opened:halt": _told("vote_opened", ("polled", "poll"), ("founders", "founder"), ("operators", "console")),
        "poll_opened:shortfall": _told("stay_asked", ("polled", "poll"), ("founders", "founder")),
        "poll_opened:amendment": _told("amendment_proposed", ("polled", "poll"), ("holders", "amendment"),
                                       ("founders", "amendment"), ("panel", "amendment")),
        "poll_opened:adverse_amendment": _told("amendment_proposed", ("polled", "poll"), ("holders", "amendment"),
                                               ("founders", "amendment"), ("panel", "amendment")),
        "amendment_seat": _told("amendment_seat", ("appointee", "amendment")),
        "amendment_passed": _told("amendment_passed", ("holders", "amendment"), ("founders", "amendment")),
        "amendment_effective": _told("amendment_effective", ("holders", "amendment"), ("founders", "amendment"),
                                     ("panel", "amendment", _OPTIONAL)),
        "amendment_fell": _told("amendment_ended", ("holders", "amendment"), ("founders", "amendment")),
        "amendment_withdrawn": _told("amendment_ended", ("holders", "amendment"), ("founders", "amendment")),
        "amendment_void": _told("amendment_ended", ("holders", "amendment"), ("founders", "amendment")),
        "amendment_left": _told("amendment_left", ("payer", "portfolio")),
        "poll_decided:halt:goes_on": _told("vote_goes_on", ("polled", "offering"), ("founders", "founder")),
        "poll_decided:shortfall:goes_on": _told("shortfall_goes_on", ("polled", "portfolio"), ("founders", "founder")),
        "end_called": _told("end_called", ("holders", "ending"), ("founders", "founder")),
        "end_call_lapsed": _told("end_call_lapsed", ("holders", "ending", _OPTIONAL), ("founders", "founder")),
        "poll_opened:failure": _told("failure_vote_opened", ("polled", "poll"), ("founders", "founder"),
                                     ("operators", "console")),
        "poll_decided:failure:goes_on": _told("failure_vote_goes_on", ("polled", "offering"), ("founders", "founder")),
        "poll_opened:wind_down": _told("end_vote_opened", ("polled", "poll"), ("founders", "founder"),
                                       ("operators", "console")),
        "poll_opened:wind_down_for_cause": _told("end_vote_opened", ("polled", "poll"), ("founders", "founder"),
                                                 ("operators", "console")),
        "poll_decided:wind_down:goes_on": _told("end_vote_failed", ("polled", "offering"), ("founders", "founder")),
        "poll_decided:wind_down_for_cause:goes_on": _told("end_vote_failed", ("polled", "offering"),
                                                          ("founders", "founder")),
        # changes of a live offering
        "change_proposed": _told("change_proposed", ("operators", "decisions"), ("founders", "founder")),
        "change_overdue": _told("change_overdue", ("operators", "decisions"), ("founders", "founder")),
        "change_declined": _told("change_declined", ("founders", "founder")),
        "change_effective": _told("change_effective", ("founders", "founder"), ("panel", "changes", _OPTIONAL)),
        "reconfirmation_asked": _told("reconfirmation_asked", ("asked", "changes")),
        "not_reconfirmed": _told("not_reconfirmed", ("silent", "portfolio")),
        "commitment_reconfirmed": _told("commitment_reconfirmed", ("payer", "commitment")),
        "update_posted": _told("update_posted", ("places", "changes", _OPTIONAL)),
        "releases_stopped": _told("releases_stopped", ("holders", "offering"), ("founders", "founder"),
                                  ("operators", "console")),
        # milestones
        "milestone_open": _told("milestone_open", ("founders", "founder")),
        "milestone_open:not_met": _told("milestone_not_met", ("holders", "offering"), ("founders", "founder"),
                                        ("panel", "reviews", _OPTIONAL)),
        "milestone_open:review_abandoned": _told("review_abandoned", ("founders", "founder"), ("holders", "offering"),
                                                 ("panel", "reviews"), ("operators", "console")),
        "milestone_open:suspension_over": _told("milestone_reopened", ("holders", "offering"),
                                                ("founders", "founder"), ("panel", "reviews", _OPTIONAL)),
        "milestone_challengeable": _told("milestone_met", ("holders", "offering"), ("founders", "founder"),
                                         ("panel", "reviews", _OPTIONAL)),
        "milestone_challengeable:partly": _told(
            "milestone_partly_met", ("holders", "offering"), ("founders", "founder"), ("panel", "reviews", _OPTIONAL)),
        "milestone_challengeable:retention": _told("retention_shown", ("holders", "offering"), ("founders", "founder"),
                                                   ("panel", "reviews", _OPTIONAL)),
        "milestone_partly_released:not_met": _told("milestone_not_met", ("holders", "offering"),
                                                   ("founders", "founder"), ("panel", "reviews", _OPTIONAL)),
        "milestone_partly_released:review_abandoned": _told(
            "review_abandoned", ("founders", "founder"), ("holders", "offering"), ("panel", "reviews"),
            ("operators", "console")),
        "milestone_partly_released:suspension_over": _told(
            "milestone_reopened", ("holders", "offering"), ("founders", "founder"), ("panel", "reviews", _OPTIONAL)),
        "milestone_retained": _told("milestone_retained", ("holders", "offering"), ("founders", "founder")),
        "milestone_retained:not_met": _told("milestone_not_met", ("holders", "offering"), ("founders", "founder"),
                                            ("panel", "reviews", _OPTIONAL)),
        "milestone_retained:review_abandoned": _told(
            "review_abandoned", ("founders", "founder"), ("holders", "offering"), ("panel", "reviews"),
            ("operators", "console")),
        "milestone_retained:suspension_over": _told(
            "milestone_reopened", ("holders", "offering"), ("founders", "founder"), ("panel", "reviews", _OPTIONAL)),
        "milestone_report_due": _told("milestone_report_due", ("founders", "reporting")),
        "milestone_suspended": _told("milestone_suspended", ("holders", "offering"), ("founders", "founder"),
                                    ("panel", "reviews", _OPTIONAL)),
        "challenge_opened": _told("challenge_opened", ("holders", "challenge"), ("founders", "milestone"),
                                  ("panel", "reviews", _OPTIONAL), ("operators", "console")),
        "challenge_fallen": _told("challenge_fallen", ("holders", "challenge"), ("founders", "milestone")),
        "milestone_disputed": _told("dispute_opened", ("holders", "milestone"), ("founders", "milestone"),
                                    ("panel", "reviews", _OPTIONAL), ("operators", "console")),
        "dispute_seated": _told("dispute_seated", ("drawn", "dispute")),
        "poll_opened:dispute": _told("dispute_vote", ("polled", "poll"), ("founders", "founder")),
        "dispute_decided": _told("dispute_decided", ("holders_before", "milestone"), ("founders", "milestone"),
                                 ("drawn", "dispute"), ("panel", "reviews", _OPTIONAL)),
        "milestone_appealable": _told("milestone_appealable", ("holders", "offering"), ("founders", "milestone"),
                                      ("panel", "reviews", _OPTIONAL)),
        "milestone_failed": _told("milestone_failed", ("holders_before", "offering"), ("founders", "founder"),
                                  ("panel", "reviews", _OPTIONAL)),
        # The wind-down tells the holders in the same moment, with their figures.
        "milestone_failed:wind_down": _told("milestone_failed", ("founders", "founder"),
                                            ("panel", "reviews", _OPTIONAL)),
        "milestone_late": _told("milestone_late", ("holders", "offering"), ("founders", "founder")),
        "milestone_extended": _told("milestone_extended", ("holders", "offering"), ("founders", "founder")),
        "milestone_past_grace": _told("milestone_past_grace", ("holders", "offering"), ("founders", "founder")),
        # reports
        "report_due_soon": _told("report_due_soon", ("founders", "reporting")),
        "report_filed": _told("report_filed", ("holders", "reports", _OPTIONAL)),
        "report_missed": _told("report_missed", ("holders", "reports"), ("founders", "reporting")),
        "countdown_started": _told("countdown_started", ("holders", "reports"), ("founders", "reporting"),
                                   ("operators", "console")),
        "countdown_stopped": _told("countdown_stopped", ("holders", "reports"), ("founders", "reporting"),
                                   ("operators", "console")),
        "review_overdue": _told("review_overdue", ("operators", "console"), ("panel", "reviews"),
                                ("founders", "founder")),
        "submission_received": _told("submission_received", ("panel", "reviews"), ("founders", "founder"),
                                     ("holders", "offering", _OPTIONAL)),
        # money
        "money_released": _told("money_released", ("moved", "portfolio"), ("founders", "founder")),
        "money_returned": _told("money_returned", ("moved", "portfolio"), ("founders", "founder")),
        "payout_paid": _told("payout_paid", ("founders", "founder")),
        "payout_failed": _told("payout_failed", ("founders", "founder"), ("operators", "console")),
        "payout_leaving": _told("payout_leaving", ("founders", "founder")),
        "payout_recalled": _told("payout_recalled", ("founders", "founder"), ("operators", "console")),
        "payout_overdue": _told("payout_overdue", ("founders", "founder"), ("operators", "console")),
        "payee_changed": _told("payee_changed", ("founders", "company"), ("operators", "console")),
        # commitments
        "commitment_accepted": _told("commitment_accepted", ("payer", "commitment")),
        "commitment_cancelled": _told("commitment_cancelled", ("payer", "commitment")),
        "commitment_over_limit": _told("commitment_over_limit", ("payer", "commitment")),
        "commitment_expired": _told("commitment_expired", ("payer", "commitment")),
        "waiting_joined": _told("waiting_joined", ("payer", "waiting")),
        "place_offered": _told("place_offered", ("payer", "waiting")),
        "place_passed": _told("place_passed", ("payer", "waiting")),
        "waiting_lapsed": _told("waiting_lapsed", ("waited", "offering")),
        "orders_cut": _told("orders_cut", ("moved", "portfolio")),
        "payment_cleared": _told("payment_cleared", ("payer", "commitment")),
        "payment_failed": _told("payment_failed", ("payer", "commitment")),
        "payment_returned": _told("payment_returned", ("payer", "commitment"), ("operators", "reversals")),
        "payment_disputed": _told("payment_disputed", ("payer", "commitment"), ("founders", "founder"),
                                ("operators", "reversals")),
        "payment_kept": _told("payment_kept", ("payer", "commitment"), ("founders", "founder")),
        "payment_lost": _told("payment_lost", ("payer", "commitment"), ("founders", "founder"),
                              ("operators", "reversals")),
        "claim_opened": _told("claim_opened", ("founders", "founder"), ("operators", "reversals")),
        "claim_overdue": _told("claim_overdue", ("founders", "founder"), ("operators", "reversals")),
        "claim_settled": _told("claim_settled", ("founders", "founder")),
        "claim_given_up": _told("claim_given_up", ("founders", "founder")),
        "commitment_underpaid": _told("commitment_underpaid", ("payer", "commitment")),
        "commitment_scaled_down": _told("commitment_scaled_down", ("payer", "commitment")),
        "payment_other_name": _told("payment_other_name", ("payer", "commitment")),
        "payment_doubted": _told("payment_doubted", ("payer", "commitment"), ("operators", "console")),
        "commitment_linked": _told("commitment_linked", ("payer", "commitment")),
        "commitment_unlinked": _told("commitment_unlinked", ("payer", "commitment")),
        "link_contested": _told("link_contested", ("payer", "commitment"), ("operators", "console")),
        "link_upheld": _told("link_upheld", ("payer", "commitment")),
        "funding_unstated": _told("funding_unstated", ("founders", "founder")),
        "tranche_carried": _told("tranche_carried", ("founders", "founder")),
        "refund_done": _told("refund_done", ("payer", "commitment")),
        "refund_failed": _told("refund_failed", ("payer", "commitment")),
        "refund_unclaimed": _told("refund_unclaimed", ("payer", "commitment"), ("operators", "console")),
        # people
        "auditor_appointed": _told("auditor_appointed", ("appointee", "reviews")),
        "auditor_replaced": _told("auditor_replaced", ("appointee", "reviews")),
        "attestation_withdrawn": _told("attestation_withdrawn", ("holders", "milestone"), ("founders", "milestone"),
                                       ("panel", "reviews")),
        "attestation_corrected": _told("attestation_corrected", ("holders", "ending"), ("founders", "milestone"),
                                       ("panel", "reviews", _OPTIONAL), ("operators", "console")),
        "auditor_released": _told("auditor_released", ("appointee", "reviews", _OPTIONAL)),
        "panel_short": _told("panel_short", ("operators", "review"), ("founders", "founder")),
        "review_reminder": _told("review_reminder", ("unsigned", "reviews")),
        "appointment_declined": _told("appointment_declined", ("operators", "review"), ("founders", "founder")),
        "verification_verified": _told("verification_verified", ("member", "investor")),
        "verification_refused": _told("verification_refused", ("member", "investor")),
        "verification_expiring": _told("verification_expiring", ("member", "investor")),
        "verification_expired": _told("verification_expired", ("member", "investor")),
        "verification_overdue": _told("verification_overdue", ("operators", "verifications")),
        "complaint_received": _told("complaint_received", ("member", "complaint")),
        "complaint_answered": _told("complaint_answered", ("member", "complaint")),
        "complaint_review_asked": _told("complaint_review_asked", ("operators", "complaints")),
        "complaint_reviewed": _told("complaint_reviewed", ("member", "complaint")),
        "complaint_overdue": _told("complaint_overdue", ("operators", "complaints")),
        "membership_approved": _told("membership_approved", ("member", "account")),
        "membership_refused": _told("membership_refused", ("member", "account")),
    }
)

#: event → why nobody is told of it by itself
SILENT: Mapping[str, str] = MappingProxyType(
    {
        "poll_decided:failure:winds_down": "the wind-down tells everybody with their figures",
        "milestone_deciding": "poll_opened:failure tells everybody what is asked",
        "milestone_open:go_on": "poll_decided:failure:goes_on tells everybody",
        "poll_decided:wind_down:winds_down": "the wind-down tells everybody with their figures",
        "poll_decided:wind_down_for_cause:winds_down": "the wind-down tells everybody with their figures",
        "poll_decided:amendment:passed": "what follows, the terms in force, is told by itself",
        "poll_decided:amendment:fell": "that the terms stay is told with it",
        "poll_decided:adverse_amendment:passed": "that who did not vote for it may leave is told with it",
        "poll_decided:adverse_amendment:fell": "that the terms stay is told with it",
        "poll_decided:halt:winds_down": "the wind-down tells everybody with their figures",
        "poll_decided:shortfall:winds_down": "the wind-down tells everybody with their figures",
        "poll_decided:dispute:met": "dispute_decided says what came of it",
        "poll_decided:dispute:not_met": "dispute_decided says what came of it",
        "poll_decided:dispute:undecided": "dispute_decided says what came of it",
        "milestone_open:dispute": "dispute_decided says what came of it",
        "milestone_partly_released:dispute": "dispute_decided says what came of it",
        "milestone_retained:dispute": "dispute_decided says what came of it",
        "milestone_submitted": "submission_received says it with its figures",
        "milestone_approved": "money_released follows in the same pass; what holds it up tells for itself",
        "milestone_released": "money_released says it with each holder's figures",
        "milestone_partly_released": "money_released says it with each holder's figures",
        "milestone_lapsed": "it lapses with the milestone that failed, which tells for both",
    }
)


def tellings(event: str) -> tuple[Telling, ...]:
    """Return whom an event tells; nobody for a silent one. Raises ``LookupError`` for an unknown event."""
    if event in SILENT:
        return ()
    return EVENTS[event]


def kinds() -> dict[str, bool]:
    """Return every kind of notice, and whether some audience may not switch its mail off."""
    found: dict[str, bool] = {}
    for each in EVENTS.values():
        for telling in each:
            found[telling.kind] = found.get(telling.kind, False) or telling.legal
    return found
