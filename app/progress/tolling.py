"""Move every open instant of an offering by the time it was halted, in one transaction (OFF-13, MIL-14).

What was open when the halt began moves by all of it; what began meanwhile, by what was left of it then. What had
passed before, and what is decided, stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.closing import early_close
from app.commitments.models import UNPAID, Commitment
from app.commitments.reconfirm_models import Reconfirmation
from app.commitments.waiting_models import WaitingEntry
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.offerings import deadlines
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from app.progress import polls
from app.progress.amendment_models import Amendment
from app.progress.ending_models import EndCall
from app.progress.halt_models import Halt, HaltToll
from app.progress.lateness_models import Report, ReportCountdown
from app.progress.models import Submission
from milestones import lateness, states
from milestones import polls as poll_rules

FREE_CANCEL_HOURS = 48
#: At most so much a milestone, reviews and halts together (MIL-14).
MAX_TOLLING_SECONDS = 60 * 86_400
SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Instant:
    """A column that holds until when something waits, with when the waiting began and which rows wait."""

    column: sa.orm.InstrumentedAttribute[dt.datetime | None]
    since: sa.orm.InstrumentedAttribute[dt.datetime | None] | sa.ColumnElement[dt.datetime | None]
    where: Callable[[Offering], sa.ColumnElement[bool]]


def _of_commitments(offering: Offering) -> sa.Select[tuple[int]]:
    return sa.select(Commitment.id).where(Commitment.offering_id == offering.id)


def _of_milestones(offering: Offering) -> sa.ColumnElement[bool]:
    rows = sa.select(Milestone.id).where(Milestone.offering_id == offering.id)
    return sa.and_(Submission.milestone_id.in_(rows), Submission.status == "received")


#: Everything that waits for people beside the offering and its milestones themselves.
INSTANTS: tuple[Instant, ...] = (
    Instant(Commitment.pay_by, Commitment.status_since,
            lambda offering: sa.and_(Commitment.offering_id == offering.id, Commitment.status.in_(UNPAID))),
    Instant(WaitingEntry.offer_until, WaitingEntry.status_since,
            lambda offering: sa.and_(WaitingEntry.offering_id == offering.id, WaitingEntry.status == "offered")),
    Instant(Reconfirmation.due_at, Reconfirmation.delivered_at,
            lambda offering: sa.and_(Reconfirmation.commitment_id.in_(_of_commitments(offering)),
                                     Reconfirmation.answer.is_(None))),
    Instant(OfferingChange.decide_by, OfferingChange.proposed_at,
            lambda offering: sa.and_(OfferingChange.offering_id == offering.id, OfferingChange.state == "proposed")),
    Instant(EndCall.ends_at, EndCall.called_at,
            lambda offering: sa.and_(EndCall.offering_id == offering.id, EndCall.state == "gathering")),
    Instant(Report.due_at, Report.opened_at,
            lambda offering: sa.and_(Report.offering_id == offering.id, Report.state == lateness.DUE)),
    Instant(ReportCountdown.ends_at, ReportCountdown.started_at,
            lambda offering: sa.and_(ReportCountdown.offering_id == offering.id, ReportCountdown.state == "running")),
    Instant(Amendment.leave_until, Amendment.passed_at,
            lambda offering: sa.and_(Amendment.offering_id == offering.id, Amendment.state == "leaving")),
    Instant(Submission.review_due_at, sa.func.coalesce(Submission.round_since, Submission.received_at), _of_milestones),
)


def whole_seconds(length: dt.timedelta) -> int:
    """Return a length in whole seconds, never less: nobody loses a part of one."""
    return -(-length // SECOND)


def move_everything(session: Session, offering: Offering, halt: Halt, *, seconds: int, now: dt.datetime) -> None:
    """Move all open instants of an offering whose halt ends now, and log what moved (OFF-13).

    The offering's row is locked. Cancelling stays free for 48 hours more, so its deadline is never sooner than that.
    """
    step = seconds * SECOND
    early_close.follow_extension(session, offering, now=now)
    _move_dates(session, offering, halt, step, now)
    early_close.toll(session, offering, step, now=now)
    offering.long_stop_at += step
    if offering.state == "active":
        offering.step_due_at = offering.long_stop_at
    milestones = _move_milestones(session, offering, halt, seconds, now)
    moved = {
        f"{each.column.class_.__tablename__}.{each.column.key}": _move(session, each, offering, halt.placed_at, now)
        for each in INSTANTS
    }
    for poll in polls.all_open(session, offering.id):
        if poll_rules.RULES[poll.kind].tolled and poll.ends_at > halt.placed_at:
            polls.move_end(session, poll, now - max(halt.placed_at, poll.opened_at), now=now)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="offering.clocks_moved", object_id=offering.public_id, now=now,
        after={"halt": halt.public_id, "seconds": seconds, "milestones": milestones, "rows": moved},
        count=sum(moved.values()) + len(milestones),
    )


def _move_dates(session: Session, offering: Offering, halt: Halt, step: dt.timedelta, now: dt.datetime) -> None:
    """Move deadline and cut-off of an offering that takes money, and the end of its clearing window."""
    if offering.state not in ("live", "clearing"):
        return
    free_until = now + dt.timedelta(hours=FREE_CANCEL_HOURS)
    deadline, cut_off = offering.deadline_at, free_until
    if offering.state == "live":
        if offering.cancel_until > halt.placed_at:
            cut_off = max(offering.cancel_until + step, free_until)
        deadline = max(deadline + step, cut_off)
    elif offering.step_due_at is not None:
        began = max(halt.placed_at, offering.state_since)
        offering.step_due_at = max(offering.step_due_at + whole_seconds(now - began) * SECOND, free_until)
    deadlines.move(
        session, offering, deadline_at=deadline, cancel_until=cut_off, reason="The offering was halted.", now=now
    )


def _move_milestones(
    session: Session, offering: Offering, halt: Halt, seconds: int, now: dt.datetime
) -> dict[str, int]:
    """Move the dates of every milestone that is not settled; return by how many seconds each."""
    moved = {}
    for row in contract_queries.milestones_of(session, offering.contract_id, lock=True):
        if states.is_terminal("milestone", row.state):
            continue
        follows = row.deadline_at is not None and row.deadline_at == row.long_stop_at
        if row.long_stop_at is not None and row.target_at is not None:
            left = max(0, MAX_TOLLING_SECONDS - row.tolled_seconds - row.halted_seconds)
            given = min(seconds, left)
            row.halted_seconds += given
            row.target_at += given * SECOND
            row.long_stop_at += given * SECOND
            session.add(HaltToll(halt_id=halt.id, milestone_id=row.id, seconds=given))
            moved[row.public_id] = given
        if row.retained_until is not None:
            row.retained_until += seconds * SECOND
        if follows:
            row.deadline_at = row.long_stop_at
        elif row.state in ("retained", "report_due"):
            row.deadline_at = retained_deadline(offering, row)
        elif row.deadline_at is not None and row.deadline_at > halt.placed_at:
            row.deadline_at += whole_seconds(now - max(halt.placed_at, row.state_since)) * SECOND
    session.flush()
    return moved


def retained_deadline(offering: Offering, row: Milestone) -> dt.datetime | None:
    """Return when a retained part goes back: its own date, or the end of the plan when that is sooner."""
    return min(row.retained_until, offering.long_stop_at) if row.retained_until is not None else None


def _move(session: Session, each: Instant, offering: Offering, placed_at: dt.datetime, now: dt.datetime) -> int:
    """Move one kind of instant: one query to read them, one statement to write them, however many there are."""
    key = each.column.class_.id
    rows = session.execute(
        sa.select(key, each.column, each.since).where(each.where(offering), each.column > placed_at)
    ).all()
    if rows:
        table = each.column.class_.__table__
        moved = [
            {"row": row_id, "moved": until + whole_seconds(now - max(placed_at, since or placed_at)) * SECOND}
            for row_id, until, since in rows
        ]
        session.connection().execute(
            table.update().where(table.c.id == sa.bindparam("row")).values({each.column.key: sa.bindparam("moved")}),
            moved,
        )
    return len(rows)


def halted_within(session: Session, offering: Offering, start: dt.datetime, end: dt.datetime) -> int:
    """Return for how many seconds the offering was halted between two instants, a halt that runs included."""
    halts = session.execute(
        sa.select(Halt.placed_at, Halt.ended_at, Halt.outcome).where(
            Halt.offering_id == offering.id, Halt.placed_at < end,
            sa.or_(Halt.ended_at.is_(None), Halt.ended_at > start),
        )
    )
    return sum(whole_seconds(min(ended or end, end) - max(placed, start)) for placed, ended, _outcome in halts)
