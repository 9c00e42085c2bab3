"""Prove that everything gets out: no cent on an account that nobody waits for, nothing in a state without exit (TIM-5).

Amounts come from the entries; who waits for them from the rows. Where a row has left the states that people or the
worker end, what it held would stay for ever: here that is found the night after.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import waits
from app.ledger import chart
from app.models import metadata
from app.selfcheck.problem import BALANCES, Check, Problem, run_checks
from milestones import states

_ENDED_OFFERINGS = ", ".join(f"'{state}'" for state in sorted(states.OFFERING_TERMINAL))
_ENDED_MILESTONES = ", ".join(f"'{state}'" for state in sorted(states.MILESTONE_TERMINAL))
_UNDECIDED = "('created', 'sending', 'unknown', 'pending', 'action_required', 'needs_operator')"

#: What an offering that has a step to come and a date for it holds: all of it, whatever it is.
_OF_RUNNING = f"SELECT o.id FROM offering o WHERE o.state NOT IN ({_ENDED_OFFERINGS}) AND o.step_due_at IS NOT NULL"

#: kind of account → the rows that wait for what is on it, each with a date or with the worker: (offering, amount).
HELD = {
    "refunds": """SELECT r.offering_id, r.amount_minor AS amount FROM refund r
      WHERE r.status IN ('open', 'sending') AND r.due_at IS NOT NULL""",
    "unclaimed": """SELECT r.offering_id, r.amount_minor AS amount FROM refund r
      WHERE r.status = 'unclaimed' AND r.due_at IS NOT NULL""",
    "unapplied": """SELECT r.offering_id, r.amount_minor AS amount FROM receipt r
      JOIN commitment c ON c.id = r.commitment_id
      WHERE r.status = 'open' OR (r.status = 'waiting' AND c.pay_by IS NOT NULL)
      OR (r.status = 'doubted' AND r.decide_by IS NOT NULL)""",
    "payable": """SELECT p.offering_id, p.amount_minor - p.set_off_minor AS amount FROM payout p
      WHERE p.status = 'waiting' AND p.next_at IS NOT NULL""",
    "paying": f"""SELECT p.offering_id, p.amount_minor - p.set_off_minor AS amount FROM payout p
      WHERE p.status IN ('reserved', 'sending')
      AND EXISTS (SELECT 1 FROM operation o WHERE o.payout_id = p.id AND o.state IN {_UNDECIDED})""",
    "disputed": """SELECT r.offering_id, r.escrow_minor + r.owed_minor AS amount FROM reversal r
      WHERE r.state = 'open' AND (r.due_at IS NOT NULL OR r.kind = 'return')""",
}
#: kind of account → why what stands on it waits for nobody, or only as long as its offering goes on.
STAYS = {
    "cash": "what there is, whoever it is owed to",
    "expense": "what a provider took",
    "loss": "what nobody pays back",
    "receivable": "what others owe: the claims and disputes are compared with it one by one",
    "unissued": "tokens that the charter allows",
    "outstanding": "tokens that people hold",
    "fees": "ours",
    "capital": "ours",
    "authorised": "what the charter allows",
}
OF_THE_OFFERING = frozenset({"escrow", "reserved"})

CHECKS = (
    # Sequential or not, one of a running plan's milestones always has somebody to move it, or the plan is over. A plan
    # that has just closed has no tranches before the worker starts it.
    Check(
        "plan_stuck", "Milestones wait for one before them, and none of those before them can move any more.",
        f"""SELECT o.public_id AS place, o.state, COUNT(m.id) AS locked FROM offering o
        JOIN milestone m ON m.offering_id = o.id AND m.state = 'locked' AND m.ordinal > 0
          AND m.tranche_minor IS NOT NULL
        WHERE o.state = 'active' AND NOT EXISTS (SELECT 1 FROM milestone x WHERE x.offering_id = o.id
          AND x.state NOT IN ('locked', {_ENDED_MILESTONES})) GROUP BY o.public_id, o.state""",
    ),
)

#: Columns of deadlines that may be empty, and what says when they are not. All others the tables demand.
DATED = {
    "offering": "``offering_without_deadline``",
    "milestone": "``milestone_without_deadline``",
    "payout": "``payout_without_owner``",
    "reconfirmation": "a constraint: it is dated by its delivery",
    "waiting_entry": "a constraint: a place that is offered is dated; until then the offering's deadline is its own",
    "amendment": "a constraint: who may leave has a date; until then its poll has",
    "receipt": "a constraint: a doubt is dated",
    "link": "a constraint: a contest is dated",
}


def check(session: Session) -> Iterator[Problem]:
    """Yield money and tokens that nobody waits for, and what is in a state that nothing ends."""
    yield from run_checks(session, CHECKS)
    yield from _money(session)
    for look in waits.LOOKS:
        yield from _states(session, look)


def _money(session: Session) -> Iterator[Problem]:
    """Compare each account that must empty with the rows that wait for what is on it."""
    running = set(session.scalars(sa.text(_OF_RUNNING)))
    held: dict[str, dict[int, int]] = {
        kind: {
            row.offering_id: int(row.amount)
            for row in session.execute(
                sa.text(f"SELECT offering_id, SUM(amount) AS amount FROM ({sql}) AS waiting GROUP BY offering_id")
            )
        }
        for kind, sql in HELD.items()
    }
    amounts: dict[tuple[str, int], tuple[str, int]] = {}
    rows = session.execute(
        sa.text(f"WITH {BALANCES} SELECT address, offering_id, amount FROM balance WHERE amount <> 0 ORDER BY address")
    )
    for row in rows:
        kind = chart.Account(row.address, "").kind
        if kind in STAYS or row.offering_id is None:
            continue
        first, before = amounts.get((kind, row.offering_id), (row.address, 0))
        amounts[kind, row.offering_id] = first, before + int(row.amount)
    for (kind, offering_id), (address, amount) in amounts.items():
        awaited = held.get(kind, {}).get(offering_id, 0)
        if kind in OF_THE_OFFERING:
            awaited = amount if offering_id in running else 0
        if amount > awaited:
            yield Problem("money_without_exit", address, "Nobody waits for what stands on the account, or not for all.",
                          {"amount": amount, "awaited": awaited})


def _states(session: Session, look: waits.Look) -> Iterator[Problem]:
    """Find what is in a state that has no owner, deadline and default; that a date is there is :data:`DATED`'s."""
    table = metadata.tables[look.table]
    state, name = table.c[look.state], table.c.public_id if "public_id" in table.c else table.c.id
    rows = session.execute(
        sa.select(state, sa.func.min(name)).where(state.is_not(None), state.not_in(look.ended)).group_by(state)
    )
    for found, place in rows:
        if (look.subject, found) in waits.ENDED_BY:
            continue
        try:
            states.waiting_for(look.subject, found)
        except LookupError:
            yield Problem("state_without_exit", f"{look.subject} {place}", "Nobody has to end this state by any time.",
                          {"state": found})
