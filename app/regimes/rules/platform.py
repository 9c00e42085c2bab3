"""Questions that every regime answers by its own figures: who is admitted, and how the money may be held (OFF-14)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from app.regimes.records import Arm
from app.regimes.rules.decision import Decision, Ruling
from app.regimes.rules.exact import reasons
from app.regimes.rules.registry import apply

#: Categories that count as accredited where a regime speaks of it.
ACCREDITED = "accredited"


def investor_category(arm: Arm, *, category: str | None) -> Ruling:
    """Say whether a regime admits an investor of this declared category; an undeclared one only where none is asked."""
    admitted = arm.names("investor", "categories")
    asks = arm.policy != ("all",)
    return Ruling(
        {"category": category, "admitted": admitted},
        reasons([
            (asks and category is None, "declaration_missing"),
            (category is not None and category not in admitted, "category_not_admitted"),
        ]),
    )


def holding_after_close(arm: Arm, *, holding: str, custodian: str) -> Ruling:
    """Say whether the money may lie with this kind of custodian, and be held this way after the close (OFF-14)."""
    return Ruling(
        {"holding": holding, "custodian": custodian},
        reasons([
            (custodian not in arm.names("holding", "custodians"), "not_a_qualified_third_party"),
            (holding not in arm.names("holding", "after_close"), "holding_not_allowed"),
        ]),
    )


def hold_limit(
    _arm: Arm, *, long_stop_at: dt.datetime, tolling_days: int, refund_days: int, held_from: dt.datetime,
    max_hold_days: int | None,
) -> Ruling:
    """Say whether the rail may hold the money until the last refund can have left (OFF-14).

    The contract's last long-stop, everything that may toll it, and thirty days. A rail without a limit passes.
    """
    last = long_stop_at + dt.timedelta(days=tolling_days + refund_days)
    until = None if max_hold_days is None else held_from + dt.timedelta(days=max_hold_days)
    return Ruling(
        {"needed_until": last, "held_until": until},
        reasons([(until is not None and last > until, "beyond_hold_limit")]),
    )


def ask(function: Callable[..., Ruling], arm: Arm, **inputs: object) -> Decision:
    """Return one of these questions' answer by one arm, named after its function."""
    return apply(function.__name__, function, arm, **inputs)
