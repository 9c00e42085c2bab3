"""Figures of commitments and payments (COM-4, COM-6), and the status people see."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

PAY_WITHIN_HOURS = 24
RETRY_FAILED_DAYS = 7

#: What an investor confirms, one statement each.
RISK_STATEMENTS = (
    "I could lose all of this money.",
    "I may not be able to sell these tokens when I want to.",
    "My share may be diluted by later offerings.",
    "Money leaves escrow as independent auditors attest milestones, and what is unreleased goes back to me if the "
    "plan fails.",
)
RISK_WORDING = " ".join(RISK_STATEMENTS)
#: The hash of the wording is stored with the commitment.
WORDING_HASH = hashlib.sha256(RISK_WORDING.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Position:
    """Where one commitment's money and tokens are: the last row of its statement, or zeros.

    Minor units and whole tokens. Everything ever paid = unreleased + released + what went back.
    """

    unreleased_minor: int = 0
    released_minor: int = 0
    issued_tokens: int = 0
    entitled_tokens: int = 0


def pay_by(now: dt.datetime, deadline_at: dt.datetime) -> dt.datetime:
    """Return when an unpaid commitment expires: 24 hours, or the deadline if sooner (COM-4)."""
    return min(now + dt.timedelta(hours=PAY_WITHIN_HOURS), deadline_at)


def retry_by(now: dt.datetime, deadline_at: dt.datetime) -> dt.datetime:
    """Return how long a place is kept after a failed payment: 7 days, or the deadline if sooner."""
    return min(now + dt.timedelta(days=RETRY_FAILED_DAYS), deadline_at)


def display_status(status: str, offering_state: str, position: Position, *, refund_statuses: frozenset[str]) -> str:
    """Return the status people see, from the commitment's facts, the offering's state and the statement.

    One of the states of ``milestones.states.COMMITMENT_TRANSITIONS``.
    """
    if "unclaimed" in refund_statuses:
        return "unclaimed"
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
    return "fulfilled"
