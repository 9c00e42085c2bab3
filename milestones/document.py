"""The document form of a contract: reading and checking it (MIL-3). Writing and hashing it is `written`'s.

A document is plain data (text, whole numbers, yes/no, lists, maps) as YAML or JSON give it; parsing those files is the
caller's. Structure is mirrored by the published JSON Schema; `SEMANTIC_CODES` are the problems a schema cannot express.
Whether readable terms are wise is `lint`'s question.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from milestones.apportion import WHOLE_BP
from milestones.reader import ContractError, Problem, Reader
from milestones.terms import (
    CLOSING_KEY,
    EXTENSION_DAYS,
    MOST_PARTIAL_RELEASES,
    ON_FAILURE,
    ORDERS,
    RELAXABLE,
    REPORT_MONTHS,
    SCHEMA_1,
    SCHEMAS,
    SEQUENTIAL,
    WIND_DOWN,
    Criterion,
    Measure,
    MilestoneTerms,
    Quorum,
    Retainage,
    Terms,
)
from milestones.written import canonical_bytes, contract_hash, schema, to_document

__all__ = [
    "SEMANTIC_CODES",
    "ContractError",
    "Problem",
    "canonical_bytes",
    "contract_hash",
    "parse_document",
    "schema",
    "to_document",
]

SEMANTIC_CODES = frozenset(
    {
        "criteria_weights_not_whole",
        "date_not_in_calendar",
        "key_repeated",
        "key_reserved",
        "partial_last",
        "quorum_above_auditors",
        "retainage_days",
        "text_control_character",
        "tranches_not_whole",
        "zone_unknown",
    }
)

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
AUDITOR = re.compile(r"[A-Za-z0-9_-]{1,64}")
CURRENCY = re.compile(r"[A-Z][A-Z0-9-]{0,30}/[0-8]")
CALENDAR = re.compile(r"[A-Z][A-Z0-9-]{1,15}")
ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
DATE = re.compile(r"2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
QUANTITY = re.compile(r"(0|[1-9][0-9]{0,18})(\.[0-9]{1,8})?")

LONG_TEXT, TITLE_TEXT, UNIT_TEXT = 4000, 200, 40
MOST_RETAINAGE_BP, MOST_RETAINAGE_DAYS, MOST_EXTENSION_DAYS = 1_000, 365, 90
MOST_AUDITOR_FEE_MINOR = 10**12
MAX_MILESTONES, MAX_CRITERIA, MAX_AUDITORS, MAX_EVIDENCE = 50, 50, 21, 20

_TERMS_REQUIRED = ("schema", "title", "currency", "long_stop", "milestones")
_TERMS_OPTIONAL = ("zone", "calendar", "order", "closing_bp", "relaxed")
_MILESTONE_REQUIRED = ("key", "title", "deliverable", "tranche_bp", "target_date", "long_stop", "criteria")
_MILESTONE_OPTIONAL = (
    "grace_days", "quorum", "auditors", "review_business_days", "challenge_business_days", "resubmissions",
    "on_failure",
)  # fmt: skip
# Added by version 2; a document of version 1 cannot use them, and has none of their defaults in its hash (MIL-3).
_TERMS_ADDED = ("report_months",)
_MILESTONE_ADDED = (
    "partial_releases", "retainage", "reporting_retainage_bp", "extension_days", "auditor_fee_minor",
)  # fmt: skip
_CRITERION_REQUIRED = ("key", "text", "procedure")
_CRITERION_OPTIONAL = ("evidence", "measure", "weight_bp", "must")


def parse_document(doc: Mapping[str, Any]) -> Terms:
    """Read a contract document into terms, every default written in, text in NFC.

    Raises ContractError with every problem found, each naming its place as a JSON pointer. Never repairs: a float, a
    null or an unknown field is a problem.
    """
    reader = Reader()
    terms = _read_terms(reader, doc)
    if reader.problems:
        raise ContractError(tuple(reader.problems))
    return terms


def _read_terms(reader: Reader, doc: object) -> Terms:
    is_first = isinstance(doc, Mapping) and doc.get("schema") == SCHEMA_1
    added = () if is_first else _TERMS_ADDED
    node = reader.fields(doc, "", _TERMS_REQUIRED, (*_TERMS_OPTIONAL, *added))
    schema_name = reader.choice(node, "schema", "", SCHEMAS)
    zone = reader.pattern(node, "zone", "", ZONE, "a time zone such as America/New_York", "UTC")
    if zone and not _zone_exists(zone):
        reader.refuse(
            "/zone", "zone_unknown", f"There is no time zone “{zone}”. Use a name such as America/New_York."
        )
    terms = Terms(
        title=reader.text(node, "title", "", TITLE_TEXT),
        currency=reader.pattern(node, "currency", "", CURRENCY, "a currency and its decimals such as USD/2"),
        zone=zone,
        calendar=reader.pattern(node, "calendar", "", CALENDAR, "a business-day calendar such as US", "US"),
        order=reader.choice(node, "order", "", ORDERS, SEQUENTIAL),
        long_stop=_read_date(reader, node, "long_stop", ""),
        closing_bp=reader.whole(node, "closing_bp", "", 0, WHOLE_BP - 1, 0),
        # A set written as a list: sorted, so that its order cannot change the hash.
        relaxed=tuple(
            sorted(reader.items(node, "relaxed", "", _relaxable_item, 0, len(RELAXABLE), (), distinct=True))
        ),
        milestones=reader.items(
            node, "milestones", "", _read_first_milestone if is_first else _read_milestone, 1, MAX_MILESTONES
        ),
        schema=schema_name,
        report_months=REPORT_MONTHS if is_first else reader.whole(node, "report_months", "", 1, 12, REPORT_MONTHS),
    )
    if not is_first:
        terms = _without_last_part(reader, terms, node)
    _check_keys(reader, [m and m.key for m in terms.milestones], "/milestones", reserved=CLOSING_KEY)
    bps = [terms.closing_bp, *(m and m.tranche_bp for m in terms.milestones)]
    if terms.milestones and None not in bps and sum(bps) != WHOLE_BP:
        message = (
            f"The tranches sum to {sum(bps):,} basis points; they must sum to exactly {WHOLE_BP:,} (100 %)."
        )
        reader.refuse("/milestones", "tranches_not_whole", message)
    return terms


def _without_last_part(reader: Reader, terms: Terms, node: Mapping[str, Any] | None) -> Terms:
    """Leave the last milestone without partial releases: what waits for the end waits for all of it (MIL-11)."""
    written = node.get("milestones") if node is not None else None
    last = terms.milestones[-1] if terms.milestones else None
    if last is None or not written:
        return terms
    given = written[-1].get("partial_releases", 0) if isinstance(written[-1], Mapping) else 0
    if isinstance(given, int) and given:
        message = "The last milestone has no partial releases: what waits for it waits for all of it. Make it 0."
        reader.refuse(f"/milestones/{len(terms.milestones) - 1}/partial_releases", "partial_last", message)
    return replace(terms, milestones=(*terms.milestones[:-1], replace(last, partial_releases=0)))


def _read_first_milestone(reader: Reader, value: object, path: str) -> MilestoneTerms | None:
    node = reader.fields(value, path, _MILESTONE_REQUIRED, _MILESTONE_OPTIONAL)
    return None if node is None else _read_first_fields(reader, node, path)


def _read_milestone(reader: Reader, value: object, path: str) -> MilestoneTerms | None:
    node = reader.fields(value, path, _MILESTONE_REQUIRED, (*_MILESTONE_OPTIONAL, *_MILESTONE_ADDED))
    if node is None:
        return None
    return replace(
        _read_first_fields(reader, node, path),
        partial_releases=reader.whole(
            node, "partial_releases", path, 0, MOST_PARTIAL_RELEASES, MOST_PARTIAL_RELEASES
        ),
        retainage=_read_retainage(reader, node, path),
        reporting_retainage_bp=reader.whole(node, "reporting_retainage_bp", path, 0, MOST_RETAINAGE_BP, 0),
        extension_days=reader.whole(node, "extension_days", path, 0, MOST_EXTENSION_DAYS, EXTENSION_DAYS),
        auditor_fee_minor=reader.whole(node, "auditor_fee_minor", path, 0, MOST_AUDITOR_FEE_MINOR, 0),
    )


def _read_retainage(reader: Reader, node: Mapping[str, Any], path: str) -> Retainage | None:
    if "retainage" not in node:
        return None
    path = f"{path}/retainage"
    agreed = reader.fields(
        node["retainage"], path, ("bp", "event", "procedure"), ("evidence", "after_days", "days")
    )
    if agreed is None:
        return None
    retainage = Retainage(
        bp=reader.whole(agreed, "bp", path, 1, MOST_RETAINAGE_BP),
        event=reader.text(agreed, "event", path, LONG_TEXT),
        procedure=reader.text(agreed, "procedure", path, LONG_TEXT),
        evidence=reader.items(agreed, "evidence", path, _evidence_item, 0, MAX_EVIDENCE, (), distinct=True),
        after_days=reader.whole(agreed, "after_days", path, 0, MOST_RETAINAGE_DAYS, 0),
        days=reader.whole(agreed, "days", path, 1, MOST_RETAINAGE_DAYS, MOST_RETAINAGE_DAYS),
    )
    if retainage.after_days is not None and retainage.days is not None and retainage.after_days >= retainage.days:
        message = (
            f"What is retained may be asked for from day {retainage.after_days} on, but goes back after day "
            f"{retainage.days}. Leave time between them."
        )
        reader.refuse(f"{path}/days", "retainage_days", message)
    return retainage


def _read_first_fields(reader: Reader, node: Mapping[str, Any], path: str) -> MilestoneTerms:
    criteria = reader.items(node, "criteria", path, _read_criterion, 1, MAX_CRITERIA)
    _check_keys(reader, [c and c.key for c in criteria], f"{path}/criteria")
    return MilestoneTerms(
        key=reader.pattern(node, "key", path, SLUG, "a short name of a-z, 0-9, - and _"),
        title=reader.text(node, "title", path, TITLE_TEXT),
        deliverable=reader.text(node, "deliverable", path, LONG_TEXT),
        tranche_bp=reader.whole(node, "tranche_bp", path, 1, WHOLE_BP),
        target_date=_read_date(reader, node, "target_date", path),
        long_stop=_read_date(reader, node, "long_stop", path),
        grace_days=reader.whole(node, "grace_days", path, 0, 365, 30),
        quorum=_read_quorum(reader, node, path),
        auditors=reader.items(node, "auditors", path, _auditor_item, 0, MAX_AUDITORS, (), distinct=True),
        review_business_days=reader.whole(node, "review_business_days", path, 1, 60, 10),
        challenge_business_days=reader.whole(node, "challenge_business_days", path, 1, 60, 5),
        resubmissions=reader.whole(node, "resubmissions", path, 0, 10, 2),
        on_failure=reader.choice(node, "on_failure", path, ON_FAILURE, WIND_DOWN),
        criteria=_share_weights(reader, criteria, path),
    )


def _read_criterion(reader: Reader, value: object, path: str) -> Criterion | None:
    node = reader.fields(value, path, _CRITERION_REQUIRED, _CRITERION_OPTIONAL)
    if node is None:
        return None
    return Criterion(
        key=reader.pattern(node, "key", path, SLUG, "a short name of a-z, 0-9, - and _"),
        text=reader.text(node, "text", path, LONG_TEXT),
        procedure=reader.text(node, "procedure", path, LONG_TEXT),
        evidence=reader.items(node, "evidence", path, _evidence_item, 0, MAX_EVIDENCE, (), distinct=True),
        measure=_read_measure(reader, node, path),
        weight_bp=reader.whole(node, "weight_bp", path, 1, WHOLE_BP, 0),
        must=reader.yes_or_no(node, "must", path, True),
    )


def _read_quorum(reader: Reader, node: Mapping[str, Any], path: str) -> Quorum | None:
    path = f"{path}/quorum"
    if "quorum" not in node:
        return Quorum(approvals=2, auditors=3)
    quorum = reader.fields(node["quorum"], path, ("approvals", "auditors"))
    approvals = reader.whole(quorum, "approvals", path, 1, MAX_AUDITORS)
    auditors = reader.whole(quorum, "auditors", path, 1, MAX_AUDITORS)
    if approvals is None or auditors is None:
        return None
    if approvals > auditors:
        message = (
            f"{approvals} approvals out of {auditors} auditors cannot happen. Ask for at most {auditors}."
        )
        reader.refuse(f"{path}/approvals", "quorum_above_auditors", message)
    return Quorum(approvals, auditors)


def _read_measure(reader: Reader, node: Mapping[str, Any], path: str) -> Measure | None:
    if "measure" not in node:
        return None
    path = f"{path}/measure"
    measure = reader.fields(node["measure"], path, ("quantity", "unit"), ("at_least", "at_most"))
    if measure is None:
        return None
    bounds = [bound for bound in ("at_least", "at_most") if bound in measure]
    if len(bounds) != 1:
        reader.refuse(path, "measure_bounds", "Give the measure one bound: either at_least or at_most.")
        return None
    return Measure(
        quantity=reader.text(measure, "quantity", path, TITLE_TEXT),
        bound=bounds[0],
        value=reader.pattern(measure, bounds[0], path, QUANTITY, 'a plain number in quotes, such as "50000"'),
        unit=reader.text(measure, "unit", path, UNIT_TEXT),
    )


def _read_date(reader: Reader, node: Mapping[str, Any] | None, key: str, path: str) -> date | None:
    text = reader.pattern(node, key, path, DATE, 'a date in quotes, such as "2027-12-31"')
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        reader.refuse(f"{path}/{key}", "date_not_in_calendar", f"There is no day {text}.")
        return None


def _pattern_item(pattern: re.Pattern[str], example: str) -> Callable[[Reader, object, str], str | None]:
    return lambda reader, value, path: reader.matching(value, path, pattern, example)


_auditor_item = _pattern_item(AUDITOR, "an auditor's id")
_evidence_item = _pattern_item(SLUG, "a kind of evidence such as bank_statement")


def _relaxable_item(reader: Reader, value: object, path: str) -> str | None:
    return reader.one_of(value, path, RELAXABLE)


def _check_keys(reader: Reader, keys: list[str | None], path: str, reserved: str | None = None) -> None:
    for index, key in enumerate(keys):
        if key is not None and key in keys[:index]:
            reader.refuse(
                f"{path}/{index}/key", "key_repeated", f"The key “{key}” is used twice. Give each its own."
            )
        if key is not None and key == reserved:
            message = f"The key “{key}” is the closing tranche's. Choose another."
            reader.refuse(f"{path}/{index}/key", "key_reserved", message)


def _share_weights(
    reader: Reader, criteria: tuple[Criterion | None, ...], path: str
) -> tuple[Criterion | None, ...]:
    """Write the weights in: criteria without one share equally what the others leave."""
    if not criteria or any(c is None or c.weight_bp is None for c in criteria):
        return criteria
    given_bp = sum(c.weight_bp for c in criteria)
    unweighted = [c for c in criteria if c.weight_bp == 0]
    left_bp = WHOLE_BP - given_bp
    if left_bp < len(unweighted) or (left_bp and not unweighted):
        message = f"The weights sum to {given_bp:,} basis points; all together must be exactly {WHOLE_BP:,}."
        reader.refuse(f"{path}/criteria", "criteria_weights_not_whole", message)
        return criteria
    shares = iter(_equal_shares(left_bp, len(unweighted)))
    return tuple(c if c.weight_bp else replace(c, weight_bp=next(shares)) for c in criteria)


def _equal_shares(total_bp: int, count: int) -> list[int]:
    each, over = divmod(total_bp, count) if count else (0, 0)
    return [each + (index < over) for index in range(count)]


def _zone_exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A name that is a folder of the time zone database, or leads out of it, raises the latter two.
        return False
    return True
