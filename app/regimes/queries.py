"""Read stored decisions, with words for people."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.regimes import records
from app.regimes.models import RegimeDecision

#: rule → what it asked, for a person
QUESTIONS: Mapping[str, str] = MappingProxyType({
    "investor_category": "May somebody of this category invest under these rules?",
    "investor_check": "Does the amount fit under the yearly limit over all companies?",
    "art_21_7_guard": "Is the amount above the threshold that needs a warning first?",
    "rule_506c_minimum_investment": "Is the status as an accredited investor verified?",
    "high_net_worth": "Do the declared figures fit the category?",
    "issuer_cap": "Does the maximum fit under what the company may raise within a year?",
    "offer_threshold": "Does the maximum fit under what the company may raise within a year?",
    "poatr_route": "Does the maximum fit under what the company may raise within a year?",
    "holding_after_close": "May the money be held this way after the close?",
    "hold_limit": "May the rail hold the money until the plan's last date?",
})


#: fact → its name for a person; facts that are not here are shown under their own name
FACTS: Mapping[str, str] = MappingProxyType({
    "limit_minor": "Yearly limit", "prior_12m_minor": "Committed within a year before",
    "remaining_before_minor": "Left before this", "amount_minor": "This amount", "limb": "Part of the formula",
    "declaration": "Declaration it relied on", "day": "Day that decides", "category": "Declared category",
    "admitted": "Categories admitted", "holding": "Held after the close", "custodian": "Kind of custodian",
    "needed_until": "Needed until, with every delay", "held_until": "May be held until",
    "aggregate_minor": "With this offering", "headroom_before_minor": "Left before this offering",
    "cap_minor": "Cap within a year", "raised_before_minor": "Raised or offered before",
    "maximum_minor": "This offering's maximum", "not_counted_minor": "Under other rules, not counted",
    "threshold_minor": "Threshold", "guard_required": "Warning needed first", "least_minor": "Least amount",
    "total_minor": "With this offering", "aggregate_for_5m_test_minor": "With this offering",
})
#: reason → words for a person
REASONS: Mapping[str, str] = MappingProxyType({
    "over_investor_limit": "it is above what is left of the yearly limit",
    "declared_in_other_currency": "it was declared in another currency",
    "declaration_missing": "nothing was declared", "category_not_admitted": "the category is not admitted",
    "below_minimum_investment": "it is too little to verify the status",
    "below_high_net_worth": "the declared figures are below the category's",
    "no_figures_for_this_day": "there are no figures for this day",
})


@dataclass(frozen=True, slots=True)
class Shown:
    """One stored decision for a page. ``facts`` are as they were stored; ``_minor`` is money of ``currency``."""

    rule_id: str
    question: str
    regime: str
    arm: str
    source: str
    moment: str
    allowed: bool
    reasons: tuple[str, ...]
    facts: Mapping[str, object]
    currency: str
    sha256: str
    decided_at: dt.datetime

    @property
    def reason_words(self) -> list[str]:
        """Return the reasons as a person reads them, in their order."""
        return [REASONS.get(each, each.replace("_", " ")) for each in self.reasons]

    @property
    def labels(self) -> dict[str, str]:
        """Return the names of the facts as a person reads them, in one order."""
        order = list(FACTS)
        names = sorted(self.facts, key=lambda name: (order.index(name) if name in FACTS else len(order), name))
        return {name: FACTS.get(name, name.removesuffix("_minor").replace("_", " ").capitalize()) for name in names}


def decisions_of(session: Session, subject_id: str) -> Sequence[Shown]:
    """Return the decisions about a commitment or an offering, in the order in which they were made."""
    rows = session.scalars(
        sa.select(RegimeDecision).where(RegimeDecision.subject_id == subject_id).order_by(RegimeDecision.id)
    )
    return [_shown(row) for row in rows]


def latest(session: Session, *, subject_id: str | None, limit: int) -> Sequence[tuple[str, Shown]]:
    """Return the newest decisions with what they are about, of one commitment or offering or of all."""
    query = sa.select(RegimeDecision).order_by(RegimeDecision.id.desc()).limit(limit)
    if subject_id:
        query = query.where(RegimeDecision.subject_id == subject_id)
    return [(row.subject_id, _shown(row)) for row in session.scalars(query)]


def _shown(row: RegimeDecision) -> Shown:
    known = records.records().get(row.regime)
    return Shown(
        rule_id=row.rule_id, question=QUESTIONS.get(row.rule_id, row.rule_id),
        regime=known.name if known else row.regime, arm=row.arm, source=row.source, moment=row.moment,
        allowed=row.allowed, reasons=tuple(json.loads(row.reasons)), facts=json.loads(row.facts),
        currency=known.arms[-1].currency if known else "XXX/2", sha256=row.sha256, decided_at=row.decided_at,
    )
