"""Figures of commitments and payments (COM-4, COM-6), and the status people see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PAY_WITHIN_HOURS = 24
PAY_BY_BANK_BUSINESS_DAYS = 5
RETRY_FAILED_DAYS = 7
#: How long an operator has to decide about a contested link (COM-11); then it stands.
CONTEST_BUSINESS_DAYS = 3
#: How long the company has to sign who funded its commitments; nothing is released before (COM-11).
FUNDING_STATEMENT_BUSINESS_DAYS = 10
#: A plan whose statement nobody signs is wound down after so many days.
FUNDING_GIVEN_UP_DAYS = 180
#: How long a place is kept that must be paid at once, and again after its payment failed (COM-13).
AT_ONCE_MINUTES = 15
#: Why a refund is owed for what was cut off a paid order (OFF-7).
OVERSUBSCRIBED = "oversubscribed"

#: what two parties can have in common → words for the investor (COM-11)
LINK_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "card": "the same card was used to pay",
        "account": "the same bank account was used to pay",
        "payer_name": "the same name paid",
        "device": "the same device was used",
        "address": "the same address was given",
        "family": "you declared each other as family",
        "team": "you act for the company",
    }
)
#: A link that follows from who acts for the company, not from something kept of both sides.
TEAM = "team"

#: Why money went back that never was part of the commitment: it says nothing of the commitment's own state.
ASIDE = frozenset({"late_payment", "overpaid", "scaled_down", "other_name", "repriced"})


def account_form(text: str) -> str:
    """Return an account or card as it is compared: letters and digits only, in capitals."""
    return "".join(each for each in text.upper() if each.isalnum())


@dataclass(frozen=True, slots=True)
class Position:
    """Where one commitment's money and tokens are: the last row of its statement, or zeros.

    Minor units and whole tokens. Everything ever paid = unreleased + released + what went back.
    """

    unreleased_minor: int = 0
    released_minor: int = 0
    issued_tokens: int = 0
    entitled_tokens: int = 0
    #: The part of what is unreleased that belongs to released tranches and waits until it has seasoned (COM-10).
    carried_minor: int = 0

    @property
    def weight_minor(self) -> int:
        """What counts when an amount that leaves escrow is divided (REL-2)."""
        return self.unreleased_minor - self.carried_minor


def pay_by(now: dt.datetime, deadline_at: dt.datetime, *, at_once: bool = False) -> dt.datetime:
    """Return when an unpaid commitment expires: 24 hours, or the deadline if sooner (COM-4).

    ``at_once``: the payment must be started within 15 minutes (COM-13).
    """
    kept = dt.timedelta(minutes=AT_ONCE_MINUTES) if at_once else dt.timedelta(hours=PAY_WITHIN_HOURS)
    return min(now + kept, deadline_at)


def retry_by(now: dt.datetime, deadline_at: dt.datetime, *, at_once: bool = False) -> dt.datetime:
    """Return how long a place is kept after a failed payment: 7 days (15 minutes), or the deadline if sooner."""
    kept = dt.timedelta(minutes=AT_ONCE_MINUTES) if at_once else dt.timedelta(days=RETRY_FAILED_DAYS)
    return min(now + kept, deadline_at)


def offer_until(now: dt.datetime, deadline_at: dt.datetime, hours: int) -> dt.datetime:
    """Return until when an offered place is kept: so many hours, never beyond the deadline (OFF-5)."""
    return min(now + dt.timedelta(hours=hours), deadline_at)


def display_status(
    status: str, offering_state: str, position: Position, *, refund_statuses: frozenset[str], is_disputed: bool = False
) -> str:
    """Return the status people see, from the commitment's facts, the offering's state and the statement.

    One of the states of ``milestones.states.COMMITMENT_TRANSITIONS``.
    """
    if "unclaimed" in refund_statuses:
        return "unclaimed"
    if is_disputed:
        return "disputed"
    refunding = bool(refund_statuses - {"done"})
    if status == "held":
        return _held_status(offering_state, position, refunding=refunding, refunded=bool(refund_statuses))
    if status in ("cancelled", "expired", "lapsed", "reversed") and refund_statuses:
        return "refunding" if refunding else "refunded"
    return "expired" if status == "lapsed" else status


def _held_status(offering_state: str, position: Position, *, refunding: bool, refunded: bool) -> str:
    if offering_state in ("live", "clearing"):
        return "held"
    if refunding or (offering_state in ("failing", "withdrawing") and position.unreleased_minor):
        return "refunding"
    if position.unreleased_minor:
        return "allotted"
    if refunded:
        return "part_fulfilled" if position.issued_tokens else "refunded"
    # Its payments were taken back, and our own deadline has passed (WND-4).
    return "fulfilled" if position.released_minor else "reversed"
