"""One milestone of a running contract and its tranche: what of it is released, due, retained or waits for a report.

Arithmetic of MIL-11 only, exact and in whole minor units. Which event leads where is `plan`'s, and `states` has the
table.
"""

from dataclasses import dataclass, replace

from milestones import states
from milestones.apportion import WHOLE_BP
from milestones.terms import WIND_DOWN

WHOLE_PCT = 100
APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class MilestoneState:
    """Where one milestone stands. `tranche_minor` of a settled one is what it was when it settled.

    `tries_left` counts submissions still allowed after a "not met" (MIL-6). Ordinal 0 is the closing tranche.
    `share_pct` is the share of the milestone that was released on, `verdict_pct` the share of a verdict that waits for
    its release, `parts` how many partial releases were made. `released_minor` and `returned_minor` left the plan, for
    the company and back to the investors; `counted_minor` is what the released share counts for in the tranche's
    present size, and `reporting_minor` what of it waits for a report.
    """

    ordinal: int
    key: str
    state: str
    tranche_minor: int
    tries_left: int
    bp: int
    on_failure: str = WIND_DOWN
    released_minor: int = 0
    returned_minor: int = 0
    counted_minor: int = 0
    reporting_minor: int = 0
    share_pct: int = 0
    verdict_pct: int = 0
    parts: int = 0
    partial_releases: int = 0
    retainage_bp: int = 0
    reporting_bp: int = 0
    #: Whether the investors were asked already, after it failed once (MIL-2).
    was_asked: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.state in states.MILESTONE_TERMINAL

    @property
    def is_met(self) -> bool:
        """Whether all of it was released on, so that only a retained part or a report is still waited for."""
        return self.share_pct == WHOLE_PCT

    @property
    def gates(self) -> bool:
        """Whether what comes after it has to wait for it: neither settled nor met (MIL-2)."""
        return not (self.is_settled or self.is_met)

    @property
    def remaining_minor(self) -> int:
        """What of its tranche has not left the plan, retained and reporting parts included."""
        return self.tranche_minor - self.released_minor - self.returned_minor

    @property
    def undealt_minor(self) -> int:
        """What of its tranche no release has dealt with: the rest, and what is retained."""
        return self.remaining_minor - self.reporting_minor

    def due_minor(self, share_pct: int) -> int:
        """Count what a release at a share takes: floor(tranche × share), less its retainage, less what was released.

        Once all of it was released on, what is due is the whole retained part (MIL-11).
        """
        if self.is_met:
            return self.undealt_minor
        entitled_minor = (self.counted_minor + self.undealt_minor) * share_pct // WHOLE_PCT
        retained_minor = entitled_minor * self.retainage_bp // WHOLE_BP
        # Rounding after a reversal may put what counts as released one unit above a share that did not rise.
        return max(0, entitled_minor - retained_minor - self.counted_minor)

    def held_minor(self, due_minor: int) -> int:
        """Count what of a due amount waits for the next report; nothing of a retained part does."""
        return 0 if self.is_met else due_minor * self.reporting_bp // WHOLE_BP

    def share_that_counts(self, share_pct: int) -> int:
        """Give the share that a verdict really means here: it only rises, and a part needs one to be left (MIL-11)."""
        if share_pct == WHOLE_PCT:
            return WHOLE_PCT
        if self.is_met or self.parts >= self.partial_releases or share_pct <= self.share_pct:
            return 0
        return share_pct


def paid(milestone: MilestoneState, due_minor: int, held_minor: int) -> MilestoneState:
    """Take a release on the verdict's share into account: `due_minor` is dealt with, `held_minor` of it waits."""
    is_part = milestone.verdict_pct < WHOLE_PCT
    return replace(
        milestone,
        released_minor=milestone.released_minor + due_minor - held_minor,
        counted_minor=milestone.counted_minor + due_minor,
        reporting_minor=milestone.reporting_minor + held_minor,
        share_pct=milestone.verdict_pct,
        parts=milestone.parts + is_part,
        verdict_pct=0,
    )


def returned(milestone: MilestoneState, amount_minor: int) -> MilestoneState:
    """Take a return to the investors into account; what waits for a report goes last."""
    left_minor = milestone.remaining_minor - amount_minor
    return replace(
        milestone,
        returned_minor=milestone.returned_minor + amount_minor,
        reporting_minor=min(milestone.reporting_minor, left_minor),
    )


def resized(milestone: MilestoneState, remaining_minor: int) -> MilestoneState:
    """Give a milestone another remaining amount after unreleased money changed; its parts keep their proportions.

    What was released is history: it counts in the new size for as much as it did in the old one.
    """
    before_minor, undealt_before = milestone.remaining_minor, milestone.undealt_minor
    reporting = milestone.reporting_minor * remaining_minor // before_minor if before_minor else 0
    undealt_minor = remaining_minor - reporting
    counted = milestone.counted_minor * undealt_minor // undealt_before if undealt_before else milestone.counted_minor
    return replace(
        milestone,
        tranche_minor=milestone.released_minor + milestone.returned_minor + remaining_minor,
        counted_minor=counted,
        reporting_minor=reporting,
    )
