"""Store the decisions that rules made, as they were made. Reading them is ``queries``."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.regimes.models import RegimeDecision
from app.regimes.rules.decision import Decision, digest


def record(
    session: Session, decisions: Iterable[tuple[str, Decision]], *, moment: str, now: dt.datetime
) -> int:
    """Store decisions, each about a commitment or an offering by its public id, and return how many.

    ``moment`` says when they were asked: ``commitment``, ``close`` or ``approval``. One statement for all.
    """
    rows = [_row(subject_id, decision, moment, now) for subject_id, decision in decisions]
    if rows:
        session.execute(sa.insert(RegimeDecision), rows)
    return len(rows)


def facts_of(
    session: Session, subject_ids: sa.Select[tuple[str]], *, rule_id: str, moment: str
) -> Mapping[str, Mapping[str, object]]:
    """Return the facts of the newest answer of a rule at a moment, by subject, in one query."""
    rows = session.execute(
        sa.select(RegimeDecision.subject_id, RegimeDecision.facts)
        .where(
            RegimeDecision.subject_id.in_(subject_ids), RegimeDecision.rule_id == rule_id,
            RegimeDecision.moment == moment,
        )
        .order_by(RegimeDecision.id)
    )
    return {row.subject_id: json.loads(row.facts) for row in rows}


def _row(subject_id: str, decision: Decision, moment: str, now: dt.datetime) -> dict[str, object]:
    row = {"subject_id": subject_id, "moment": moment, **decision.as_row(), "decided_at": now}
    return row | {"sha256": hash_of(row)}


def hash_of(row: Mapping[str, object]) -> str:
    """Return the SHA-256 of a stored decision: everything but its id and the hash itself."""
    told = {name: value for name, value in row.items() if name not in ("id", "sha256")}
    at = told["decided_at"]
    assert isinstance(at, dt.datetime)
    return digest(told | {"decided_at": at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")})
