"""Check halts, early closes, orders and what investors were asked: against the log, the dates they moved, the books."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.audit.service import canonical
from app.closing import early_close
from app.closing.models import EarlyClose
from app.progress import authority, halting, orders, polls
from app.progress.halt_models import Halt, Poll, PollAnswer
from app.progress.order_models import AuthorityOrder, WindDownOrder
from app.selfcheck.problem import Check, Problem, run_checks
from milestones import polls as rules

CHECKS = (
    Check(
        "halt_of_offering", "The offering's clock does not stand still since the halt that runs, or without one.",
        """SELECT o.public_id AS place, h.public_id AS halt FROM offering o
        LEFT JOIN halt h ON h.offering_id = o.id AND h.ended_at IS NULL
        WHERE (o.halted_since IS NULL) <> (h.id IS NULL) OR o.halted_since <> h.placed_at""",
    ),
    Check(
        "halted_seconds", "The offering's dates moved by another time than its halts lasted.",
        """SELECT o.public_id AS place, o.halted_seconds, COALESCE(SUM(h.seconds), 0) AS lasted FROM offering o
        LEFT JOIN halt h ON h.offering_id = o.id GROUP BY o.public_id, o.halted_seconds
        HAVING o.halted_seconds <> COALESCE(SUM(h.seconds), 0)""",
    ),
    Check(
        "halt_toll_wrong", "The milestone's dates moved by another time than halts gave it.",
        """SELECT m.public_id AS place, m.halted_seconds, COALESCE(SUM(t.seconds), 0) AS given FROM milestone m
        LEFT JOIN halt_toll t ON t.milestone_id = m.id GROUP BY m.public_id, m.halted_seconds
        HAVING m.halted_seconds <> COALESCE(SUM(t.seconds), 0)""",
    ),
    Check(
        "halt_toll_of_other", "A halt gave a milestone of another offering time, or more than it lasted.",
        """SELECT m.public_id AS place, t.seconds, h.seconds AS lasted FROM halt_toll t
        LEFT JOIN milestone m ON m.id = t.milestone_id LEFT JOIN halt h ON h.id = t.halt_id
        WHERE m.id IS NULL OR h.id IS NULL OR m.offering_id <> h.offering_id OR t.seconds > h.seconds""",
    ),
    Check(
        "halt_vote", "A halt is put to the vote and no vote is open on it, or the other way round.",
        """SELECT h.public_id AS place, h.state, p.state AS poll FROM halt h LEFT JOIN poll p ON p.halt_id = h.id
        WHERE (h.state = 'voting') <> (COALESCE(p.state, '') = 'open') OR p.offering_id <> h.offering_id""",
    ),
    Check(
        "early_close_open", "An early close is announced for an offering that is not open.",
        """SELECT e.public_id AS place, o.state FROM early_close e JOIN offering o ON o.id = e.offering_id
        WHERE e.state = 'announced' AND o.state NOT IN ('live', 'withdrawing')""",
    ),
    Check(
        "extension_untold", "The log does not say that the deadline was extended, or says it more than once.",
        """SELECT o.public_id AS place, COUNT(l.id) AS entries FROM offering o
        LEFT JOIN log_entry l ON l.object_id = o.public_id AND l.action = 'offering.extended'
        GROUP BY o.public_id, o.extended_at HAVING COUNT(l.id) <> CASE WHEN o.extended_at IS NULL THEN 0 ELSE 1 END""",
    ),
    Check(
        "poll_weights", "The weights of a poll are not its total, or its counts not the answers.",
        """SELECT p.public_id AS place, p.total_minor, a.total AS weights, p.yes_minor, a.yes, p.no_minor, a.no
        FROM poll p LEFT JOIN (SELECT poll_id, SUM(weight_minor) AS total,
            SUM(CASE WHEN struck_at IS NULL AND choice = 'yes' THEN weight_minor ELSE 0 END) AS yes,
            SUM(CASE WHEN struck_at IS NULL AND choice = 'no' THEN weight_minor ELSE 0 END) AS no
          FROM poll_answer GROUP BY poll_id) a ON a.poll_id = p.id
        WHERE p.total_minor <> COALESCE(a.total, 0)
        OR (p.state = 'decided' AND (COALESCE(p.yes_minor, -1) <> COALESCE(a.yes, 0)
          OR COALESCE(p.no_minor, -1) <> COALESCE(a.no, 0)))""",
    ),
    # A party's linked commitments have no vote, so its weight is at most what was unreleased (COM-11).
    Check(
        "poll_weight_of_other", "The weight is more than the investor's unreleased money when the question was put.",
        """SELECT a.public_id AS place, a.weight_minor, COALESCE(SUM(s.amount_minor), 0) AS unreleased
        FROM poll_answer a JOIN poll p ON p.id = a.poll_id
        LEFT JOIN escrow_statement s ON s.party_id = a.party_id AND s.offering_id = p.offering_id
          AND s.occurred_at <= COALESCE(p.weighed_at, p.opened_at)
        GROUP BY a.public_id, a.weight_minor, a.unreleased_minor
        HAVING COALESCE(a.unreleased_minor, a.weight_minor) > COALESCE(SUM(s.amount_minor), 0)""",
    ),
    Check(
        "poll_weight_uncapped", "The weight is not the unreleased money up to the most that one investor weighs.",
        """SELECT a.public_id AS place, a.weight_minor, a.unreleased_minor, p.level_minor
        FROM poll_answer a JOIN poll p ON p.id = a.poll_id
        WHERE a.weight_minor <> CASE WHEN a.unreleased_minor > p.level_minor THEN p.level_minor
          ELSE COALESCE(a.unreleased_minor, a.weight_minor) END""",
    ),
    Check(
        "poll_struck_untold", "The log does not tell that the vote was struck, or tells it of one that was not.",
        """SELECT a.public_id AS place, a.struck_at, COUNT(l.id) AS entries FROM poll_answer a
        LEFT JOIN log_entry l ON l.object_id = a.public_id AND l.action = 'vote.struck'
          AND l.at = a.struck_at
        LEFT JOIN log_entry n ON n.object_id = a.public_id AND n.action = 'vote.struck'
        GROUP BY a.public_id, a.struck_at HAVING COUNT(l.id) <> CASE WHEN a.struck_at IS NULL THEN 0 ELSE 1 END
        OR COUNT(n.id) <> COUNT(l.id)""",
    ),
    # Log entries of these two kinds name no subject.
    Check(
        "poll_shape", "A vote after a halt, or a question after a shortfall, has what only other polls have.",
        """SELECT public_id AS place, kind FROM poll WHERE kind IN ('halt', 'shortfall') AND (subject <> ''
        OR weighed_at IS NOT NULL OR level_minor IS NOT NULL OR yes_heads IS NOT NULL OR no_heads IS NOT NULL)""",
    ),
    Check(
        "poll_answer_untold", "The log tells another answer, by somebody else, or another number of them.",
        """SELECT a.public_id AS place, a.choice, a.answers, n.entries FROM poll_answer a
        LEFT JOIN (SELECT object_id, COUNT(*) AS entries, MAX(id) AS id FROM log_entry
          WHERE action = 'poll.answered' GROUP BY object_id) n ON n.object_id = a.public_id
        LEFT JOIN log_entry l ON l.id = n.id LEFT JOIN poll p ON p.id = a.poll_id
        WHERE a.answers <> COALESCE(n.entries, 0) OR (a.choice IS NULL) <> (l.id IS NULL)
        OR (l.id IS NOT NULL AND (a.answered_by <> COALESCE(l.actor_user_id, 0)
          OR l.after NOT LIKE '{"answers":' || a.answers || ',"choice":"' || a.choice || '","poll":"' || p.public_id
            || '"}'))""",
    ),
    # Winding down and withdrawing move money, so neither is ever one operator's act (PPL-2).
    Check(
        "wound_down_alone", "An operator ended the offering, and no second one confirmed it.",
        """SELECT o.public_id AS place FROM offering o WHERE o.end_trigger = 'operator_order' AND NOT EXISTS (
          SELECT 1 FROM wind_down_order w WHERE w.offering_id = o.id AND w.state = 'confirmed'
          AND w.decided_by <> w.proposed_by AND w.reason = o.end_reason)""",
    ),
    Check(
        "order_document_other", "A halt names another authority's order than the document attached last.",
        """SELECT h.public_id AS place FROM halt h JOIN authority_order a ON a.about = h.public_id
        AND a.id = (SELECT MAX(b.id) FROM authority_order b WHERE b.about = h.public_id)
        WHERE h.order_sha256 IS NULL OR h.order_sha256 <> a.sha256 OR h.order_reference <> a.reference""",
    ),
    Check(
        "left_refunds", "The log counts other refunds of those who did not stay.",
        """SELECT j.public_id AS place, COUNT(r.id) AS refunds, MAX(l.row_count) AS told FROM journal j
        LEFT JOIN refund r ON r.journal_id = j.id
        LEFT JOIN log_entry l ON l.object_id = j.cause AND l.action = 'investors.left'
        WHERE j.kind = 'left' GROUP BY j.public_id HAVING COUNT(r.id) <> COALESCE(MAX(l.row_count), -1)""",
    ),
)

#: table → (its class, what the log keeps of a row, the first action, the name of the actor's column)
TOLD: Mapping[str, tuple[type, Callable[..., dict[str, object]], str, str | None]] = {
    "halt": (Halt, halting.told, "halt.placed", "placed_by"),
    "early close": (EarlyClose, early_close.told, "early_close.announced", "announced_by"),
    "poll": (Poll, polls.told, "poll.opened", None),
    "order to wind down": (WindDownOrder, orders.told, "wind_down_order.proposed", "proposed_by"),
    "document of an order": (AuthorityOrder, authority.told, "authority_order.attached", "attached_by"),
}


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with halts, early closes and polls."""
    yield from run_checks(session, CHECKS)
    yield from _polls(session)
    for what, (table, told, first, actor) in TOLD.items():
        yield from told_otherwise(session, what, table, told, first, actor)


def _polls(session: Session) -> Iterator[Problem]:
    """Recompute the most that one investor weighs, and compare answers and outcomes with their kind's (MIL-13)."""
    for poll in session.scalars(sa.select(Poll).order_by(Poll.id)):
        rule = rules.RULES.get(poll.kind)
        if rule is None:
            yield Problem("poll_kind", poll.public_id, f"No kind of poll is called “{poll.kind}”.")
            continue
        rows = session.scalars(sa.select(PollAnswer).where(PollAnswer.poll_id == poll.id)).all()
        if any(row.choice not in (None, *rules.CHOICES) for row in rows):
            yield Problem("poll_choice", poll.public_id, "There is an answer that the question does not have.")
        if poll.level_minor is not None:
            owned = [row.unreleased_minor or row.weight_minor for row in rows]
            if poll.level_minor != rules.level(owned, rule.cap_bp):
                yield Problem("poll_level", poll.public_id, "Another amount is the most that one investor weighs.")
        if rule.heads and poll.state == "decided":
            counted = [row.choice for row in rows if row.struck_at is None]
            heads = (counted.count(rules.YES), counted.count(rules.NO))
            if heads != (poll.yes_heads, poll.no_heads):
                yield Problem("poll_heads", poll.public_id, "The heads counted are not those of the answers.")


def told_otherwise(
    session: Session, what: str, table: type, told: Callable[..., dict[str, object]], first: str, actor: str | None
) -> Iterator[Problem]:
    """Compare every row with the last entry that tells all of it, and every first entry with its row."""
    prefix = first.partition(".")[0] + "."
    entries: dict[str, LogEntry] = {}
    began: dict[str, LogEntry] = {}
    for entry in session.scalars(
        sa.select(LogEntry).where(LogEntry.action.startswith(prefix), LogEntry.action != "poll.answered")
        .order_by(LogEntry.id)
    ):
        entries[entry.object_id] = entry
        if entry.action == first:
            began[entry.object_id] = entry
    rows = {row.public_id: row for row in session.scalars(sa.select(table))}
    for public_id in sorted(set(began) - set(rows)):
        yield Problem("told_gone", public_id, f"The log tells of a {what} that is gone.")
    for public_id, row in rows.items():
        entry, start = entries.get(public_id), began.get(public_id)
        if entry is None or start is None or entry.after != canonical(told(session, row)):
            yield Problem("told_otherwise", public_id, f"The {what} is not the one that the log tells of.")
        elif actor is not None and start.actor_user_id != getattr(row, actor):
            yield Problem("told_of_other", public_id, f"The log names somebody else for this {what}.")
