"""What a running contract says: events (facts in the past tense) and instructions (what the caller must now do).

Made by `plan`; carried out and written down by the application.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MilestoneOpened:
    """The founder may submit for this milestone."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class MilestoneSubmitted:
    """Evidence was handed in and waits for the auditors."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class VerdictReached:
    """The auditors' findings gave a verdict (MIL-7): all of it met at 100, a part of it, or 0 for not met."""

    ordinal: int
    share_pct: int


@dataclass(frozen=True, slots=True)
class MilestoneSuspended:
    """An operator suspended the release within the window."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class MilestoneResumed:
    """The suspension ended and the window starts again."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class DisputeOpened:
    """A verdict is before a panel, after a challenge, an appeal or a contradiction among auditors (MIL-10)."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class MilestoneReopened:
    """A suspension or dispute ran out undecided: open again, nothing used up."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class MilestoneApproved:
    """The tranche may be released as soon as the gates outside the contract allow it."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class MilestoneReleased:
    """A part of the tranche, or all of it, left escrow."""

    ordinal: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class RetainedReturned:
    """A retained part, or one that waited for a report, went back; the milestone stays released (MIL-11)."""

    ordinal: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MilestoneFailed:
    """The milestone failed for good."""

    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class MilestoneLapsed:
    """The milestone ended because what it depends on did."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class TranchesRecomputed:
    """Unreleased money changed, so unsettled tranches did (MIL-1)."""

    before_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True)
class WindDownStarted:
    """The contract ended early; nothing new opens."""

    reason: str


@dataclass(frozen=True, slots=True)
class PlanCompleted:
    """Every milestone is settled and escrow is empty."""


Event = (
    MilestoneOpened
    | MilestoneSubmitted
    | VerdictReached
    | MilestoneSuspended
    | MilestoneResumed
    | DisputeOpened
    | MilestoneReopened
    | MilestoneApproved
    | MilestoneReleased
    | RetainedReturned
    | MilestoneFailed
    | MilestoneLapsed
    | TranchesRecomputed
    | WindDownStarted
    | PlanCompleted
)


@dataclass(frozen=True, slots=True)
class ReleaseTranche:
    """Post the release of this part: money to the company, tokens to the investors."""

    ordinal: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ReturnMoney:
    """Return this amount to the investors by REL-2. `ordinal` names the one milestone it was for, None the rest."""

    amount_minor: int
    reason: str
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class WindDown:
    """Move the offering to winding_down. The plan returned with it has already been wound down."""

    reason: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Move the offering to completed."""


@dataclass(frozen=True, slots=True)
class AskInvestors:
    """Let the investors vote whether a milestone that failed gets another chance (MIL-2)."""

    ordinal: int


Instruction = ReleaseTranche | ReturnMoney | WindDown | Complete | AskInvestors
