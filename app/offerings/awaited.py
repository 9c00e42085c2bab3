"""What undecided changes of an offering wait for, and which of them its deadline waits for (OFF-8).

What a change is, and what becomes of it, is ``changes`` and ``commitments.reconfirming``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.next_step import NextStep, next_step
from app.offerings import changes, rules
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering

#: The subject of the table of states for a change that would begin a third round.
THIRD = "third_change"


def demand_decidable(offering: Offering, change: OfferingChange, now: dt.datetime) -> None:
    """Refuse a decision that comes to nothing; one proposed before the deadline is decided also after it (OFF-8)."""
    if offering.state != "live" or changes.is_before_first(offering) or change.proposed_at >= offering.deadline_at:
        changes.demand_live(offering, now)


def is_third() -> sa.ColumnElement[bool]:
    """Say in SQL that an offering had all the rounds of material changes it may have (OFF-8)."""
    made = aliased(OfferingChange)
    rounds = sa.select(sa.func.count(sa.distinct(made.decided_at))).where(
        made.offering_id == Offering.id, made.state == "effective", made.is_material.is_(True)
    )
    return rounds.correlate(Offering).scalar_subquery() >= rules.MATERIAL_CHANGES_AT_MOST


def subject_of(change: OfferingChange, *, is_first: bool, is_third: bool) -> tuple[str, str]:
    """Return which row of the table of states says what a proposed change waits for: (subject, state)."""
    if is_first:
        return "new_version", "proposed"
    if not is_third:
        return "change", "proposed"
    return THIRD, "escalated" if is_second_asked(change) else "proposed"


def is_second_asked(change: OfferingChange) -> bool:
    """Whether a second operator was given days of their own; of a first version one is asked without a date."""
    return change.escalated_at is not None and change.decide_by > change.escalated_at


def overdue(session: Session, offering: Offering, clock: dt.datetime) -> list[OfferingChange]:
    """Lock and return what was proposed before the deadline and should be decided by now, in order."""
    return list(session.scalars(
        sa.select(OfferingChange)
        .where(
            OfferingChange.offering_id == offering.id, OfferingChange.state == "proposed",
            OfferingChange.decide_by <= clock, OfferingChange.proposed_at < offering.deadline_at,
        )
        .order_by(OfferingChange.number)
        .with_for_update()
        .execution_options(populate_existing=True)
    ))


def steps(session: Session, found: Sequence[Offering]) -> dict[int, NextStep | None]:
    """Return what the deadlines of open offerings will wait for, by offering: the decision that comes last (TIM-5)."""
    third = is_third().label("is_third")
    rows = session.execute(
        sa.select(Offering.id, OfferingChange, third)
        .join(OfferingChange, OfferingChange.offering_id == Offering.id)
        .where(
            Offering.id.in_([each.id for each in found]), Offering.state == "live", Offering.commitment_count > 0,
            OfferingChange.state == "proposed", OfferingChange.proposed_at < Offering.deadline_at,
            sa.or_(OfferingChange.decide_by > Offering.deadline_at, third),
        )
        .order_by(OfferingChange.decide_by)
    )
    return {
        each: next_step(*subject_of(change, is_first=False, is_third=bool(last)), change.decide_by)
        for each, change, last in rows
    }
