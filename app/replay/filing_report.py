"""Say what a replay of filings did: the table, each anomaly with its behaviour, and what did not hold.

Works the figures out from the tables and the entries, not from what the courses think they did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, Refund
from app.offerings.models import Offering
from app.replay.checks import money
from app.replay.filing_course import FilingCourse
from app.replay.filing_theatre import PlayedFilings
from app.replay.report import by, left_over, tell_money, total, words_of

Out = Callable[[str], None]

NO_PRICE = "no_price"
#: anomaly of the file → how Milestake behaves. docs/operations.md has the same table.
BEHAVIOUR: Mapping[str, str] = {
    "deadline_before_filing": "refused at publication (deadline_too_soon), until an amendment names a later one",
    "max_below_target": "refused as entered (amounts_out_of_order), until an amendment mends it",
    "price_is_a_float_artefact": "normalised to six places, and counted as such",
    "price_times_units_differs_from_target": "units are not asked for: tokens follow from amount and price",
    "oversubscription_accepted_but_max_equals_target": "published; full at the maximum, more is refused with the room",
    "closed_above_disclosed_max": "hard stop: never more than the maximum is taken",
    "closed_below_target": "failed: everybody is refunded",
    NO_PRICE: "skipped and counted: tokens cannot be counted without a price",
}
SUCCEEDED = ("completed", "wound_down")


def tell(session: Session, played: PlayedFilings, *, seconds: int, out: Out) -> bool:
    """Print everything and return whether every filing ended, every cent is somewhere and no work is left."""
    states = {row.public_id: row.state for row in session.execute(sa.select(Offering.public_id, Offering.state))}
    _tell_changes(played, out)
    _tell_anomalies(played, states, out)
    _tell_outcomes(played, states, out)
    _tell_counts(session, played, states, out)
    flows = money(session)
    tell_money(flows, out)
    left = left_over(session)
    for line in left:
        out(f"  {line}")
    ended = all(course.is_over for course in played.courses)
    whole = all(each.is_whole for each in flows)
    out(
        f"{'Every' if ended else 'NOT every'} filing ended; cents in {'=' if whole else 'DIFFER FROM'} cents out + "
        f"cents held; {'no work is left' if not left else 'WORK IS LEFT'}."
    )
    out(f"{played.days:,} days in {seconds:,} seconds, {played.wakes:,} of them with something to do.")
    return ended and whole and not left


def end_of(course: FilingCourse, states: Mapping[str, str]) -> str:
    """Return how a filing ended here, in one word or two."""
    if not course.is_published:
        return f"refused: {course.refused[-1]}" if course.refused else "not played"
    state = states[course.offering_id or ""]
    return f"closed, {state.replace('_', ' ')}" if state in SUCCEEDED else state


def _tell_changes(played: PlayedFilings, out: Out) -> None:
    out("")
    out("What was changed or made up to play the filings (times)")
    for words, count in sorted(played.notes.items(), key=lambda each: (-each[1], each[0])):
        out(f"  {count:5}  {words}")
    out("What happened on the way (times)")
    for words, count in sorted(played.counts.items()):
        out(f"  {count:5}  {words.replace('_', ' ')}")


def _tell_anomalies(played: PlayedFilings, states: Mapping[str, str], out: Out) -> None:
    found: dict[str, Counter[str]] = {name: Counter() for name in BEHAVIOUR}
    for course in played.courses:
        for name in course.plan.filing.anomalies:
            found.setdefault(name, Counter())[end_of(course, states)] += 1
    for filing in played.skipped:
        for name in {NO_PRICE, *filing.anomalies}:
            found.setdefault(name, Counter())["skipped"] += 1
    out("")
    out("Anomalies of the file, how Milestake behaves, and how their filings ended")
    for name, ends in found.items():
        out(f"  {sum(ends.values()):5}  {name}: {BEHAVIOUR.get(name, 'not known: played as it stands')}")
        if ends:
            out(f"         {_listed(ends)}")


def _tell_outcomes(played: PlayedFilings, states: Mapping[str, str], out: Out) -> None:
    found: dict[str, Counter[str]] = {}
    for course in played.courses:
        found.setdefault(course.plan.filing.outcome, Counter())[end_of(course, states)] += 1
    out("")
    out("Recorded outcome, and how it ended here")
    for outcome, ends in sorted(found.items()):
        out(f"  {sum(ends.values()):5}  {outcome.replace('_', ' ')}: {_listed(ends)}")


def _tell_counts(session: Session, played: PlayedFilings, states: Mapping[str, str], out: Out) -> None:
    ends = [end_of(each, states) for each in played.courses]
    refusals = Counter(each.removeprefix("refused: ") for each in ends if each.startswith("refused"))
    rows: Sequence[tuple[str, int, str]] = [
        ("filings", len(played.courses) + len(played.skipped), f"{len(played.skipped)} without a price skipped"),
        ("published", sum(each.is_published for each in played.courses), ""),
        ("refused", sum(refusals.values()), _listed(refusals)),
        ("closed", sum(each.startswith("closed") for each in ends),
         _listed(Counter(each.removeprefix("closed, ") for each in ends if each.startswith("closed")))),
        ("failed", ends.count("failed"), "everybody refunded"),
        ("withdrawn", ends.count("withdrawn"), "everybody refunded"),
        ("commitments", total(session, Commitment), words_of(by(session, Commitment.status))),
        ("refunds", total(session, Refund), words_of(by(session, Refund.status))),
    ]
    out("")
    for name, count, words in rows:
        out(f"{name:12} {count:>9,}   {words}")


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
