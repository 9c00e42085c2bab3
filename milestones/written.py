"""A contract's terms as a resolved document, its canonical bytes and hash, and the published schemas (MIL-3)."""

import hashlib
import json
from dataclasses import asdict
from importlib import resources
from typing import Any

import rfc8785

from milestones.terms import SCHEMA_1, SCHEMA_NAME, SCHEMAS, Criterion, MilestoneTerms, Terms


def to_document(terms: Terms) -> dict[str, Any]:
    """Write terms as a document with every default written in; `parse_document` of it gives the same terms."""
    document = {
        "schema": terms.schema,
        "title": terms.title,
        "currency": terms.currency,
        "zone": terms.zone,
        "calendar": terms.calendar,
        "order": terms.order,
        "long_stop": terms.long_stop.isoformat(),
        "closing_bp": terms.closing_bp,
        "relaxed": list(terms.relaxed),
        "milestones": [_milestone_document(milestone, terms.schema) for milestone in terms.milestones],
    }
    if terms.has_parts:
        document["report_months"] = terms.report_months
    return document


def _milestone_document(milestone: MilestoneTerms, schema_name: str) -> dict[str, Any]:
    document = {
        "key": milestone.key,
        "title": milestone.title,
        "deliverable": milestone.deliverable,
        "tranche_bp": milestone.tranche_bp,
        "target_date": milestone.target_date.isoformat(),
        "long_stop": milestone.long_stop.isoformat(),
        "grace_days": milestone.grace_days,
        "quorum": {"approvals": milestone.quorum.approvals, "auditors": milestone.quorum.auditors},
        "auditors": list(milestone.auditors),
        "review_business_days": milestone.review_business_days,
        "challenge_business_days": milestone.challenge_business_days,
        "resubmissions": milestone.resubmissions,
        "on_failure": milestone.on_failure,
        "criteria": [_criterion_document(criterion) for criterion in milestone.criteria],
    }
    if schema_name == SCHEMA_1:
        return document
    document |= {
        "partial_releases": milestone.partial_releases,
        "reporting_retainage_bp": milestone.reporting_retainage_bp,
        "extension_days": milestone.extension_days,
        "auditor_fee_minor": milestone.auditor_fee_minor,
    }
    # As with a measure, none is the absence of the field.
    if (retainage := milestone.retainage) is not None:
        document["retainage"] = {**asdict(retainage), "evidence": list(retainage.evidence)}
    return document


def _criterion_document(criterion: Criterion) -> dict[str, Any]:
    document: dict[str, Any] = {
        "key": criterion.key,
        "text": criterion.text,
        "procedure": criterion.procedure,
        "evidence": list(criterion.evidence),
        "weight_bp": criterion.weight_bp,
        "must": criterion.must,
    }
    # No measure is the absence of the field, not a null: the form has none.
    if (measure := criterion.measure) is not None:
        document["measure"] = {
            "quantity": measure.quantity,
            measure.bound: measure.value,
            "unit": measure.unit,
        }
    return document


def canonical_bytes(terms: Terms) -> bytes:
    """Write the resolved terms as RFC 8785 canonical JSON: what is hashed, signed and exported."""
    return rfc8785.dumps(to_document(terms))


def contract_hash(terms: Terms) -> str:
    """Hash the resolved terms: SHA-256 over RFC 8785, in lower-case hex (MIL-3)."""
    return hashlib.sha256(canonical_bytes(terms)).hexdigest()


def schema(name: str = SCHEMA_NAME) -> dict[str, Any]:
    """Give the published JSON Schema (2020-12) of a version of the document form, the newest when none is named."""
    file = f"schema/contract-{SCHEMAS.index(name) + 1}.schema.json"
    text = resources.files("milestones").joinpath(file).read_text(encoding="utf-8")
    return json.loads(text)
