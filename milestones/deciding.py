"""What follows when the investors decide about a milestone that failed: one more chance, or the end of it (MIL-2).

The engine asks once (`plan`); how votes are counted is `polls`', until when the milestone then runs is the caller's.
"""

from milestones import plan as engine
from milestones import running, states
from milestones.events import MilestoneReopened
from milestones.plan import Plan, Step

# One new date, at most so long after the vote and never past the plan's own long-stop.
CHANCE_DAYS = 90


def go_on(plan: Plan, ordinal: int) -> Step:
    """Let a milestone run again where it waited for its founder; it is never asked about a second time."""
    return Step(running.go_back(plan, ordinal, "go_on", states.WORKER), (MilestoneReopened(ordinal),))


def give_up(plan: Plan, ordinal: int) -> Step:
    """Fail a milestone that the investors gave no other chance, or did not vote on; the plan is wound down."""
    return engine.after_failure(running.move(plan, ordinal, "give_up", states.WORKER), ordinal, "investors", ())
