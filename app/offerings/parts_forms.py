"""The editor's fields for releases in part, retainage, reports, the extension and auditors' fees (MIL-11).

Contracts of version 2 have them. What is left empty has the default of the contract's language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from milestones import money
from milestones.terms import MilestoneTerms

WHOLE = ("partial_releases", "extension_days")
NEW: Mapping[str, str] = {
    "partial_releases": "", "extension_days": "", "reporting": "", "auditor_fee": "", "retain": "",
    "retain_event": "", "retain_procedure": "", "retain_evidence": "", "retain_after_days": "", "retain_days": "",
}  # fmt: skip

ReadWhole = Callable[[str, str], int]
ReadShare = Callable[[str, str], int]
ReadKind = Callable[[str], str]


def of_milestone(
    each: MilestoneTerms, asset: money.Asset, percent: Callable[[int], str], *, is_last: bool
) -> dict[str, str]:
    """Show what a milestone's terms say of parts."""
    shown = {
        **NEW, "extension_days": str(each.extension_days),
        "partial_releases": "" if is_last else str(each.partial_releases),
        "reporting": percent(each.reporting_retainage_bp) if each.reporting_retainage_bp else "",
        "auditor_fee": money.format_amount(each.auditor_fee_minor, asset) if each.auditor_fee_minor else "",
    }
    if (retainage := each.retainage) is None:
        return shown
    return shown | {
        "retain": percent(retainage.bp), "retain_event": retainage.event, "retain_procedure": retainage.procedure,
        "retain_evidence": ", ".join(retainage.evidence).replace("_", " "),
        "retain_after_days": str(retainage.after_days), "retain_days": str(retainage.days),
    }


def document_of(
    typed: Mapping[str, str], name: str, asset: money.Asset, errors: dict[str, str],
    *, whole: ReadWhole, share: ReadShare, kind: ReadKind,
) -> dict[str, Any]:
    """Return the fields of a milestone's document that were typed; ``errors`` takes what cannot be read."""
    document: dict[str, Any] = {
        key: whole(f"{name}-{key}", typed[key]) for key in WHOLE if typed[key].strip()
    }
    if typed["reporting"].strip():
        document["reporting_retainage_bp"] = share(f"{name}-reporting", typed["reporting"])
    if typed["auditor_fee"].strip():
        try:
            document["auditor_fee_minor"] = money.parse_amount(typed["auditor_fee"], asset)
        except money.MoneyError as error:
            errors[f"{name}-auditor_fee"] = error.message
    if any(typed[key].strip() for key in ("retain", "retain_event", "retain_procedure")):
        kinds = [kind(each) for each in typed["retain_evidence"].split(",")]
        document["retainage"] = {
            "bp": share(f"{name}-retain", typed["retain"]), "event": typed["retain_event"],
            "procedure": typed["retain_procedure"], "evidence": list(dict.fromkeys(each for each in kinds if each)),
            **{
                key: whole(f"{name}-retain_{key}", typed[f"retain_{key}"])
                for key in ("after_days", "days") if typed[f"retain_{key}"].strip()
            },
        }
    return document


def field_of(name: str) -> str:
    """Return the field in which a place of the document is typed, its other parts already written as the form does."""
    name = name.replace("-reporting_retainage_bp", "-reporting").replace("-auditor_fee_minor", "-auditor_fee")
    name = re.sub(r"-retainage-evidence(-[0-9]+)?$", "-retain_evidence", name)
    return re.sub(r"-retainage(-bp)?$", "-retain", name).replace("-retainage-", "-retain_")
