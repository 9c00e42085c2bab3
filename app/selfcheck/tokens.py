"""Check the tokens: register against statements and ledger, what is reserved, and the class's total (OFF-1, REL-3)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app.selfcheck.problem import BALANCES, POSITIONS, Check, Problem, run_checks, tokens_bought

CHECKS = (
    Check(
        "register_row", "The register's row is not the statement row of its journal and commitment.",
        """SELECT r.commitment_id AS place, r.quantity, COALESCE(s.tokens_issued, 0) AS issued
        FROM register_entry r
        LEFT JOIN escrow_statement s ON s.journal_id = r.journal_id AND s.commitment_id = r.commitment_id
        LEFT JOIN offering o ON o.id = s.offering_id
        WHERE s.id IS NULL OR r.quantity <> s.tokens_issued OR r.party_id <> s.party_id
        OR r.kind <> CASE s.kind WHEN 'taken_back' THEN 'cancelled' WHEN 'restored' THEN 'restored' ELSE 'issued' END
        OR r.token_class_id <> o.token_class_id OR r.occurred_at <> s.occurred_at
        OR r.acquired_at <> s.occurred_at""",
    ),
    Check(
        "register_missing", "The statement issued tokens that the register does not have.",
        """SELECT s.commitment_id AS place, s.seq, s.tokens_issued AS issued FROM escrow_statement s
        LEFT JOIN register_entry r ON r.journal_id = s.journal_id AND r.commitment_id = s.commitment_id
        WHERE s.tokens_issued <> 0 AND r.id IS NULL""",
    ),
    Check(
        "tokens_journal", "The tokens that the journal issued are not those of its register rows.",
        """SELECT j.public_id AS place, moved.difference AS difference FROM (
          SELECT journal_id, SUM(amount) AS difference FROM (
            SELECT r.journal_id, -r.quantity AS amount FROM register_entry r
            UNION ALL
            SELECT e.journal_id, e.amount FROM entry e JOIN account a ON a.id = e.account_id
            WHERE a.address LIKE 'outstanding:%') AS legs
          GROUP BY journal_id HAVING SUM(amount) <> 0) AS moved
        LEFT JOIN journal j ON j.id = moved.journal_id""",
    ),
    Check(
        "register_not_outstanding", "The register does not hold the tokens that are outstanding.",
        f"""WITH {BALANCES} SELECT t.public_id AS place, COALESCE(b.amount, 0) AS outstanding,
          COALESCE(r.quantity, 0) AS register
        FROM token_class t LEFT JOIN balance b ON b.address = 'outstanding:' || t.public_id
        LEFT JOIN (SELECT token_class_id, SUM(quantity) AS quantity FROM register_entry GROUP BY token_class_id) r
          ON r.token_class_id = t.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(r.quantity, 0)""",
    ),
    Check(
        "issued_above_money", "The register holds more tokens than the released money bought (REL-3).",
        f"""WITH {POSITIONS} SELECT p.commitment_id AS place, r.quantity, bought, p.entitled_after_tokens AS entitled
        FROM (SELECT s.*, {tokens_bought('s.released_after_minor')} AS bought
          FROM latest s JOIN offering o ON o.id = s.offering_id) p
        JOIN (SELECT commitment_id, SUM(quantity) AS quantity FROM register_entry GROUP BY commitment_id) r
          ON r.commitment_id = p.commitment_id
        WHERE r.quantity > p.entitled_after_tokens
        OR (bought IS NOT NULL AND r.quantity > bought AND p.unreleased_after_minor > 0)""",
    ),
    Check(
        "class_total", "Issued, reserved and unissued are not what the class authorises (OFF-1).",
        f"""WITH {BALANCES} SELECT t.public_id AS place, t.authorised_tokens AS authorised, b.credited, b.held
        FROM token_class t LEFT JOIN (
          SELECT asset, SUM(CASE WHEN address LIKE 'authorised:%' THEN amount ELSE 0 END) AS credited,
            SUM(CASE WHEN address LIKE 'authorised:%' THEN 0 ELSE amount END) AS held
          FROM balance GROUP BY asset) b ON b.asset = t.code || '/0'
        WHERE COALESCE(b.credited, 0) <> t.authorised_tokens OR COALESCE(b.held, 0) <> t.authorised_tokens""",
    ),
    # Before the close the whole maximum is reserved; after it what every holder may still get; at the end nothing.
    Check(
        "reserved_wrong", "The reserved tokens are not what the offering still owes its investors.",
        f"""WITH {BALANCES}, {POSITIONS} SELECT place, state, reserved, owed, apart, maximum FROM (
          SELECT o.public_id AS place, o.state, COALESCE(b.amount, 0) AS reserved, COALESCE(p.owed, 0) AS owed,
            COALESCE(p.unreleased, 0) AS unreleased, {tokens_bought('o.maximum_minor')} AS maximum,
            COALESCE((SELECT SUM(r.tokens) FROM reversal r WHERE r.offering_id = o.id AND r.state = 'open'), 0) AS apart
          FROM offering o LEFT JOIN balance b ON b.address = 'reserved:' || o.public_id
          LEFT JOIN (SELECT offering_id, SUM(entitled_after_tokens - issued_after_tokens) AS owed,
              SUM(unreleased_after_minor) AS unreleased FROM latest GROUP BY offering_id) p
            ON p.offering_id = o.id) AS judged
        WHERE reserved <> CASE
          WHEN state IN ('draft', 'in_review', 'approved') THEN 0
          WHEN state IN ('live', 'clearing') THEN COALESCE(maximum, reserved)
          WHEN state = 'withdrawing' AND (reserved > 0 OR unreleased > 0) THEN COALESCE(maximum, reserved)
          ELSE owed + apart END""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with tokens."""
    yield from run_checks(session, CHECKS)
