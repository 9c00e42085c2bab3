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


def decisions_of(session: Session, subject_id: str) -> Sequence[Shown]:
    """Return the decisions about a commitment or an offering, in the order in which they were made."""
    rows = session.scalars(
        sa.select(RegimeDecision).where(RegimeDecision.subject_id == subject_id).order_by(RegimeDecision.id)
    )
    return [_shown(row) for row in rows]


def _shown(row: RegimeDecision) -> Shown:
    known = records.records().get(row.regime)
    return Shown(
        rule_id=row.rule_id, question=QUESTIONS.get(row.rule_id, row.rule_id),
        regime=known.name if known else row.regime, arm=row.arm, source=row.source, moment=row.moment,
        allowed=row.allowed, reasons=tuple(json.loads(row.reasons)), facts=json.loads(row.facts),
        currency=known.arms[-1].currency if known else "XXX/2", sha256=row.sha256, decided_at=row.decided_at,
    )
