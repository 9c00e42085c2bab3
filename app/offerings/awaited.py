"""Which changes an offering's deadline waits for: those proposed before it that nobody has decided yet (OFF-8).

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


def undecided() -> sa.ColumnElement[bool]:
    """Say in SQL that a change proposed before the offering's deadline is undecided, and somebody committed (OFF-8).

    Until it is decided the deadline has no effect: by an operator, or by silence at its own time (TIM-1).
    """
    return sa.and_(
        Offering.commitment_count > 0,
        sa.exists().where(
            OfferingChange.offering_id == Offering.id, OfferingChange.state == "proposed",
            OfferingChange.proposed_at < Offering.deadline_at,
        ).correlate(Offering),
    )


def is_third() -> sa.ColumnElement[bool]:
    """Say in SQL that an offering had all the rounds of material changes it may have (OFF-8)."""
    made = aliased(OfferingChange)
    rounds = sa.select(sa.func.count(sa.distinct(made.decided_at))).where(
        made.offering_id == Offering.id, made.state == "effective", made.is_material.is_(True)
    )
    return rounds.correlate(Offering).scalar_subquery() >= rules.MATERIAL_CHANGES_AT_MOST


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
    rows = session.execute(
        sa.select(Offering.id, OfferingChange.decide_by, is_third())
        .join(OfferingChange, OfferingChange.offering_id == Offering.id)
        .where(
            Offering.id.in_([each.id for each in found]), Offering.state == "live", Offering.commitment_count > 0,
            OfferingChange.state == "proposed", OfferingChange.proposed_at < Offering.deadline_at,
            sa.or_(OfferingChange.decide_by > Offering.deadline_at, is_third()),
        )
        .order_by(OfferingChange.decide_by)
    )
    return {each: next_step(THIRD if third else "change", "proposed", decide_by) for each, decide_by, third in rows}
