"""Read what lateness left in writing: reports, days to failure, extensions, for pages (MIL-14)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.progress import extending, reporting
from app.progress.lateness_models import Extension, Report, ReportCountdown
from milestones import lateness
from milestones.terms import MilestoneTerms


@dataclass(frozen=True, slots=True)
class Reports:
    """An offering's reports, newest first. ``to_file`` is the one that filing now would fill."""

    all: tuple[Report, ...]
    due: Report | None
    to_file: Report | None
    opens_at: dt.datetime | None
    countdown: ReportCountdown | None

    @property
    def filed(self) -> tuple[Report, ...]:
        return tuple(each for each in self.all if each.state == lateness.FILED)

    @property
    def missed(self) -> tuple[Report, ...]:
        return tuple(each for each in self.all if each.state == lateness.MISSED)


def reports_of(session: Session, offering: Offering, now: dt.datetime) -> Reports:
    """Return every report of an offering that came due or was filed, and what is owed now."""
    rows = session.scalars(
        sa.select(Report).where(Report.offering_id == offering.id).order_by(Report.number.desc())
    ).all()
    due = next((each for each in rows if each.state == lateness.DUE), None)
    is_running = offering.state == "active" and due is not None
    return Reports(
        tuple(each for each in rows if each.state in (lateness.FILED, lateness.MISSED)), due,
        reporting.to_file(session, offering, now) if is_running else None,
        reporting.opens_at(due) if due is not None else None, reporting.running(session, offering.id),
    )


@dataclass(frozen=True, slots=True)
class Lateness:
    """A milestone's dates as they stand: what extended them, when grace is over, and whether more may be asked."""

    extension: Extension | None
    grace_over_at: dt.datetime | None
    may_extend: bool
    days: int


def lateness_of(
    session: Session, offering: Offering, milestone: Milestone, agreed: MilestoneTerms | None, now: dt.datetime
) -> Lateness | None:
    """Return what is to be said about a milestone's dates; None for the closing tranche."""
    if agreed is None or milestone.target_at is None:
        return None
    return Lateness(
        extending.of_milestone(session, milestone.id),
        lateness.grace_ends_at(milestone.target_at, agreed.grace_days),
        extending.may_extend(session, offering, milestone, now), extending.days_of(agreed),
    )
