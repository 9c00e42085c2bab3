"""Check versions of offerings, changes, updates and reconfirmations against each other and against the log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import canonical
from app.contracts.models import TermsVersion
from app.offerings import changes, updates, versions
from app.offerings.change_models import OfferingChange, OfferingUpdate, OfferingVersion
from app.offerings.models import Offering, TokenClass
from app.selfcheck.problem import Check, Problem, run_checks
from milestones import document as documents

_PLACED = "('awaiting_payment', 'underpaid', 'clearing', 'payment_failed', 'held')"

CHECKS = (
    Check(
        "version_numbers", "The offering's versions are not numbered from 1 without a gap, up to the present one.",
        """SELECT o.public_id AS place, o.version_number AS counter, COUNT(v.id) AS versions FROM offering o
        LEFT JOIN offering_version v ON v.offering_id = o.id GROUP BY o.public_id, o.version_number, o.launched_at
        HAVING o.version_number <> COUNT(v.id) OR COALESCE(MAX(v.number), 0) <> COUNT(v.id)
        OR COALESCE(MIN(v.number), 1) <> 1 OR (o.launched_at IS NULL) <> (COUNT(v.id) = 0)""",
    ),
    Check(
        "change_numbers", "The offering's changes or updates are not numbered from 1 without a gap.",
        """SELECT o.public_id AS place, COUNT(c.id) AS found FROM offering o
        JOIN offering_change c ON c.offering_id = o.id GROUP BY o.public_id
        HAVING MAX(c.number) <> COUNT(c.id) OR MIN(c.number) <> 1
        UNION ALL
        SELECT o.public_id, COUNT(u.id) FROM offering o JOIN offering_update u ON u.offering_id = o.id
        GROUP BY o.public_id HAVING MAX(u.number) <> COUNT(u.id) OR MIN(u.number) <> 1""",
    ),
    Check(
        "change_version", "The version that a change made is not there, or a later version was made by no change.",
        """SELECT c.public_id AS place, c.version_number AS number FROM offering_change c
        LEFT JOIN offering_version v ON v.offering_id = c.offering_id AND v.number = c.version_number
        WHERE (c.state = 'effective') <> (v.id IS NOT NULL)
        OR (v.id IS NOT NULL AND (v.published_at <> c.decided_at OR v.published_by <> c.proposed_by))
        UNION ALL
        SELECT v.public_id, v.number FROM offering_version v JOIN offering o ON o.id = v.offering_id
        LEFT JOIN offering_change c ON c.offering_id = v.offering_id AND c.version_number = v.number
        LEFT JOIN log_entry l ON l.object_id = o.public_id AND l.action = 'offering.published'
        WHERE (v.number > 1 AND c.id IS NULL)
        OR (v.number = 1 AND (c.id IS NOT NULL OR l.id IS NULL OR l.at <> v.published_at
          OR l.actor_user_id <> v.published_by))""",
    ),
    Check(
        "commitment_version", "The commitment is not bound to the version that it was made under or reconfirmed.",
        """SELECT c.public_id AS place, c.version_number AS number, c.price_micro, v.price_micro AS agreed
        FROM commitment c LEFT JOIN offering_version v ON v.offering_id = c.offering_id AND v.number = c.version_number
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry
          WHERE action IN ('commitment.accepted', 'commitment.reconfirmed') GROUP BY object_id) n
          ON n.object_id = c.public_id
        LEFT JOIN log_entry l ON l.id = n.id
        WHERE v.id IS NULL OR v.price_micro <> c.price_micro OR v.terms_version_id <> c.terms_version_id
        OR l.id IS NULL OR l.after NOT LIKE '%"version":' || c.version_number || '}'""",
    ),
    # Nobody slips through a material change: whoever holds a place has agreed to it, or is being asked.
    Check(
        "not_reconfirmed", "The commitment holds a place under terms that changed, and nobody asks its investor.",
        f"""SELECT c.public_id AS place, c.status, c.version_number AS number, MAX(h.version_number) AS material
        FROM commitment c JOIN offering o ON o.id = c.offering_id
        JOIN offering_change h ON h.offering_id = c.offering_id AND h.state = 'effective' AND h.is_material
          AND h.version_number > c.version_number
        WHERE c.status IN {_PLACED} AND o.state NOT IN ('withdrawing', 'withdrawn')
        AND NOT (o.state = 'live' AND EXISTS (SELECT 1 FROM reconfirmation r JOIN offering_change a
          ON a.id = r.change_id WHERE r.commitment_id = c.id AND r.answer IS NULL AND a.offering_id = o.id))
        GROUP BY c.public_id, c.status, c.version_number""",
    ),
    # A deadline waits for the decision of what was proposed before it: nothing told late is dropped.
    Check(
        "change_dropped", "The offering closed over a change that nobody had decided (OFF-8).",
        """SELECT h.public_id AS place, o.state, h.state AS change FROM offering_change h
        JOIN offering o ON o.id = h.offering_id
        WHERE o.state IN ('clearing', 'active', 'winding_down', 'completed', 'wound_down', 'failing', 'failed')
        AND o.commitment_count > 0 AND h.proposed_at < o.deadline_at AND (h.state = 'proposed'
          OR (h.state = 'declined' AND h.decided_by IS NULL
            AND h.decision_reason = 'The offering was no longer open.'))""",
    ),
    # Silence ends an offering by a third round only after a second operator had days of their own (OFF-8).
    Check(
        "ended_by_silence", "A change ended the offering, and no operator decided that, nor was a second one asked.",
        """SELECT public_id AS place, decide_by AS due, decided_at AS at FROM offering_change
        WHERE state = 'ended_offering' AND decided_by IS NULL
        AND (escalated_at IS NULL OR decide_by <= escalated_at OR decided_at < decide_by)""",
    ),
    Check(
        "rounds_too_many", "More rounds of material changes were begun than an offering may have (OFF-8).",
        """SELECT offering_id AS place, COUNT(DISTINCT decided_at) AS rounds FROM offering_change
        WHERE state = 'effective' AND is_material GROUP BY offering_id HAVING COUNT(DISTINCT decided_at) > 2""",
    ),
    Check(
        "reconfirmation_of_other", "The reconfirmation is not of a material change of its commitment's offering.",
        """SELECT c.public_id AS place, r.from_number AS number FROM reconfirmation r
        LEFT JOIN offering_change h ON h.id = r.change_id LEFT JOIN commitment c ON c.id = r.commitment_id
        WHERE h.id IS NULL OR c.id IS NULL OR h.offering_id <> c.offering_id OR h.is_material IS NOT TRUE
        OR h.state <> 'effective' OR r.asked_at <> h.decided_at OR r.from_number >= h.version_number
        OR (r.answer = 'superseded' AND NOT EXISTS (SELECT 1 FROM reconfirmation n WHERE n.commitment_id = c.id
          AND n.change_id > r.change_id AND n.asked_at = r.answered_at AND n.from_number = r.from_number))
        OR (r.answer IS NULL AND r.from_number <> c.version_number)
        OR (r.answer IN ('silent', 'cancelled') AND r.from_number <> c.version_number)""",
    ),
    Check(
        "reconfirmation_answer", "What became of the reconfirmation is not what the log or the commitment says.",
        f"""SELECT c.public_id AS place, r.answer, r.answered_by FROM reconfirmation r
        JOIN commitment c ON c.id = r.commitment_id JOIN offering o ON o.id = c.offering_id
        JOIN offering_change h ON h.id = r.change_id
        LEFT JOIN log_entry l ON l.object_id = c.public_id AND l.at = r.answered_at
          AND l.action = CASE r.answer WHEN 'confirmed' THEN 'commitment.reconfirmed' ELSE 'commitment.cancel' END
          AND r.answer IN ('confirmed', 'cancelled')
        WHERE COALESCE(r.answered_by, 0) <> COALESCE(l.actor_user_id, 0)
        OR CASE r.answer
          WHEN 'confirmed' THEN l.before = '{{"version":' || r.from_number || '}}'
            AND l.after LIKE '%"change":"' || h.public_id || '"%' AND c.version_number >= h.version_number
          WHEN 'cancelled' THEN l.id IS NOT NULL AND c.status = 'cancelled'
          WHEN 'silent' THEN c.status = 'cancelled' AND c.status_since = r.answered_at
          WHEN 'ended' THEN c.status NOT IN {_PLACED} OR o.state <> 'live'
          ELSE 1 = 1 END IS NOT TRUE""",
    ),
    Check(
        "reconfirmations_counted", "The log counts other people who were asked, or who said nothing.",
        """SELECT h.public_id AS place, COUNT(r.id) AS asked, MAX(l.row_count) AS told,
          SUM(CASE r.answer WHEN 'silent' THEN 1 ELSE 0 END) AS silent, MAX(s.told) AS told_silent
        FROM offering_change h LEFT JOIN reconfirmation r ON r.change_id = h.id
        LEFT JOIN log_entry l ON l.object_id = h.public_id AND l.action = 'reconfirmation.asked'
        LEFT JOIN (SELECT object_id, SUM(row_count) AS told FROM log_entry
          WHERE action = 'commitments.not_reconfirmed' GROUP BY object_id) s ON s.object_id = h.public_id
        GROUP BY h.public_id HAVING COUNT(r.id) <> COALESCE(MAX(l.row_count), 0)
        OR COALESCE(SUM(CASE r.answer WHEN 'silent' THEN 1 ELSE 0 END), 0) <> COALESCE(MAX(s.told), 0)""",
    ),
    Check(
        "repriced_wrong", "The money that another price left over is not the commitment's refund.",
        """SELECT c.public_id AS place, s.amount_minor AS back_in, p.amount_minor AS taken_out,
          COALESCE(r.amount_minor, 0) AS refund
        FROM escrow_statement s JOIN commitment c ON c.id = s.commitment_id
        LEFT JOIN escrow_statement p ON p.commitment_id = s.commitment_id AND p.seq = s.seq - 1
          AND p.kind = 'repriced_out'
        LEFT JOIN refund r ON r.journal_id = s.journal_id AND r.commitment_id = s.commitment_id
        WHERE s.kind = 'repriced' AND (p.id IS NULL OR s.amount_minor + COALESCE(r.amount_minor, 0) <> -p.amount_minor)
        UNION ALL
        SELECT c.public_id, 0, s.amount_minor, 0 FROM escrow_statement s JOIN commitment c ON c.id = s.commitment_id
        LEFT JOIN escrow_statement n ON n.commitment_id = s.commitment_id AND n.seq = s.seq + 1 AND n.kind = 'repriced'
        WHERE s.kind = 'repriced_out' AND n.id IS NULL""",
    ),
    Check(
        "flag_untold", "The log tells of another flag than this one.",
        """SELECT f.public_id AS place FROM update_flag f LEFT JOIN offering_update u ON u.id = f.update_id
        LEFT JOIN log_entry l ON l.object_id = f.public_id AND l.action = 'update.flagged'
        WHERE l.id IS NULL OR u.id IS NULL OR l.after <> '{"party_id":' || f.party_id || ',"update":"'
          || u.public_id || '"}'""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with versions, changes, updates and reconfirmations."""
    yield from run_checks(session, CHECKS)
    yield from _versions(session)
    yield from _told(session)


def _versions(session: Session) -> Iterator[Problem]:
    """Hash every version again, and compare the present one with the offering as it stands."""
    rows = session.execute(
        sa.select(OfferingVersion, TermsVersion.document)
        .outerjoin(TermsVersion, TermsVersion.id == OfferingVersion.terms_version_id)
        .order_by(OfferingVersion.offering_id, OfferingVersion.number)
    ).all()
    newest = {}
    for row, contract in rows:
        if versions.content_hash(row.document) != row.content_hash:
            yield Problem("version_altered", row.public_id, "The version is not the one of its hash.")
            continue
        document = json.loads(row.document)
        if versions.figure(document, "price_micro") != row.price_micro or (
            contract is None or canonical(document["contract"]) != canonical(json.loads(contract))
        ):
            yield Problem("version_altered", row.public_id, "The version's price or contract is another one.")
        newest[row.offering_id] = document
    for offering in session.scalars(sa.select(Offering).where(Offering.id.in_(list(newest)))):
        document = newest[offering.id]
        token_class = session.get(TokenClass, offering.token_class_id)
        if token_class is None:
            continue
        stands = versions.document_of(
            offering, token_class, documents.parse_document(document["contract"]), document["updates"]
        )
        # A deadline also moves by rules that are part of every version (OFF-6, OFF-8, OFF-12, OFF-13).
        stands["figures"]["deadline_at"] = document["figures"]["deadline_at"]
        if stands != document:
            yield Problem("offering_not_version", offering.public_id, "The offering is not as it was last published.")


def _told(session: Session) -> Iterator[Problem]:
    """Compare every change and update with what the log told of it last."""
    for table, told, actions in (
        (OfferingChange, changes.told, "change.%"), (OfferingUpdate, updates.told, "update.posted"),
    ):
        last = (
            sa.select(LogEntry.object_id, sa.func.max(LogEntry.id).label("id"))
            .where(LogEntry.action.like(actions)).group_by(LogEntry.object_id).subquery("last")
        )
        rows = session.execute(
            sa.select(table, LogEntry.after)
            .outerjoin(last, last.c.object_id == table.public_id)
            .outerjoin(LogEntry, LogEntry.id == last.c.id)
        )
        for row, after in rows:
            if after != canonical(told(row)):
                yield Problem("change_untold", row.public_id, "The log tells another thing of it.")
