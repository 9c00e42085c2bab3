"""Divide once more, in Python, what left escrow where shares wait until they have seasoned (COM-10)."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.commitments import carrying
from app.commitments.models import CarriedShare, Commitment, EscrowStatement
from app.ledger.models import Journal
from app.offerings.models import Offering
from app.payments import rules
from app.payments.models import Operation, OperationEffect, Receipt
from app.payments.reversal_models import Reversal
from app.selfcheck.problem import Problem
from milestones import apportion


def check(session: Session) -> Iterator[Problem]:
    """Yield the shares that are not those of the largest remainder over what was no earlier tranche's (REL-2).

    And the commitments whose money seasons at another time than the latest of its payments.
    """
    yield from _seasons(session)
    found = sa.select(CarriedShare.offering_id).distinct().order_by(CarriedShare.offering_id)
    for offering_id in session.scalars(found).all():
        yield from _offering(session, offering_id)


def _seasons(session: Session) -> Iterator[Problem]:
    """Work out once more when each held commitment's money can no longer be taken back."""
    rows = session.execute(
        sa.select(
            Commitment.id, Commitment.public_id, Commitment.seasons_at, Operation.method, OperationEffect.occurred_at
        )
        .join(Operation, sa.and_(Operation.commitment_id == Commitment.id, Operation.kind.in_(["collect", "credit"])))
        .join(
            OperationEffect,
            sa.and_(OperationEffect.operation_id == Operation.id, OperationEffect.effect == "cleared"),
        )
        .outerjoin(Receipt, Receipt.operation_id == Operation.id)
        .where(
            Commitment.status == "held",
            sa.or_(Receipt.id.is_(None), Receipt.status == "applied",
                   Receipt.amount_minor < OperationEffect.amount_minor),
        )
        .order_by(Commitment.id)
    )
    for _commitment, found in itertools.groupby(rows, key=lambda row: row.id):
        payments = list(found)
        expected = max(rules.seasons_at(row.method, row.occurred_at) for row in payments)
        if payments[0].seasons_at != expected:
            yield Problem("seasons_wrong", payments[0].public_id, "The money seasons at another time than it says.",
                          {"stands": str(payments[0].seasons_at), "expected": str(expected)})


@dataclass(frozen=True, slots=True)
class _History:
    """An offering's shares and statement; ``opened_by``: journal that won a dispute → the one that opened it."""

    shares: list[CarriedShare]
    at: dict[int, dt.datetime]
    rows: dict[int, list[EscrowStatement]]
    opened_by: dict[int, int]

    def still_waits(self, share: CarriedShare, journal_id: int) -> bool:
        """Whether a share waited when a journal was posted: not yet released, its payment neither gone nor disputed.

        A reversal that leaves less than what the commitment carries sets all of its shares apart; winning that dispute
        brings them back where what is restored covers them.
        """
        if share.journal_id is not None and share.journal_id <= journal_id:
            return False
        apart_since: int | None = None
        for earlier in sorted(each for each in self.rows if each < journal_id):
            for row in self.rows[earlier]:
                if row.commitment_id != share.commitment_id or share.carried_at > self.at[earlier]:
                    continue
                if row.kind in ("reversed", "left"):
                    return False
                is_covered = row.unreleased_after_minor >= self._carried(row.commitment_id, earlier)
                if row.kind in ("disputed", "taken_back") and not is_covered:
                    apart_since = apart_since or earlier
                elif row.kind == "restored" and is_covered and self.opened_by.get(earlier) == apart_since:
                    apart_since = None
        return apart_since is None

    def _carried(self, commitment_id: int, journal_id: int) -> int:
        """Return what a commitment's shares came to that were set aside by then and not yet released."""
        return sum(
            each.amount_minor for each in self.shares
            if each.commitment_id == commitment_id and each.carried_at <= self.at[journal_id]
            and (each.journal_id is None or each.journal_id > journal_id)
        )


def _offering(session: Session, offering_id: int) -> Iterator[Problem]:
    """Go through an offering's statement journal by journal, and judge each division by what stood before it."""
    shares = list(session.scalars(sa.select(CarriedShare).where(CarriedShare.offering_id == offering_id)))
    rows: dict[int, list[EscrowStatement]] = defaultdict(list)
    for row in session.scalars(
        sa.select(EscrowStatement)
        .where(EscrowStatement.offering_id == offering_id)
        .order_by(EscrowStatement.journal_id, EscrowStatement.ordinal)
    ):
        rows[row.journal_id].append(row)
    journals = sa.select(Journal.id, Journal.occurred_at).where(Journal.offering_id == offering_id)
    at = dict(session.execute(journals).all())
    dropped_at = session.scalar(
        sa.select(LogEntry.at)
        .join(Offering, Offering.public_id == LogEntry.object_id)
        .where(Offering.id == offering_id, LogEntry.action == carrying.DROPPED)
    )
    reversals = session.execute(
        sa.select(Reversal.decided_journal_id, Reversal.opened_journal_id).where(
            Reversal.offering_id == offering_id, Reversal.state == "won"
        )
    )
    opened_by = {won: opened for won, opened in reversals if won is not None}
    ordinals = {row.commitment_id: row.ordinal for found in rows.values() for row in found}
    position: dict[int, int] = defaultdict(int)
    for journal_id, found in rows.items():
        later_parts = {each.commitment_id for each in shares if each.journal_id == journal_id}
        divided = [row for row in found if row.kind in ("released", "returned")]
        if divided and not later_parts:
            # From then on nothing of it waited: all that was in escrow was divided back (OFF-11).
            is_dropped = dropped_at is not None and at[journal_id] >= dropped_at
            waiting = [] if is_dropped else shares
            history = _History(shares, at, rows, opened_by)
            yield from _division(journal_id, at[journal_id], divided, waiting, position, ordinals, history)
        for row in found:
            position[row.commitment_id] = row.unreleased_after_minor


def _division(
    journal_id: int, at: dt.datetime, divided: list[EscrowStatement], shares: list[CarriedShare],
    position: dict[int, int], ordinals: dict[int, int], history: _History,
) -> Iterator[Problem]:
    milestone_id = divided[0].milestone_id if divided[0].kind == "released" else None
    gave = {row.commitment_id: -row.amount_minor for row in divided}
    waits: dict[int, int] = defaultdict(int)
    for each in shares:
        if each.milestone_id == milestone_id and each.carried_at == at:
            gave[each.commitment_id] = each.amount_minor
        elif each.carried_at <= at and history.still_waits(each, journal_id):
            waits[each.commitment_id] += each.amount_minor
    people = sorted(ordinals, key=lambda each: ordinals[each])
    weights = [position[each] - waits[each] for each in people]
    if min(weights) < 0 or sum(gave.values()) > sum(weights):
        yield Problem("carried_share", str(journal_id), "More waits or left than was in escrow.", {})
        return
    expected = apportion.apportion(sum(gave.values()), weights)
    for commitment_id, share in zip(people, expected, strict=True):
        if gave.get(commitment_id, 0) != share:
            yield Problem("carried_share", str(commitment_id), "The share is not the largest remainder's.",
                          {"journal": journal_id, "stands": gave.get(commitment_id, 0), "expected": share})
