"""REL-2 and REL-3 as one statement on the database: who gets which part of what leaves escrow.

``escrow`` runs these and decides with what; ``milestones.apportion`` is the same rule in Python, and the tests' judge.
"""

from __future__ import annotations

import re

import sqlalchemy as sa

from app.db import UTCDateTime

# PostgreSQL and SQLite both divide integers towards zero; every operand here is at or above zero.
_SHARED = """WITH newest AS (
  SELECT commitment_id, MAX(seq) AS seq FROM escrow_statement WHERE offering_id = :offering GROUP BY commitment_id
), weighed AS (
  SELECT s.commitment_id, s.party_id, s.ordinal, s.seq, s.unreleased_after_minor AS unreleased,
    s.released_after_minor AS released, s.issued_after_tokens AS issued, s.entitled_after_tokens AS entitled,
    (s.unreleased_after_minor - COALESCE(k.carried, 0)) * :amount / :total AS whole,
    (s.unreleased_after_minor - COALESCE(k.carried, 0)) * :amount % :total AS rest
  FROM escrow_statement s JOIN newest n ON n.commitment_id = s.commitment_id AND n.seq = s.seq
  LEFT JOIN (SELECT commitment_id, CAST(SUM(amount_minor) AS BIGINT) AS carried FROM carried_share
    WHERE offering_id = :offering AND status = 'carried' AND NOT (milestone_id = :carrying AND part = :part)
    GROUP BY commitment_id) k
    ON k.commitment_id = s.commitment_id
  WHERE s.unreleased_after_minor - COALESCE(k.carried, 0) > 0
), ranked AS (
  SELECT weighed.*, ROW_NUMBER() OVER (ORDER BY rest DESC, ordinal) AS place,
    :amount - SUM(whole) OVER () AS missing
  FROM weighed
), shared AS (
  SELECT ranked.*, whole + CASE WHEN place <= missing THEN 1 ELSE 0 END AS share FROM ranked
)"""

_DIVIDE = """
INSERT INTO escrow_statement (offering_id, commitment_id, party_id, ordinal, seq, kind, amount_minor, tokens_issued,
  unreleased_after_minor, released_after_minor, issued_after_tokens, entitled_after_tokens, milestone_id, journal_id,
  occurred_at)
{shared}, {tokens}
SELECT :offering, commitment_id, party_id, ordinal, seq + 1, :kind, -share, issued_after - issued,
  unreleased - share, released_after, issued_after, entitled_after, :milestone, :journal, :now
FROM counted WHERE share > 0 AND NOT EXISTS (SELECT 1 FROM carried_share k
  WHERE k.milestone_id = :carrying AND k.part = :part AND k.commitment_id = counted.commitment_id)
ORDER BY ordinal
"""

# The same shares, of those whose payment can still be taken back.
_CARRY = """
INSERT INTO carried_share (offering_id, milestone_id, commitment_id, amount_minor, releases_at, status, carried_at,
  part)
{shared}
SELECT :offering, :carrying, shared.commitment_id, share, c.seasons_at, 'carried', :now, :part
FROM shared JOIN commitment c ON c.id = shared.commitment_id
WHERE share > 0 AND c.seasons_at > :now ORDER BY shared.ordinal
"""

# What has seasoned of released tranches, each as it was divided then.
_PART = """
INSERT INTO escrow_statement (offering_id, commitment_id, party_id, ordinal, seq, kind, amount_minor, tokens_issued,
  unreleased_after_minor, released_after_minor, issued_after_tokens, entitled_after_tokens, milestone_id, journal_id,
  occurred_at)
WITH newest AS (
  SELECT commitment_id, MAX(seq) AS seq FROM escrow_statement WHERE offering_id = :offering GROUP BY commitment_id
), due AS (
  SELECT commitment_id, CAST(SUM(amount_minor) AS BIGINT) AS share FROM carried_share
  WHERE milestone_id = :milestone AND status = 'carried' AND (releases_at <= :now OR :covered = 1)
  GROUP BY commitment_id
), shared AS (
  SELECT s.commitment_id, s.party_id, s.ordinal, s.seq, s.unreleased_after_minor AS unreleased,
    s.released_after_minor AS released, s.issued_after_tokens AS issued, s.entitled_after_tokens AS entitled,
    k.share AS share
  FROM due k JOIN newest n ON n.commitment_id = k.commitment_id
  JOIN escrow_statement s ON s.commitment_id = n.commitment_id AND s.seq = n.seq
), {tokens}
SELECT :offering, commitment_id, party_id, ordinal, seq + 1, :kind, -share, issued_after - issued,
  unreleased - share, released_after, issued_after, entitled_after, :milestone, :journal, :now
FROM counted ORDER BY ordinal
"""

# REL-3: the floor of what the released money buys, all of the entitlement once nothing is left in escrow.
_RELEASED_TOKENS = """counted AS (
  SELECT shared.*, released + share AS released_after, entitled AS entitled_after,
    CASE WHEN unreleased = share OR (released + share) * :den / :num > entitled THEN entitled
      ELSE (released + share) * :den / :num END AS issued_after
  FROM shared
)"""

# WND-3: what is returned can buy nothing any more; issued tokens remain.
_RETURNED_TOKENS = """kept AS (
  SELECT shared.*, (released + unreleased - share) * :den / :num AS affordable FROM shared
), counted AS (
  SELECT kept.*, released AS released_after, issued AS issued_after,
    CASE WHEN affordable > entitled THEN entitled WHEN affordable < issued THEN issued ELSE affordable END
      AS entitled_after
  FROM kept
)"""


def _statement(text: str, tokens: str = "") -> sa.TextClause:
    types = {"kind": sa.Text(), "now": UTCDateTime()}
    filled = text.format(tokens=tokens, shared=_SHARED)
    names = sorted(set(re.findall(r"(?<!:):([a-z]+)", filled)))
    return sa.text(filled).bindparams(*(sa.bindparam(name, type_=types.get(name, sa.BigInteger())) for name in names))


RELEASE_ALL = _statement(_DIVIDE, _RELEASED_TOKENS)
RETURN_ALL = _statement(_DIVIDE, _RETURNED_TOKENS)
SET_ASIDE = _statement(_CARRY)
RELEASE_PART = _statement(_PART, _RELEASED_TOKENS)
