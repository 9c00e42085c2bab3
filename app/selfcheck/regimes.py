"""Check the decisions of regimes: hashed again, and none missing where something was let through."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.regimes import service
from app.regimes.models import RegimeDecision
from app.selfcheck.problem import Check, Problem, run_checks

CHECKS = (
    Check(
        "decision_missing", "The commitment was accepted, and no decision of its regime says so.",
        """SELECT c.public_id AS place FROM commitment c WHERE NOT EXISTS (SELECT 1 FROM regime_decision d
        WHERE d.subject_id = c.public_id AND d.moment = 'commitment' AND d.rule_id = 'investor_check' AND d.allowed)
        OR NOT EXISTS (SELECT 1 FROM regime_decision d
        WHERE d.subject_id = c.public_id AND d.moment = 'commitment' AND d.rule_id = 'investor_category'
        AND d.allowed)""",
    ),
    Check(
        "approval_undecided", "The offering was launched, and no decision of its regime says that it could be.",
        """SELECT o.public_id AS place FROM offering o WHERE o.launched_at IS NOT NULL AND 2 > (
          SELECT COUNT(DISTINCT d.rule_id) FROM regime_decision d WHERE d.subject_id = o.public_id
          AND d.moment = 'approval' AND d.allowed AND d.rule_id IN ('holding_after_close', 'hold_limit'))""",
    ),
    Check(
        "decision_of_nothing", "The decision is about something that does not exist, or of another regime.",
        """SELECT d.subject_id AS place, d.rule_id FROM regime_decision d
        LEFT JOIN offering o ON o.public_id = d.subject_id LEFT JOIN commitment c ON c.public_id = d.subject_id
        LEFT JOIN offering p ON p.id = c.offering_id
        WHERE (o.id IS NULL AND c.id IS NULL) OR p.regime <> d.regime
        OR (d.moment = 'approval') <> (o.id IS NOT NULL)
        OR (d.moment = 'close' AND NOT d.allowed AND c.status NOT IN ('cancelled', 'reversed'))""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield decisions that were altered, made up or taken out."""
    yield from run_checks(session, CHECKS)
    table = RegimeDecision.__table__
    for row in session.execute(sa.select(table).order_by(table.c.id)).mappings():
        if service.hash_of(row) != row["sha256"]:
            yield Problem("decision_altered", row["subject_id"], "The decision is not the one that was made.",
                          {"rule": row["rule_id"]})
