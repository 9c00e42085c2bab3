"""What every waiting state waits for: one table of owners, deadlines and defaults (TIM-5).

The states themselves, and the ways between them, are `states`'s.
"""

from dataclasses import dataclass

MUST, MAY, BY_CLOCK = "must", "may", "clock"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiting state waits for: "Next: OWNER must ACTION by DEADLINE, otherwise DEFAULT" (TIM-5).

    `modal` says how it reads: `must`; `may` ("OWNER may ACTION until DEADLINE; then DEFAULT"); or `clock`, where nobody
    has to act ("it ACTION until DEADLINE; then DEFAULT").

    `deadline_rule` is a short code the services turn into an instant (`5bd` = 5 business days, `60d` = calendar days,
    or a date of the contract or offering). `moves_money_to` says where the default sends money: None when it moves
    none, `investors`, or `nobody` when money stays where it is held; it is never the issuer.
    """

    subject: str
    state: str
    owner: str
    action: str
    deadline_rule: str
    default: str
    tolled_by: tuple[str, ...] = ()
    moves_money_to: str | None = None
    modal: str = MUST


_HALT = ("halt",)
_MILESTONE_TOLL = ("review", "question", "challenge", "dispute", "halt")

# fmt: off
WAITING: tuple[Waiting, ...] = (
    Waiting("offering", "draft", "founder", "submit it for review", "180d_idle",
            "the draft is archived and reservations are freed"),
    Waiting("offering", "in_review", "operator", "approve it or ask for changes", "5bd",
            "a second operator is asked; silence never publishes"),
    Waiting("offering", "approved", "founder", "launch it", "60d",
            "it goes back to draft"),
    Waiting("offering", "live", "clock", "takes commitments", "deadline",
            "it closes and payments under way are waited for", _HALT, None, BY_CLOCK),
    Waiting("offering", "clearing", "rails", "clear the payments under way", "10bd",
            "payments still pending count as failed", _HALT, "nobody"),
    Waiting("offering", "failing", "worker", "send every refund", "5bd",
            "refunds are retried, then kept as unclaimed", (), "investors"),
    Waiting("offering", "withdrawing", "worker", "send every refund", "5bd",
            "refunds are retried, then kept as unclaimed", (), "investors"),
    Waiting("offering", "active", "founder", "meet the milestones", "long_stop",
            "what is unreleased goes back to the investors", _MILESTONE_TOLL, "investors"),
    Waiting("offering", "winding_down", "worker", "send back what is unreleased", "10bd",
            "what cannot be paid back is kept as unclaimed", (), "investors"),
    Waiting("milestone", "locked", "the milestone before it", "be settled first", "predecessor",
            "it lapses if that one fails", _MILESTONE_TOLL, "investors"),
    Waiting("milestone", "open", "founder", "submit evidence", "milestone_long_stop",
            "it fails and its money goes back to the investors", _MILESTONE_TOLL, "investors"),
    Waiting("milestone", "submitted", "auditors", "sign their findings", "review_limit",
            "enough findings decide; too few, and ten business days later it opens again, nothing used up",
            ("question", "halt"), "nobody"),
    # Approval after an unchallenged window is the auditors' act and moves nothing: the release has its own tests.
    Waiting("milestone", "challengeable", "holders", "challenge the verdict", "challenge_window",
            "the auditors' verdict stands and it is approved", _HALT, "nobody", MAY),
    Waiting("milestone", "suspended", "operator", "lift the suspension", "15bd",
            "it opens again and nothing is used up", _HALT, "nobody"),
    Waiting("milestone", "disputed", "panel", "sign its findings", "15bd",
            "others are drawn once, then the investors decide; if nobody does it opens again, nothing used up",
            _HALT, "nobody"),
    Waiting("milestone", "deciding", "investors", "vote whether it gets one more chance", "10bd",
            "it fails and what is unreleased goes back", _HALT, "investors"),
    Waiting("failure_vote", "open", "investors", "vote whether the milestone gets one more chance", "10bd",
            "without a quarter of the money, or with a tie, it fails and what is unreleased goes back", _HALT,
            "investors"),
    Waiting("milestone", "appealable", "founder", "appeal to a panel", "5bd",
            "it fails and its money goes back to the investors", _HALT, "investors", MAY),
    Waiting("challenge", "open", "holders", "join it or leave it", "challenge_window",
            "it counts if enough stand behind it; otherwise it falls and the verdict stands", _HALT, "nobody", MAY),
    Waiting("appeal", "open", "founder", "appeal the verdict to a panel, or submit again", "5bd",
            "the verdict stands and the milestone is open", _HALT, None, MAY),
    Waiting("dispute", "panel", "panel", "sign its findings", "15bd",
            "those who were silent are replaced once, then the investors decide", _HALT, "nobody"),
    Waiting("dispute_vote", "open", "investors", "vote", "10bd",
            "without a quarter of the money the milestone is open again, nothing used up; a tie is a no", _HALT,
            "nobody"),
    Waiting("dispute", "vote", "investors", "decide whether the criteria are met", "10bd",
            "without a quorum it opens again, nothing used up", _HALT, "nobody"),
    Waiting("milestone", "approved", "worker", "release the tranche", "5bd",
            "it waits for what the page names; a second operator is asked", _HALT, "nobody"),
    Waiting("milestone", "partly_released", "founder", "submit evidence for the rest", "milestone_long_stop",
            "it fails and its rest goes back to the investors", _MILESTONE_TOLL, "investors"),
    Waiting("milestone", "retained", "founder", "show that what its retained part waits for has happened", "12m",
            "the retained part goes back to the investors and its tokens lapse", _MILESTONE_TOLL, "investors"),
    Waiting("milestone", "report_due", "founder", "send the report that is due", "12m",
            "what waits for the report goes back to the investors and its tokens lapse", _HALT, "investors"),
    Waiting("waiting_entry", "waitlisted", "clock", "waits for a free place", "deadline",
            "it lapses; nothing is charged", _HALT, None, BY_CLOCK),
    Waiting("waiting_entry", "offered", "investor", "take the place", "72h",
            "it goes to the next in line and yours is the last place on the list", _HALT, None, MAY),
    Waiting("commitment", "awaiting_payment", "investor", "pay", "24h_card",
            "it expires and its place is free"),
    Waiting("commitment", "underpaid", "investor", "pay the rest", "5bd_bank",
            "it is scaled down to whole tokens and the rest goes back; below the smallest commitment all goes back",
            (), "investors"),
    Waiting("commitment", "clearing", "rail", "confirm the payment", "rail_window",
            "the payment counts as failed", (), "nobody"),
    Waiting("commitment", "payment_failed", "investor", "pay again", "7d",
            "it expires and its place is free"),
    Waiting("commitment", "held", "clock", "stays in escrow", "cut_off",
            "it is allotted, or refunded if the offering fails", _HALT, "investors", BY_CLOCK),
    Waiting("commitment", "allotted", "the milestones", "be met and release the money", "long_stop",
            "what is unreleased goes back to the investor", _MILESTONE_TOLL, "investors"),
    Waiting("commitment", "disputed", "rail", "decide the dispute", "window_30d",
            "it counts as lost and is taken back; a win restores it", (), "nobody"),
    Waiting("commitment", "refunding", "worker", "send the refund", "5bd",
            "it is retried, then sent to another verified account", (), "investors"),
    Waiting("commitment", "unclaimed", "operator", "find a way to pay it back", "claim_date",
            "it is deposited as the law of the holder's place says", (), "investors"),
    Waiting("early_close", "announced", "clock", "stays open", "5bd_notice",
            "it closes if the minimum is still there; otherwise the notice is void and the old deadline stands",
            _HALT, None, BY_CLOCK),
    Waiting("new_version", "proposed", "operator", "review it", "5bd",
            "a second operator is asked; silence never publishes", _HALT),
    Waiting("change", "proposed", "operator", "decide whether it is material", "2bd",
            "it is material: everybody who committed is asked to reconfirm", _HALT),
    # A third round ends the offering, so two operators are asked before silence may (OFF-8).
    Waiting("third_change", "proposed", "operator", "decide whether it is material, which ends the offering", "2bd",
            "a second operator is asked, and the deadline waits", _HALT),
    Waiting("third_change", "escalated", "a second operator", "decide whether it is material", "3bd",
            "it is the third material change: the offering is withdrawn and everybody is refunded", _HALT,
            "investors"),
    Waiting("reconfirmation", "open", "investor", "reconfirm or cancel", "5bd_from_delivery",
            "the commitment is cancelled and all of its money goes back", _HALT, "investors"),
    Waiting("halt", "open", "operator", "lift it, or a second operator lengthen it", "10bd",
            "an open or closing offering is withdrawn and refunded, of a running one the investors decide", (),
            "investors"),
    Waiting("halt", "voting", "investors", "vote whether the plan goes on", "10bd",
            "without a quorum, or with a tie, it is wound down and what is unreleased goes back", (), "investors"),
    Waiting("wind_down_order", "proposed", "a second operator", "confirm or refuse it", "3bd",
            "it falls and the offering goes on"),
    Waiting("poll", "open", "investors", "answer", "10bd",
            "whoever was asked to stay and said nothing is refunded; a vote without a quorum is a no", _HALT,
            "investors"),
    Waiting("vote", "open", "investors", "vote", "10bd",
            "without a quarter of the money, or with a tie, what is unreleased goes back", (), "investors"),
    Waiting("amendment", "open", "investors", "vote on the change of the plan", "10bd",
            "it falls and the terms stay; what is submitted meanwhile drops out of it", _HALT),
    Waiting("amendment", "leaving", "investor", "leave with what is unreleased, if you did not vote for the change",
            "10bd", "it takes effect for everybody who stays", _HALT, None, MAY),
    Waiting("stay", "open", "investor", "say whether you stay", "10bd",
            "all of it in escrow is refunded", _HALT, "investors"),
    # Tokens for it are out, so it never goes back to investors.
    Waiting("payout", "operator", "operator", "let the payout go, or find out why the rail did not", "2bd",
            "it stays payable and is tried again; a failed one is then the other side's to mend, for 90 days", _HALT,
            "nobody"),
    Waiting("payout", "founder", "founder", "name an account that takes the payout", "90d",
            "it stays payable, to an administrator or a court if nobody else is left", _HALT, "nobody"),
    Waiting("end_call", "gathering", "investors", "stand behind the call for a vote", "10bd",
            "it lapses and no vote is held", _HALT, None, MAY),
    Waiting("end_vote", "open", "investors", "vote whether the plan ends", "10bd",
            "without the majority that it needs the plan goes on", _HALT, None, MAY),
    Waiting("report", "due", "founder", "report to the investors", "report_due",
            "it counts as missed; two missed in a row start ninety days to failure", _HALT),
    Waiting("report_countdown", "running", "founder", "report to the investors", "90d",
            "the plan is wound down and what is unreleased goes back", _HALT, "investors"),
    Waiting("claim", "open", "founder", "pay back what was taken back of released money", "30d",
            "it stays owed, is set off against the next release, and the operators are told", (), "nobody"),
    Waiting("operation", "unknown", "operator", "find out what happened at the rail", "1bd",
            "it never posts and the money stays reserved; a second operator is asked", (), "nobody"),
    Waiting("operation", "needs_operator", "operator", "decide what happened", "1bd",
            "it never posts and the money stays reserved; a second operator is asked", (), "nobody"),
    Waiting("receipt", "doubted", "operator", "decide whose account it came from", "3bd",
            "it goes back to its sender", (), "investors"),
    Waiting("link", "contested", "operator", "decide whether the link stands", "3bd",
            "it stays linked: it holds its place and counts toward no minimum and no vote"),
    Waiting("funding", "unstated", "founder",
            "sign that no commitment was funded, lent or promised back by the company", "10bd",
            "nothing is released before it is signed", _HALT, "nobody"),
    Waiting("tranche", "carried", "clock", "waits until its payments can no longer be taken back", "seasoned",
            "it stays in escrow until then", (), "nobody", BY_CLOCK),
    Waiting("receipt", "unmatched", "operator", "send it back", "10bd",
            "it goes back to its sender", (), "investors"),
    Waiting("verification", "pending", "operator", "look at the papers and decide", "3bd",
            "it stays unverified and the operators are reminded"),
    Waiting("complaint", "received", "operator", "answer it", "15bd",
            "a second operator is asked and it stays open"),
    Waiting("complaint", "in_review", "a second operator", "look at it again and answer", "10bd",
            "it stays open and every operator is reminded"),
    Waiting("appointment", "appointed", "auditor", "accept or decline", "5bd",
            "another auditor is asked"),
)
# fmt: on
