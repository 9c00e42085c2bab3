"""Carry out what the engine decides: states of milestones, releases, returns, wind-down, completion.

Every change to a running contract goes through :func:`run`: load the plan, let ``milestones.plan`` take one
step, write the new states and follow its instructions, all in the caller's transaction. No rule lives here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import Actor
from app.audit import service as audit
from app.closing import service as closing
from app.commitments import escrow
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.contracts.queries import Published
from app.errors import Conflict
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import polls, releases, standing, tolling
from milestones import disputes, states
from milestones import plan as engine
from milestones import polls as poll_rules
from milestones.terms import SEQUENTIAL, end_of_day

CHALLENGE_CALENDAR_DAYS = 7
SUSPENSION_BUSINESS_DAYS = 15
RELEASE_BUSINESS_DAYS = 5
WIND_DOWN_BUSINESS_DAYS = 10

#: Why a plan that ran by its terms ended, as the offering's page says it to everybody.
FAILURES = {
    "not_met": "The auditors found a milestone not met, and no try was left.",
    "investors": "A milestone failed, and the investors did not give it another chance.",
    "long_stop": "A milestone's last date passed without complete evidence.",
}

#: States in which the milestone waits for others than the founder; the time in them is tolled.
REVIEWED_STATES = ("submitted", "challengeable", "suspended", "disputed", "appealable", "approved")
#: States in which it waits for the founder, or only for a part of it.
UNREVIEWED_STATES = (*states.FOUNDERS_STATES, "report_due", "deciding")
RETAINING_STATES = ("retained", "report_due")
#: What waits for a report goes back when none came in so many days.
REPORT_DAYS = 365


@dataclass(frozen=True, slots=True)
class Running:
    """An offering under its contract: the locked rows and the engine's plan of them."""

    offering: Offering
    published: Published
    rows: dict[int, Milestone]
    plan: engine.Plan


def load(session: Session, offering: Offering, *, lock: bool = True) -> Running:
    """Load the running plan; when money was taken back meanwhile, the tranches are recomputed first (MIL-1)."""
    published = contract_queries.published_terms(session, offering.terms_version_id or 0)
    rows = contract_queries.milestones_of(session, offering.contract_id, lock=lock)
    # What released tranches carry is out of the plan: it is decided, and only waits until it has seasoned (COM-10).
    unreleased = ledger_queries.balance(
        session, chart.escrow(offering.public_id, offering.currency)
    ) - escrow.carried_minor(session, offering.id)
    plan = contract_queries.plan_from(
        published.terms, rows, unreleased_minor=unreleased, winding_down=offering.state == "winding_down"
    )
    is_running = offering.state in ("active", "winding_down") and plan.unsettled and _is_started(rows)
    if is_running and sum(each.remaining_minor for each in plan.unsettled) != unreleased:
        plan = engine.shrink(plan, unreleased).plan
    return Running(offering, published, {row.ordinal: row for row in rows}, plan)


def _is_started(rows: list[Milestone]) -> bool:
    return all(row.tranche_minor is not None for row in rows)


def run(
    session: Session,
    offering: Offering,
    take: Callable[[engine.Plan], engine.Step],
    *,
    actor: Actor,
    now: dt.datetime,
    reason: str | None = None,
) -> Running:
    """Let the engine take one step and carry it out.

    The offering's row must be locked. Raises ``Conflict`` with the engine's words when the step is not
    allowed now; nothing changed then.
    """
    running = load(session, offering)
    try:
        step = take(running.plan)
    except (engine.PlanError, states.TransitionError) as error:
        raise Conflict(error.message, code=error.code) from error
    return carry_out(session, running, step, actor=actor, now=now, reason=reason)


def start(session: Session, offering: Offering, *, actor: Actor, now: dt.datetime) -> Running:
    """Start the contract of an offering that has just become active: tranches become money (MIL-1)."""
    running = load(session, offering)
    step = engine.start(running.published.terms, offering.proceeds_minor or 0)
    return carry_out(session, running, step, actor=actor, now=now, reason=None)


def carry_out(
    session: Session, running: Running, step: engine.Step, *, actor: Actor, now: dt.datetime, reason: str | None
) -> Running:
    """Write a step's states and follow its instructions in order."""
    _write_states(session, running, step.plan, actor=actor, now=now, reason=reason)
    offering = running.offering
    for instruction in step.instructions:
        match instruction:
            case engine.ReleaseTranche(ordinal=ordinal, amount_minor=amount):
                if amount:
                    releases.release(session, offering, running.rows[ordinal], running.published, amount, now=now)
            case engine.ReturnMoney(amount_minor=amount, reason=why, ordinal=ordinal):
                row = running.rows[ordinal] if ordinal is not None else None
                releases.return_money(session, offering, row, running.published, amount, reason=why, now=now)
            case engine.WindDown(reason=why):
                _wind_down(session, offering, why, actor=actor, now=now)
            case engine.AskInvestors(ordinal=ordinal):
                _ask(session, offering, running.rows[ordinal], now=now)
            case engine.Complete():
                pass  # a job of its own ends the offering, once no operation is undecided (product.md §2)
    return Running(offering, running.published, running.rows, step.plan)


def _ask(session: Session, offering: Offering, row: Milestone, *, now: dt.datetime) -> None:
    """Put to the investors whether a failed milestone gets one more chance (MIL-2)."""
    row.asked_at = now
    polls.open_poll(
        session, offering, kind=poll_rules.FAILURE, subject=row.public_id, ends_at=polls.vote_end(offering, now),
        now=now,
    )


def _wind_down(session: Session, offering: Offering, why: str, *, actor: Actor, now: dt.datetime) -> None:
    if offering.state == "winding_down":
        return
    who = next((role for role in ("operator", "founder") if actor.has_role(role)), "worker")
    due = calendars.add_business_days(now, WIND_DOWN_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone)
    offerings.move(session, offering, "wind_down", who, actor=actor, now=now, due=due, reason=why)
    offering.end_trigger = offering.end_trigger or "milestone_failed"
    offering.end_reason = offering.end_reason or FAILURES.get(why, why)
    closing.lapse_unpaid(session, offering, now=now)


def _write_states(
    session: Session, running: Running, plan: engine.Plan, *, actor: Actor, now: dt.datetime, reason: str | None
) -> None:
    for after in plan.milestones:
        row = running.rows[after.ordinal]
        before, was_met = row.state, row.share_pct == engine.WHOLE_PCT
        _write_amounts(row, after, now)
        if before == after.state:
            continue
        row.state, row.state_since = after.state, now
        if before in REVIEWED_STATES and row.state in (*states.MILESTONE_TERMINAL, *UNREVIEWED_STATES):
            _toll(session, running, row, now, was_met=was_met)
        if row.state in RETAINING_STATES and row.retained_until is None:
            row.retained_until = _retained_until(running.published, row, now)
        row.deadline_at, row.notified_at = _deadline(session, running, row, now), None
        if states.is_terminal("milestone", row.state):
            row.settled_at = now
        audit.record(
            session, actor=actor, action=f"milestone.{row.state}", object_id=row.public_id, now=now,
            before={"state": before}, after={"state": row.state}, reason=reason,
        )
        outbox.enqueue(
            session, "notice",
            {"kind": f"milestone_{row.state}", "offering_id": running.offering.id, "milestone_id": row.id}, now=now,
        )
    session.flush()


def _write_amounts(row: Milestone, after: engine.MilestoneState, now: dt.datetime) -> None:
    row.tranche_minor, row.tries_left, row.returned_minor = after.tranche_minor, after.tries_left, after.returned_minor
    row.share_pct, row.verdict_pct, row.parts = after.share_pct, after.verdict_pct, after.parts
    row.decided_minor, row.counted_minor = after.released_minor, after.counted_minor
    if after.reporting_minor > row.reporting_minor:
        row.reporting_since = now
    row.reporting_minor = after.reporting_minor


def _retained_until(published: Published, row: Milestone, now: dt.datetime) -> dt.datetime:
    """Return when what is retained of a milestone, or waits for a report, goes back (MIL-11)."""
    agreed = published.terms.milestone(row.ordinal).retainage
    days = agreed.days if agreed is not None and row.state == "retained" else REPORT_DAYS
    return end_of_day((now + dt.timedelta(days=days)).date(), published.terms.zone)


def _toll(session: Session, running: Running, row: Milestone, now: dt.datetime, *, was_met: bool) -> None:
    """Give back the time that others took since the submission was received, or an appeal was made (MIL-14).

    At most 60 days a milestone. It moves this milestone's long-stop if it opens again, and in a sequential contract the
    dates of those that had to wait for it, and the offering's own long-stop. For a retained part nobody waited: it
    moves only that part's own date.
    """
    since = standing.taken_since(session, row)
    if since is None or row.long_stop_at is None:
        return
    # A halt moves these dates by itself when it ends, so its time is not given back twice.
    halted = tolling.halted_within(session, running.offering, since, now)
    taken = (now - since) // dt.timedelta(seconds=1) - halted
    if was_met:
        if row.retained_until is not None:
            row.retained_until += dt.timedelta(seconds=max(0, min(taken, tolling.MAX_TOLLING_SECONDS)))
        return
    seconds = max(0, min(taken, tolling.MAX_TOLLING_SECONDS - row.tolled_seconds - row.halted_seconds))
    row.tolled_seconds += seconds
    row.long_stop_at += dt.timedelta(seconds=seconds)
    if running.plan.order != SEQUENTIAL:
        return
    for later in running.rows.values():
        if later.ordinal > row.ordinal and later.long_stop_at is not None and later.target_at is not None:
            later.moved_seconds += seconds
            later.long_stop_at += dt.timedelta(seconds=seconds)
            later.target_at += dt.timedelta(seconds=seconds)
            later.deadline_at = later.long_stop_at
    running.offering.long_stop_at += dt.timedelta(seconds=seconds)
    if running.offering.state == "active":
        running.offering.step_due_at = running.offering.long_stop_at


def _deadline(session: Session, running: Running, row: Milestone, now: dt.datetime) -> dt.datetime | None:
    """Return when silence has its effect in the milestone's new state (states.md).

    No milestone fails before the time to appeal its "not met" is over (MIL-10).
    """
    terms = running.published.terms
    agreed = terms.milestone(row.ordinal) if row.ordinal else None

    def business_days(days: int, at_least_calendar_days: int = 0) -> dt.datetime:
        return calendars.window_end(
            now, days, code=terms.calendar, zone=terms.zone, min_calendar_days=at_least_calendar_days
        )

    match row.state:
        case "open" | "partly_released":
            if standing.is_rejected(session, row) and standing.may_appeal(session, row):
                return max(row.long_stop_at or now, business_days(disputes.APPEAL_BUSINESS_DAYS))
            return row.long_stop_at
        case "retained" | "report_due":
            return tolling.retained_deadline(running.offering, row)
        case "submitted" if agreed is not None:
            return business_days(agreed.review_business_days)
        case "challengeable" if agreed is not None:
            return business_days(agreed.challenge_business_days, CHALLENGE_CALENDAR_DAYS)
        case "suspended":
            return business_days(SUSPENSION_BUSINESS_DAYS)
        case "disputed":
            return business_days(disputes.PANEL_BUSINESS_DAYS)
        case "appealable":
            return business_days(disputes.APPEAL_BUSINESS_DAYS) if standing.may_appeal(session, row) else now
        case "deciding":
            return business_days(polls.VOTE_BUSINESS_DAYS, polls.VOTE_CALENDAR_DAYS)
        case "approved":
            return business_days(RELEASE_BUSINESS_DAYS)
        case "locked":
            return row.long_stop_at
    return None
