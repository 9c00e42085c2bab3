"""When a challenge counts, and what a dispute or an appeal does to the contract (MIL-10).

Like `plan`, pure: who stands behind a challenge, who is drawn for a panel and when something is over are the caller's.
A panel's findings give a verdict by the code that gives every other (`verdict`).
"""

from dataclasses import dataclass, replace

from milestones import plan as engine
from milestones import running, states
from milestones.events import DisputeOpened, Event, MilestoneOpened, VerdictReached
from milestones.plan import Plan, Step
from milestones.terms import MilestoneTerms, Quorum

MONEY_PERCENT, HEADS_PERCENT, HEADS_AT_LEAST = 5, 10, 5
PANEL = Quorum(approvals=2, auditors=3)
# The panel that is drawn, and those who replace its silent members, once.
ROUNDS = 2
PANEL_BUSINESS_DAYS, APPEAL_BUSINESS_DAYS, VOTE_BUSINESS_DAYS = 15, 5, 10

CHALLENGE, APPEAL, SECOND_REVIEW, WITHDRAWAL = "challenge", "appeal", "second_review", "withdrawal"
CAUSES = (CHALLENGE, APPEAL, SECOND_REVIEW, WITHDRAWAL)


@dataclass(frozen=True, slots=True)
class Support:
    """Who stands behind a challenge, of whom: arm's-length unreleased money in minor units, and heads.

    `one_suffices` where an auditor found something not met (MIL-10), and the holder has not had their one challenge.
    """

    money_minor: int
    total_minor: int
    heads: int
    total_heads: int
    one_suffices: bool = False

    @property
    def counts(self) -> bool:
        """Whether it suspends the release: 5 % of the money, or 10 % of the heads and at least 5, or one (MIL-10)."""
        if self.money_minor <= 0 or self.heads <= 0:
            return False
        enough_money = self.money_minor * 100 >= self.total_minor * MONEY_PERCENT
        enough_heads = self.heads >= HEADS_AT_LEAST and self.heads * 100 >= self.total_heads * HEADS_PERCENT
        return self.one_suffices or enough_money or enough_heads

    @property
    def needs_minor(self) -> int:
        """The least money that suffices, rounded up to a minor unit."""
        return max(1, -(-self.total_minor * MONEY_PERCENT // 100))

    @property
    def needs_heads(self) -> int:
        """The fewest heads that suffice."""
        return max(HEADS_AT_LEAST, -(-self.total_heads * HEADS_PERCENT // 100))


@dataclass(frozen=True, slots=True)
class Split:
    """What a decision leaves of the disputed sum; the three are the sum, to the minor unit."""

    to_release_minor: int
    returned_minor: int
    stays_minor: int

    @property
    def sum_minor(self) -> int:
        """All three together."""
        return self.to_release_minor + self.returned_minor + self.stays_minor


def panel_terms(milestone: MilestoneTerms) -> MilestoneTerms:
    """Give the milestone as a panel of three judges it: the same criteria, two of three."""
    return replace(milestone, quorum=PANEL)


def dispute(plan: Plan, ordinal: int, who: str = states.CLOCK) -> Step:
    """Put a verdict "met" before a panel, while its window runs or until its release posts; nothing is released."""
    return Step(engine.move(plan, ordinal, "dispute", who), (DisputeOpened(ordinal),))


def appeal(plan: Plan, ordinal: int) -> Step:
    """Put a verdict "not met" before a panel, once; that it is the first and in time is the caller's."""
    return Step(engine.move(plan, ordinal, "appeal", states.FOUNDER), (DisputeOpened(ordinal),))


def appeal_over(plan: Plan, ordinal: int) -> Step:
    """Fail a milestone without tries whose founder did not appeal in time."""
    return engine.reject(plan, ordinal, "appeal_over", states.CLOCK)


def find_met(
    plan: Plan, ordinal: int, share_pct: int = engine.WHOLE_PCT, *, restores_try: bool = False
) -> Step:
    """Approve what the panel found met, or the share of it. No window runs again: it was the window that led here.

    The share is one that counts: `MilestoneState.share_that_counts` gives 0 where the finding is "not met" (MIL-11).
    `restores_try` gives back the one that a "not met" had used up which an appeal has overturned.
    """
    step = engine.approve(
        _restored(plan, ordinal, restores_try), ordinal, "found_met", states.WORKER, verdict_pct=share_pct
    )
    return Step(step.plan, (VerdictReached(ordinal, share_pct), *step.events), step.instructions)


def find_not_met(plan: Plan, ordinal: int, *, appealed: bool, exhausted: bool = False) -> Step:
    """Apply the panel's "not met": open again while tries remain, else failed for good.

    A challenged verdict uses a try up, as the auditors' "not met" would have. An appeal that is lost uses none up
    again and leaves things as the verdict did: failed where it had `exhausted` all tries.
    """
    events: tuple[Event, ...] = (VerdictReached(ordinal, 0),)
    left = plan.milestone(ordinal).tries_left
    if plan.winding_down or (exhausted if appealed else left == 0):
        return engine.reject(plan, ordinal, "found_not_met_final", states.WORKER, events)
    reopened = engine.go_back(
        plan, ordinal, "found_not_met", states.WORKER, tries_left=left if appealed else left - 1
    )
    return Step(reopened, (*events, MilestoneOpened(ordinal)))


def leave_undecided(plan: Plan, ordinal: int, *, restores_try: bool = False) -> Step:
    """End a dispute that nobody decided: open again with nothing used up; in a wind-down its money goes back.

    `restores_try` gives back the one that the appealed verdict had used up.
    """
    return engine.undecided(_restored(plan, ordinal, restores_try), ordinal, "undecided")


def _restored(plan: Plan, ordinal: int, restores_try: bool) -> Plan:
    if not restores_try or plan.winding_down:
        return plan
    milestone = plan.milestone(ordinal)
    return running.put(plan, replace(milestone, tries_left=milestone.tries_left + 1))


def split_of(before: Plan, step: Step, ordinal: int) -> Split:
    """Say what a decision leaves of the disputed tranche: due for release, back to the investors, or still there."""
    was, after = before.milestone(ordinal), step.plan.milestone(ordinal)
    to_release_minor = engine.payable_minor(step.plan, ordinal) if after.state == engine.APPROVED else 0
    returned_minor = after.returned_minor - was.returned_minor
    return Split(to_release_minor, returned_minor, was.remaining_minor - to_release_minor - returned_minor)
