"""Check amendments of running contracts: against the log, the terms in force, and the journals of who left (MIL-13)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.progress import amending
from app.progress.amendment_models import Amendment
from app.selfcheck.halts import told_otherwise
from app.selfcheck.problem import Check, Problem, run_checks

CHECKS = (
    Check(
        "amendment_version", "What took effect is no version of the contract that was proposed.",
        """SELECT a.public_id AS place FROM amendment a JOIN offering o ON o.id = a.offering_id
        LEFT JOIN terms_version v ON v.id = a.effective_version_id
        LEFT JOIN terms_version b ON b.id = a.base_version_id
        WHERE b.contract_id <> o.contract_id OR (a.state = 'effective' AND
          (v.id IS NULL OR v.contract_id <> o.contract_id OR v.number <> b.number + 1))""",
    ),
    Check(
        "amendment_poll", "No poll decides the proposal, or one of another kind or state.",
        """SELECT a.public_id AS place, p.kind, p.state FROM amendment a
        LEFT JOIN poll p ON p.subject = a.public_id AND p.offering_id = a.offering_id
        WHERE p.id IS NULL OR (p.kind = 'adverse_amendment') <> a.is_adverse
        OR (a.state = 'voting' AND p.state <> 'open') OR (a.state IN ('leaving', 'effective')
          AND COALESCE(p.outcome, '') <> 'passed')""",
    ),
    Check(
        "amendment_exit_amount", "Who left got another amount than the journal and their statement say.",
        """SELECT e.public_id AS place, e.amount_minor, COALESCE(SUM(-s.amount_minor), 0) AS stated
        FROM amendment_exit e LEFT JOIN journal j ON j.id = e.journal_id AND j.cause = e.public_id
        LEFT JOIN escrow_statement s ON s.journal_id = j.id AND s.party_id = e.party_id AND s.kind = 'left'
        GROUP BY e.public_id, e.amount_minor HAVING e.amount_minor <> COALESCE(SUM(-s.amount_minor), 0)""",
    ),
    Check(
        "amendment_exit_other", "Who left lapsed other tokens, left another proposal, or is not whom the log names.",
        """SELECT e.public_id AS place, e.tokens_lapsed FROM amendment_exit e
        LEFT JOIN amendment a ON a.id = e.amendment_id LEFT JOIN journal j ON j.id = e.journal_id
        LEFT JOIN log_entry l ON l.action = 'investors.left' AND l.object_id = e.public_id
        WHERE a.id IS NULL OR j.id IS NULL OR a.offering_id <> j.offering_id OR a.leave_until IS NULL
        OR e.left_at < a.passed_at OR l.actor_user_id IS NULL OR l.actor_user_id <> e.user_id
        OR e.tokens_lapsed <> (SELECT COALESCE(SUM(n.amount), 0) FROM entry n JOIN account c ON c.id = n.account_id
          WHERE n.journal_id = j.id AND c.address LIKE 'unissued:%')""",
    ),
    Check(
        "amendment_exit_gone", "A journal paid somebody out who left a proposal, and nobody did.",
        """SELECT j.public_id AS place FROM journal j WHERE j.kind = 'left' AND j.cause LIKE 'aex%'
        AND NOT EXISTS (SELECT 1 FROM amendment_exit e WHERE e.journal_id = j.id AND e.public_id = j.cause)""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with proposals and with who left before they took effect."""
    yield from run_checks(session, CHECKS)
    yield from told_otherwise(session, "proposal", Amendment, amending.told, "amendment.proposed", "proposed_by")
