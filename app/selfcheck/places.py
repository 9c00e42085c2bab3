"""Check the places of offerings: what is offered and unpaid, the waiting lists, and how paid orders were cut."""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.closing import allotment
from app.commitments.models import EscrowStatement
from app.ledger.models import Journal
from app.offerings.models import Offering
from app.selfcheck.problem import Check, Problem, run_checks


def _number(column: str) -> str:
    """Return a whole number as the log spells it: as text where it has more than 53 bits."""
    return f"""CASE WHEN {column} > {2**53 - 1} THEN '"' || {column} || '"' ELSE '' || {column} END"""


def _told(offered: str, state: str) -> str:
    """Return what the log tells of a place on a list, spelled as the log spells it (sorted keys, no blanks)."""
    return (
        f"""'{{"amount_minor":' || {_number('w.amount_minor')} || ',"offered_minor":' || {offered} """
        """|| ',"offering":"' || o.public_id || '","offers":' || w.offers || ',"position":' || w.position """
        f"""|| ',"state":"' || {state} || '","takes_less":' """
        """|| CASE WHEN w.takes_less THEN 'true' ELSE 'false' END || '}'"""
    )


CHECKS = (
    Check(
        "offered_counter", "The room kept for the waiting list is not the sum of the offers that are open.",
        """SELECT o.public_id AS place, o.offered_minor AS counter, COALESCE(w.kept, 0) AS kept FROM offering o
        LEFT JOIN (SELECT offering_id, SUM(offered_minor) AS kept FROM waiting_entry WHERE status = 'offered'
          GROUP BY offering_id) w ON w.offering_id = o.id WHERE o.offered_minor <> COALESCE(w.kept, 0)""",
    ),
    # Whatever is larger than a fifth of the maximum must be paid at once and is not counted (COM-13).
    Check(
        "unpaid_counter", "The unpaid places are not the sum of those that wait for a payment or an answer.",
        """SELECT o.public_id AS place, o.unpaid_minor AS counter, u.unpaid FROM offering o JOIN (
          SELECT o.id AS offering_id, (SELECT COALESCE(SUM(c.amount_minor), 0) FROM commitment c
              WHERE c.offering_id = o.id AND c.status IN ('awaiting_payment', 'payment_failed')
              AND c.amount_minor <= o.maximum_minor / 5)
            + (SELECT COALESCE(SUM(w.offered_minor), 0) FROM waiting_entry w WHERE w.offering_id = o.id
              AND w.status = 'offered' AND w.offered_minor <= o.maximum_minor / 5) AS unpaid
          FROM offering o) u ON u.offering_id = o.id WHERE o.unpaid_minor <> u.unpaid""",
    ),
    Check(
        "waiting_untold", "The place on the waiting list is not what the log last told of it.",
        f"""SELECT w.public_id AS place, w.status, l.after AS told FROM waiting_entry w
        LEFT JOIN offering o ON o.id = w.offering_id
        LEFT JOIN (SELECT object_id, MAX(id) AS id FROM log_entry WHERE action LIKE 'waiting.%' GROUP BY object_id) n
          ON n.object_id = w.public_id LEFT JOIN log_entry l ON l.id = n.id
        WHERE o.id IS NULL OR l.id IS NULL OR CASE WHEN w.status = 'lapsed'
          THEN l.after NOT LIKE {_told("'%'", "'%'")} OR l.after NOT LIKE '%ed","takes_less"%'
          ELSE l.after <> {_told(_number("w.offered_minor"), "w.status")} END""",
    ),
    Check(
        "waiting_party", "The user does not act for the investor on the waiting list.",
        """SELECT w.public_id AS place, w.user_id, w.party_id FROM waiting_entry w WHERE NOT EXISTS (
          SELECT 1 FROM membership m WHERE m.user_id = w.user_id AND m.party_id = w.party_id
          AND m.role = 'investor')""",
    ),
    Check(
        "waiting_commitment", "The accepted place is not this investor's commitment.",
        """SELECT w.public_id AS place, w.commitment_id FROM waiting_entry w
        LEFT JOIN commitment c ON c.id = w.commitment_id WHERE w.status = 'accepted'
        AND (c.id IS NULL OR c.party_id <> w.party_id OR c.offering_id <> w.offering_id
          OR c.amount_minor > w.amount_minor OR c.created_at <> w.status_since)""",
    ),
    Check(
        "waiting_lapsed_untold", "The log counts other places that lapsed on the waiting list.",
        """SELECT o.public_id AS place, COALESCE(w.lapsed, 0) AS lapsed, COALESCE(l.told, 0) AS told FROM offering o
        LEFT JOIN (SELECT offering_id, COUNT(*) AS lapsed FROM waiting_entry WHERE status = 'lapsed'
          GROUP BY offering_id) w ON w.offering_id = o.id
        LEFT JOIN (SELECT object_id, SUM(row_count) AS told FROM log_entry WHERE action = 'waiting.lapsed'
          GROUP BY object_id) l ON l.object_id = o.public_id
        WHERE COALESCE(w.lapsed, 0) <> COALESCE(l.told, 0)""",
    ),
    Check(
        "waiting_after_the_end", "Somebody waits for a place in an offering that takes nothing more.",
        """SELECT w.public_id AS place, o.state FROM waiting_entry w JOIN offering o ON o.id = w.offering_id
        WHERE w.status IN ('waitlisted', 'offered') AND o.closed_at IS NOT NULL""",
    ),
    Check(
        "cut_without_reason", "Paid orders were cut although places go to whoever comes first.",
        """SELECT s.commitment_id AS place FROM escrow_statement s JOIN offering o ON o.id = s.offering_id
        WHERE s.kind = 'cut' AND o.allotment <> 'pro_rata'""",
    ),
)


def check(session: Session) -> Iterator[Problem]:
    """Yield what is wrong with places, waiting lists and cuts."""
    yield from run_checks(session, CHECKS)
    yield from _cuts(session)


def _cuts(session: Session) -> Iterator[Problem]:
    """Divide the places of each oversubscribed offering once more, from what was paid (OFF-7)."""
    journals = session.execute(
        sa.select(Journal.id, Journal.offering_id, Journal.public_id)
        .where(Journal.kind == "closed", sa.exists().where(
            EscrowStatement.journal_id == Journal.id, EscrowStatement.kind == allotment.CUT))
    ).all()
    for journal_id, offering_id, where in journals:
        offering = session.get_one(Offering, offering_id)
        told = session.execute(
            sa.select(LogEntry.after, LogEntry.row_count)
            .where(LogEntry.object_id == offering.public_id, LogEntry.action == "orders.cut")
        ).one_or_none()
        if told is None:
            yield Problem("cut_untold", where, "The log does not say that orders were cut.")
            continue
        orders, stand = _orders_at(session, offering_id, journal_id)
        groups = json.loads(told.after)
        division = allotment.division_of(offering, orders, groups["linked"], groups["served_last"])
        expected = dict(zip((order.commitment_id for order in orders), division.cost_minor, strict=True))
        for commitment_id, kept in stand.items():
            if kept != expected.get(commitment_id):
                yield Problem("statement_cut", str(commitment_id), "The cut is not the largest remainder's (OFF-7).",
                              {"stands": kept, "expected": expected.get(commitment_id)})
        count = sum(order.paid_minor != expected[order.commitment_id] for order in orders)
        if count != told.row_count:
            yield Problem("cut_untold", where, "The log counts other orders that were cut.",
                          {"cut": count, "told": told.row_count})


def _orders_at(
    session: Session, offering_id: int, journal_id: int
) -> tuple[list[allotment.Order], dict[int, int]]:
    """Return the orders that were paid when the journal cut them, and what each kept in escrow."""
    rows = session.scalars(
        sa.select(EscrowStatement)
        .where(EscrowStatement.offering_id == offering_id, EscrowStatement.journal_id <= journal_id)
        .order_by(EscrowStatement.ordinal, EscrowStatement.seq)
    ).all()
    before: dict[int, allotment.Order] = {}
    stand: dict[int, int] = {}
    for row in rows:
        if row.journal_id < journal_id:
            before[row.commitment_id] = allotment.Order(
                row.commitment_id, row.party_id, row.ordinal, row.seq, row.unreleased_after_minor,
                row.entitled_after_tokens,
            )
        stand[row.commitment_id] = row.unreleased_after_minor
    orders = [order for order in before.values() if order.paid_minor]
    return orders, {order.commitment_id: stand[order.commitment_id] for order in orders}
