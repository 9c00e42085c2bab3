"""Check the log of changes against what it speaks of: hashes, chains of states, the last state, who acted.

The log is the second witness of every state: a row whose state was changed without it, and an entry that was
altered, taken out or added, contradict each other.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import content_hash
from app.selfcheck.problem import Check, Problem, run_checks

#: States that things are in before the log says anything of them.
FIRST = frozenset(
    {"draft", "locked", "appointed", "open", "waiting", "awaiting_payment", "created", "received", "waits", "stands"}
)
#: States that repeat by themselves and are not worth an entry; and what people see instead of what is stored.
UNTOLD = frozenset({"sending"})
STORED = {"refunding": "cancelled"}


def _last_state(table: str, column: str, *, silent: str, excused: str = "1 = 0", stored: str | None = None) -> Check:
    """Return the check that a table's state is the last one the log tells.

    ``silent`` is the state in which the log may say nothing yet, ``excused`` a condition for states that the
    log does not tell one by one.
    """
    return Check(
        f"{table}_state_untold", f"The log does not say that the {table} is in this state.",
        f"""SELECT t.public_id AS place, t.{column} AS state, l.after AS told FROM {table} t
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE after LIKE '%"state":"%' GROUP BY object_id) n
          ON n.object_id = t.public_id
        LEFT JOIN log_entry l ON l.id = n.id
        WHERE NOT ({excused}) AND NOT (l.id IS NULL AND t.{column} = '{silent}')
        AND (l.id IS NULL OR l.after NOT LIKE '%"state":"' || {stored or f't.{column}'} || '"%')""",
    )


def _told(table: str, action: str, *, where: str = "1 = 1", actor: str | None = None) -> Iterator[Check]:
    """Yield the checks that the log tells a fact of every row exactly once, by whom, and of no row that is gone."""
    by = f" OR MIN(COALESCE(l.actor_user_id, 0)) <> MIN(COALESCE(t.{actor}, 0))" if actor else ""
    yield Check(
        f"{table}_gone", f"The log says “{action}”, but there is no such {table}.",
        f"""SELECT l.object_id AS place FROM log_entry l LEFT JOIN {table} t ON t.public_id = l.object_id
        WHERE l.action = '{action}' AND t.public_id IS NULL""",
    )
    yield Check(
        f"{table}_untold", f"The log does not say “{action}” of it exactly once, or names somebody else.",
        f"""SELECT t.public_id AS place, COUNT(l.id) AS entries FROM {table} t
        LEFT JOIN log_entry l ON l.object_id = t.public_id AND l.action = '{action}'
        WHERE {where} GROUP BY t.public_id HAVING COUNT(l.id) <> 1{by}""",
    )


CHECKS = (
    _last_state("offering", "state", silent="draft"),
    _last_state("milestone", "state", silent="locked"),
    _last_state(
        "appointment", "state", silent="appointed",
    ),
    _last_state(
        "commitment", "status", silent="",
        stored="CASE t.status WHEN 'cancelled' THEN CASE WHEN l.after LIKE '%\"refunding\"%' THEN 'refunding' "
        "ELSE 'cancelled' END WHEN 'lapsed' THEN CASE WHEN l.after LIKE '%\"clearing\"%' THEN 'clearing' "
        "WHEN l.after LIKE '%\"payment_failed\"%' THEN 'payment_failed' ELSE 'awaiting_payment' END "
        "ELSE t.status END",
        # A round's silence is one entry for all, which counts them.
        excused="t.status = 'cancelled' AND EXISTS (SELECT 1 FROM reconfirmation r "
        "WHERE r.commitment_id = t.id AND r.answer = 'silent')",
    ),
    _last_state(
        "operation", "state", silent="",
        excused="t.state = 'sending' AND (l.after LIKE '%\"state\":\"created\"%' "
        "OR l.after LIKE '%\"state\":\"unknown\"%')",
    ),
    _last_state("receipt", "status", silent="open"),
    _last_state("commitment_link", "status", silent="stands"),
    _last_state("refund", "status", silent="open", excused="t.status = 'sending'"),
    _last_state(
        "payout", "status", silent="waiting",
        excused="t.status = 'sending' AND l.after LIKE '%\"state\":\"reserved\"%'",
    ),
    *_told("user_account", "user.signed_up"),
    *_told("offering", "offering.drafted", actor="created_by"),
    *_told("offering", "offering.published", where="t.terms_version_id IS NOT NULL"),
    *_told("issuer", "issuer.created", actor="created_by"),
    *_told("token_class", "token_class.created"),
    *_told("commitment", "commitment.accepted", actor="user_id"),
    *_told("waiting_entry", "waiting.joined", actor="user_id"),
    *_told("offering_change", "change.proposed", actor="proposed_by"),
    *_told("offering_update", "update.posted", actor="posted_by"),
    *_told("update_flag", "update.flagged", actor="flagged_by"),
    *_told("operation", "operation.created"),
    *_told("receipt", "receipt.kept"),
    *_told("release", "escrow.released", where="t.kind = 'released'"),
    *_told("release", "escrow.returned", where="t.kind = 'returned'"),
    *_told("submission", "submission.received", where="t.received_at IS NOT NULL", actor="created_by"),
    *_told("attestation", "attestation.signed", actor="user_id"),
    *_told("dispute_finding", "finding.signed", actor="user_id"),
    *_told("evidence", "evidence.added", actor="uploaded_by"),
    *_told("milestone", "milestone.late", where="t.is_late"),
    Check(
        "membership_untold", "The log does not say who was given this role, or says it of a membership that is gone.",
        """SELECT COALESCE(m.public_id, told.object_id) AS place FROM membership m
        LEFT JOIN (SELECT DISTINCT object_id FROM log_entry WHERE action = 'membership.added') told
          ON told.object_id = m.public_id WHERE told.object_id IS NULL
        UNION ALL
        SELECT l.object_id FROM log_entry l LEFT JOIN membership m ON m.public_id = l.object_id
        WHERE l.action = 'membership.added' AND m.id IS NULL""",
    ),
    # Everybody but a company's founders acts for themselves.
    Check(
        "membership_of_other", "The membership is another user's or another party's than the log says.",
        """SELECT m.public_id AS place, m.user_id, m.party_id FROM membership m
        LEFT JOIN user_account u ON u.id = m.user_id LEFT JOIN party p ON p.id = m.party_id
        WHERE u.id IS NULL OR p.id IS NULL OR (m.party_id <> u.party_id AND (m.role <> 'founder' OR p.kind <> 'legal'))
        OR NOT EXISTS (SELECT 1 FROM log_entry l WHERE l.object_id = m.public_id AND l.action = 'membership.added'
          AND l.after LIKE '%"role":"' || m.role || '","user":"' || u.public_id || '"}')""",
    ),
    Check(
        "float_untold", "The log does not say who funded the float, or how much.",
        """SELECT COALESCE(j.public_id, l.object_id) AS place FROM journal j
        LEFT JOIN log_entry l ON l.object_id = j.cause AND l.action = 'float.funded' WHERE j.kind = 'float_funded'
        AND (l.id IS NULL OR l.after NOT LIKE '%"journal":"' || j.public_id || '"%')
        UNION ALL
        SELECT l.object_id FROM log_entry l LEFT JOIN journal j ON j.cause = l.object_id AND j.kind = 'float_funded'
        WHERE l.action = 'float.funded' AND j.id IS NULL""",
    ),
    Check(
        "reserve_untold", "The log does not say who changed the reserve, or by how much.",
        """SELECT COALESCE(j.public_id, l.object_id) AS place FROM journal j
        LEFT JOIN log_entry l ON l.object_id = j.cause AND l.action = 'reserve.changed'
        WHERE j.kind IN ('reserve_funded', 'reserve_taken_out')
        AND (l.id IS NULL OR l.after NOT LIKE '%"journal":"' || j.public_id || '"%')
        UNION ALL
        SELECT l.object_id FROM log_entry l LEFT JOIN journal j ON j.cause = l.object_id
          AND j.kind IN ('reserve_funded', 'reserve_taken_out')
        WHERE l.action = 'reserve.changed' AND j.id IS NULL""",
    ),
    Check(
        "sweep_untold", "The log does not say that the fees were swept.",
        """SELECT j.public_id AS place FROM journal j WHERE j.kind = 'fees_swept' AND NOT EXISTS (
          SELECT 1 FROM log_entry l WHERE l.object_id = j.cause AND l.action = 'fees.swept'
          AND l.after LIKE '%"journal":"' || j.public_id || '"%')""",
    ),
    Check(
        "refunds_untold", "The log counts other refunds of what was given back.",
        # One that came from several payments is sent back in parts, one for each: it was told once.
        """SELECT j.public_id AS place, COUNT(DISTINCT r.commitment_id) AS refunds, MAX(l.row_count) AS told
        FROM journal j
        LEFT JOIN refund r ON r.journal_id = j.id
        LEFT JOIN log_entry l ON l.object_id = j.cause AND l.action = 'refunds.owed'
        WHERE j.kind = 'given_back' GROUP BY j.public_id
        HAVING COUNT(DISTINCT r.commitment_id) <> COALESCE(MAX(l.row_count), -1)""",
    ),
    Check(
        "late_untold", "The log says that the milestone is late, but it is not marked so.",
        """SELECT m.public_id AS place FROM log_entry l JOIN milestone m ON m.public_id = l.object_id
        WHERE l.action = 'milestone.late' AND NOT m.is_late""",
    ),
    Check(
        "lapsed_untold", "The log counts other commitments that lapsed.",
        """SELECT o.public_id AS place, COALESCE(c.lapsed, 0) AS lapsed, COALESCE(l.told, 0) AS told FROM offering o
        LEFT JOIN (SELECT offering_id, COUNT(*) AS lapsed FROM commitment WHERE status = 'lapsed'
          GROUP BY offering_id) c ON c.offering_id = o.id
        LEFT JOIN (SELECT object_id, SUM(row_count) AS told FROM log_entry WHERE action = 'commitments.lapsed'
          GROUP BY object_id) l ON l.object_id = o.public_id
        WHERE COALESCE(c.lapsed, 0) <> COALESCE(l.told, 0)""",
    ),
    Check(
        "log_repeated", "The same entry stands in the log twice.",
        """SELECT MIN(object_id) AS place, MIN(action) AS action, COUNT(*) AS entries FROM log_entry
        GROUP BY content_hash HAVING COUNT(*) > 1""",
    ),
    # Four eyes: who submitted and who approved is what the log says (OFF-4).
    Check(
        "four_eyes_untold", "The log names somebody else as who submitted or approved the offering.",
        """SELECT o.public_id AS place, o.submitted_by, o.approved_by FROM offering o
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE action = 'offering.submit' GROUP BY object_id) s
          ON s.object_id = o.public_id LEFT JOIN log_entry submitted ON submitted.id = s.id
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE action = 'offering.approve'
          GROUP BY object_id) a ON a.object_id = o.public_id LEFT JOIN log_entry approved ON approved.id = a.id
        WHERE COALESCE(o.submitted_by, 0) <> COALESCE(submitted.actor_user_id, 0)
        OR (o.approved_by IS NOT NULL AND o.approved_by <> COALESCE(approved.actor_user_id, 0))
        OR (o.approved_by IS NULL AND o.state NOT IN ('draft', 'in_review', 'withdrawn'))""",
    ),
    Check(
        "funding_untold", "The log names somebody else as who signed who funded the commitments, or another time.",
        """SELECT o.public_id AS place, o.funding_stated_by, l.actor_user_id AS told FROM offering o
        LEFT JOIN log_entry l ON l.object_id = o.public_id AND l.action = 'offering.funding_stated'
        WHERE (l.id IS NULL) <> (o.funding_stated_by IS NULL) OR (l.id IS NULL) <> (o.funding_stated_at IS NULL)
        OR o.funding_stated_by <> l.actor_user_id OR o.funding_stated_at <> l.at""",
    ),
    Check(
        "suspension_untold", "The log names somebody else as who suspended the release.",
        """SELECT m.public_id AS place, m.state, m.suspended_by, l.actor_user_id AS told FROM milestone m
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE action = 'milestone.suspended'
          GROUP BY object_id) n ON n.object_id = m.public_id LEFT JOIN log_entry l ON l.id = n.id
        WHERE (m.state = 'suspended' AND m.suspended_by IS NULL)
        OR (m.suspended_by IS NOT NULL AND m.suspended_by <> COALESCE(l.actor_user_id, 0))""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what the log and the rows say differently."""
    yield from run_checks(session, CHECKS)
    yield from _chains(session)


def _chains(session: Session) -> Iterator[Problem]:
    """Recompute every entry's hash, and follow each object's states from entry to entry, in one pass."""
    rows = session.execute(
        sa.select(LogEntry.__table__)
        .order_by(LogEntry.object_id, LogEntry.id)
        .execution_options(yield_per=2000)
    )
    for object_id, entries in itertools.groupby(rows, key=lambda row: row.object_id):
        state: str | None = None
        for entry in entries:
            if content_hash(entry) != entry.content_hash:
                yield Problem("log_altered", object_id, "The log entry is not the one that was written.",
                              {"entry": entry.id, "action": entry.action})
            before, after = _state(entry.before), _state(entry.after)
            expected = FIRST if state is None else {state}
            if before is not None and before not in expected | UNTOLD:
                yield Problem("log_chain", object_id, "The log entry does not follow from the one before it.",
                              {"entry": entry.id, "before": before, "told_before": state})
            state = STORED.get(after, after) if after is not None else state


def _state(text: str | None) -> str | None:
    """Return the state that ``before`` or ``after`` names, if it does."""
    if text is None or '"state":"' not in text:
        return None
    return json.loads(text).get("state")
