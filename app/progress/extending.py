"""Give a milestone its one extension: automatic when asked before the target date (MIL-14)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress.lateness_models import Extension, ExtensionMove
from app.progress.service import demand_founder, located
from milestones import lateness
from milestones.terms import SEQUENTIAL, MilestoneTerms

ASKED, VOTED = "asked", "voted"
EXTENDABLE = ("open", "locked")
MAX_REASON_CHARACTERS = 2_000


def extend(
    session: Session, *, actor: Actor, milestone_id: str, reason: str, key: str, now: dt.datetime
) -> Extension:
    """Move a milestone's target and long-stop by the agreed days, and those of the ones that wait for it.

    No date moves past the offering's own long-stop. Raises ``Refused`` ``reason_empty``, ``extension_late`` from the
    target date on, ``extension_no_room`` where the long-stop is the offering's already; ``Conflict``
    ``extended_already``, ``not_extendable`` for a milestone that is neither open nor locked.
    """
    accounts.demand(actor, "founder")
    fields = {"milestone": milestone_id, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="extend_milestone", key=key, fields=fields, now=now)
    if earlier is not None:
        return session.scalars(sa.select(Extension).where(Extension.public_id == earlier)).one()
    milestone, offering = located(session, milestone_id)
    demand_founder(session, actor, offering)
    rows = contract_queries.milestones_of(session, offering.contract_id, lock=True)
    days = _demand_extendable(session, offering, milestone, reason, now)
    extension = Extension(
        public_id=public_id("ext"), milestone_id=milestone.id, kind=ASKED, days=days,
        reason=reason.strip()[:MAX_REASON_CHARACTERS], asked_by=accounts.user_of(actor), asked_at=now,
    )
    terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
    moved = moves(offering, milestone, rows, days * 86_400, is_sequential=terms.order == SEQUENTIAL)
    if milestone.id not in moved:
        raise Refused(
            "Its last day is the last day of the whole plan already, so there is nothing to extend it to.",
            code="extension_no_room",
        )
    session.add(extension)
    session.flush()
    for row in rows:
        if row.id in moved:
            move(row, moved[row.id])
            session.add(ExtensionMove(extension_id=extension.id, milestone_id=row.id, seconds=moved[row.id]))
    session.flush()
    idempotency.settle(session, actor=actor, operation="extend_milestone", key=key, result_ref=extension.public_id)
    audit.record(
        session, actor=actor, action="extension.given", object_id=extension.public_id, now=now,
        reason=extension.reason, after=told(session, extension), count=len(moved),
    )
    outbox.enqueue(
        session, "notice",
        {"kind": "milestone_extended", "offering_id": offering.id, "milestone_id": milestone.id}, now=now,
        key=f"notice:milestone_extended:{milestone.public_id}",
    )
    return extension


def _demand_extendable(
    session: Session, offering: Offering, milestone: Milestone, reason: str, now: dt.datetime
) -> int:
    """Return for how many days the terms give an extension, if it may be had now."""
    if offering.state != "active" or milestone.ordinal == 0 or milestone.target_at is None:
        raise NotFound("There is no such milestone to extend.", code="milestone_not_found")
    if milestone.state not in EXTENDABLE:
        raise Conflict("Only a milestone that is open, or waits to be, can be extended.", code="not_extendable")
    if of_milestone(session, milestone.id) is not None:
        raise Conflict("This milestone was extended already, and there is one extension.", code="extended_already")
    if halts.clock(offering, now) >= milestone.target_at:
        raise Refused(
            "An extension is asked for before the target date. Ask the investors to change the contract instead.",
            code="extension_late",
        )
    if not reason.strip():
        raise Refused("Say why; every investor reads it.", code="reason_empty", field="reason")
    return days_of(contract_queries.published_terms(session, offering.terms_version_id or 0).terms.milestone(
        milestone.ordinal
    ))


def days_of(agreed: MilestoneTerms) -> int:
    """Return how long a milestone's one extension is; contracts of version 1 do not say and have the default."""
    return agreed.extension_days


def moves(
    offering: Offering, milestone: Milestone, rows: list[Milestone], seconds: int, *, is_sequential: bool
) -> dict[int, int]:
    """Return by how many seconds each milestone's dates move, by its id; those that cannot move are left out."""
    waiting = [
        row for row in rows
        if row.id == milestone.id or (is_sequential and row.ordinal > milestone.ordinal and row.state == "locked")
    ]
    moved = {
        row.id: lateness.extension_seconds(seconds, row.long_stop_at, offering.long_stop_at)
        for row in waiting if row.long_stop_at is not None
    }
    return {row_id: given for row_id, given in moved.items() if given}


def move(row: Milestone, seconds: int) -> None:
    """Move a milestone's target and long-stop."""
    step = dt.timedelta(seconds=seconds)
    assert row.target_at is not None
    assert row.long_stop_at is not None
    follows = row.deadline_at == row.long_stop_at
    row.target_at += step
    row.long_stop_at += step
    # The time to appeal a "not met" may end after the old long-stop, and before the new one.
    if row.deadline_at is not None and (follows or (row.state in EXTENDABLE and row.deadline_at < row.long_stop_at)):
        row.deadline_at = row.long_stop_at
    row.extended_seconds += seconds


def of_milestone(session: Session, milestone_id: int) -> Extension | None:
    """Return a milestone's extension, None when it has not been asked for."""
    query = sa.select(Extension).where(Extension.milestone_id == milestone_id, Extension.kind == ASKED)
    return session.scalars(query).one_or_none()


def may_extend(session: Session, offering: Offering, milestone: Milestone, now: dt.datetime) -> bool:
    """Whether the founder may have the extension now."""
    try:
        _demand_extendable(session, offering, milestone, "asked", now)
    except (Conflict, NotFound, Refused):
        return False
    return bool(
        milestone.long_stop_at is not None
        and lateness.extension_seconds(1, milestone.long_stop_at, offering.long_stop_at)
    )


def told(session: Session, extension: Extension) -> dict[str, object]:
    """Return what the log keeps of an extension; the self-check compares the row with it."""
    rows = session.execute(
        sa.select(Milestone.public_id, ExtensionMove.seconds)
        .join(ExtensionMove, ExtensionMove.milestone_id == Milestone.id)
        .where(ExtensionMove.extension_id == extension.id)
        .order_by(Milestone.public_id)
    ).all()
    kept: dict[str, object] = {
        "milestone": session.get_one(Milestone, extension.milestone_id).public_id, "days": extension.days,
        "asked_by": extension.asked_by, "moved": [f"{row_id}:{seconds}" for row_id, seconds in rows],
    }
    # Those asked for were told before there were others; their entries keep their form.
    return kept if extension.kind == ASKED else kept | {"kind": extension.kind}
