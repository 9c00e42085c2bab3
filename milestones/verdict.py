"""From auditors' findings to a verdict, which is computed and never typed (MIL-7).

Checks that findings cover the criteria. Who is eligible and when the time limit is up are the caller's; what a verdict
does to the contract is `plan`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from milestones.apportion import WHOLE_BP
from milestones.terms import MilestoneTerms

MET, PARTLY, NOT_MET, CANNOT_TELL = "met", "partly", "not_met", "cannot_tell"
RESULTS = (MET, PARTLY, NOT_MET, CANNOT_TELL)
WHOLE_PCT = 100
STEP_PCT = 10
PARTLY_STEPS_PCT = range(STEP_PCT, WHOLE_PCT, STEP_PCT)
LEAST_PART_PCT = 50


class FindingError(ValueError):
    """Findings that do not answer the criteria. `code` is stable, `message` says what to correct."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Finding:
    """One auditor's result for one criterion: met is 100 percent, partly 10 to 90 in steps of 10, the others 0."""

    criterion_key: str
    result: str
    share_pct: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """The k-th highest finding of one criterion; met at 100 percent."""

    key: str
    share_pct: int
    met: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The computed result: met when every criterion is. `counted` says how many attestations went in.

    `share_pct` is the share of the milestone that may be released on it: 100 when met, 50 to 90 when partly, else 0.
    """

    met: bool
    criteria: tuple[CriterionResult, ...]
    counted: int
    share_pct: int

    @property
    def result(self) -> str:
        """The verdict in one word: `met`, `partly` or `not_met`."""
        return MET if self.met else PARTLY if self.share_pct else NOT_MET


def check_findings(milestone: MilestoneTerms, findings: Sequence[Finding]) -> None:
    """Refuse findings unless they answer every criterion of the milestone exactly once, with a share that fits.

    Raises FindingError with finding_unknown, finding_repeated, finding_missing, finding_result or finding_share.
    """
    keys = [criterion.key for criterion in milestone.criteria]
    seen: set[str] = set()
    for finding in findings:
        if finding.criterion_key not in keys:
            raise FindingError("finding_unknown", f"There is no criterion “{finding.criterion_key}” here.")
        if finding.criterion_key in seen:
            raise FindingError("finding_repeated", f"Criterion “{finding.criterion_key}” was answered twice.")
        seen.add(finding.criterion_key)
        _check_share(finding)
    missing = [key for key in keys if key not in seen]
    if missing:
        raise FindingError("finding_missing", f"Answer every criterion. Missing: {', '.join(missing)}.")


def _check_share(finding: Finding) -> None:
    if finding.result not in RESULTS:
        raise FindingError("finding_result", f"A finding is one of: {', '.join(RESULTS)}.")
    if finding.result == PARTLY:
        fits = finding.share_pct in PARTLY_STEPS_PCT
    else:
        fits = finding.share_pct == (WHOLE_PCT if finding.result == MET else 0)
    if not fits:
        raise FindingError(
            "finding_share", "Partly is 10 to 90 percent in steps of 10, met is 100, the others are 0."
        )


def verdict(
    milestone: MilestoneTerms, attestations: Mapping[str, Sequence[Finding]], *, at_time_limit: bool
) -> Verdict | None:
    """Compute the verdict from eligible auditors' findings (MIL-7).

    A criterion's result is the k-th highest finding, "cannot tell" being none; met needs all criteria at 100 percent,
    and less may be a part (MIL-11). Whether a part is left is the plan's question. None means not yet: it is computed
    when all n are in, or at the time limit with at least k. Raises FindingError on findings that do not answer the
    criteria.
    """
    for findings in attestations.values():
        check_findings(milestone, findings)
    approvals, counted = milestone.quorum.approvals, len(attestations)
    if counted < (approvals if at_time_limit else milestone.quorum.auditors):
        return None
    criteria = tuple(
        _criterion_result(criterion.key, approvals, attestations.values()) for criterion in milestone.criteria
    )
    share_pct = _share(milestone, criteria)
    return Verdict(share_pct == WHOLE_PCT, criteria, counted, share_pct)


def _share(milestone: MilestoneTerms, results: Sequence[CriterionResult]) -> int:
    """Weigh the results: rounded down to steps of 10, nothing while a `must` is unmet or under 50 (MIL-11)."""
    if all(result.met for result in results):
        return WHOLE_PCT
    pairs = tuple(zip(milestone.criteria, results, strict=True))
    if not milestone.partial_releases or any(criterion.must and not result.met for criterion, result in pairs):
        return 0
    weighed = sum(criterion.weight_bp * result.share_pct for criterion, result in pairs)
    share_pct = weighed // (WHOLE_BP * STEP_PCT) * STEP_PCT
    return share_pct if share_pct >= LEAST_PART_PCT else 0


def _criterion_result(key: str, approvals: int, attestations: Sequence[Sequence[Finding]]) -> CriterionResult:
    found = [
        f for findings in attestations for f in findings if f.criterion_key == key and f.result != CANNOT_TELL
    ]
    shares = sorted((finding.share_pct for finding in found), reverse=True)
    share_pct = shares[approvals - 1] if len(shares) >= approvals else 0
    return CriterionResult(key, share_pct, share_pct == WHOLE_PCT)
