"""Check operations at the rails: their subjects, what they effected, and the journals that say so."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.selfcheck.problem import Check, Problem, run_checks

#: Kinds of journals that record an effect of an operation, one each.
_BY_EFFECT = (
    "('payment_cleared', 'payment_unapplied', 'payment_returned', 'refund_done', 'refund_failed_later', "
    "'payout_done', 'payout_returned')"
)

CHECKS = (
    Check(
        "operation_of_other", "The operation is not what its commitment, refund or payout asks for.",
        """SELECT o.public_id AS place, o.kind, o.amount_minor FROM operation o
        LEFT JOIN offering f ON f.id = o.offering_id
        LEFT JOIN commitment c ON c.id = o.commitment_id
        LEFT JOIN refund r ON r.id = o.refund_id
        LEFT JOIN payout p ON p.id = o.payout_id
        LEFT JOIN operation s ON s.id = o.source_id
        WHERE f.id IS NULL OR o.asset <> f.currency OR o.rail <> f.rail OR o.epoch < 1
        OR o.events_applied > o.events_heard
        OR CASE o.kind
          WHEN 'collect' THEN c.offering_id = o.offering_id
            AND o.refund_id IS NULL AND o.payout_id IS NULL AND o.source_id IS NULL
          WHEN 'credit' THEN c.offering_id = o.offering_id AND o.refund_id IS NULL AND o.payout_id IS NULL
            AND s.commitment_id = o.commitment_id AND s.kind = 'collect' AND s.method = o.method
            AND o.state = 'succeeded'
          WHEN 'refund' THEN r.amount_minor = o.amount_minor AND r.offering_id = o.offering_id
            AND r.commitment_id = o.commitment_id AND s.commitment_id = o.commitment_id
            AND s.kind IN ('collect', 'credit') AND s.method = o.method AND o.payout_id IS NULL
          ELSE p.offering_id = o.offering_id AND CASE WHEN p.status IN ('reserved', 'sending', 'paid')
              AND NOT EXISTS (SELECT 1 FROM operation n WHERE n.payout_id = p.id AND n.id > o.id)
            THEN p.amount_minor - p.set_off_minor = o.amount_minor
            ELSE o.amount_minor <= p.amount_minor AND o.amount_minor >= p.amount_minor - p.set_off_minor END
            AND o.commitment_id IS NULL AND o.refund_id IS NULL AND o.source_id IS NULL END IS NOT TRUE""",
    ),
    # What is frozen is sent again byte for byte, so the row must not say anything else.
    Check(
        "operation_request", "The frozen request is not the operation's.",
        """SELECT o.public_id AS place, o.amount_minor, o.asset, o.epoch FROM operation o
        JOIN offering f ON f.id = o.offering_id
        WHERE (o.request IS NULL AND o.kind <> 'credit'
          AND o.state IN ('sending', 'pending', 'action_required', 'succeeded'))
        OR o.request NOT LIKE '{"amount_minor":' || o.amount_minor || ',"asset":"' || o.asset || '","epoch":'
          || o.epoch || ',"kind":"' || o.kind || '","method":"' || o.method || '","offering":"' || f.public_id
          || '","operation":"' || o.public_id || '",%'""",
    ),
    Check(
        "operation_amount", "The operation's amount is not the one it was made with.",
        """SELECT o.public_id AS place, o.kind, o.amount_minor FROM operation o WHERE NOT EXISTS (
          SELECT 1 FROM log_entry l WHERE l.object_id = o.public_id AND l.action = 'operation.created'
          AND l.after LIKE '{"amount_minor":' || o.amount_minor || ',"asset":"' || o.asset || '","kind":"' || o.kind
            || '",%')""",
    ),
    Check(
        "operation_state", "The operation's state is not what its effects say.",
        """SELECT o.public_id AS place, o.state, COUNT(e.id) AS effects FROM operation o
        LEFT JOIN operation_effect e ON e.operation_id = o.id
        GROUP BY o.public_id, o.state
        HAVING (o.state = 'succeeded' AND COUNT(e.id) = 0)
        OR (o.state IN ('created', 'sending', 'unknown', 'pending', 'action_required') AND COUNT(e.id) > 0)""",
    ),
    Check(
        "source_given_back", "More was given back out of a payment than it brought.",
        """SELECT s.public_id AS place, MAX(e.amount_minor) AS paid, SUM(o.amount_minor) AS given_back
        FROM operation s JOIN operation_effect e ON e.operation_id = s.id AND e.effect = 'cleared'
        JOIN operation o ON o.source_id = s.id AND o.state NOT IN ('failed', 'cancelled')
        LEFT JOIN operation_effect b ON b.operation_id = o.id AND b.effect = 'bounced'
        WHERE b.id IS NULL GROUP BY s.public_id HAVING SUM(o.amount_minor) > MAX(e.amount_minor)""",
    ),
    Check(
        "effect_journal", "The effect is not what its journal moved.",
        """SELECT o.public_id AS place, e.effect, e.amount_minor, e.fee_minor, m.cash, m.expense
        FROM operation_effect e LEFT JOIN operation o ON o.id = e.operation_id
        LEFT JOIN journal j ON j.id = e.journal_id
        LEFT JOIN (SELECT n.journal_id,
            SUM(CASE WHEN a.address LIKE 'cash:%' THEN n.amount ELSE 0 END) AS cash,
            SUM(CASE WHEN a.address LIKE 'expense:%' THEN n.amount ELSE 0 END) AS expense
          FROM entry n JOIN account a ON a.id = n.account_id GROUP BY n.journal_id) m ON m.journal_id = e.journal_id
        WHERE o.id IS NULL OR j.id IS NULL OR j.cause <> o.public_id
        OR (e.effect IN ('cleared', 'returned')) <> (o.kind IN ('collect', 'credit'))
        OR (o.kind = 'credit' AND e.effect = 'cleared' AND e.amount_minor <> o.amount_minor)
        OR m.expense <> CASE e.effect WHEN 'cleared' THEN e.fee_minor ELSE 0 END
        OR m.cash <> CASE e.effect WHEN 'cleared' THEN e.amount_minor - e.fee_minor WHEN 'bounced' THEN e.amount_minor
          ELSE -e.amount_minor END
        OR (e.effect <> 'cleared' AND e.fee_minor <> 0)
        OR j.kind NOT IN (CASE e.effect WHEN 'cleared' THEN 'payment_cleared' WHEN 'returned' THEN 'payment_returned'
            WHEN 'done' THEN o.kind || '_done' ELSE CASE o.kind WHEN 'refund' THEN 'refund_failed_later'
              ELSE 'payout_returned' END END,
          CASE e.effect WHEN 'cleared' THEN 'payment_unapplied' ELSE '' END)""",
    ),
    Check(
        "journal_without_effect", "The journal says what a rail did, but no operation effected it.",
        f"""SELECT j.public_id AS place, j.kind FROM journal j
        LEFT JOIN operation_effect e ON e.journal_id = j.id
        WHERE j.kind IN {_BY_EFFECT} GROUP BY j.public_id, j.kind HAVING COUNT(e.id) <> 1""",
    ),
    Check(
        "payment_not_held", "A payment that cleared into escrow is not the commitment's that its operation collected.",
        """SELECT o.public_id AS place, o.commitment_id, s.commitment_id AS credited FROM operation_effect e
        JOIN operation o ON o.id = e.operation_id JOIN journal j ON j.id = e.journal_id
        LEFT JOIN escrow_statement s ON s.journal_id = j.id
        LEFT JOIN receipt r ON r.operation_id = o.id
        WHERE (j.kind = 'payment_cleared' AND (s.id IS NULL OR s.commitment_id <> o.commitment_id
          OR s.amount_minor <> e.amount_minor - COALESCE(r.amount_minor, 0)))
        OR (j.kind = 'payment_unapplied' AND r.id IS NULL)""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with operations."""
    yield from run_checks(session, CHECKS)
