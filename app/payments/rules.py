"""The tables of payments: methods of the sandbox, states of an operation, and how long things take.

Pure. What an operation does to the books is in ``charges``, ``refunds`` and ``payouts``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: Rails by name, with the number that their polling job knows them by. Numbers are never given again.
RAIL_NUMBERS: Mapping[str, int] = MappingProxyType({"sandbox": 1})

# -- operations -------------------------------------------------------------------------------------

#: States in which the outcome is open; nothing that depends on the operation may be decided.
UNDECIDED = ("created", "sending", "unknown", "pending", "action_required", "needs_operator")
DECIDED = frozenset({"succeeded", "failed", "cancelled"})
#: States from which the worker sends or asks.
SENDABLE = ("created", "sending", "unknown")
#: States in which the rail has it and will tell by an event what came of it.
UNDER_WAY = ("pending", "action_required")

#: Why a payment that its bank took back waits for an operator: until then releases stop and nothing goes back.
RETURN_TROUBLES = ("float_short", "tokens_gone", "contradicted")

#: What two operators may decide of an operation that waits for a person.
STANDS_AS_IS = "stands_as_is"

# -- payments taken back (WND-4) ----------------------------------------------------------------------

#: How long after its rail's own window an open dispute counts as lost; a win restores it even then.
AFTER_WINDOW = dt.timedelta(days=30)
#: How long the company has to pay what was taken back of released money; then the operators are told.
CLAIM_DUE_AFTER = dt.timedelta(days=30)
WON, WITHDRAWN, LOST, SILENCE = "won", "withdrawn", "lost", "silence"
#: how a dispute ended → words, also for the log
OUTCOME_WORDS: Mapping[str, str] = MappingProxyType(
    {
        WON: "The rail decided for the payment.",
        WITHDRAWN: "The payer took the dispute back.",
        LOST: "The rail decided for the payer.",
        SILENCE: "The rail did not decide in time, so it counts as lost.",
    }
)
#: state of a dispute → states that may follow. What was lost by our own deadline may be confirmed, or won after all.
DISPUTE_FOLLOWS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"open": frozenset({"won", "lost"}), "lost": frozenset({"won", "lost"}), "won": frozenset()}
)

#: Kinds of operation that bring money in: a charge, and what a payer sent under its reference.
BRINGS_MONEY = ("collect", "credit")

#: Why a refund or payout waits that failed, of which the rail says later that it was done.
CONTRADICTED = "contradicted"

_ANSWERS = frozenset({"pending", "action_required", "succeeded", "failed", "cancelled", "needs_operator"})

#: state → states that may follow (payments.md §2). Decided states never go back; only money that comes
#: off a payment again, or a rail that contradicts itself, hands a decided operation to a person.
FOLLOWS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "created": _ANSWERS | {"sending"},
        "sending": _ANSWERS | {"unknown"},
        "unknown": _ANSWERS | {"sending"},
        "pending": frozenset({"succeeded", "failed", "cancelled", "needs_operator"}),
        "action_required": frozenset({"pending", "succeeded", "failed", "cancelled", "needs_operator"}),
        "needs_operator": _ANSWERS | {"unknown"},
        "succeeded": frozenset({"needs_operator"}),
        "failed": frozenset({"needs_operator"}),
        "cancelled": frozenset({"needs_operator"}),
    }
)


def may_become(state: str, following: str) -> bool:
    """Say whether an operation may go from one state to the other."""
    return following in FOLLOWS[state]


#: How long a claimed operation belongs to one worker, longer than any time-out of a rail (system time).
LEASE = dt.timedelta(seconds=60)
#: After this the provider may have forgotten a key: ask before sending the same bytes again (system time).
KEY_LIFETIME = dt.timedelta(hours=24)
#: An operation unknown for so long goes to an operator; its money stays reserved (system time, as a rail's own).
UNKNOWN_AT_MOST = dt.timedelta(hours=24)
#: Even then the rail is asked so often whether it knows more, so that work resumes by itself (system time).
ASK_UNKNOWN_EVERY = dt.timedelta(hours=1)
UNKNOWN_TOO_LONG = "unknown_too_long"
#: The pause before a refund is tried again, per failure (business time).
REFUND_RETRY_AFTER = dt.timedelta(days=1)
#: A refund that failed so often becomes unclaimed (states.md: refunding).
REFUND_FAILURES_AT_MOST = 2
#: When an operator must have looked for the owner of unclaimed money.
UNCLAIMED_REVIEW_AFTER = dt.timedelta(days=365)
#: The pause before a failed payout is tried again (business time).
PAYOUT_RETRY_AFTER = dt.timedelta(days=1)
#: A payout that waits for something without a date asks again after this.
PAYOUT_ASK_AGAIN_AFTER = dt.timedelta(hours=1)
#: How long an operator, and then the founder, have while a payout waits for them (states.md).
PAYOUT_OPERATOR_BUSINESS_DAYS, PAYOUT_FOUNDER_AFTER = 2, dt.timedelta(days=90)
ON_OPERATOR, ON_FOUNDER, ON_CLOCK = "operator", "founder", "clock"
PAYEE_CHANGED = "payee_changed"
#: A payee must be unchanged for this long before money goes there (MIL-12).
PAYEE_UNCHANGED_FOR = dt.timedelta(days=7)
#: The most that is put behind the float in one step: far more than any fee, far less than a counter holds.
FLOAT_STEP_AT_MOST_MINOR = 1_000_000_000_000
#: Business time between two polls of a rail, and the events read again each time, in case a rail does not
#: show them strictly in the order of their ids.
POLL_EVERY = dt.timedelta(seconds=5)
POLL_OVERLAP = 50
#: What no event told of is asked after this, once its method's usual time is over (business time).
LOOK_AGAIN_AFTER = dt.timedelta(hours=1)


# -- how long a payment can be taken back (COM-10) ----------------------------------------------------

WIRE, CARD, ACH, SEPA_DEBIT = "wire", "card", "ach", "sepa_debit"
#: what stands behind a method → days after it cleared until it has seasoned
SEASONING_DAYS: Mapping[str, int] = MappingProxyType({WIRE: 0, CARD: 120, ACH: 60, SEPA_DEBIT: 56})


def seasons_at(method: str, cleared_at: dt.datetime) -> dt.datetime:
    """Return when a payment can no longer be taken back: when it cleared, or a midnight (UTC) after its days.

    What seasons on one day moves together.
    """
    days = SEASONING_DAYS[METHODS[method].source] if method in METHODS else max(SEASONING_DAYS.values())
    if not days:
        return cleared_at
    day = (cleared_at.astimezone(dt.UTC) + dt.timedelta(days=days + 1)).date()
    return dt.datetime.combine(day, dt.time(0), dt.UTC)


# -- money that is no held commitment's (COM-4, COM-5, COM-12) ----------------------------------------

#: why money goes back although it arrived → words, also for the log
RETURN_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "late_payment": "It arrived when the commitment took no money any more.",
        "overpaid": "It is more than the commitment.",
        "scaled_down": "It is less than one more token.",
        "below_ticket": "What arrived in time is below the smallest commitment.",
        "other_name": "It came from an account in another name.",
        "commitment_ended": "The commitment ended before all of it arrived.",
    }
)
#: How long an operator has to say whose account a payment came from; then it goes back (COM-12).
DOUBT_BUSINESS_DAYS = 3


# -- the sandbox's methods --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Method:
    """How a pretend payment behaves; ``words`` and ``hint`` are what the payer reads.

    ``first`` is the state at once, ``then`` the state after ``after`` (business time). ``source`` says what stands
    behind it, and so how long it can be taken back (COM-10). The provider
    keeps ``fee_permille`` of the amount and ``fee_fixed_minor``. ``refund_then`` is what becomes of
    a refund to this method later, ``dispute_then`` of a dispute after it was opened (None: its rail never decides).
    """

    code: str
    words: str
    hint: str
    first: str
    then: str | None = None
    after: dt.timedelta | None = None
    fee_permille: int = 0
    fee_fixed_minor: int = 0
    refund_then: str | None = None
    refund_after: dt.timedelta | None = None
    fault: str | None = None
    source: str = WIRE
    dispute_then: str | None = None
    dispute_after: dt.timedelta | None = None


#: How long the pretend provider takes to decide a dispute, at most.
DISPUTE_WINDOW = dt.timedelta(days=75)
#: The method by which money comes by itself under a reference, and the state in which a provider expects it.
TRANSFER, EXPECTING = "transfer", "expecting"
#: The method for which a pretend card is typed.
TYPED_CARD = "card"


def _days(days: int) -> dt.timedelta:
    return dt.timedelta(days=days)


_METHODS = (
    Method("instant", "Instant transfer", "Clears at once.", "cleared"),
    Method("bank_2d", "Bank debit", "Pending, clears after 2 days.", "pending", "cleared", _days(2)),
    Method("fee_card", "Card with a fee", "Clears at once; the provider keeps 2.9 % and 0.30, which Milestake pays.",
           "cleared", fee_permille=29, fee_fixed_minor=30, source=CARD),
    Method(TRANSFER, "Bank transfer", "You send it from your bank with a reference, within 5 business days.",
           EXPECTING),
    Method(TYPED_CARD, "Card", "You type a pretend card on the next page. It can be taken back for 120 days.", "action",
           source=CARD),
    Method("ach", "ACH debit", "Clears at once, can be taken back for 60 days.", "cleared", source=ACH),
    Method("sepa_debit", "SEPA debit", "Clears at once, can be taken back for 56 days.", "cleared", source=SEPA_DEBIT),
    Method("declined", "Declined card", "The card is declined, nothing is charged.", "failed"),
    Method("fails_late", "Bank debit that fails", "Pending, fails after 3 days.", "pending", "failed", _days(3)),
    Method("returned_5d", "Bank debit that is returned", "Clears at once, the bank takes it back after 5 days.",
           "cleared", "returned", _days(5)),
    Method("disputed_lost", "Card whose payer disputes it and wins",
           "Clears at once, is disputed after 10 days and lost 30 days later.", "cleared", "disputed", _days(10),
           source=CARD, dispute_then="lost", dispute_after=_days(30)),
    Method("disputed_won", "Card whose payer disputes it in vain",
           "Clears at once, is disputed after 10 days and won 30 days later.", "cleared", "disputed", _days(10),
           source=CARD, dispute_then="won", dispute_after=_days(30)),
    Method("disputed_silent", "Card whose dispute nobody decides",
           "Clears at once, is disputed after 10 days; it counts as lost 30 days after the rail’s 75 days.", "cleared",
           "disputed", _days(10), source=CARD),
    Method("action", "Card that asks for confirmation",
           "Waits until you confirm it on the next page. It can be taken back for 120 days.", "action", source=CARD),
    Method("times_out", "Lost answer", "The charge succeeds but the answer is lost; it is found again.",
           "cleared", fault="answer_lost"),
    Method("lost", "Lost request", "The request is lost on its way and is sent anew.", "cleared", fault="request_lost"),
    Method("refund_fails", "Account that closes", "Clears at once; a refund to it comes back after a day.",
           "cleared", refund_then="bounced", refund_after=_days(1)),
)

#: Ways to pay that are cards: every payment by one costs a fee that no cancelling gives back (COM-13).
CARDS = frozenset(
    {"fee_card", "card", "declined", "action", "disputed_lost", "disputed_won", "disputed_silent"}
)
#: Whoever paid by card and cancelled more often than this pays by bank only (COM-13).
CARD_CANCELS_AT_MOST = 2

METHODS: Mapping[str, Method] = MappingProxyType({method.code: method for method in _METHODS})

#: method → how long its outcome usually takes; those left out decide at once or wait for the payer
USUAL_TIMES: Mapping[str, dt.timedelta] = MappingProxyType(
    {method.code: method.after for method in _METHODS if method.first == "pending" and method.after is not None}
)

#: The methods that each rail's payer chooses from.
METHODS_OF_RAIL: Mapping[str, Mapping[str, Method]] = MappingProxyType({"sandbox": METHODS})

PAYEE_PREFIX = "sbx_acct_"
PAYEE_OK = "sbx_acct_ok"
PAYEE_FAILS = "sbx_acct_fails"
#: payee reference → what founders read when they choose one in the sandbox
PAYEES: Mapping[str, str] = MappingProxyType(
    {
        PAYEE_OK: "An account that takes payouts",
        PAYEE_FAILS: "A closed account: payouts to it fail",
    }
)


def provider_fee(method: Method, amount_minor: int) -> int:
    """Return what the provider keeps of a payment in minor units, rounded down, never more than all of it."""
    return min(amount_minor, amount_minor * method.fee_permille // 1000 + method.fee_fixed_minor)
