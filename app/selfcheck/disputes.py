"""Check challenges, disputes and appeals: against the log, the books they were counted by, and releases (MIL-10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.progress import challenges, disputes, panel_signing, retention
from app.progress.dispute_models import Challenge, ChallengeSupporter, Dispute, DisputeFinding, DisputeSeat
from app.progress.models import Submission
from app.selfcheck.halts import told_otherwise
from app.selfcheck.problem import Check, Problem, run_checks
from milestones import disputes as rules
from milestones import verdict as verdicts

CHECKS = (
    Check(
        "challenge_of_other", "The challenge is of another milestone's submission, or open beside its window.",
        """SELECT c.public_id AS place, m.state FROM challenge c LEFT JOIN submission s ON s.id = c.submission_id
        LEFT JOIN milestone m ON m.id = c.milestone_id WHERE s.id IS NULL OR s.milestone_id <> c.milestone_id
        OR (c.state = 'open' AND m.state NOT IN ('challengeable', 'suspended'))""",
    ),
    Check(
        "challenge_count", "What was counted of the challenge is not what those behind it weighed.",
        """SELECT c.public_id AS place, c.money_minor, s.money, c.heads, s.heads AS people FROM challenge c
        LEFT JOIN (SELECT challenge_id, SUM(weight_minor) AS money, COUNT(DISTINCT CASE WHEN weight_minor IS NOT NULL
            THEN joined_by END) AS heads FROM challenge_supporter GROUP BY challenge_id) s ON s.challenge_id = c.id
        WHERE (c.money_minor IS NOT NULL AND (c.money_minor <> COALESCE(s.money, 0) OR c.heads <> COALESCE(s.heads, 0)
          OR c.money_minor > c.total_minor OR c.heads > c.total_heads))
        OR (c.money_minor IS NULL AND s.money IS NOT NULL)""",
    ),
    # Linked commitments weigh nothing, so a weight is at most what the party had unreleased then (COM-11).
    Check(
        "challenge_weight_of_other", "A weight is more than the investor's unreleased money when it was counted.",
        """SELECT w.public_id AS place, w.weight_minor, COALESCE(SUM(s.amount_minor), 0) AS unreleased
        FROM challenge_supporter w JOIN challenge c ON c.id = w.challenge_id JOIN milestone m ON m.id = c.milestone_id
        LEFT JOIN escrow_statement s ON s.party_id = w.party_id AND s.offering_id = m.offering_id
          AND s.occurred_at <= c.ended_at
        WHERE w.weight_minor IS NOT NULL GROUP BY w.public_id, w.weight_minor
        HAVING w.weight_minor > COALESCE(SUM(s.amount_minor), 0)""",
    ),
    Check(
        "dispute_of_milestone", "The milestone is disputed without a dispute, or a dispute runs beside its state.",
        """SELECT m.public_id AS place, m.state, COUNT(d.id) AS disputes FROM milestone m
        LEFT JOIN dispute d ON d.milestone_id = m.id AND d.outcome IS NULL GROUP BY m.public_id, m.state
        HAVING COUNT(d.id) <> CASE m.state WHEN 'disputed' THEN 1 ELSE 0 END""",
    ),
    Check(
        "dispute_of_other", "The dispute is of another milestone's submission, challenge or vote.",
        """SELECT d.public_id AS place FROM dispute d LEFT JOIN submission s ON s.id = d.submission_id
        LEFT JOIN challenge c ON c.id = d.challenge_id LEFT JOIN poll p ON p.id = d.poll_id
        WHERE s.id IS NULL OR s.milestone_id <> d.milestone_id OR (d.challenge_id IS NOT NULL
          AND (c.submission_id <> d.submission_id OR c.state <> 'disputed'))
        OR (d.poll_id IS NOT NULL AND (p.subject <> d.public_id OR (d.outcome IS NULL) <> (p.outcome IS NULL)
          OR p.outcome <> d.outcome))""",
    ),
    # Nothing of a disputed sum leaves escrow for the company before it is decided.
    Check(
        "disputed_released", "Money was released for the milestone while it was disputed.",
        """SELECT d.public_id AS place, r.public_id AS released FROM dispute d
        JOIN release r ON r.milestone_id = d.milestone_id AND r.kind = 'released' AND r.occurred_at > d.opened_at
          AND (d.decided_at IS NULL OR r.occurred_at < d.decided_at)""",
    ),
    Check(
        "appeals_twice", "The milestone's verdicts were appealed more than once.",
        """SELECT m.public_id AS place, COUNT(d.id) AS appeals FROM milestone m JOIN dispute d ON d.milestone_id = m.id
        AND d.cause = 'appeal' GROUP BY m.public_id HAVING COUNT(d.id) > 1""",
    ),
    Check(
        "panel_seats", "The panel is not three, or somebody signed without a seat.",
        """SELECT d.public_id AS place, d.round, s.seats, s.signed, f.findings FROM dispute d
        LEFT JOIN (SELECT dispute_id, SUM(CASE state WHEN 'replaced' THEN 0 ELSE 1 END) AS seats,
            SUM(CASE state WHEN 'signed' THEN 1 ELSE 0 END) AS signed, MAX(round) AS last
          FROM dispute_seat GROUP BY dispute_id) s ON s.dispute_id = d.id
        LEFT JOIN (SELECT f.dispute_id, COUNT(*) AS findings, SUM(CASE WHEN s.id IS NULL THEN 1 ELSE 0 END) AS stray
          FROM dispute_finding f LEFT JOIN dispute_seat s ON s.dispute_id = f.dispute_id AND s.party_id = f.party_id
            AND s.state = 'signed' GROUP BY f.dispute_id) f ON f.dispute_id = d.id
        WHERE (d.state = 'panel' AND COALESCE(s.seats, 0) <> 3) OR COALESCE(s.last, 0) <> d.round
        OR COALESCE(s.signed, 0) <> COALESCE(f.findings, 0) OR COALESCE(f.stray, 0) <> 0""",
    ),
)

#: what → (its class, what the log keeps of a row, the first action, the name of the actor's column)
TOLD: Mapping[str, tuple[type, Callable[..., dict[str, object]], str, str | None]] = {
    "challenge": (Challenge, challenges.told, "challenge.opened", "opened_by"),
    "supporter": (ChallengeSupporter, challenges.told_supporter, "supporter.joined", None),
    "dispute": (Dispute, disputes.told, "dispute.opened", "opened_by"),
    "seat": (DisputeSeat, disputes.told_seat, "seat.drawn", None),
}


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with challenges, disputes and appeals."""
    yield from run_checks(session, CHECKS)
    for what, (table, told, first, actor) in TOLD.items():
        yield from told_otherwise(session, what, table, told, first, actor)
    yield from _thresholds(session)
    yield from _decisions(session)


def _thresholds(session: Session) -> Iterator[Problem]:
    """Work out again whether each challenge that ended counted; that one may suffice needs a "not met" (MIL-10)."""
    for each in session.scalars(sa.select(Challenge)):
        is_split = challenges.has_not_met(session, each.submission_id)
        # A dropped one waits for what is found next; it is worked out again when it stands again (MIL-15).
        if each.state != challenges.DROPPED and each.is_split != is_split:
            yield Problem("challenge_split", each.public_id, "Whether an auditor found something not met is another.")
        if each.money_minor is None:
            continue
        enough = challenges.counted(each).counts
        may_stand = enough or (each.is_split and bool(each.heads))
        if (each.state == challenges.DISPUTED and not may_stand) or (each.state == challenges.FALLEN and enough):
            yield Problem("challenge_threshold", each.public_id, "What became of it does not follow from its count.")


def _decisions(session: Session) -> Iterator[Problem]:
    """Hash every panel member's findings again, and compute every panel's verdict again from them (MIL-7)."""
    public = {row.id: row.public_id for row in session.execute(sa.select(Dispute.id, Dispute.public_id))}
    for finding in session.scalars(sa.select(DisputeFinding)):
        if panel_signing.finding_hash(finding, public.get(finding.dispute_id, "")) != finding.content_hash:
            yield Problem("finding_altered", finding.public_id, "The findings are not those that were signed.")
    rows = session.execute(
        sa.select(Dispute, Submission, Milestone, Offering)
        .join(Submission, Submission.id == Dispute.submission_id)
        .join(Milestone, Milestone.id == Dispute.milestone_id)
        .join(Offering, Offering.id == Milestone.offering_id)
        .where(Dispute.outcome.in_(["met", "partly", "not_met"]), Dispute.poll_id.is_(None))
    )
    for dispute, submission, milestone, offering in rows:
        agreed = contract_queries.published_terms(session, offering.terms_version_id or 0).terms.milestone(
            milestone.ordinal
        )
        given = disputes.counting(submission, disputes.findings_of(session, dispute.id))
        try:
            judged = rules.panel_terms(retention.judged(agreed, submission))
            found = verdicts.verdict(judged, given, at_time_limit=True)
        except (verdicts.FindingError, LookupError):
            yield Problem("panel_verdict", dispute.public_id, "The findings answer other criteria than were asked.")
            continue
        # A share may count for nothing where no more than it was released before (MIL-11).
        may_be = {0, found.share_pct} if found is not None and not found.met else {found.share_pct if found else -1}
        stands = disputes.outcome_of(dispute.share_pct or 0)
        if dispute.share_pct not in may_be or stands != dispute.outcome:
            yield Problem("panel_verdict", dispute.public_id, "The decision does not follow from the findings.",
                          {"outcome": dispute.outcome, "share_pct": dispute.share_pct})
