"""Check what rails took back: against the accounts, the statements, the register, the payouts and the log (WND-4)."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import canonical
from app.payments import claims, reversals
from app.payments.reversal_models import IssuerClaim, Reversal
from app.selfcheck.problem import BALANCES, Check, Problem, run_checks

#: What of a claim the company still owes.
_LEFT = "(c.amount_minor - c.paid_minor - c.set_off_minor - c.given_up_minor - c.won_back_minor)"

#: What each journal of a reversal moved, by the first part of the address; debits above zero.
_LEGS = """legs AS (
  SELECT e.journal_id,
    SUM(CASE WHEN a.address LIKE 'cash:%' THEN e.amount ELSE 0 END) AS cash,
    SUM(CASE WHEN a.address LIKE 'receivable:dispute:%' THEN e.amount ELSE 0 END) AS receivable,
    SUM(CASE WHEN a.address LIKE 'receivable:issuer:%' THEN e.amount ELSE 0 END) AS claim,
    SUM(CASE WHEN a.address LIKE 'disputed:%' THEN e.amount ELSE 0 END) AS disputed,
    SUM(CASE WHEN a.address LIKE 'payable:%' THEN e.amount ELSE 0 END) AS payable,
    SUM(CASE WHEN a.address LIKE 'loss:%' THEN e.amount ELSE 0 END) AS loss,
    SUM(CASE WHEN a.address LIKE 'outstanding:%' THEN e.amount ELSE 0 END) AS outstanding
  FROM entry e JOIN account a ON a.id = e.account_id GROUP BY e.journal_id
)"""

#: What of a loss turned out not to be one, because the refund that had gone too never arrived.
_RECOVERED = """COALESCE((SELECT SUM(-n.amount) FROM journal m JOIN entry n ON n.journal_id = m.id
  JOIN account b ON b.id = n.account_id WHERE m.cause = r.public_id AND m.kind = 'loss_recovered'
  AND b.address LIKE 'loss:%'), 0)"""

CHECKS = (
    Check(
        "disputed_wrong", "The money and the claim on the rail that stand apart are not those of the open disputes.",
        f"""WITH {BALANCES} SELECT place, disputed, receivable, apart, taken FROM (
          SELECT o.public_id AS place,
            COALESCE((SELECT SUM(b.amount) FROM balance b WHERE b.address = 'disputed:' || o.public_id), 0) AS disputed,
            COALESCE((SELECT SUM(b.amount) FROM balance b WHERE b.offering_id = o.id
              AND b.address LIKE 'receivable:dispute:%'), 0) AS receivable,
            COALESCE((SELECT SUM(r.escrow_minor + r.owed_minor) FROM reversal r WHERE r.offering_id = o.id
              AND r.state = 'open'), 0) AS apart,
            COALESCE((SELECT SUM(r.amount_minor) FROM reversal r WHERE r.offering_id = o.id AND r.state = 'open'), 0)
              AS taken
          FROM offering o) AS judged WHERE disputed <> apart OR receivable <> taken""",
    ),
    Check(
        "claims_wrong", "What the company owes by the books is not what is left of its claims.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, COALESCE(b.amount, 0) AS books, COALESCE(c.owed, 0) AS owed
        FROM offering o LEFT JOIN (SELECT offering_id, SUM(amount) AS amount FROM balance
          WHERE address LIKE 'receivable:issuer:%' GROUP BY offering_id) b ON b.offering_id = o.id
        LEFT JOIN (SELECT c.offering_id, SUM({_LEFT}) AS owed FROM issuer_claim c GROUP BY c.offering_id) c
          ON c.offering_id = o.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(c.owed, 0)""",
    ),
    Check(
        "losses_wrong", "Our losses are not what was taken back twice and what was given up.",
        f"""WITH {BALANCES} SELECT o.public_id AS place, COALESCE(b.amount, 0) AS books, COALESCE(r.gone, 0) AS gone,
          COALESCE(c.given_up, 0) AS given_up
        FROM offering o LEFT JOIN balance b ON b.address = 'loss:platform:' || o.public_id
        LEFT JOIN (SELECT offering_id, SUM(loss_minor) AS gone FROM reversal WHERE state = 'lost'
          GROUP BY offering_id) r ON r.offering_id = o.id
        LEFT JOIN (SELECT c.offering_id, SUM(c.given_up_minor) AS given_up FROM issuer_claim c
          JOIN reversal v ON v.id = c.reversal_id WHERE v.state = 'lost' GROUP BY c.offering_id) c
          ON c.offering_id = o.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(r.gone, 0) + COALESCE(c.given_up, 0)""",
    ),
    Check(
        "reserve_lent", "What the reserve lent and has not back is not what the reversals say.",
        """SELECT place, lent, said FROM (SELECT o.currency || ' ' || o.rail AS place,
          COALESCE((SELECT SUM(-e.amount) FROM entry e JOIN account a ON a.id = e.account_id
            JOIN journal j ON j.id = e.journal_id WHERE a.address LIKE 'cash:' || o.rail || '%'
            AND a.address LIKE '%reserve' AND a.asset = o.currency
            AND j.kind IN ('advanced', 'advance_returned', 'claim_paid')), 0) AS lent,
          COALESCE((SELECT SUM(r.reserve_minor) FROM reversal r JOIN offering f ON f.id = r.offering_id
            WHERE f.rail = o.rail AND f.currency = o.currency), 0) AS said
        FROM (SELECT DISTINCT rail, currency FROM offering) o) AS judged WHERE lent <> said""",
    ),
    Check(
        "reversal_of_other", "The reversal is not of a payment of its commitment, or of more than it brought.",
        """SELECT r.public_id AS place, r.amount_minor, e.amount_minor AS paid FROM reversal r
        LEFT JOIN operation p ON p.id = r.operation_id
        LEFT JOIN operation_effect e ON e.operation_id = p.id AND e.effect = 'cleared'
        WHERE p.id IS NULL OR e.id IS NULL OR p.commitment_id <> r.commitment_id OR p.offering_id <> r.offering_id
        OR p.kind NOT IN ('collect', 'credit') OR r.amount_minor > e.amount_minor OR r.opened_at < e.occurred_at""",
    ),
    Check(
        "reversal_opened", "The journal that took a payment back is not the one that the reversal names.",
        f"""WITH {_LEGS} SELECT r.public_id AS place, r.kind, r.amount_minor, j.kind AS journal FROM reversal r
        LEFT JOIN journal j ON j.id = r.opened_journal_id LEFT JOIN legs l ON l.journal_id = j.id
        LEFT JOIN operation p ON p.id = r.operation_id
        WHERE j.id IS NULL OR j.cause <> p.public_id OR j.offering_id <> r.offering_id OR l.cash <> -r.amount_minor
        OR (r.kind = 'dispute' AND (j.kind <> 'dispute_opened' OR l.receivable <> r.amount_minor
          OR (r.state = 'open' AND l.disputed <> -(r.escrow_minor + r.owed_minor))))
        OR (r.kind = 'return' AND (j.kind <> 'payment_returned' OR r.decided_journal_id <> r.opened_journal_id))""",
    ),
    Check(
        "reversal_decided", "What the reversal says of its end is not what its journal moved.",
        f"""WITH {_LEGS} SELECT r.public_id AS place, r.state, r.set_off_minor, r.claim_minor, r.loss_minor,
          r.cancelled_tokens FROM reversal r
        LEFT JOIN journal j ON j.id = r.decided_journal_id LEFT JOIN legs l ON l.journal_id = j.id
        WHERE (r.state = 'open') <> (j.id IS NULL)
        OR (r.state = 'lost' AND (l.payable <> r.set_off_minor OR l.claim <> r.claim_minor
          OR l.loss <> r.loss_minor + {_RECOVERED} OR l.outstanding <> -r.cancelled_tokens
          OR j.kind <> CASE r.kind WHEN 'return' THEN 'payment_returned' ELSE 'dispute_lost' END
          OR (r.kind = 'dispute' AND l.receivable <> -r.amount_minor) OR r.decided_at <> j.occurred_at))
        OR (r.state = 'won' AND (j.kind <> 'dispute_won' OR l.cash <> r.amount_minor OR r.decided_at <> j.occurred_at))
        OR (r.state = 'open' AND (r.outcome IS NOT NULL OR r.set_off_minor + r.claim_minor + r.loss_minor <> 0))
        OR (r.state = 'lost' AND r.outcome NOT IN ('lost', 'silence'))
        OR (r.state = 'won' AND r.outcome NOT IN ('won', 'withdrawn'))""",
    ),
    Check(
        "reversal_journal", "A journal says what a rail took back, or gave back, but no reversal does.",
        """SELECT j.public_id AS place, j.kind FROM journal j WHERE j.kind IN ('dispute_opened', 'payment_returned')
          AND NOT EXISTS (SELECT 1 FROM reversal r WHERE r.opened_journal_id = j.id)
        UNION ALL
        SELECT j.public_id, j.kind FROM journal j WHERE j.kind = 'dispute_won'
          AND NOT EXISTS (SELECT 1 FROM reversal r WHERE r.decided_journal_id = j.id)
        UNION ALL
        SELECT j.public_id, j.kind FROM journal j WHERE j.kind = 'dispute_lost'
          AND NOT EXISTS (SELECT 1 FROM reversal r WHERE r.decided_journal_id = j.id
            OR (r.state = 'won' AND r.opened_journal_id < j.id AND r.decided_journal_id > j.id))""",
    ),
    Check(
        "disputed_counter", "The commitment's disputed money is not that of its open disputes.",
        """SELECT c.public_id AS place, c.disputed_minor AS stands, COALESCE(SUM(r.amount_minor), 0) AS open
        FROM commitment c LEFT JOIN reversal r ON r.commitment_id = c.id AND r.state = 'open'
        GROUP BY c.public_id, c.disputed_minor HAVING c.disputed_minor <> COALESCE(SUM(r.amount_minor), 0)""",
    ),
    Check(
        "claim_of_other", "The claim is not its reversal's.",
        """SELECT r.public_id AS place, r.claim_minor, c.amount_minor FROM reversal r
        LEFT JOIN issuer_claim c ON c.reversal_id = r.id LEFT JOIN offering o ON o.id = r.offering_id
        WHERE (r.claim_minor > 0) <> (c.id IS NOT NULL) OR c.amount_minor <> r.claim_minor
        OR c.offering_id <> r.offering_id OR c.issuer_id <> o.issuer_id
        OR (c.won_back_minor > 0 AND r.state <> 'won') OR (c.state = 'open' AND r.state = 'won')""",
    ),
    Check(
        "claim_journals", "What was paid, set off or given up of the claim is not what its journals moved.",
        """SELECT c.public_id AS place, c.paid_minor, c.set_off_minor, c.given_up_minor FROM issuer_claim c
        LEFT JOIN (SELECT j.cause, SUM(CASE j.kind WHEN 'claim_paid' THEN -e.amount ELSE 0 END) AS paid,
            SUM(CASE j.kind WHEN 'claim_set_off' THEN -e.amount ELSE 0 END) AS set_off,
            SUM(CASE j.kind WHEN 'claim_given_up' THEN -e.amount ELSE 0 END) AS given_up
          FROM journal j JOIN entry e ON e.journal_id = j.id JOIN account a ON a.id = e.account_id
          WHERE a.address LIKE 'receivable:issuer:%' GROUP BY j.cause) m ON m.cause = c.public_id
        WHERE c.paid_minor <> COALESCE(m.paid, 0) OR c.set_off_minor <> COALESCE(m.set_off, 0)
        OR c.given_up_minor <> COALESCE(m.given_up, 0)
        OR (c.state = 'given_up') <> (c.given_up_minor > 0 AND c.state <> 'open')
        OR (c.state = 'won_back') <> (c.won_back_minor > 0)""",
    ),
    Check(
        "set_off_wrong", "What was set off against payouts is not what was taken off the payable.",
        """SELECT o.public_id AS place, COALESCE(p.set_off, 0) AS payouts, COALESCE(r.set_off, 0) AS reversals,
          COALESCE(c.set_off, 0) AS claims
        FROM offering o LEFT JOIN (SELECT offering_id, SUM(set_off_minor) AS set_off FROM payout GROUP BY offering_id) p
          ON p.offering_id = o.id
        LEFT JOIN (SELECT offering_id, SUM(set_off_minor) AS set_off FROM reversal GROUP BY offering_id) r
          ON r.offering_id = o.id
        LEFT JOIN (SELECT offering_id, SUM(set_off_minor) AS set_off FROM issuer_claim GROUP BY offering_id) c
          ON c.offering_id = o.id
        WHERE COALESCE(p.set_off, 0) <> COALESCE(r.set_off, 0) + COALESCE(c.set_off, 0)""",
    ),
    Check(
        "cancelled_untold", "The register cancelled, or restored, other tokens than the reversals say.",
        """SELECT r.commitment_id AS place, r.kind, r.quantity FROM register_entry r WHERE r.kind <> 'issued'
        AND NOT EXISTS (SELECT 1 FROM reversal v WHERE v.commitment_id = r.commitment_id AND (
          (r.kind = 'cancelled' AND r.quantity = -v.cancelled_tokens AND (v.decided_journal_id = r.journal_id
            OR (v.state = 'won' AND v.opened_journal_id < r.journal_id AND v.decided_journal_id > r.journal_id)))
          OR (r.kind = 'restored' AND r.quantity > 0 AND v.state = 'won' AND v.decided_journal_id = r.journal_id)))
        UNION ALL
        SELECT v.commitment_id, 'cancelled', v.cancelled_tokens FROM reversal v WHERE v.cancelled_tokens > 0
        AND NOT EXISTS (SELECT 1 FROM register_entry r WHERE r.commitment_id = v.commitment_id
          AND r.kind = 'cancelled' AND r.quantity = -v.cancelled_tokens)""",
    ),
    Check(
        "apart_share", "A share of a tranche was set apart by a journal that is no dispute's or return's.",
        """SELECT k.commitment_id AS place, k.status, k.voided_by FROM carried_share k
        LEFT JOIN journal j ON j.id = k.voided_by
        LEFT JOIN escrow_statement s ON s.journal_id = k.voided_by AND s.commitment_id = k.commitment_id
        WHERE k.voided_by IS NOT NULL AND (k.status <> 'void' OR s.id IS NULL
          OR j.kind NOT IN ('dispute_opened', 'dispute_lost', 'payment_returned'))""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with what rails took back."""
    yield from run_checks(session, CHECKS)
    entries = {
        entry.object_id: entry
        for entry in session.scalars(
            sa.select(LogEntry)
            .where(
                sa.or_(LogEntry.action.startswith("reversal."), LogEntry.action.startswith("claim.")),
                LogEntry.action != claims.GIVE_UP_PROPOSED,
            )
            .order_by(LogEntry.id)
        )
    }
    told = {row.public_id: reversals.told(session, row) for row in session.scalars(sa.select(Reversal))}
    told |= {row.public_id: claims.told(row) for row in session.scalars(sa.select(IssuerClaim))}
    for public_id in sorted(set(entries) - set(told)):
        yield Problem("reversal_gone", public_id, "The log tells of a reversal or claim that is gone.")
    for public_id, expected in told.items():
        entry = entries.get(public_id)
        if entry is None or entry.after != canonical(expected):
            yield Problem("reversal_untold", public_id, "It is not the reversal or claim that the log tells of.")
