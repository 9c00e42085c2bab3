"""Check extensions, reports and the days to failure: against the log, the dates they moved, and the plans (MIL-14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.offerings.models import Offering
from app.progress import ending, extending, reporting
from app.progress.ending_models import EndCall
from app.progress.lateness_models import Extension, Report, ReportCountdown
from app.selfcheck.halts import told_otherwise
from app.selfcheck.problem import Check, Problem, run_checks

CHECKS = (
    Check(
        "extended_seconds", "The milestone's dates moved by another time than extensions gave it.",
        """SELECT m.public_id AS place, m.extended_seconds, COALESCE(SUM(e.seconds), 0) AS given FROM milestone m
        LEFT JOIN extension_move e ON e.milestone_id = m.id GROUP BY m.public_id, m.extended_seconds
        HAVING m.extended_seconds <> COALESCE(SUM(e.seconds), 0)""",
    ),
    Check(
        "extension_move_of_other", "An extension moved an earlier milestone, one of another offering, or by more days.",
        """SELECT m.public_id AS place, v.seconds, e.days FROM extension_move v
        LEFT JOIN milestone m ON m.id = v.milestone_id LEFT JOIN extension e ON e.id = v.extension_id
        LEFT JOIN milestone x ON x.id = e.milestone_id
        WHERE x.id IS NULL OR m.id IS NULL OR m.offering_id <> x.offering_id OR m.ordinal < x.ordinal
        OR v.seconds > e.days * 86400""",
    ),
    Check(
        "report_numbers", "The reports are not numbered from 1 without a gap, or the last is not the open one.",
        """SELECT o.public_id AS place, COUNT(r.id) AS reports, MAX(r.number) AS highest,
          MAX(CASE WHEN r.state IN ('due', 'ended') THEN r.number ELSE 0 END) AS open_one
        FROM report r JOIN offering o ON o.id = r.offering_id GROUP BY o.public_id
        HAVING MAX(r.number) <> COUNT(r.id) OR MIN(r.number) <> 1 OR MAX(r.number) <>
          MAX(CASE WHEN r.state IN ('due', 'ended') THEN r.number ELSE 0 END)""",
    ),
    Check(
        "report_without_plan", "A report is owed of an offering that never ran.",
        """SELECT r.public_id AS place, o.state FROM report r LEFT JOIN offering o ON o.id = r.offering_id
        WHERE o.closed_at IS NULL""",
    ),
    Check(
        "countdown_without_cause", "Days to failure run although no report was missed, or end sooner than ninety days.",
        """SELECT c.public_id AS place, c.missed FROM report_countdown c LEFT JOIN offering o ON o.id = c.offering_id
        WHERE o.id IS NULL OR c.missed < 1 OR c.ends_at <= c.started_at OR c.missed > (SELECT COUNT(*) FROM report r
          WHERE r.offering_id = c.offering_id AND r.state IN ('missed', 'filed'))""",
    ),
    Check(
        "silent_without_countdown", "A plan was wound down for missing reports, and its days to failure were not over.",
        """SELECT o.public_id AS place FROM offering o WHERE o.end_trigger = 'reports_missed' AND NOT EXISTS (
          SELECT 1 FROM report_countdown c WHERE c.offering_id = o.id AND c.outcome = 'wound_down')""",
    ),
    Check(
        "end_call_vote", "A vote to end a plan was not called for, or the call led to another offering's.",
        """SELECT p.public_id AS place, p.kind, c.cause FROM poll p LEFT JOIN end_call c ON c.poll_id = p.id
        WHERE p.kind IN ('wind_down', 'wind_down_for_cause') AND (c.id IS NULL OR c.offering_id <> p.offering_id
          OR p.subject <> c.public_id OR (c.cause IS NULL) <> (p.kind = 'wind_down'))""",
    ),
    Check(
        "ended_without_vote", "A plan was ended by its investors' vote, but no vote to end it carried.",
        """SELECT o.public_id AS place FROM offering o WHERE o.end_trigger = 'investors_vote' AND NOT EXISTS (
          SELECT 1 FROM poll p WHERE p.offering_id = o.id AND p.kind IN ('wind_down', 'wind_down_for_cause')
          AND p.outcome = 'winds_down')""",
    ),
    Check(
        "failure_vote", "The investors decide about a milestone and no vote is open on it, or the other way round.",
        """SELECT m.public_id AS place, m.state, p.state AS poll FROM milestone m
        LEFT JOIN poll p ON p.kind = 'failure' AND p.subject = m.public_id
        LEFT JOIN offering o ON o.id = m.offering_id
        WHERE (m.asked_at IS NULL) <> (p.id IS NULL) OR p.offering_id <> m.offering_id
        OR (m.state = 'deciding' AND COALESCE(p.state, '') <> 'open')
        OR (p.state = 'open' AND m.state <> 'deciding' AND o.state = 'active')""",
    ),
    Check(
        "past_grace_untold", "The log does not say that a milestone's grace is over, or says it of another.",
        """SELECT m.public_id AS place, COUNT(l.id) AS entries FROM milestone m
        LEFT JOIN log_entry l ON l.object_id = m.public_id AND l.action = 'milestone.past_grace'
        GROUP BY m.public_id, m.past_grace_at
        HAVING COUNT(l.id) <> CASE WHEN m.past_grace_at IS NULL THEN 0 ELSE 1 END""",
    ),
)

#: what → (its class, what the log keeps of a row, the first action, the name of the actor's column)
TOLD: Mapping[str, tuple[type, Callable[..., dict[str, object]], str, str | None]] = {
    "extension": (Extension, extending.told, "extension.given", "asked_by"),
    "call": (EndCall, ending.told, "end_call.called", "called_by"),
    "report": (Report, reporting.told, "report.opened", None),
    "countdown": (ReportCountdown, reporting.told_countdown, "countdown.started", None),
}


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with extensions, reports and the days to failure."""
    yield from run_checks(session, CHECKS)
    for what, (table, told, first, actor) in TOLD.items():
        yield from told_otherwise(session, what, table, told, first, actor)
    rows = session.execute(
        sa.select(Report, Offering).join(Offering, Offering.id == Report.offering_id).where(Report.state == "filed")
    )
    for report, offering in rows:
        if reporting.report_hash(report, offering.public_id, offering.currency) != report.content_hash:
            yield Problem("report_altered", report.public_id, "The report is not the one that was filed.")
