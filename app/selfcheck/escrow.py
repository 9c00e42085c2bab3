"""Check the escrow statement row by row, and tie it to escrow, to its journals and to the commitments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.selfcheck.problem import (
    BALANCES,
    POSITIONS,
    PRICE_FITS,
    PRODUCT_FITS,
    UNIT,
    Check,
    Problem,
    run_checks,
    tokens_bought,
)
from milestones import money

#: Every row with the figures of the row before it, zeros for the first.
CHAIN = """chain AS (
  SELECT s.*, COALESCE(LAG(s.seq) OVER w, 0) AS seq_before,
    COALESCE(LAG(s.unreleased_after_minor) OVER w, 0) AS unreleased_before,
    COALESCE(LAG(s.released_after_minor) OVER w, 0) AS released_before,
    COALESCE(LAG(s.issued_after_tokens) OVER w, 0) AS issued_before,
    COALESCE(LAG(s.entitled_after_tokens) OVER w, 0) AS entitled_before
  FROM escrow_statement s WINDOW w AS (PARTITION BY s.commitment_id ORDER BY s.seq)
)"""

#: What left escrow by one journal, divided over all rows of it: REL-2 done once more. Where shares wait until they have
#: seasoned, ``carrying`` does.
_FITS = 3_000_000_000
DIVISION = f"""{CHAIN}, divided AS (
  SELECT c.*, e.left_minor AS total_left, e.before AS total_before
  FROM chain c JOIN (
    SELECT j.journal_id, CAST(SUM(j.amount) AS BIGINT) AS left_minor,
      CAST(MAX(j.balance_after + j.amount) AS BIGINT) AS before
    FROM entry j JOIN account a ON a.id = j.account_id WHERE a.address LIKE 'escrow:%' GROUP BY j.journal_id
  ) e ON e.journal_id = c.journal_id
  WHERE c.kind IN ('released', 'returned')
    AND NOT EXISTS (SELECT 1 FROM carried_share k WHERE k.offering_id = c.offering_id)
), shared AS (
  SELECT d.*, d.unreleased_before * d.total_left / d.total_before AS whole,
    d.unreleased_before * d.total_left % d.total_before AS rest
  FROM divided d WHERE d.total_before > 0 AND d.total_before <= {_FITS}
), ranked AS (
  SELECT shared.*, ROW_NUMBER() OVER (PARTITION BY journal_id ORDER BY rest DESC, ordinal) AS rank_of_rest,
    total_left - SUM(whole) OVER (PARTITION BY journal_id) AS missing
  FROM shared
)"""

#: Whether tokens × price stays below 2⁶³; PostgreSQL evaluates the inner case only where the outer one holds.
_PRICE_FITS = (
    f"CASE WHEN c.price_micro > {PRICE_FITS} THEN 1 = 0 "
    f"ELSE c.tokens <= {2**63 - 10**7} / (c.price_micro * {UNIT}) END"
)

CHECKS = (
    Check(
        "statement_chain", "The row does not follow from the row before it.",
        f"""WITH {CHAIN} SELECT commitment_id AS place, seq, kind, amount_minor, fault FROM (
          SELECT chain.*, CASE
            WHEN seq <> seq_before + 1 THEN 'seq'
            WHEN unreleased_after_minor <> unreleased_before + amount_minor THEN 'unreleased'
            WHEN released_after_minor <> released_before + CASE kind WHEN 'released' THEN -amount_minor
              WHEN 'taken_back' THEN CASE WHEN released_after_minor < released_before
                THEN released_after_minor - released_before ELSE 0 END
              WHEN 'restored' THEN CASE WHEN released_after_minor > released_before
                THEN released_after_minor - released_before ELSE 0 END
              ELSE 0 END THEN 'released'
            WHEN issued_after_tokens <> issued_before + tokens_issued THEN 'issued'
            WHEN (tokens_issued < 0 AND kind <> 'taken_back')
              OR (tokens_issued > 0 AND kind NOT IN ('released', 'restored')) THEN 'tokens'
            WHEN kind = 'restored' AND (amount_minor < 0 OR entitled_after_tokens < entitled_before) THEN 'restored'
            WHEN kind = 'taken_back' AND amount_minor = 0 AND released_after_minor = released_before THEN 'taken_back'
            WHEN kind = 'paid' AND (amount_minor <= 0 OR seq <> 1) THEN 'paid'
            WHEN kind NOT IN ('paid', 'repriced', 'restored') AND amount_minor >= 0
              AND NOT (kind = 'taken_back' AND amount_minor = 0) THEN 'amount'
            WHEN kind IN ('cancelled', 'reversed', 'repriced_out')
              AND (unreleased_after_minor <> 0 OR entitled_after_tokens <> 0)
              THEN 'rest'
            WHEN kind = 'left' AND (unreleased_after_minor <> 0 OR entitled_after_tokens <> issued_after_tokens)
              THEN 'rest'
            WHEN kind = 'cut' AND (released_after_minor <> 0 OR issued_after_tokens <> 0
              OR entitled_after_tokens >= entitled_before) THEN 'cut'
            WHEN kind = 'released' AND entitled_after_tokens <> entitled_before THEN 'entitled'
            WHEN kind = 'repriced' AND (amount_minor <= 0 OR unreleased_before <> 0) THEN 'repriced'
            WHEN kind NOT IN ('paid', 'released', 'returned', 'cancelled', 'reversed', 'cut', 'left', 'repriced_out',
              'repriced', 'disputed', 'restored', 'taken_back') THEN 'kind'
          END AS fault FROM chain) AS judged WHERE fault IS NOT NULL""",
    ),
    Check(
        "statement_of_other", "The row is not its commitment's.",
        """SELECT s.commitment_id AS place, s.seq, s.kind FROM escrow_statement s
        LEFT JOIN commitment c ON c.id = s.commitment_id
        WHERE c.id IS NULL OR s.offering_id <> c.offering_id OR s.party_id <> c.party_id OR s.ordinal <> c.ordinal
        OR (s.kind IN ('paid', 'repriced') AND (s.amount_minor <> c.amount_minor OR s.entitled_after_tokens <> c.tokens)
          AND NOT EXISTS (SELECT 1 FROM escrow_statement n WHERE n.commitment_id = s.commitment_id AND n.seq > s.seq
            AND n.kind = 'repriced'))""",
    ),
    Check(
        "statement_tokens", "The tokens issued are not floor(released ÷ price), or all of them at the end (REL-3).",
        f"""SELECT commitment_id AS place, seq, issued_after_tokens AS stands, bought, entitled_after_tokens AS entitled
        FROM (SELECT s.*, {tokens_bought('s.released_after_minor')} AS bought
          FROM escrow_statement s JOIN offering o ON o.id = s.offering_id WHERE s.kind = 'released') AS judged
        WHERE bought IS NOT NULL AND issued_after_tokens <> CASE
          WHEN unreleased_after_minor = 0 OR bought > entitled_after_tokens THEN entitled_after_tokens
          ELSE bought END""",
    ),
    Check(
        "statement_entitlement", "The entitlement left after a return is not what the money kept can buy (WND-3).",
        f"""WITH {CHAIN} SELECT commitment_id AS place, seq, entitled_after_tokens AS stands, affordable
        FROM (SELECT s.*, {tokens_bought('s.released_after_minor + s.unreleased_after_minor')} AS affordable
          FROM chain s JOIN offering o ON o.id = s.offering_id WHERE s.kind = 'returned') AS judged
        WHERE affordable IS NOT NULL AND entitled_after_tokens <> CASE
          WHEN affordable > entitled_before THEN entitled_before
          WHEN affordable < issued_after_tokens THEN issued_after_tokens ELSE affordable END""",
    ),
    # What stays after a reversal is what the money that stays buys; what is restored never more than it buys.
    Check(
        "statement_reversed", "The tokens left, or restored, are not those that the money left buys (WND-4).",
        f"""WITH {CHAIN} SELECT commitment_id AS place, seq, kind, issued_after_tokens AS issued,
          entitled_after_tokens AS entitled, bought, affordable
        FROM (SELECT s.*, {tokens_bought('s.released_after_minor')} AS bought,
            {tokens_bought('s.released_after_minor + s.unreleased_after_minor')} AS affordable
          FROM chain s JOIN offering o ON o.id = s.offering_id
          WHERE s.kind IN ('disputed', 'taken_back', 'restored')) AS judged
        WHERE bought IS NOT NULL AND affordable IS NOT NULL AND CASE WHEN kind = 'restored'
          THEN entitled_after_tokens > CASE WHEN affordable < entitled_before THEN entitled_before ELSE affordable END
            OR (tokens_issued > 0 AND issued_after_tokens > bought)
          ELSE issued_after_tokens <> CASE WHEN released_after_minor < released_before AND bought < issued_before
              THEN bought ELSE issued_before END
            OR entitled_after_tokens <> CASE WHEN affordable > entitled_before THEN entitled_before
              WHEN affordable < issued_after_tokens THEN issued_after_tokens ELSE affordable END
          END""",
    ),
    Check(
        "statement_share", "The share is not the one that the largest remainder gives (REL-2).",
        f"""WITH {DIVISION} SELECT commitment_id AS place, seq, -amount_minor AS stands, whole, rank_of_rest, missing
        FROM ranked WHERE -amount_minor <> whole + CASE WHEN rank_of_rest <= missing THEN 1 ELSE 0 END""",
    ),
    Check(
        "statement_journal", "What the journal moved in escrow is not the sum of its statement rows.",
        """SELECT j.public_id AS place, moved.difference AS difference FROM (
          SELECT journal_id, SUM(amount) AS difference FROM (
            SELECT s.journal_id, s.amount_minor AS amount FROM escrow_statement s
            UNION ALL
            SELECT e.journal_id, e.amount FROM entry e JOIN account a ON a.id = e.account_id
            WHERE a.address LIKE 'escrow:%') AS legs
          GROUP BY journal_id HAVING SUM(amount) <> 0) AS moved
        LEFT JOIN journal j ON j.id = moved.journal_id""",
    ),
    Check(
        "statement_instant", "The row is not of its journal: another instant, offering, milestone or kind.",
        """SELECT s.commitment_id AS place, s.seq, s.kind, j.public_id AS journal FROM escrow_statement s
        LEFT JOIN journal j ON j.id = s.journal_id LEFT JOIN release r ON r.journal_id = s.journal_id
        WHERE j.id IS NULL OR j.occurred_at <> s.occurred_at OR j.offering_id <> s.offering_id
        OR COALESCE(r.milestone_id, 0) <> COALESCE(s.milestone_id, 0)
        OR j.kind <> CASE s.kind WHEN 'paid' THEN CASE j.kind WHEN 'payment_applied' THEN j.kind
            ELSE 'payment_cleared' END WHEN 'cut' THEN 'closed'
          WHEN 'reversed' THEN CASE j.kind WHEN 'dispute_opened' THEN j.kind ELSE 'payment_returned' END
          WHEN 'disputed' THEN 'dispute_opened' WHEN 'restored' THEN 'dispute_won'
          WHEN 'taken_back' THEN CASE j.kind WHEN 'dispute_lost' THEN j.kind ELSE 'payment_returned' END
          WHEN 'returned' THEN CASE WHEN r.id IS NULL THEN 'given_back' ELSE 'returned' END ELSE s.kind END""",
    ),
    Check(
        "escrow_not_statement", "Escrow is not the sum of the statements.",
        f"""WITH {BALANCES}, {POSITIONS} SELECT o.public_id AS place, COALESCE(b.amount, 0) AS escrow,
          COALESCE(p.unreleased, 0) AS unreleased, COALESCE(m.moved, 0) AS moved
        FROM offering o LEFT JOIN balance b ON b.address = 'escrow:' || o.public_id
        LEFT JOIN (SELECT offering_id, SUM(unreleased_after_minor) AS unreleased FROM latest GROUP BY offering_id) p
          ON p.offering_id = o.id
        LEFT JOIN (SELECT offering_id, SUM(amount_minor) AS moved FROM escrow_statement GROUP BY offering_id) m
          ON m.offering_id = o.id
        WHERE COALESCE(b.amount, 0) <> COALESCE(p.unreleased, 0)
        OR COALESCE(b.amount, 0) <> COALESCE(m.moved, 0)""",
    ),
    Check(
        "commitment_status", "The commitment's status is not what its statement says.",
        """SELECT c.public_id AS place, c.status, COALESCE(s.paid, 0) AS paid, COALESCE(s.cancelled, 0) AS cancelled,
          COALESCE(s.reversed, 0) AS reversed, COALESCE(s.taken_back, 0) AS taken_back
        FROM commitment c LEFT JOIN (
          SELECT commitment_id, SUM(CASE kind WHEN 'paid' THEN 1 ELSE 0 END) AS paid,
            SUM(CASE kind WHEN 'cancelled' THEN 1 ELSE 0 END) AS cancelled,
            SUM(CASE kind WHEN 'reversed' THEN 1 ELSE 0 END) AS reversed,
            SUM(CASE kind WHEN 'taken_back' THEN 1 ELSE 0 END) AS taken_back, SUM(amount_minor) AS unreleased
          FROM escrow_statement GROUP BY commitment_id) s ON s.commitment_id = c.id
        WHERE CASE c.status
          WHEN 'held' THEN COALESCE(s.paid, 0) = 1 AND s.cancelled = 0 AND s.reversed = 0
          WHEN 'reversed' THEN COALESCE(s.paid, 0) = 1 AND s.cancelled = 0 AND s.unreleased = 0
            AND (s.reversed = 1 OR EXISTS (SELECT 1 FROM reversal r WHERE r.commitment_id = c.id AND r.state = 'lost'
              AND r.outcome = 'lost' AND r.escrow_minor + r.set_off_minor + r.claim_minor > 0))
          WHEN 'cancelled' THEN COALESCE(s.paid, 0) = COALESCE(s.cancelled, 0) AND COALESCE(s.reversed, 0) = 0
          ELSE COALESCE(s.paid, 0) = 0 END = (1 = 0)""",
    ),
    Check(
        "linked_wrong", "The commitment's mark is not what its links say (COM-11).",
        """SELECT c.public_id AS place, c.is_linked, COUNT(k.id) AS standing FROM commitment c
        LEFT JOIN commitment_link k ON k.commitment_id = c.id AND k.status <> 'lifted'
        GROUP BY c.public_id, c.is_linked, c.status
        HAVING (c.is_linked AND COUNT(k.id) = 0) OR (NOT c.is_linked
          AND SUM(CASE WHEN k.is_issuer THEN 1 ELSE 0 END) > 0
          AND c.status IN ('awaiting_payment', 'underpaid', 'clearing', 'payment_failed', 'held'))""",
    ),
    Check(
        "link_wrong", "The link is to somebody with whom its investor has nothing of the kind in common.",
        """SELECT k.public_id AS place, k.commitment_id, k.other_party_id, k.kind FROM commitment_link k
        LEFT JOIN commitment c ON c.id = k.commitment_id LEFT JOIN offering o ON o.id = c.offering_id
        LEFT JOIN issuer i ON i.id = o.issuer_id
        WHERE c.id IS NULL OR k.other_party_id = c.party_id OR CASE WHEN k.kind = 'team' THEN NOT EXISTS (
          SELECT 1 FROM membership m JOIN user_account u ON u.id = m.user_id
          WHERE m.party_id = i.party_id AND u.party_id = c.party_id)
        ELSE NOT EXISTS (
          SELECT 1 FROM link_fact f WHERE f.party_id = c.party_id AND f.kind = k.kind AND (
            (k.is_issuer AND k.kind = 'account' AND k.other_party_id = i.party_id) OR EXISTS (
              SELECT 1 FROM link_fact g WHERE g.kind = f.kind AND g.mark = f.mark AND g.party_id = k.other_party_id)))
        END
        OR k.is_issuer <> (k.other_party_id = i.party_id OR EXISTS (SELECT 1 FROM membership m
          JOIN user_account u ON u.id = m.user_id WHERE m.party_id = i.party_id AND u.party_id = k.other_party_id))""",
    ),
    Check(
        "commitment_price", "The commitment's amount is not its tokens at its price, rounded up (COM-3).",
        f"""SELECT c.public_id AS place, c.tokens, c.amount_minor, c.price_micro FROM commitment c
        JOIN offering o ON o.id = c.offering_id
        WHERE c.amount_minor <> CASE WHEN {_PRICE_FITS} THEN
          (c.tokens * c.price_micro * {UNIT} + 999999) / 1000000 ELSE c.amount_minor END""",
    ),
    Check(
        "commitment_ordinals", "The offering's commitments are not numbered from 1 without a gap.",
        """SELECT o.public_id AS place, o.commitment_count AS counter, COUNT(c.id) AS commitments,
          MIN(c.ordinal) AS lowest, MAX(c.ordinal) AS highest
        FROM offering o LEFT JOIN commitment c ON c.offering_id = o.id GROUP BY o.public_id, o.commitment_count
        HAVING o.commitment_count <> COUNT(c.id) OR COALESCE(MAX(c.ordinal), 0) <> COUNT(c.id)
        OR COALESCE(MIN(c.ordinal), 1) <> 1""",
    ),
    Check(
        "commitment_party", "The commitment's user does not act for its investor.",
        """SELECT c.public_id AS place, c.user_id, c.party_id FROM commitment c WHERE NOT EXISTS (
          SELECT 1 FROM membership m WHERE m.user_id = c.user_id AND m.party_id = c.party_id
          AND m.role = 'investor')""",
    ),
    # After the close the counter keeps what cleared; what ended later has left the offering, not its history.
    Check(
        "committed_counter", "The offering's counter is not the sum of the commitments that hold a place.",
        """SELECT o.public_id AS place, o.state, o.committed_minor AS counter, c.placed, c.ended, c.late
        FROM offering o JOIN (
          SELECT o.id AS offering_id,
            COALESCE(SUM(CASE WHEN c.status IN ('awaiting_payment', 'underpaid', 'clearing', 'payment_failed', 'held')
              THEN c.amount_minor END), 0) AS placed,
            COALESCE(SUM(CASE WHEN c.status = 'lapsed' THEN c.amount_minor END), 0) AS ended,
            COALESCE(SUM(CASE WHEN c.status = 'reversed'
                AND c.status_since >= COALESCE(o.closed_at, w.at, o.state_since)
              THEN c.amount_minor END), 0) AS late
          FROM offering o LEFT JOIN commitment c ON c.offering_id = o.id
          LEFT JOIN (SELECT object_id, MIN(at) AS at FROM log_entry WHERE action = 'offering.withdraw'
            GROUP BY object_id) w ON w.object_id = o.public_id
          GROUP BY o.id) c ON c.offering_id = o.id
        WHERE o.committed_minor <> CASE
          WHEN o.closed_at IS NOT NULL THEN c.placed + c.late - (SELECT COALESCE(SUM(-s.amount_minor), 0)
            FROM escrow_statement s WHERE s.offering_id = o.id AND s.kind = 'cut')
          WHEN o.state IN ('withdrawing', 'withdrawn') THEN c.placed + c.ended + c.late
          ELSE c.placed END""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong between statements, commitments and escrow."""
    yield from run_checks(session, CHECKS)
    yield from _large_rows(session)
    yield from _large_divisions(session)
    yield from _large_prices(session)


def _large_rows(session: Session) -> Iterator[Problem]:
    """Work out in Python what would not fit into 64 bits in the queries; there are few such rows or none."""
    rows = session.execute(sa.text(
        f"""WITH {CHAIN} SELECT s.*, o.price_micro, o.currency FROM chain s JOIN offering o ON o.id = s.offering_id
        WHERE s.kind IN ('released', 'returned') AND
          (s.released_after_minor + s.unreleased_after_minor > {PRODUCT_FITS} OR o.price_micro > {PRICE_FITS})"""
    )).mappings()
    for row in rows:
        asset, released = money.Asset.parse(row["currency"]), row["released_after_minor"]
        unreleased = row["unreleased_after_minor"]
        if row["kind"] == "released":
            expected = min(row["entitled_after_tokens"], money.tokens_for(released, row["price_micro"], asset))
            is_right = row["issued_after_tokens"] == (expected if unreleased else row["entitled_after_tokens"])
        else:
            affordable = money.tokens_for(released + unreleased, row["price_micro"], asset)
            expected = max(row["issued_after_tokens"], min(row["entitled_before"], affordable))
            is_right = row["entitled_after_tokens"] == expected
        if not is_right:
            yield Problem("statement_tokens", str(row["commitment_id"]), "The tokens do not follow from the money.",
                          {"seq": row["seq"], "expected": expected})


def _large_divisions(session: Session) -> Iterator[Problem]:
    """Divide the largest journals once more in Python, where a product would not fit into 64 bits."""
    rows = session.execute(sa.text(
        f"""WITH {DIVISION} SELECT d.journal_id, d.commitment_id, d.ordinal, d.unreleased_before, d.amount_minor,
          d.total_left, d.total_before FROM divided d WHERE d.total_before > {_FITS}
        ORDER BY d.journal_id, d.ordinal"""
    )).mappings()
    for _journal, found in itertools.groupby(rows, key=lambda row: row["journal_id"]):
        group = list(found)
        left, before = int(group[0]["total_left"]), int(group[0]["total_before"])
        products = [int(row["unreleased_before"]) * left for row in group]
        missing = left - sum(product // before for product in products)
        # Rows come by ordinal and sorted() is stable: ties go to the lower one. Whoever got nothing has no row.
        first = sorted(range(len(group)), key=lambda index: -(products[index] % before))[: max(0, missing)]
        for index, row in enumerate(group):
            expected = products[index] // before + (index in first)
            if expected != -row["amount_minor"]:
                yield Problem("statement_share", str(row["commitment_id"]), "The share is not the largest remainder's.",
                              {"stands": -row["amount_minor"], "expected": expected})


def _large_prices(session: Session) -> Iterator[Problem]:
    rows = session.execute(sa.text(
        f"""SELECT c.public_id, c.tokens, c.amount_minor, c.price_micro, o.currency FROM commitment c
        JOIN offering o ON o.id = c.offering_id WHERE CASE WHEN {_PRICE_FITS} THEN 1 ELSE 0 END = 0"""
    )).mappings()
    for row in rows:
        expected = money.cost_minor(row["tokens"], row["price_micro"], money.Asset.parse(row["currency"]))
        if row["amount_minor"] != expected:
            yield Problem("commitment_price", row["public_id"], "The amount is not the tokens at the price (COM-3).",
                          {"stands": row["amount_minor"], "expected": expected})
