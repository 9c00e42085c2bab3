"""Check that nothing waits without an owner, a deadline and a default (TIM-5)."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.selfcheck.problem import Check, Problem, run_checks
from milestones import states

CHECKS = (
    Check(
        "offering_without_deadline", "The offering waits for somebody without a deadline, or has ended with one.",
        """SELECT o.public_id AS place, o.state FROM offering o WHERE (o.step_due_at IS NULL) <>
        (o.state IN ('completed', 'failed', 'withdrawn', 'wound_down'))""",
    ),
    # Before the close a milestone waits for the offering's deadline, and the closing tranche has no other.
    Check(
        "milestone_without_deadline", "The milestone waits for somebody without a deadline.",
        """SELECT m.public_id AS place, m.state FROM milestone m JOIN offering o ON o.id = m.offering_id
        WHERE m.state NOT IN ('released', 'failed', 'lapsed') AND m.deadline_at IS NULL AND m.long_stop_at IS NULL
        AND NOT (m.ordinal = 0 AND m.state = 'locked' AND m.tranche_minor IS NULL)""",
    ),
    Check(
        "milestone_running_elsewhere", "The milestone runs, but its offering does not.",
        """SELECT m.public_id AS place, m.state, o.state AS offering FROM milestone m
        JOIN offering o ON o.id = m.offering_id
        WHERE (m.state IN ('open', 'submitted', 'challengeable', 'suspended', 'disputed', 'appealable',
            'approved', 'partly_released', 'retained', 'report_due', 'deciding')
          AND o.state NOT IN ('active', 'winding_down'))
        OR (m.state NOT IN ('released', 'failed', 'lapsed') AND o.state IN ('completed', 'wound_down'))""",
    ),
    Check(
        "review_without_deadline", "The submission waits for its auditors without a deadline.",
        """SELECT s.public_id AS place FROM submission s WHERE s.status = 'received' AND s.review_due_at IS NULL""",
    ),
    Check(
        "payout_without_reason", "The payout was put off, but nothing says for what.",
        """SELECT p.public_id AS place, p.failures FROM payout p
        WHERE p.status = 'waiting' AND p.next_at > p.created_at AND p.waits_for IS NULL""",
    ),
    Check(
        "payout_without_owner", "The payout waits and nobody is named who has to act, or one that is paid has one.",
        """SELECT p.public_id AS place, p.status, p.waits_on FROM payout p
        WHERE CASE WHEN p.status = 'waiting' AND p.waits_for IS NOT NULL
          THEN p.waits_on IN ('operator', 'founder', 'clock')
            AND (p.act_by IS NOT NULL OR p.waits_on = 'clock')
          ELSE p.status <> 'paid' OR (p.waits_on IS NULL AND p.overdue_at IS NULL) END IS NOT TRUE""",
    ),
    Check(
        "unknown_without_date", "The operation's outcome is unknown, but nothing says since when.",
        """SELECT o.public_id AS place, o.state FROM operation o
        WHERE o.state = 'unknown' AND o.unknown_since IS NULL""",
    ),
    Check(
        "offering_over_deadline", "The offering still stands open after it was closed.",
        """SELECT o.public_id AS place, o.state FROM offering o
        WHERE o.state IN ('draft', 'in_review', 'approved', 'live', 'clearing') AND o.closed_at IS NOT NULL""",
    ),
)

#: subject of ``milestones.states`` → (table, column of its state). What has its own row is asked there.
SUBJECTS = {
    "offering": ("offering", "state"),
    "milestone": ("milestone", "state"),
    "commitment": ("commitment", "status"),
    "waiting_entry": ("waiting_entry", "status"),
}
#: Stored statuses that are final although people see another state (``commitments.rules.display_status``).
ENDED = {"commitment": frozenset({"lapsed"})}


def check(session: Session) -> Iterator[Problem]:
    """Yield what waits without anybody having to do anything by any time."""
    yield from run_checks(session, CHECKS)
    for subject, (table, column) in SUBJECTS.items():
        rows = session.execute(
            sa.text(f"SELECT {column} AS state, MIN(public_id) AS place FROM {table} GROUP BY {column}")
        )
        for row in rows:
            if row.state in ENDED.get(subject, ()):
                continue
            try:
                states.waiting_for(subject, row.state)
            except LookupError:
                yield Problem("state_unknown", row.place, f"No {subject} can be in this state.", {"state": row.state})
