"""Check what is owed and what is there: cash, refunds, receipts, payouts, and the operations that move them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.selfcheck.problem import BALANCES, Check, Problem, run_checks

_UNDECIDED = "('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"

#: What the attempts of a refund or payout came to. An attempt that was rejected stays a failure, even where an
#: operator asks the rail about it again; one that came back after it had arrived is another.
_ATTEMPTS = """(SELECT {subject} AS subject_id,
    SUM(COALESCE(f.failures, 0) + CASE WHEN b.id IS NOT NULL THEN 1 ELSE 0 END) AS failures,
    SUM(CASE WHEN d.id IS NOT NULL AND b.id IS NULL THEN 1 ELSE 0 END) AS arrived,
    SUM(CASE WHEN o.state IN {undecided} AND d.id IS NULL AND f.failures IS NULL THEN 1 ELSE 0 END) AS under_way,
    SUM(CASE WHEN o.state = 'pending' THEN 1 ELSE 0 END) AS pending,
    SUM(CASE WHEN o.state IN ('created', 'sending') THEN 1 ELSE 0 END) AS unsent
  FROM operation o LEFT JOIN operation_effect d ON d.operation_id = o.id AND d.effect = 'done'
  LEFT JOIN operation_effect b ON b.operation_id = o.id AND b.effect = 'bounced'
  LEFT JOIN (SELECT object_id, COUNT(*) AS failures FROM log_entry
      WHERE action IN ('operation.failed', 'operation.cancelled') GROUP BY object_id) f ON f.object_id = o.public_id
  WHERE o.kind = '{kind}' GROUP BY {subject})"""


def _attempts(kind: str) -> str:
    return _ATTEMPTS.format(kind=kind, subject=f"o.{kind}_id", undecided=_UNDECIDED)


CHECKS = (
    # Every journal moves cash and debt together, but for providers' fees and what rails take, and what covers them.
    Check(
        "cash_short", "The offering's cash is not what it owes, less fees and what rails took that nobody covered yet.",
        f"""WITH {BALANCES} SELECT place, asset, cash, owed, disputed, expense, covered FROM (
          SELECT o.public_id AS place, o.currency AS asset,
            SUM(CASE WHEN b.address LIKE 'cash:%' THEN b.amount ELSE 0 END) AS cash,
            SUM(CASE WHEN b.address LIKE 'expense:%' OR b.address LIKE 'loss:%' OR b.address LIKE 'receivable:%'
              THEN b.amount ELSE 0 END) AS expense,
            SUM(CASE WHEN b.address LIKE 'disputed:%' THEN b.amount ELSE 0 END) AS disputed,
            SUM(CASE WHEN b.address LIKE 'cash:%' OR b.address LIKE 'expense:%' OR b.address LIKE 'loss:%'
              OR b.address LIKE 'receivable:%' OR b.address LIKE 'disputed:%' THEN 0 ELSE b.amount END) AS owed,
            COALESCE(MAX(f.covered), 0) AS covered
          FROM offering o JOIN balance b ON b.offering_id = o.id AND b.asset = o.currency
          LEFT JOIN (SELECT j.offering_id, SUM(e.amount) AS covered FROM journal j
              JOIN entry e ON e.journal_id = j.id JOIN account a ON a.id = e.account_id
            WHERE j.kind IN ('fees_covered', 'fees_set_off', 'advanced', 'advance_returned', 'claim_paid')
              AND a.offering_id IS NOT NULL
            GROUP BY j.offering_id) f
            ON f.offering_id = o.id
          GROUP BY o.public_id, o.currency) AS judged
        WHERE cash + expense - covered <> owed + disputed OR covered > expense - disputed""",
    ),
    Check(
        "refunds_wrong", "What is owed back is not the sum of the refunds that are open, or of those unclaimed.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, COALESCE(b.amount, 0) AS refunds,
          COALESCE(r.open_minor, 0) AS open_refunds, COALESCE(u.amount, 0) AS unclaimed,
          COALESCE(r.unclaimed_minor, 0) AS unclaimed_refunds
        FROM offering o LEFT JOIN balance b ON b.address = 'refunds:' || o.public_id
        LEFT JOIN balance u ON u.address = 'unclaimed:' || o.public_id
        LEFT JOIN (SELECT offering_id,
            SUM(CASE WHEN status IN ('open', 'sending', 'failed') THEN amount_minor ELSE 0 END) AS open_minor,
            SUM(CASE WHEN status = 'unclaimed' THEN amount_minor ELSE 0 END) AS unclaimed_minor
          FROM refund GROUP BY offering_id) r ON r.offering_id = o.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(r.open_minor, 0)
        OR COALESCE(u.amount, 0) <> COALESCE(r.unclaimed_minor, 0)""",
    ),
    Check(
        "refund_journal", "What the journal owes back is not the sum of its refunds.",
        """SELECT j.public_id AS place, moved.difference AS difference FROM (
          SELECT journal_id, SUM(amount) AS difference FROM (
            SELECT r.journal_id, r.amount_minor AS amount FROM refund r
            UNION ALL
            SELECT e.journal_id, e.amount FROM entry e JOIN account a ON a.id = e.account_id
            JOIN journal j ON j.id = e.journal_id
            WHERE a.address LIKE 'refunds:%' AND e.amount < 0 AND j.kind <> 'refund_failed_later') AS legs
          GROUP BY journal_id HAVING SUM(amount) <> 0) AS moved
        LEFT JOIN journal j ON j.id = moved.journal_id""",
    ),
    Check(
        "refund_of_other", "The refund is not its commitment's, or not what the statement gave back.",
        """SELECT r.public_id AS place, r.amount_minor, s.amount_minor AS statement, c.public_id AS commitment
        FROM refund r LEFT JOIN commitment c ON c.id = r.commitment_id
        LEFT JOIN escrow_statement s ON s.journal_id = r.journal_id AND s.commitment_id = r.commitment_id
        LEFT JOIN journal j ON j.id = r.journal_id
        WHERE c.id IS NULL OR j.id IS NULL OR c.party_id <> r.party_id OR c.offering_id <> r.offering_id
        OR r.created_at <> j.occurred_at
        OR (j.kind = 'receipt_returned' AND s.id IS NOT NULL)
        OR (j.kind NOT IN ('receipt_returned', 'payment_applied', 'payment_returned', 'dispute_opened', 'dispute_won')
          AND s.id IS NULL)""",
    ),
    # One refund for each row and payment: those of one row are what it gave back. What a payment brought above a
    # commitment, and other parts of one that was taken back, never were of the row: the journal's check has those.
    Check(
        "refund_parts", "The refunds are not what the statement gave back, or not numbered without a gap.",
        """SELECT MIN(r.public_id) AS place, SUM(r.amount_minor) AS refunds, MAX(s.amount_minor) AS statement,
          MAX(r.part) AS parts
        FROM refund r JOIN journal j ON j.id = r.journal_id
        LEFT JOIN escrow_statement s ON s.journal_id = r.journal_id AND s.commitment_id = r.commitment_id
        GROUP BY r.journal_id, r.commitment_id, j.kind
        HAVING MAX(r.part) <> COUNT(r.id) OR MIN(r.part) <> 1
        OR (j.kind NOT IN ('receipt_returned', 'payment_applied', 'payment_returned', 'dispute_opened', 'dispute_won',
            'repriced')
          AND SUM(r.amount_minor) <> -MAX(s.amount_minor))""",
    ),
    Check(
        "refund_source", "The refund names a payment that is not its commitment's, or is sent back to another.",
        """SELECT r.public_id AS place, r.source_id, o.source_id AS sent FROM refund r
        LEFT JOIN operation s ON s.id = r.source_id AND s.commitment_id = r.commitment_id
          AND s.kind IN ('collect', 'credit')
        LEFT JOIN operation o ON o.refund_id = r.id
        LEFT JOIN receipt t ON t.operation_id = s.id
        LEFT JOIN journal j ON j.id = r.journal_id
        WHERE (r.source_id IS NOT NULL AND s.id IS NULL) OR o.source_id <> r.source_id
        OR (j.kind = 'receipt_returned' AND (r.source_id IS NULL OR j.cause <> t.public_id))
        OR (r.source_id IS NOT NULL AND j.kind NOT IN ('receipt_returned', 'payment_applied', 'payment_returned',
            'dispute_opened', 'dispute_won') AND NOT EXISTS (
          SELECT 1 FROM log_entry l WHERE l.object_id = r.public_id AND l.action = 'refund.split'))""",
    ),
    Check(
        "refund_status", "The refund's status is not what its attempts came to.",
        f"""SELECT r.public_id AS place, r.status, r.failures, COALESCE(a.failures, 0) AS failed,
          COALESCE(a.arrived, 0) AS arrived, COALESCE(a.under_way, 0) AS under_way
        FROM refund r LEFT JOIN {_attempts('refund')} a ON a.subject_id = r.id
        WHERE r.failures <> COALESCE(a.failures, 0) OR (r.done_at IS NULL) <> (r.status <> 'done')
        OR CASE r.status
          WHEN 'done' THEN COALESCE(a.under_way, 0) = 0
            AND (COALESCE(a.arrived, 0) = 1 OR r.reason = 'returned by the bank')
          WHEN 'sending' THEN COALESCE(a.under_way, 0) = 1 AND COALESCE(a.arrived, 0) = 0
          ELSE COALESCE(a.under_way, 0) = 0 AND COALESCE(a.arrived, 0) = 0 END = (1 = 0)""",
    ),
    Check(
        "receipts_wrong", "The money that is no commitment's is not the sum of the receipts that stand.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, COALESCE(b.amount, 0) AS unapplied,
          COALESCE(r.amount_minor, 0) AS receipts
        FROM offering o LEFT JOIN (SELECT offering_id, SUM(amount) AS amount FROM balance
          WHERE address LIKE 'unapplied:%' GROUP BY offering_id) b ON b.offering_id = o.id
        LEFT JOIN (SELECT offering_id, SUM(amount_minor) AS amount_minor FROM receipt
          WHERE status IN ('waiting', 'doubted', 'open') GROUP BY offering_id) r ON r.offering_id = o.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(r.amount_minor, 0)""",
    ),
    Check(
        "receipt_of_other", "The receipt is not the payment's that it keeps.",
        """SELECT r.public_id AS place, r.amount_minor, m.aside, r.status FROM receipt r
        LEFT JOIN operation o ON o.id = r.operation_id
        LEFT JOIN operation_effect e ON e.operation_id = o.id AND e.effect = 'cleared'
        LEFT JOIN (SELECT n.journal_id, -SUM(n.amount) AS aside FROM entry n JOIN account a ON a.id = n.account_id
          WHERE a.address LIKE 'unapplied:%' AND n.amount < 0 GROUP BY n.journal_id) m ON m.journal_id = e.journal_id
        LEFT JOIN commitment c ON c.id = r.commitment_id
        LEFT JOIN journal became ON became.kind = 'payment_applied' AND became.cause = c.public_id
        LEFT JOIN journal back ON back.kind = 'receipt_returned' AND back.cause = r.public_id
        LEFT JOIN (SELECT operation_id, MIN(id) AS id FROM reversal WHERE owed_minor > 0 GROUP BY operation_id) taken
          ON taken.operation_id = o.id
        WHERE o.id IS NULL OR e.id IS NULL OR o.commitment_id <> r.commitment_id OR o.offering_id <> r.offering_id
        OR COALESCE(m.aside, 0) <> r.amount_minor
        OR CASE r.status
          WHEN 'applied' THEN became.id IS NOT NULL AND back.id IS NULL
          WHEN 'returned' THEN back.id IS NOT NULL OR taken.id IS NOT NULL
          ELSE back.id IS NULL AND taken.id IS NULL END = (1 = 0)""",
    ),
    Check(
        "applied_of_other", "What became a commitment is not its parts less what went back.",
        """SELECT j.public_id AS place, m.aside, COALESCE(r.amount_minor, 0) AS parts, m.escrow, s.amount_minor
        FROM journal j JOIN (SELECT n.journal_id,
            SUM(CASE WHEN a.address LIKE 'unapplied:%' THEN n.amount ELSE 0 END) AS aside,
            SUM(CASE WHEN a.address LIKE 'escrow:%' THEN -n.amount ELSE 0 END) AS escrow
          FROM entry n JOIN account a ON a.id = n.account_id GROUP BY n.journal_id) m ON m.journal_id = j.id
        LEFT JOIN commitment c ON c.public_id = j.cause
        LEFT JOIN (SELECT commitment_id, SUM(amount_minor) AS amount_minor FROM receipt WHERE status = 'applied'
          GROUP BY commitment_id) r ON r.commitment_id = c.id
        LEFT JOIN escrow_statement s ON s.journal_id = j.id AND s.commitment_id = c.id AND s.kind = 'paid'
        WHERE j.kind = 'payment_applied' AND (c.id IS NULL OR m.aside <> COALESCE(r.amount_minor, 0)
          OR m.escrow <> COALESCE(s.amount_minor, 0))""",
    ),
    Check(
        "underpaid_without_part", "The commitment waits for the rest, but no part of it is there, or all of it is.",
        """SELECT c.public_id AS place, c.amount_minor, COALESCE(r.amount_minor, 0) AS parts FROM commitment c
        LEFT JOIN (SELECT commitment_id, SUM(amount_minor) AS amount_minor FROM receipt WHERE status = 'waiting'
          GROUP BY commitment_id) r ON r.commitment_id = c.id
        WHERE c.status = 'underpaid' AND (COALESCE(r.amount_minor, 0) = 0 OR r.amount_minor >= c.amount_minor)""",
    ),
    Check(
        "payable_wrong", "What is released and not paid is not the sum of the payouts.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, b.payable, b.paying, p.waiting, p.reserved,
          COALESCE(r.due, 0) AS released_less_paid
        FROM offering o JOIN (SELECT offering_id,
            SUM(CASE WHEN address LIKE 'payable:%' THEN amount ELSE 0 END) AS payable,
            SUM(CASE WHEN address LIKE 'paying:%' THEN amount ELSE 0 END) AS paying
          FROM balance WHERE offering_id IS NOT NULL GROUP BY offering_id) b ON b.offering_id = o.id
        LEFT JOIN (SELECT offering_id,
            SUM(CASE WHEN status = 'waiting' THEN amount_minor - set_off_minor ELSE 0 END) AS waiting,
            SUM(CASE WHEN status IN ('reserved', 'sending') THEN amount_minor - set_off_minor ELSE 0 END) AS reserved,
            SUM(CASE WHEN reversal_id IS NOT NULL THEN amount_minor ELSE 0 END
              - CASE WHEN status = 'paid' THEN amount_minor ELSE set_off_minor END) AS again
          FROM payout GROUP BY offering_id) p ON p.offering_id = o.id
        LEFT JOIN (SELECT r.offering_id, SUM(r.amount_minor - r.fee_minor) AS due
          FROM release r WHERE r.kind = 'released' GROUP BY r.offering_id) r ON r.offering_id = o.id
        WHERE b.payable <> COALESCE(p.waiting, 0) OR b.paying <> COALESCE(p.reserved, 0)
        OR b.payable + b.paying <> COALESCE(r.due, 0) + COALESCE(p.again, 0)""",
    ),
    Check(
        "payout_of_other", "The payout is not its release's.",
        """SELECT r.public_id AS place, p.public_id AS payout, r.amount_minor, r.fee_minor, p.amount_minor AS paid
        FROM release r LEFT JOIN payout p ON p.release_id = r.id LEFT JOIN offering o ON o.id = r.offering_id
        WHERE r.kind = 'released' AND r.amount_minor > r.fee_minor AND (p.id IS NULL
          OR p.amount_minor <> r.amount_minor - r.fee_minor OR p.offering_id <> r.offering_id
          OR p.issuer_id <> o.issuer_id)
        UNION ALL
        SELECT p.public_id, NULL, r.amount_minor, r.fee_minor, p.amount_minor FROM payout p
        LEFT JOIN release r ON r.id = p.release_id AND r.kind = 'released'
        LEFT JOIN reversal v ON v.id = p.reversal_id AND v.state = 'won' AND v.offering_id = p.offering_id
          AND p.amount_minor = v.set_off_minor + COALESCE((SELECT c.paid_minor + c.set_off_minor FROM issuer_claim c
            WHERE c.reversal_id = v.id), 0)
        WHERE r.id IS NULL AND v.id IS NULL""",
    ),
    Check(
        "payout_status", "The payout's status is not what its attempts came to.",
        f"""SELECT p.public_id AS place, p.status, p.failures, COALESCE(a.failures, 0) AS failed,
          COALESCE(a.arrived, 0) AS arrived, COALESCE(a.under_way, 0) AS under_way
        FROM payout p LEFT JOIN {_attempts('payout')} a ON a.subject_id = p.id
        WHERE p.failures <> COALESCE(a.failures, 0) OR (p.paid_at IS NULL) <> (p.status <> 'paid')
        OR CASE p.status
          WHEN 'paid' THEN COALESCE(a.arrived, 0) = 1 AND COALESCE(a.under_way, 0) = 0
          WHEN 'reserved' THEN COALESCE(a.under_way, 0) = 1 AND a.pending = 0
          WHEN 'sending' THEN COALESCE(a.under_way, 0) = 1 AND a.unsent = 0
          ELSE COALESCE(a.under_way, 0) = 0 AND COALESCE(a.arrived, 0) = 0 END = (1 = 0)""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with money owed and paid."""
    yield from run_checks(session, CHECKS)
