"""Every state, every way from one to the next and who may cause it, and what each waiting state waits for.

One table of transitions per kind of thing and one table of waiting (TIM-5): services, jobs, pages and the self-check
read these and hold no list of their own. Deciding when an event happened is the services' and `plan`'s work.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from milestones.waiting import BY_CLOCK, MAY, MUST, WAITING, Waiting

__all__ = ["BY_CLOCK", "MAY", "MUST", "WAITING", "Waiting"]

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


#: Where a milestone waits for its founder: nothing of it met yet, a part met, all met and a part retained.
FOUNDERS_STATES = ("open", "partly_released", "retained")


def _back(from_state: str, event: str, *who: str) -> tuple[Transition, ...]:
    """Write the ways back to where the milestone waited for its founder; the event says to which."""
    return tuple(_way(from_state, back_event(event, to_state), to_state, *who) for to_state in FOUNDERS_STATES)


def back_event(event: str, to_state: str) -> str:
    """Name the event that leads back to one of FOUNDERS_STATES: by itself to `open`, else with the state's name."""
    return event if to_state == "open" else f"{event}_{to_state}"


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
_REVIEWED = ("submitted", "challengeable", "suspended", "disputed", "appealable", "approved")
MILESTONE_TRANSITIONS: tuple[Transition, ...] = (
    _way("locked", "open", "open", WORKER),
    _way("locked", "reach_active", "approved", WORKER),
    _way("locked", "lapse", "lapsed", WORKER),
    _way("open", "submit", "submitted", FOUNDER),
    _way("open", "long_stop", "failed", CLOCK),
    _way("open", "lapse", "lapsed", WORKER),
    # Met in part: the rest keeps its long-stop (MIL-11).
    _way("partly_released", "submit", "submitted", FOUNDER),
    _way("partly_released", "long_stop", "failed", CLOCK),
    _way("partly_released", "lapse", "lapsed", WORKER),
    # Met, and a part is retained until its event is attested; silence sends that part back (MIL-11).
    _way("retained", "submit", "submitted", FOUNDER),
    _way("submitted", "met", "challengeable", AUDITOR, WORKER),
    *_back("submitted", "not_met", AUDITOR, WORKER),
    # No try is left, but the founder may still appeal: until then it has not failed (MIL-10).
    _way("submitted", "not_met_final", "appealable", AUDITOR, WORKER),
    # Silent auditors cost the founder nothing, and never keep money in escrow for ever (MIL-9).
    *_back("submitted", "review_abandoned", CLOCK),
    # An attestation was taken back before its release: the findings that stand are judged again (MIL-15).
    *(_way(from_state, "judge_again", "submitted", AUDITOR) for from_state in ("challengeable", "approved")),
    _way("challengeable", "window_over", "approved", CLOCK),
    _way("challengeable", "suspend", "suspended", OPERATOR),
    _way("suspended", "resume", "challengeable", OPERATOR),
    *_back("suspended", "suspension_over", CLOCK),
    # A challenge that counts at the window's end, auditors who contradict each other, or the founder's appeal.
    _way("challengeable", "dispute", "disputed", CLOCK, AUDITOR, WORKER),
    _way("approved", "dispute", "disputed", AUDITOR, WORKER),
    *(_way(from_state, "appeal", "disputed", FOUNDER) for from_state in (*FOUNDERS_STATES, "appealable")),
    _way("appealable", "appeal_over", "failed", CLOCK),
    # Where the contract says so the investors decide, once, what a failure means (MIL-2).
    *(
        _way(from_state, "ask", "deciding", CLOCK, AUDITOR, WORKER)
        for from_state in ("open", "partly_released", "appealable", "disputed")
    ),
    *_back("deciding", "go_on", WORKER),
    _way("deciding", "give_up", "failed", WORKER),
    _way("deciding", "lapse", "lapsed", WORKER),
    _way("disputed", "found_met", "approved", AUDITOR, WORKER),
    *_back("disputed", "found_not_met", AUDITOR, WORKER),
    _way("disputed", "found_not_met_final", "failed", AUDITOR, WORKER),
    *_back("disputed", "undecided", CLOCK),
    _way("approved", "release", "released", WORKER),
    _way("approved", "release_part", "partly_released", WORKER),
    _way("approved", "release_retaining", "retained", WORKER),
    _way("approved", "release_reporting", "report_due", WORKER),
    _way("report_due", "report", "released", FOUNDER, WORKER),
    # A retained or reporting part goes back and the milestone stays released: met is met.
    *(
        _way(from_state, "part_over", "released", CLOCK, WORKER, AUDITOR)
        for from_state in ("retained", "report_due", *_REVIEWED)
    ),
    *(
        _way(from_state, "retention_over", "report_due", CLOCK, WORKER, AUDITOR)
        for from_state in ("retained", *_REVIEWED)
    ),
    # Only where payments taken back left less than the minimum: then nothing is released at all (OFF-11).
    *(_way(from_state, "lapse", "lapsed", WORKER) for from_state in _REVIEWED),
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
    _way("allotted", "dispute", "disputed", WORKER),
    _way("disputed", "win", "allotted", WORKER),
    _way("disputed", "reverse", "reversed", WORKER),
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
