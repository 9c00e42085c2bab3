"""Judging readable terms before they are published: what is refused, and what a founder relaxes and investors are told.

Rules of MIL-4, OFF-10 and parts of MIL-2 and MIL-9. Facts from outside the contract (deadline, amounts, who the
auditors are) come in a `LintContext`; a rule whose facts are not given is not judged. Whether the document can be read
at all is `document`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from milestones.apportion import WHOLE_BP
from milestones.money import PRICE_UNIT, Asset, format_price
from milestones.terms import PARALLEL, RELAXABLE, SEQUENTIAL, MilestoneTerms, Terms

REFUSED, RELAXABLE_SEVERITY, RELAXED = "refused", "relaxable", "relaxed"

MOST_TRANCHE_BP = 4_000
MOST_CLOSING_BP = 3_000
LEAST_LAST_BP = 1_500
MOST_EARLY_BP = 5_000
MOST_WEIGHT_BP = 5_000
EARLY_DAYS = 60
TWO_AUDITORS_ABOVE_MAJOR = 25_000
LEAST_TOKENS_A_PART = 100


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One judgement: where (a JSON pointer), a stable code, words, and how grave.

    `severity` is `refused`, `relaxable` (refused until the founder lists the code under `relaxed`) or `relaxed`.
    """

    path: str
    code: str
    message: str
    severity: str


@dataclass(frozen=True, slots=True)
class LintContext:
    """What the contract itself does not say; None where it is not known yet.

    `known_auditors` gives for each known auditor None, or the reason why they are not independent here (MIL-8).
    """

    deadline_at: datetime | None = None
    maximum_minor: int | None = None
    known_auditors: Mapping[str, str | None] | None = None
    min_ticket_minor: int | None = None
    price_micro: int | None = None


_Judgement = tuple[str, str, str]


def lint(terms: Terms, context: LintContext | None = None) -> tuple[LintFinding, ...]:
    """Judge terms, in the order of the document's rules. Publishing needs no finding `refused` or `relaxable`."""
    context = context or LintContext()
    return tuple(
        LintFinding(path, code, message, _severity(code, terms))
        for rule in _RULES
        for path, code, message in rule(terms, context)
    )


def blocks_publishing(findings: tuple[LintFinding, ...]) -> bool:
    """Say whether any finding stands in the way of publishing."""
    return any(finding.severity != RELAXED for finding in findings)


def _severity(code: str, terms: Terms) -> str:
    if code not in RELAXABLE:
        return REFUSED
    return RELAXED if code in terms.relaxed else RELAXABLE_SEVERITY


def percent(bp: int) -> str:
    """Write basis points for a person: 4000 is `40 %`, 1250 is `12.5 %`."""
    whole, part = divmod(bp, 100)
    return f"{whole}.{part:02d}".rstrip("0").rstrip(".") + " %"


def _tranches(terms: Terms, _context: LintContext) -> Iterator[_Judgement]:
    if terms.closing_bp > MOST_CLOSING_BP:
        message = (
            f"The closing tranche is {percent(terms.closing_bp)}; it needs no evidence, so at most "
            f"{percent(MOST_CLOSING_BP)} may be released by it."
        )
        yield "/closing_bp", "closing_over_30", message
    for index, milestone in enumerate(terms.milestones):
        if milestone.tranche_bp > MOST_TRANCHE_BP:
            message = (
                f"“{milestone.title}” releases {percent(milestone.tranche_bp)} at once; "
                f"{percent(MOST_TRANCHE_BP)} is the most. Split it."
            )
            yield f"/milestones/{index}/tranche_bp", "tranche_over_40", message
    last = terms.milestones[-1]
    if last.tranche_bp < LEAST_LAST_BP:
        message = (
            f"The last milestone releases {percent(last.tranche_bp)}; at least {percent(LEAST_LAST_BP)} should wait "
            "for it."
        )
        yield f"/milestones/{len(terms.milestones) - 1}/tranche_bp", "last_under_15", message


def _too_soon(terms: Terms, context: LintContext) -> Iterator[_Judgement]:
    if context.deadline_at is not None:
        early_until = context.deadline_at + timedelta(days=EARLY_DAYS)
        early = [m.tranche_bp for m in terms.milestones if m.target_at(terms.zone) <= early_until]
        early_bp = terms.closing_bp + sum(early)
        if early_bp > MOST_EARLY_BP:
            message = (
                f"{percent(early_bp)} can be released within {EARLY_DAYS} days of the deadline; at most "
                f"{percent(MOST_EARLY_BP)} should be."
            )
            yield "/milestones", "half_in_60_days", message
    if terms.order == PARALLEL and len(terms.milestones) > 1 and not terms.tail_waits:
        message = (
            "Milestones in parallel do not wait for each other, so the last quarter of the money does not wait for all "
            "others. Make the order sequential, or relax this rule."
        )
        yield "/order", "parallel_tail", message


def _criteria(terms: Terms, _context: LintContext) -> Iterator[_Judgement]:
    for index, milestone in enumerate(terms.milestones):
        path = f"/milestones/{index}"
        for number, criterion in enumerate(milestone.criteria):
            if not criterion.evidence:
                message = f"Criterion “{criterion.key}” names no kind of evidence. Say what the founder must hand in."
                yield f"{path}/criteria/{number}/evidence", "no_evidence", message
        if terms.has_parts:
            yield from _weights(milestone, path)
        if not any(criterion.measure for criterion in milestone.criteria):
            message = f"No criterion of “{milestone.title}” can be measured. Give at least one a measure."
            yield f"{path}/criteria", "no_measure", message


def _weights(milestone: MilestoneTerms, path: str) -> Iterator[_Judgement]:
    """Judge what bears on releases in part (MIL-11). A milestone's only criterion has all of the weight by itself."""
    if not any(criterion.must for criterion in milestone.criteria):
        message = (
            f"No criterion of “{milestone.title}” must be met, so it could be released in part without what matters "
            "most. Mark at least one."
        )
        yield f"{path}/criteria", "no_must", message
    for number, criterion in enumerate(milestone.criteria if len(milestone.criteria) > 1 else ()):
        if criterion.weight_bp > MOST_WEIGHT_BP:
            message = (
                f"Criterion “{criterion.key}” has {percent(criterion.weight_bp)} of the weight; "
                f"{percent(MOST_WEIGHT_BP)} is the most. Split it, or weigh the others more."
            )
            yield f"{path}/criteria/{number}/weight_bp", "weight_over_50", message


def _dates(terms: Terms, context: LintContext) -> Iterator[_Judgement]:
    for index, milestone in enumerate(terms.milestones):
        path = f"/milestones/{index}"
        if milestone.target_date > milestone.long_stop:
            message = f"The target date {milestone.target_date} is after the long-stop {milestone.long_stop}."
            yield f"{path}/target_date", "dates_out_of_order", message
        if milestone.long_stop > terms.long_stop:
            message = (
                f"The long-stop {milestone.long_stop} is after that of the whole offering, {terms.long_stop}."
            )
            yield f"{path}/long_stop", "dates_out_of_order", message
        if context.deadline_at is not None and milestone.target_at(terms.zone) <= context.deadline_at:
            message = f"The target date {milestone.target_date} is before the offering's deadline."
            yield f"{path}/target_date", "dates_out_of_order", message
        retainage = milestone.retainage
        if retainage and milestone.target_date + timedelta(days=retainage.days) > terms.long_stop:
            message = (
                f"What is retained may be shown until {retainage.days} days after the release, which is after the "
                f"long-stop of the whole offering, {terms.long_stop}."
            )
            yield f"{path}/retainage/days", "dates_out_of_order", message
        if terms.order == SEQUENTIAL and index:
            before = terms.milestones[index - 1]
            if milestone.target_date < before.target_date:
                message = (
                    f"It comes after “{before.title}” but its target date {milestone.target_date} is earlier."
                )
                yield f"{path}/target_date", "dates_out_of_order", message
            if milestone.long_stop < before.long_stop:
                message = (
                    f"It comes after “{before.title}” but its long-stop {milestone.long_stop} is earlier."
                )
                yield f"{path}/long_stop", "dates_out_of_order", message


def _auditors(terms: Terms, context: LintContext) -> Iterator[_Judgement]:
    two_needed = (
        context.maximum_minor is not None
        and context.maximum_minor > TWO_AUDITORS_ABOVE_MAJOR * terms.asset.unit
    )
    for index, milestone in enumerate(terms.milestones):
        path = f"/milestones/{index}"
        if two_needed and milestone.quorum.approvals < 2:
            message = f"Above {TWO_AUDITORS_ABOVE_MAJOR:,} {terms.asset.symbol} at least 2 auditors have to approve."
            yield f"{path}/quorum/approvals", "quorum_too_small", message
        known = context.known_auditors
        if known is None:
            continue
        # A draft that names nobody leaves the panel to the platform, which appoints it before launch.
        if milestone.auditors and len(milestone.auditors) != milestone.quorum.auditors:
            message = (
                f"“{milestone.title}” names {len(milestone.auditors)} auditors and its quorum counts "
                f"{milestone.quorum.auditors}. Name exactly that many."
            )
            yield f"{path}/auditors", "auditors_missing", message
        for number, auditor in enumerate(milestone.auditors):
            if auditor not in known:
                message = f"There is no auditor “{auditor}”. Choose one of the auditors listed here."
                yield f"{path}/auditors/{number}", "auditor_unknown", message
            elif known[auditor] is not None:
                message = f"Auditor “{auditor}” is not independent here: {known[auditor]}. Choose another."
                yield f"{path}/auditors/{number}", "auditor_not_independent", message


def _grain(terms: Terms, context: LintContext) -> Iterator[_Judgement]:
    if context.min_ticket_minor is None or context.price_micro is None:
        return
    largest_micro = grain_problem(terms, context.min_ticket_minor, context.price_micro, terms.asset)
    if largest_micro is None:
        return
    way_out = (
        f"A price of at most {format_price(largest_micro)} passes."
        if largest_micro
        else "No price passes: raise it."
    )
    message = (
        f"The smallest tranche of the minimum ticket buys fewer than {LEAST_TOKENS_A_PART} tokens, so a release could "
        f"issue none. {way_out}"
    )
    yield "/milestones", "grain", message


_RULES = (_tranches, _too_soon, _criteria, _dates, _auditors, _grain)


def grain_problem(terms: Terms, min_ticket_minor: int, price_micro: int, asset: Asset) -> int | None:
    """Say whether a minimum ticket is too coarse for the smallest tranche (OFF-10).

    Returns None when it buys at least 100 tokens, else the largest `price_micro` that passes, 0 when none does and
    only a larger minimum ticket helps.
    """
    smallest_bp = min(tranche.bp for tranche in terms.tranches)
    part_minor = min_ticket_minor * smallest_bp // WHOLE_BP
    largest_micro = part_minor * PRICE_UNIT // (LEAST_TOKENS_A_PART * asset.unit)
    return None if price_micro <= largest_micro else largest_micro


def risk_line(terms: Terms) -> list[str]:
    """Write the sentences investors read about every rule the founder relaxed, with this contract's figures (MIL-4)."""
    largest_bp = max(m.tranche_bp for m in terms.milestones)
    last_bp = terms.milestones[-1].tranche_bp
    no_evidence = any(not c.evidence for m in terms.milestones for c in m.criteria)
    no_measure = any(not any(c.measure for c in m.criteria) for m in terms.milestones)
    parallel = terms.order == PARALLEL and len(terms.milestones) > 1
    one_auditor = any(m.quorum.approvals < 2 for m in terms.milestones)
    said = {
        "tranche_over_40": largest_bp > MOST_TRANCHE_BP
        and f"One milestone alone releases {percent(largest_bp)} of the money; {percent(MOST_TRANCHE_BP)} is usual.",
        "last_under_15": last_bp < LEAST_LAST_BP
        and f"Only {percent(last_bp)} waits for the last milestone; {percent(LEAST_LAST_BP)} is usual.",
        "half_in_60_days": f"More than half of the money may be released within {EARLY_DAYS} days of the deadline.",
        "parallel_tail": parallel
        and "Milestones run side by side: the last of the money does not wait for all of them.",
        "no_evidence": no_evidence and "Some criteria do not say what evidence is to be handed in.",
        "no_measure": no_measure and "Some milestones have no criterion that can be measured.",
        "quorum_too_small": one_auditor and "For some milestones one auditor alone decides.",
    }
    return [said[code] for code in terms.relaxed if said[code]]
