"""Which findings count for a verdict, and how many decide (MIL-6, MIL-7, MIL-9). The verdict is ``milestones``'."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from app.progress.models import Attestation, Submission
from milestones import verdict as verdicts
from milestones.terms import MilestoneTerms

#: The round of a review after two replacements: from here on a majority of the panel decides (MIL-9).
LAST_ROUND = 3


def deciding(
    submission: Submission, terms: MilestoneTerms, given: Mapping[str, Sequence[verdicts.Finding]]
) -> MilestoneTerms:
    """Return the milestone with the quorum that decides: after two replacements a majority of n is enough (MIL-9).

    All of that majority must find a criterion met then; with k findings or more nothing changes.
    """
    quorum = terms.quorum
    if submission.review_round < LAST_ROUND or not quorum.auditors // 2 < len(given) < quorum.approvals:
        return terms
    return dataclasses.replace(terms, quorum=dataclasses.replace(quorum, approvals=len(given)))


def counting(
    submission: Submission, signed: Sequence[Attestation], approvals: int
) -> dict[str, tuple[verdicts.Finding, ...]]:
    """Return the findings that count, by auditor: those bound to these terms and files, and signed in time.

    Later ones count only while fewer than k were signed in time, so that when a job ran decides nothing
    (TIM-1, MIL-6).
    """
    bound = [
        each for each in signed
        if (each.contract_hash, each.manifest_hash) == (submission.contract_hash, submission.manifest_hash)
    ]
    in_time = [each for each in bound if submission.review_due_at is None or each.signed_at < submission.review_due_at]
    counted = in_time if len(in_time) >= approvals else bound
    return {str(each.party_id): findings_from(each) for each in counted}


def findings_from(attestation: Attestation) -> tuple[verdicts.Finding, ...]:
    """Read an attestation's findings back."""
    return tuple(
        verdicts.Finding(each["criterion"], each["result"], int(each["share_pct"]), each["note"])
        for each in json.loads(attestation.findings)
    )
