"""The figures of one regime on one day, typed: what product.md prints in italics and a regime may set.

Callers ask ``of(regime, day)`` with the day that decides: the launch for the offering's clocks and caps, the day of the
commitment for an investor's limit. Rules that judge are in ``rules``; reading the files is ``records``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from app.regimes import records
from app.regimes.records import Arm, NoFigures


@dataclass(frozen=True, slots=True)
class LimitFormula:
    """How much one person may put in within the window, by what they declared. Minor units, basis points."""

    combine: str
    cut_minor: int
    floor_minor: int
    cap_minor: int
    low_rate_bp: int
    high_rate_bp: int
    accredited_exempt: bool
    cap_applies_to_limb_i: bool
    window_months: int
    currency: str


@dataclass(frozen=True, slots=True)
class RegimeSettings:
    """One arm's figures. Days are calendar days, ``_bd`` business days of the offering's calendar, ``_minor`` money."""

    regime: str
    name: str
    words: str
    version: str
    effective_from: dt.date
    source: str
    currency: str
    #: OFF-2, OFF-6, COM-6, OFF-8, OFF-9, the clearing window, OFF-5.
    min_open_days: int
    cancel_hours: int
    early_close_min_days: int
    early_close_notice_bd: int
    reconfirm_bd: int
    refund_bd: int
    clearing_bd: int
    waiting_offer_hours: int
    #: ECSPR's days to revoke and the UK's hours before the first offer is shown; 0 where there is none.
    reflection_days: int
    cooling_off_hours: int
    #: Which categories may invest, and how long what they declared or proved stays good (PPL-3).
    categories: tuple[str, ...]
    declaration_months: int
    verification_months: int
    understanding_tries: int
    understanding_wait_hours: int
    #: Who may hold the money until the close, and how it may be held after it (OFF-14).
    custody_kinds: tuple[str, ...]
    holding_kinds: tuple[str, ...]
    #: What the issuer may raise in the window; None without a cap.
    issuer_cap_minor: int | None
    issuer_window_months: int
    #: None where no amount is limited.
    investor_limit: LimitFormula | None


@lru_cache(maxsize=512)
def of(regime: str, day: dt.date) -> RegimeSettings:
    """Return the regime's figures in force on ``day``. Raises ``NoFigures`` before the first arm (fail closed)."""
    found = records.record(regime)
    arm = found.arm_on(day)
    if not found.offerable:
        raise NoFigures(f"{found.name} is not offered here.", facts={"regime": regime})
    raising, investor = arm.groups["raising"], arm.groups["investor"]
    return RegimeSettings(
        regime=regime, name=found.name, words=found.words, version=arm.version, effective_from=arm.effective_from,
        source=arm.source, currency=arm.currency,
        **{name: arm.whole("raising", name) for name in raising},
        **{name: arm.whole("investor", name) for name in investor if name != "categories"},
        categories=arm.names("investor", "categories"),
        custody_kinds=arm.names("holding", "custodians"),
        holding_kinds=arm.names("holding", "after_close"),
        issuer_cap_minor=arm.minor("issuer", "cap") if arm.has("issuer") else None,
        issuer_window_months=arm.whole("issuer", "window_months") if arm.has("issuer") else 12,
        investor_limit=limit_formula(arm),
    )


def limit_formula(arm: Arm) -> LimitFormula | None:
    """Return the arm's investor limit, None where it has none."""
    if not arm.has("investor_limit"):
        return None
    return LimitFormula(
        combine=str(arm.raw("investor_limit", "combine")),
        **{f"{name}_minor": arm.minor("investor_limit", name) for name in ("cut", "floor", "cap")},
        **{name: arm.whole("investor_limit", name) for name in ("low_rate_bp", "high_rate_bp", "window_months")},
        accredited_exempt=arm.raw("investor_limit", "accredited_exempt") is True,
        cap_applies_to_limb_i=arm.raw("investor_limit", "cap_applies_to_limb_i") is True,
        currency=arm.currency,
    )


def offerable() -> dict[str, str]:
    """Return the regimes an offering may choose: code → name for people, the open one first."""
    codes = sorted(records.records(), key=lambda code: (code != "private", code))
    return {code: records.records()[code].name for code in codes if records.records()[code].offerable}
