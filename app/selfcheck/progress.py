"""Check running contracts: releases against journals, milestones and verdicts, tranches against escrow."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.payments.rules import RETURN_TROUBLES
from app.selfcheck.problem import BALANCES, POSITIONS, Check, Problem, run_checks

_SETTLED = "('released', 'failed', 'lapsed')"
#: A fee is worked out again where the product stays below 2⁶³.
_FEE_FITS = 900_000_000_000_000

CHECKS = (
    Check(
        "release_journal", "The release is not what its journal moved.",
        f"""SELECT r.public_id AS place, r.kind, r.amount_minor, r.fee_minor, r.tokens, m.escrow, m.fees, m.outstanding
        FROM release r LEFT JOIN journal j ON j.id = r.journal_id LEFT JOIN offering o ON o.id = r.offering_id
        LEFT JOIN milestone t ON t.id = r.milestone_id
        LEFT JOIN (SELECT e.journal_id,
            SUM(CASE WHEN a.address LIKE 'escrow:%' THEN e.amount ELSE 0 END) AS escrow,
            SUM(CASE WHEN a.address LIKE 'payable:%' OR a.address LIKE 'refunds:%' THEN -e.amount ELSE 0 END) AS owed,
            SUM(CASE WHEN a.address LIKE 'fees:%' THEN -e.amount ELSE 0 END) AS fees,
            SUM(CASE WHEN a.address LIKE 'outstanding:%' THEN e.amount ELSE 0 END) AS outstanding
          FROM entry e JOIN account a ON a.id = e.account_id GROUP BY e.journal_id) m ON m.journal_id = r.journal_id
        WHERE j.id IS NULL OR o.id IS NULL OR j.kind <> r.kind OR j.offering_id <> r.offering_id
        OR j.occurred_at <> r.occurred_at OR m.escrow <> r.amount_minor OR m.fees <> r.fee_minor
        OR m.owed <> r.amount_minor - r.fee_minor OR m.outstanding <> r.tokens
        OR COALESCE(t.offering_id, r.offering_id) <> r.offering_id
        OR (r.milestone_id IS NOT NULL AND t.id IS NULL) OR (r.kind = 'released' AND t.id IS NULL)
        OR (r.key <> r.kind || ':' || COALESCE(t.public_id, o.public_id)
          AND (t.id IS NULL OR r.key <> r.kind || ':' || t.public_id || ':' || (SELECT COUNT(*) FROM release e
            WHERE e.milestone_id = r.milestone_id AND e.kind = r.kind AND e.id <= r.id)))
        OR r.fee_minor <> CASE WHEN r.kind = 'returned' THEN 0 WHEN r.amount_minor > {_FEE_FITS} THEN r.fee_minor
          ELSE r.amount_minor * o.fee_bp / 10000 END""",
    ),
    Check(
        "journal_without_release", "The journal moved money out of escrow, but there is no release for it.",
        """SELECT j.public_id AS place, j.kind FROM journal j LEFT JOIN release r ON r.journal_id = j.id
        WHERE j.kind IN ('released', 'returned') AND r.id IS NULL""",
    ),
    # Each part once, whole, and only out of an approved milestone (REL-1, MIL-12).
    Check(
        "milestone_amounts", "What left escrow for the milestone is not what it says, or not what its state allows.",
        f"""SELECT m.public_id AS place, m.state, m.tranche_minor, m.released_minor, m.returned_minor,
          COALESCE(r.released, 0) AS released, COALESCE(r.returned, 0) AS returned
        FROM milestone m LEFT JOIN (SELECT milestone_id,
            SUM(CASE kind WHEN 'released' THEN amount_minor ELSE 0 END) AS released,
            SUM(CASE kind WHEN 'returned' THEN amount_minor ELSE 0 END) AS returned
          FROM release WHERE milestone_id IS NOT NULL GROUP BY milestone_id) r ON r.milestone_id = m.id
        LEFT JOIN (SELECT milestone_id, SUM(CASE status WHEN 'released' THEN 0 ELSE amount_minor END) AS carried
          FROM carried_share GROUP BY milestone_id) k ON k.milestone_id = m.id
        WHERE m.released_minor <> COALESCE(r.released, 0)
        OR m.decided_minor <> m.released_minor + COALESCE(k.carried, 0)
        OR m.returned_minor < COALESCE(r.returned, 0)
        OR (m.state IN {_SETTLED} AND m.tranche_minor IS NOT NULL
          AND (m.decided_minor + m.returned_minor <> m.tranche_minor OR m.reporting_minor <> 0))
        OR (m.state IN ('released', 'retained', 'report_due')) > (m.share_pct = 100)
        OR (m.state IN ('partly_released') AND m.share_pct NOT BETWEEN 50 AND 90)
        OR (m.state IN ('challengeable', 'suspended', 'approved') AND m.verdict_pct = 0)
        OR (m.state NOT IN ('challengeable', 'suspended', 'disputed', 'approved') AND m.verdict_pct <> 0)
        OR (m.share_pct = 0 AND m.decided_minor <> 0)
        OR (m.settled_at IS NULL) <> (m.state NOT IN {_SETTLED})""",
    ),
    # A share counts for what was released on it, until unreleased money changes meanwhile (MIL-11).
    Check(
        "milestone_parts", "The share, the parts or what they count for are not those of the milestone's releases.",
        f"""SELECT m.public_id AS place, m.state, m.share_pct, m.parts, m.counted_minor, m.decided_minor,
          m.reporting_minor FROM milestone m
        WHERE (m.share_pct = 0 AND (m.parts <> 0 OR m.counted_minor <> 0 OR m.reporting_minor <> 0))
        OR (m.share_pct BETWEEN 1 AND 99 AND m.parts = 0)
        OR (m.state NOT IN {_SETTLED} AND m.tranche_minor IS NOT NULL
          AND m.reporting_minor > m.tranche_minor - m.decided_minor - m.returned_minor)
        OR m.reporting_minor < 0 OR m.counted_minor < 0
        OR m.parts < (SELECT COUNT(*) FROM log_entry l WHERE l.object_id = m.public_id
          AND l.action = 'milestone.partly_released' AND l.before LIKE '%"state":"approved"%')
        OR m.parts > (SELECT COUNT(*) FROM log_entry l WHERE l.object_id = m.public_id
          AND l.action IN ('milestone.partly_released', 'milestone.lapsed') AND l.before LIKE '%"state":"approved"%')
        OR (m.share_pct > 0 AND m.returned_minor = 0 AND m.counted_minor <> m.decided_minor + m.reporting_minor
          AND NOT EXISTS (SELECT 1 FROM escrow_statement s WHERE s.offering_id = m.offering_id
            AND s.kind IN ('reversed', 'left', 'disputed', 'taken_back', 'restored')
            AND (m.settled_at IS NULL OR s.occurred_at <= m.settled_at)))""",
    ),
    Check(
        "released_unapproved", "Money was released for a milestone that was not approved just before.",
        """SELECT r.public_id AS place, m.public_id AS milestone FROM release r
        JOIN milestone m ON m.id = r.milestone_id WHERE r.kind = 'released' AND (NOT EXISTS (
          SELECT 1 FROM log_entry l WHERE l.object_id = m.public_id AND l.action IN ('milestone.released',
            'milestone.partly_released', 'milestone.retained', 'milestone.report_due', 'milestone.lapsed')
          AND l.before LIKE '%"state":"approved"%' AND l.at <= r.occurred_at)
        OR (m.ordinal > 0 AND NOT EXISTS (
          SELECT 1 FROM submission s WHERE s.milestone_id = m.id AND s.decided_at < r.occurred_at
          AND COALESCE((SELECT d.outcome FROM dispute d WHERE d.submission_id = s.id AND d.decided_at <= r.occurred_at
            ORDER BY d.id DESC LIMIT 1), s.verdict) IN ('met', 'partly'))))""",
    ),
    # What waits of a released tranche: a share of its own commitment, in escrow, until it is released or taken back.
    Check(
        "carried_wrong", "The share that waits until it has seasoned is not one, or was released as another amount.",
        f"""WITH {POSITIONS}
        SELECT k.commitment_id AS place, k.milestone_id, k.status, k.amount_minor, s.amount_minor AS released
        FROM carried_share k LEFT JOIN commitment c ON c.id = k.commitment_id
        LEFT JOIN milestone m ON m.id = k.milestone_id LEFT JOIN latest p ON p.commitment_id = k.commitment_id
        LEFT JOIN escrow_statement s ON s.journal_id = k.journal_id AND s.commitment_id = k.commitment_id
        WHERE c.id IS NULL OR m.id IS NULL OR c.offering_id <> k.offering_id OR m.offering_id <> k.offering_id
        OR k.part <> (SELECT COUNT(DISTINCT d.carried_at) FROM carried_share d
          WHERE d.milestone_id = k.milestone_id AND d.carried_at <= k.carried_at)
        OR c.seasons_at IS NULL OR k.releases_at <> c.seasons_at OR k.carried_at >= k.releases_at
        OR CASE k.status
          WHEN 'carried' THEN c.status = 'held' AND p.unreleased_after_minor >= k.amount_minor
            AND (k.part > 1 OR NOT EXISTS (SELECT 1 FROM escrow_statement e WHERE e.commitment_id = k.commitment_id
              AND e.milestone_id = k.milestone_id AND e.kind = 'released'))
          WHEN 'released' THEN s.kind = 'released' AND s.milestone_id = k.milestone_id
            AND s.amount_minor = -(SELECT SUM(p.amount_minor) FROM carried_share p
              WHERE p.journal_id = k.journal_id AND p.commitment_id = k.commitment_id)
          ELSE EXISTS (SELECT 1 FROM escrow_statement e WHERE e.commitment_id = k.commitment_id
            AND e.kind IN ('reversed', 'left', 'disputed', 'taken_back'))
            OR (p.unreleased_after_minor = 0 AND EXISTS (SELECT 1 FROM offering o JOIN log_entry l
              ON l.object_id = o.public_id AND l.action = 'escrow.carried_dropped' WHERE o.id = k.offering_id
              AND l.at > k.carried_at AND o.state IN ('winding_down', 'wound_down')))
          END IS NOT TRUE""",
    ),
    Check(
        "released_unsigned", "Money was released before the company signed who funded the commitments (COM-11).",
        """SELECT r.public_id AS place FROM release r JOIN offering o ON o.id = r.offering_id
        WHERE r.kind = 'released' AND (o.funding_stated_at IS NULL OR r.occurred_at < o.funding_stated_at)""",
    ),
    Check(
        "tranches_before_close", "A tranche is in money although the contract does not run, or only some are.",
        """SELECT o.public_id AS place, o.state, COUNT(m.tranche_minor) AS tranches, COUNT(*) AS milestones
        FROM offering o JOIN milestone m ON m.offering_id = o.id GROUP BY o.public_id, o.state
        HAVING COUNT(m.tranche_minor) NOT IN (0, COUNT(*)) OR (COUNT(m.tranche_minor) > 0
          AND o.state NOT IN ('active', 'winding_down', 'completed', 'wound_down'))""",
    ),
    # A payment taken back shrinks the tranches with the next step only (MIL-1): until then they are ahead by it.
    Check(
        "tranches_not_escrow", "The tranches still to come are not the money in escrow.",
        f"""WITH {BALANCES} SELECT place, state, tranches, escrow, taken_back FROM (
          SELECT o.public_id AS place, o.state, m.tranches, COALESCE(b.amount, 0)
              - COALESCE((SELECT SUM(k.amount_minor) FROM carried_share k WHERE k.offering_id = o.id
                AND k.status = 'carried'), 0) AS escrow,
            COALESCE((SELECT SUM(-s.amount_minor - COALESCE((SELECT SUM(k.amount_minor) FROM carried_share k
                WHERE k.commitment_id = s.commitment_id AND k.status = 'void'), 0))
              FROM escrow_statement s WHERE s.offering_id = o.id
              AND s.kind IN ('reversed', 'left', 'disputed', 'taken_back', 'restored')
              AND s.occurred_at >= m.changed_at), 0) AS taken_back,
            EXISTS (SELECT 1 FROM escrow_statement s JOIN carried_share k ON k.commitment_id = s.commitment_id
              WHERE s.offering_id = o.id AND s.kind IN ('disputed', 'taken_back', 'restored')
              AND s.occurred_at >= m.changed_at) AS has_carried
          FROM offering o LEFT JOIN balance b ON b.address = 'escrow:' || o.public_id
          JOIN (SELECT offering_id, MAX(state_since) AS changed_at,
              SUM(CASE WHEN state NOT IN {_SETTLED} THEN tranche_minor - decided_minor - returned_minor ELSE 0 END)
                AS tranches, COUNT(*) - COUNT(tranche_minor) AS unset
            FROM milestone GROUP BY offering_id) m ON m.offering_id = o.id
          WHERE o.state IN ('active', 'winding_down', 'completed', 'wound_down') AND m.unset = 0) AS judged
        WHERE tranches <> escrow AND tranches <> escrow + taken_back AND NOT has_carried""",
    ),
    Check(
        "rest_returned", "What went back to the investors is not what the milestones say of it.",
        """SELECT o.public_id AS place, m.returned AS marked, COALESCE(r.amount_minor, 0) AS returned FROM offering o
        JOIN (SELECT offering_id, SUM(returned_minor) AS returned FROM milestone GROUP BY offering_id) m
          ON m.offering_id = o.id
        LEFT JOIN (SELECT offering_id, SUM(amount_minor) AS amount_minor FROM release
          WHERE kind = 'returned' GROUP BY offering_id) r ON r.offering_id = o.id
        WHERE m.returned <> COALESCE(r.amount_minor, 0)""",
    ),
    Check(
        "proceeds_wrong", "The proceeds are not the cleared commitments.",
        """SELECT o.public_id AS place, o.state, o.proceeds_minor, o.committed_minor FROM offering o
        WHERE (o.proceeds_minor IS NULL) <> (o.state NOT IN ('active', 'winding_down', 'completed', 'wound_down'))
        OR (o.proceeds_minor IS NOT NULL AND (o.proceeds_minor <> o.committed_minor
          OR o.proceeds_minor > o.maximum_minor OR (o.proceeds_minor < o.minimum_minor AND NOT EXISTS (
            SELECT 1 FROM escrow_statement s WHERE s.offering_id = o.id AND s.kind = 'cut'))))
        OR (o.closed_at IS NULL) <> (o.state NOT IN ('active', 'winding_down', 'completed', 'wound_down', 'failing',
          'failed'))""",
    ),
    Check(
        "failed_above_minimum", "The offering failed although its cleared money reached the minimum.",
        """SELECT o.public_id AS place, o.counted_minor, o.minimum_minor FROM offering o
        WHERE o.state IN ('failing', 'failed') AND o.counted_minor >= o.minimum_minor""",
    ),
    # What counted is what the log tells of the close: marks may change later, and the decision stands.
    Check(
        "counted_wrong", "What the minimum was tested on is not what the log tells, or not what the state says.",
        """SELECT o.public_id AS place, o.state, o.counted_minor, o.minimum_minor FROM offering o
        LEFT JOIN log_entry l ON l.object_id = o.public_id AND l.action = 'offering.counted'
        WHERE (o.counted_minor IS NULL) <> (l.id IS NULL) OR (o.closed_at IS NULL) <> (o.counted_minor IS NULL)
        OR l.after NOT LIKE '%"counted_minor":' || o.counted_minor || '}'
        OR (o.state IN ('active', 'winding_down', 'completed', 'wound_down') AND o.counted_minor < o.minimum_minor)""",
    ),
    Check(
        "contested_wrong", "The commitment's payment is marked as taken back and nobody decides it, or the reverse.",
        f"""SELECT c.public_id AS place, c.is_contested FROM commitment c
        WHERE c.is_contested <> EXISTS (SELECT 1 FROM operation p WHERE p.commitment_id = c.id
          AND p.kind IN ('collect', 'credit') AND p.state = 'needs_operator'
          AND p.failure_code IN {RETURN_TROUBLES})""",
    ),
    Check(
        "counted_taken_back", "A minimum was tested on money of which a person decides whether a bank took it back.",
        f"""SELECT o.public_id AS place, o.counted_minor, s.held, t.taken_back FROM offering o
        JOIN (SELECT c.offering_id, SUM(c.amount_minor) AS taken_back FROM commitment c JOIN offering f
            ON f.id = c.offering_id WHERE c.status = 'held' AND EXISTS (SELECT 1 FROM operation p
              WHERE p.commitment_id = c.id AND p.kind IN ('collect', 'credit') AND p.state = 'needs_operator'
              AND p.failure_code IN {RETURN_TROUBLES} AND p.state_since < f.closed_at)
          GROUP BY c.offering_id) t ON t.offering_id = o.id
        JOIN (SELECT e.offering_id, SUM(e.amount_minor) AS held FROM escrow_statement e JOIN offering f
            ON f.id = e.offering_id WHERE e.occurred_at <= f.closed_at AND e.kind NOT IN ('cut', 'released', 'returned')
          GROUP BY e.offering_id) s ON s.offering_id = o.id
        WHERE o.counted_minor > s.held - t.taken_back""",
    ),
    Check(
        "ended_with_money", "The offering ended, but money is in escrow or an operation is undecided.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, o.state, COALESCE(b.amount, 0) AS escrow FROM offering o
        LEFT JOIN balance b ON b.address IN ('escrow:' || o.public_id, 'disputed:' || o.public_id) AND b.amount <> 0
        WHERE o.state IN ('completed', 'failed', 'withdrawn', 'wound_down') AND (COALESCE(b.amount, 0) <> 0
        OR (o.ended_at IS NULL))""",
    ),
    Check(
        "submission_state", "The submission does not fit its milestone's state.",
        """SELECT m.public_id AS place, m.state, COUNT(s.id) AS received FROM milestone m
        LEFT JOIN submission s ON s.milestone_id = m.id AND s.status = 'received'
        GROUP BY m.public_id, m.state HAVING COUNT(s.id) <> CASE m.state WHEN 'submitted' THEN 1 ELSE 0 END""",
    ),
    Check(
        "submission_numbers", "The milestone's submissions are not numbered from 1 without a gap.",
        """SELECT milestone_id AS place, COUNT(*) AS submissions, MAX(number) AS highest FROM submission
        GROUP BY milestone_id HAVING MAX(number) <> COUNT(*) OR MIN(number) <> 1""",
    ),
    Check(
        "submission_status", "The submission's status, its instants and its verdict contradict each other.",
        """SELECT public_id AS place, status, verdict FROM submission WHERE CASE status
          WHEN 'draft' THEN received_at IS NULL AND decided_at IS NULL AND verdict IS NULL AND manifest_hash IS NULL
          WHEN 'received' THEN received_at IS NOT NULL AND decided_at IS NULL AND verdict IS NULL
          WHEN 'decided' THEN received_at IS NOT NULL AND decided_at IS NOT NULL AND verdict IS NOT NULL
          ELSE verdict IS NULL AND CASE WHEN received_at IS NULL THEN EXISTS (SELECT 1 FROM log_entry l
              WHERE l.object_id = submission.public_id AND l.action = 'submission.discarded')
            ELSE decided_at IS NOT NULL END END = (1 = 0)
        OR (received_at IS NOT NULL AND (manifest_hash IS NULL OR contract_hash IS NULL OR review_due_at IS NULL))""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with releases, milestones and submissions."""
    yield from run_checks(session, CHECKS)
