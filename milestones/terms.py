"""The terms of a milestone contract as frozen values: what was agreed, every default already written in.

Reading and writing the document form is `document`'s, judging whether the terms are wise is `lint`'s, and what happens
under them is `plan`'s.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from milestones.money import Asset

SCHEMA_1, SCHEMA_2 = "milestake/contract/1", "milestake/contract/2"
SCHEMAS = (SCHEMA_1, SCHEMA_2)
#: What new documents are written in; a contract is read by the rules of its own version for ever.
SCHEMA_NAME = SCHEMA_2
CLOSING_KEY = "closing"
CLOSING_ORDINAL = 0

SEQUENTIAL, PARALLEL = "sequential", "parallel"
ORDERS = (SEQUENTIAL, PARALLEL)
WIND_DOWN, RETURN_TRANCHE, INVESTORS_DECIDE = "wind_down", "return_tranche", "investors_decide"
ON_FAILURE = (WIND_DOWN, RETURN_TRANCHE, INVESTORS_DECIDE)

MOST_PARTIAL_RELEASES = 2
# What holds where a contract says nothing, as one of version 1 cannot (MIL-14).
EXTENSION_DAYS, REPORT_MONTHS = 30, 3
RETAINAGE_KEY = "retainage"

# Lint rules a founder may relax; each one relaxed is printed in the risk line (MIL-4).
RELAXABLE = (
    "half_in_60_days",
    "last_under_15",
    "no_evidence",
    "no_measure",
    "parallel_tail",
    "quorum_too_small",
    "tranche_over_40",
)


@dataclass(frozen=True, slots=True)
class Quorum:
    """k of n: how many of the appointed auditors must find a criterion met (MIL-2)."""

    approvals: int
    auditors: int


@dataclass(frozen=True, slots=True)
class Measure:
    """What can be measured: a quantity and its bound, `at_least` or `at_most`, an exact decimal text."""

    quantity: str
    bound: str
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing auditors decide, the procedure by which they decide it, and its weight in the milestone."""

    key: str
    text: str
    procedure: str
    evidence: tuple[str, ...]
    measure: Measure | None
    weight_bp: int
    must: bool


@dataclass(frozen=True, slots=True)
class Retainage:
    """What stays in escrow of a met milestone until its event is attested (MIL-11).

    `bp` is its share of what the milestone releases. The event may be shown from `after_days` days after the release
    that retains it (a defects period), and has to be shown within `days`; else it goes back to the investors.
    """

    bp: int
    event: str
    procedure: str
    evidence: tuple[str, ...]
    after_days: int
    days: int


@dataclass(frozen=True, slots=True)
class MilestoneTerms:
    """One milestone: its deliverable, criteria, dates, auditors and tranche in basis points of cleared proceeds."""

    key: str
    title: str
    deliverable: str
    tranche_bp: int
    target_date: date
    long_stop: date
    grace_days: int
    quorum: Quorum
    auditors: tuple[str, ...]
    review_business_days: int
    challenge_business_days: int
    resubmissions: int
    on_failure: str
    criteria: tuple[Criterion, ...]
    partial_releases: int = 0
    retainage: Retainage | None = None
    reporting_retainage_bp: int = 0
    extension_days: int = EXTENSION_DAYS
    auditor_fee_minor: int = 0

    @property
    def retention(self) -> "MilestoneTerms":
        """What is judged once the milestone is met: one criterion, the event its retained part waits for.

        Raises LookupError where nothing is retained.
        """
        agreed = self.retainage
        if agreed is None:
            raise LookupError(f"nothing of {self.key} is retained")
        event = Criterion(
            RETAINAGE_KEY, agreed.event, agreed.procedure, agreed.evidence, None, weight_bp=10_000, must=True
        )
        return replace(self, criteria=(event,), partial_releases=0, retainage=None)

    def target_at(self, zone: str) -> datetime:
        """Give the instant the target date ends in the contract's zone, in UTC."""
        return end_of_day(self.target_date, zone)

    def grace_ends_at(self, zone: str) -> datetime:
        """Give the instant the grace period after the target date ends, in UTC (MIL-14)."""
        return end_of_day(self.target_date + timedelta(days=self.grace_days), zone)

    def long_stop_at(self, zone: str) -> datetime:
        """Give the instant before which a complete submission must be received, in UTC (MIL-14), tolling aside."""
        return end_of_day(self.long_stop, zone)


@dataclass(frozen=True, slots=True)
class Tranche:
    """One tranche of a contract: ordinal 0 is the closing tranche, evidence milestones are 1, 2, …"""

    ordinal: int
    key: str
    bp: int


@dataclass(frozen=True, slots=True)
class Terms:
    """A whole contract. Tranches, the closing one included, sum to exactly 10,000 basis points (MIL-1)."""

    title: str
    currency: str
    zone: str
    calendar: str
    order: str
    long_stop: date
    closing_bp: int
    relaxed: tuple[str, ...]
    milestones: tuple[MilestoneTerms, ...]
    schema: str = SCHEMA_1
    report_months: int = REPORT_MONTHS

    @property
    def has_parts(self) -> bool:
        """Whether the contract is of a version that knows releases in part, retainage and reports."""
        return self.schema != SCHEMA_1

    @property
    def tail_waits(self) -> bool:
        """Whether the last quarter of a parallel contract waits for all milestones (MIL-4)."""
        return self.has_parts and self.order == PARALLEL and "parallel_tail" not in self.relaxed

    @property
    def asset(self) -> Asset:
        """The asset all amounts of the contract are in."""
        return Asset.parse(self.currency)

    @property
    def tranches(self) -> tuple[Tranche, ...]:
        """All tranches in contract order, the closing tranche first where there is one."""
        closing = (Tranche(CLOSING_ORDINAL, CLOSING_KEY, self.closing_bp),) if self.closing_bp else ()
        return closing + tuple(
            Tranche(i, m.key, m.tranche_bp) for i, m in enumerate(self.milestones, start=1)
        )

    def milestone(self, ordinal: int) -> MilestoneTerms:
        """Give evidence milestone 1, 2, …; raises IndexError for any other ordinal, the closing tranche included."""
        if not 1 <= ordinal <= len(self.milestones):
            raise IndexError(f"no evidence milestone {ordinal}")
        return self.milestones[ordinal - 1]

    def long_stop_at(self) -> datetime:
        """Give the instant the offering's long-stop date ends in the contract's zone, in UTC."""
        return end_of_day(self.long_stop, self.zone)


def end_of_day(day: date, zone: str) -> datetime:
    """Give the first instant after a local day, in UTC: an act counts when it is strictly before it (TIM-1)."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
