"""What is submitted and judged once a milestone is met: the event its retained part waits for, and when (MIL-11)."""

from __future__ import annotations

import datetime as dt

from app.contracts.models import Milestone
from app.errors import Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.progress.models import Submission
from milestones.terms import MilestoneTerms, Retainage


def judged(agreed: MilestoneTerms, submission: Submission) -> MilestoneTerms:
    """Return the criteria that a submission answers: the milestone's own, or the event of its retained part."""
    return agreed.retention if submission.is_retention else agreed


def asked_from(milestone: Milestone, agreed: Retainage) -> dt.datetime:
    """Return from when the founder may show that the event has happened.

    Counted back from when the part goes back, so that halts and reviews move both.
    """
    return (milestone.retained_until or milestone.state_since) - dt.timedelta(days=agreed.days - agreed.after_days)


def demand_in_time(offering: Offering, milestone: Milestone, agreed: MilestoneTerms, *, now: dt.datetime) -> None:
    """Raise ``Refused`` once the last moment to submit has passed (``milestone_long_stop``), or too early.

    Too early is before a retained part may be asked for (``retention_running``).
    """
    at = halts.clock(offering, now)
    is_retained = milestone.state == "retained"
    own = milestone.retained_until if is_retained else milestone.long_stop_at
    if at >= min(each for each in (own, offering.long_stop_at) if each is not None):
        raise Refused("The last moment to submit for this milestone has passed.", code="milestone_long_stop")
    if is_retained and agreed.retainage is not None and at < (begins := asked_from(milestone, agreed.retainage)):
        raise Refused(f"What is retained can be asked for from {begins:%Y-%m-%d} on.", code="retention_running")
