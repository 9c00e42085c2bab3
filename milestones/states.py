"""Every state, every way from one to the next and who may cause it, and what each waiting state waits for.

One table of transitions per kind of thing and one table of waiting (TIM-5): services, jobs, pages and the self-check
read these and hold no list of their own. Deciding when an event happened is the services' and `plan`'s work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FOUNDER, OPERATOR, INVESTOR, AUDITOR, WORKER, CLOCK = (
    "founder",
    "operator",
    "investor",
    "auditor",
    "worker",
    "clock",
)
ACTORS = frozenset({FOUNDER, OPERATOR, INVESTOR, AUDITOR, WORKER, CLOCK})


class TransitionError(Exception):
    """A change of state that may not happen.

    `code` is `transition_refused` (no such way), `transition_already` (it is there already: a repeat) or
    `transition_forbidden` (a way, but not for this actor). `message` says it to a person.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Transition:
    """One permitted way: in `from_state`, `event` caused by one of `who` leads to `to_state`."""

    from_state: str
    event: str
    to_state: str
    who: frozenset[str]


def _way(from_state: str, event: str, to_state: str, *who: str) -> Transition:
    return Transition(from_state, event, to_state, frozenset(who))


OFFERING_TRANSITIONS: tuple[Transition, ...] = (
    _way("draft", "submit", "in_review", FOUNDER),
    _way("draft", "withdraw", "withdrawn", FOUNDER, CLOCK),
    _way("in_review", "approve", "approved", OPERATOR),
    _way("in_review", "ask_changes", "draft", OPERATOR),
    _way("in_review", "withdraw_submission", "draft", FOUNDER),
    _way("approved", "launch", "live", FOUNDER),
    _way("approved", "launch_window_over", "draft", CLOCK),
    _way("approved", "withdraw", "withdrawn", FOUNDER, CLOCK),
    _way("live", "withdraw", "withdrawing", FOUNDER, OPERATOR, CLOCK),
    _way("clearing", "withdraw", "withdrawing", CLOCK),
    _way("live", "deadline", "clearing", CLOCK),
    _way("withdrawing", "settled", "withdrawn", WORKER),
    _way("clearing", "succeed", "active", WORKER),
    _way("clearing", "fall_short", "failing", WORKER),
    _way("failing", "settled", "failed", WORKER),
    _way("active", "finish", "completed", WORKER),
    _way("active", "wind_down", "winding_down", FOUNDER, OPERATOR, WORKER, CLOCK),
    _way("winding_down", "settled", "wound_down", WORKER),
)

# A verdict is computed, never typed (MIL-7): the auditor's last attestation or the worker at the time limit causes it.
MILESTONE_TRANSITIONS: tuple[Transition, ...] = (
    _way("locked", "open", "open", WORKER),
    _way("locked", "reach_active", "approved", WORKER),
    _way("locked", "lapse", "lapsed", WORKER),
    _way("open", "submit", "submitted", FOUNDER),
    _way("open", "long_stop", "failed", CLOCK),
    _way("open", "lapse", "lapsed", WORKER),
    _way("submitted", "met", "challengeable", AUDITOR, WORKER),
    _way("submitted", "not_met", "open", AUDITOR, WORKER),
    # No try is left, but the founder may still appeal: until then it has not failed (MIL-10).
    _way("submitted", "not_met_final", "appealable", AUDITOR, WORKER),
    # Silent auditors cost the founder nothing, and never keep money in escrow for ever (MIL-9).
    _way("submitted", "review_abandoned", "open", CLOCK),
    _way("challengeable", "window_over", "approved", CLOCK),
    _way("challengeable", "suspend", "suspended", OPERATOR),
    _way("suspended", "resume", "challengeable", OPERATOR),
    _way("suspended", "suspension_over", "open", CLOCK),
    # A challenge that counts at the window's end, auditors who contradict each other, or the founder's appeal.
    _way("challengeable", "dispute", "disputed", CLOCK, AUDITOR, WORKER),
    _way("approved", "dispute", "disputed", AUDITOR, WORKER),
    _way("open", "appeal", "disputed", FOUNDER),
    _way("appealable", "appeal", "disputed", FOUNDER),
    _way("appealable", "appeal_over", "failed", CLOCK),
    _way("disputed", "found_met", "approved", AUDITOR, WORKER),
    _way("disputed", "found_not_met", "open", AUDITOR, WORKER),
    _way("disputed", "found_not_met_final", "failed", AUDITOR, WORKER),
    _way("disputed", "undecided", "open", CLOCK),
    _way("approved", "release", "released", WORKER),
    # Only where payments taken back left less than the minimum: then nothing is released at all (OFF-11).
    _way("submitted", "lapse", "lapsed", WORKER),
    _way("challengeable", "lapse", "lapsed", WORKER),
    _way("suspended", "lapse", "lapsed", WORKER),
    _way("disputed", "lapse", "lapsed", WORKER),
    _way("appealable", "lapse", "lapsed", WORKER),
    _way("approved", "lapse", "lapsed", WORKER),
)

COMMITMENT_TRANSITIONS: tuple[Transition, ...] = (
    _way("awaiting_payment", "payment_pending", "clearing", WORKER),
    _way("awaiting_payment", "payment_cleared", "held", WORKER),
    _way("awaiting_payment", "payment_failed", "payment_failed", WORKER),
    # A part arrived: it waits for the rest, until the time to pay is over (COM-5).
    _way("awaiting_payment", "part_paid", "underpaid", WORKER),
    _way("clearing", "part_paid", "underpaid", WORKER),
    _way("payment_failed", "part_paid", "underpaid", WORKER),
    _way("underpaid", "payment_cleared", "held", WORKER),
    _way("underpaid", "payment_failed", "payment_failed", WORKER),
    _way("underpaid", "cancel", "cancelled", INVESTOR),
    _way("underpaid", "expire", "expired", CLOCK, WORKER),
    _way("awaiting_payment", "cancel", "cancelled", INVESTOR),
    _way("awaiting_payment", "expire", "expired", CLOCK, WORKER),
    _way("clearing", "payment_cleared", "held", WORKER),
    _way("clearing", "payment_failed", "payment_failed", WORKER, CLOCK),
    _way("clearing", "cancel", "cancelled", INVESTOR),
    _way("clearing", "expire", "expired", CLOCK, WORKER),
    _way("payment_failed", "payment_pending", "clearing", WORKER),
    _way("payment_failed", "payment_cleared", "held", WORKER),
    _way("payment_failed", "cancel", "cancelled", INVESTOR),
    _way("payment_failed", "expire", "expired", CLOCK, WORKER),
    _way("held", "cancel", "refunding", INVESTOR),
    _way("held", "lapse", "refunding", WORKER),
    _way("held", "allot", "allotted", WORKER),
    _way("held", "reverse", "reversed", WORKER),
    _way("allotted", "fulfil", "fulfilled", WORKER),
    _way("allotted", "lapse", "refunding", WORKER),
    _way("allotted", "reverse", "reversed", WORKER),
    _way("refunding", "refunded", "refunded", WORKER),
    _way("refunding", "rest_refunded", "part_fulfilled", WORKER),
    _way("refunding", "undeliverable", "unclaimed", WORKER),
    _way("unclaimed", "claim", "refunding", INVESTOR, OPERATOR),
)

# A place on the waiting list (OFF-5). Whoever lets an offer pass, or refuses it, goes to the bottom of the list.
WAITING_ENTRY_TRANSITIONS: tuple[Transition, ...] = (
    _way("waitlisted", "offer", "offered", WORKER),
    _way("waitlisted", "leave", "left", INVESTOR),
    _way("waitlisted", "lapse", "lapsed", CLOCK),
    _way("offered", "accept", "accepted", INVESTOR),
    _way("offered", "refuse", "waitlisted", INVESTOR),
    _way("offered", "offer_over", "waitlisted", CLOCK),
    _way("offered", "leave", "left", INVESTOR),
    _way("offered", "lapse", "lapsed", CLOCK),
)

TRANSITIONS: Mapping[str, tuple[Transition, ...]] = MappingProxyType(
    {
        "offering": OFFERING_TRANSITIONS,
        "milestone": MILESTONE_TRANSITIONS,
        "commitment": COMMITMENT_TRANSITIONS,
        "waiting_entry": WAITING_ENTRY_TRANSITIONS,
    }
)

OFFERING_TERMINAL = frozenset({"completed", "failed", "withdrawn", "wound_down"})
MILESTONE_TERMINAL = frozenset({"released", "failed", "lapsed"})
COMMITMENT_TERMINAL = frozenset(
    {"expired", "cancelled", "reversed", "refunded", "part_fulfilled", "fulfilled"}
)
TERMINAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "offering": OFFERING_TERMINAL,
        "milestone": MILESTONE_TERMINAL,
        "commitment": COMMITMENT_TERMINAL,
        "waiting_entry": frozenset({"accepted", "left", "lapsed"}),
    }
)


def next_state(table: tuple[Transition, ...], state: str, event: str, who: str) -> str:
    """Say which state an event leads to. Raises TransitionError; anything not in the table is refused."""
    for way in table:
        if way.from_state == state and way.event == event:
            if who not in way.who:
                allowed = " or ".join(sorted(way.who))
                raise TransitionError(
                    "transition_forbidden",
                    f"Only {allowed} may do this (“{event}” while “{state}”), not {who}.",
                )
            return way.to_state
    if any(way.event == event and way.to_state == state for way in table):
        raise TransitionError("transition_already", f"This has already happened: it is “{state}” now.")
    raise TransitionError("transition_refused", f"“{event}” cannot happen while the state is “{state}”.")


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
    Waiting("milestone", "appealable", "founder", "appeal to a panel", "5bd",
            "it fails and its money goes back to the investors", _HALT, "investors", MAY),
    Waiting("challenge", "open", "holders", "join it or leave it", "challenge_window",
            "it counts if enough stand behind it; otherwise it falls and the verdict stands", _HALT, "nobody", MAY),
    Waiting("appeal", "open", "founder", "appeal the verdict to a panel, or submit again", "5bd",
            "the verdict stands and the milestone is open", _HALT, None, MAY),
    Waiting("dispute", "panel", "panel", "sign its findings", "15bd",
            "those who were silent are replaced once, then the investors decide", _HALT, "nobody"),
    Waiting("dispute", "vote", "investors", "decide whether the criteria are met", "10bd",
            "without a quorum it opens again, nothing used up", _HALT, "nobody"),
    Waiting("milestone", "approved", "worker", "release the tranche", "5bd",
            "it waits for what the page names; a second operator is asked", _HALT, "nobody"),
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
    Waiting("poll", "open", "investors", "answer", "10bd",
            "whoever was asked to stay and said nothing is refunded; a vote without a quorum is a no", _HALT,
            "investors"),
    Waiting("vote", "open", "investors", "vote", "10bd",
            "without a quarter of the money, or with a tie, what is unreleased goes back", (), "investors"),
    Waiting("stay", "open", "investor", "say whether you stay", "10bd",
            "all of it in escrow is refunded", _HALT, "investors"),
    Waiting("report", "due", "founder", "report to the investors", "report_due",
            "it counts as missed; two missed in a row start ninety days to failure", _HALT),
    Waiting("report_countdown", "running", "founder", "report to the investors", "90d",
            "the plan is wound down and what is unreleased goes back", _HALT, "investors"),
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

_WAITING_BY_STATE: Mapping[tuple[str, str], Waiting] = MappingProxyType(
    {(w.subject, w.state): w for w in WAITING}
)


def states_of(subject: str) -> tuple[str, ...]:
    """List every state of an offering, milestone or commitment, in the order of its table."""
    seen: dict[str, None] = {}
    for way in TRANSITIONS[subject]:
        seen[way.from_state] = None
        seen[way.to_state] = None
    return tuple(seen)


def is_terminal(subject: str, state: str) -> bool:
    """Say whether nothing more can happen in this state."""
    return state in TERMINAL[subject]


def waiting_for(subject: str, state: str) -> Waiting | None:
    """Look up what a state waits for; None when it is terminal. Raises LookupError for a state that does not exist."""
    row = _WAITING_BY_STATE.get((subject, state))
    if row is None and state not in TERMINAL.get(subject, frozenset()):
        raise LookupError(f"no state “{state}” of {subject}")
    return row
