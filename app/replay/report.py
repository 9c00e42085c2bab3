"""Say what a replay did: the table, what was changed to make contracts of the records, and what did not hold.

Works the figures out from the tables and the entries, not from what the stage thinks it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, Refund
from app.offerings.models import Offering
from app.outbox.models import JobFailure, OutboxMessage
from app.payments.models import Operation, Payout
from app.progress.models import Attestation, Release, Submission
from app.replay.checks import Money, money
from app.replay.fates import ENDS
from app.replay.theatre import Played
from milestones.money import Asset, format_amount
from milestones.states import OFFERING_TERMINAL

Out = Callable[[str], None]
WIDTH = 14


def tell(session: Session, played: Played, *, seconds: int, out: Out) -> bool:
    """Print everything and return whether every offering ended, every cent is somewhere and no work is left."""
    _tell_changes(played, out)
    _tell_course(played, out)
    flows = money(session)
    _tell_counts(session, played, out)
    tell_money(flows, out)
    left = left_over(session)
    for line in left:
        out(f"  {line}")
    ended = all(course.is_over for course in played.courses)
    whole = all(each.is_whole for each in flows)
    out(
        f"{'Every' if ended else 'NOT every'} offering ended; "
        f"cents in {'=' if whole else 'DIFFER FROM'} cents out + cents held in "
        f"{'every' if whole else 'at least one'} currency; "
        f"{'no work is left' if not left else 'WORK IS LEFT'}."
    )
    out(f"{played.days:,} days in {seconds:,} seconds, {played.wakes:,} of them with something to do.")
    return ended and whole and not left


def _tell_changes(played: Played, out: Out) -> None:
    out("")
    out("What was changed to make contracts of the records (times)")
    for words, count in sorted(played.notes.items(), key=lambda each: (-each[1], each[0])):
        out(f"  {count:5}  {words}")
    for code, count in sorted(played.relaxed.items()):
        out(f"  {count:5}  rule relaxed by the founder, as the risk line says: {code}")
    out(f"  {len(played.inexact):5}  contracts whose costs are no whole basis points; by so much a tranche differs:")
    for each in played.inexact:
        most = format_amount(each.most_minor, Asset.parse(each.currency))
        out(f"         {each.record_id}: {' + '.join(map(str, each.tranche_bps))} bp, at most {most} {each.currency}")


def _tell_course(played: Played, out: Out) -> None:
    out("")
    out("What the records say of their milestones")
    for end, words in ENDS.items():
        out(f"  {played.ends[end]:5}  {words}")
    out("What the generated investors do (commitments)")
    habits = {name.removeprefix("habit: "): n for name, n in played.counts.items() if name.startswith("habit: ")}
    for habit, count in sorted(habits.items(), key=lambda each: -each[1]):
        out(f"  {count:5}  {habit.replace('_', ' ')}")
    for name, count in sorted(played.counts.items()):
        if name.startswith("refused: "):
            out(f"  {count:5}  {name}")


def by(session: Session, column: sa.orm.InstrumentedAttribute[str]) -> Mapping[str, int]:
    """Return how many rows have each value of a column."""
    rows = session.execute(sa.select(column, sa.func.count()).group_by(column))
    return dict(rows.all())


def total(session: Session, table: type) -> int:
    """Return how many rows a table has."""
    return session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _tell_counts(session: Session, played: Played, out: Out) -> None:
    outcomes, releases = by(session, Offering.state), by(session, Release.kind)
    rows = [
        ("contracts", f"{len(played.courses):,}", ", ".join(f"{n} {state}" for state, n in sorted(outcomes.items()))),
        ("commitments", f"{total(session, Commitment):,}", words_of(by(session, Commitment.status))),
        ("submissions", f"{total(session, Submission):,}", f"{total(session, Attestation):,} attestations"),
        ("releases", f"{releases.get('released', 0):,}", f"and {releases.get('returned', 0):,} returns to investors"),
        ("payouts", f"{total(session, Payout):,}", words_of(by(session, Payout.status))),
        ("refunds", f"{total(session, Refund):,}", words_of(by(session, Refund.status))),
        ("operations", f"{total(session, Operation):,}", words_of(by(session, Operation.state))),
    ]
    out("")
    for name, count, words in rows:
        out(f"{name:12} {count:>9}   {words}")


def words_of(counts: Mapping[str, int]) -> str:
    """Return counts in one line."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))


def tell_money(flows: Sequence[Money], out: Out) -> None:
    """Print where the money of each currency went."""
    columns = (
        "", "paid in", "our float", "refunded", "taken back", "to companies", "kept by rail", "held: ours",
        "held: owed",
    )
    out("")
    out("".join(f"{column:>{WIDTH}}" for column in columns))
    for each in flows:
        asset = Asset.parse(each.asset)
        amounts = (
            each.paid_in, each.funded, each.refunded, each.returned, each.paid_out, each.kept_by_rail, each.ours,
            each.held - each.ours,
        )
        figures = "".join(f"{format_amount(amount, asset):>{WIDTH}}" for amount in amounts)
        out(f"{each.asset:>{WIDTH}}{figures}  {'in = out + held' if each.is_whole else 'DIFFERS'}")


def left_over(session: Session) -> list[str]:
    """Return what should have come to rest and did not."""
    failed = session.execute(sa.select(JobFailure.job, JobFailure.object_id, JobFailure.last_error)).all()
    unsent = session.execute(
        sa.select(sa.func.count()).select_from(OutboxMessage).where(OutboxMessage.done_at.is_(None))
    ).scalar_one()
    running = session.execute(
        sa.select(Offering.public_id, Offering.state).where(Offering.state.not_in(sorted(OFFERING_TERMINAL)))
    ).all()
    operations = Counter(
        session.scalars(sa.select(Operation.state).where(Operation.state.not_in(["succeeded", "failed", "cancelled"])))
    )
    return [
        *(f"job {job} failed on {object_id}: {error}" for job, object_id, error in failed),
        *(f"offering {public_id} is still {state}" for public_id, state in running),
        *(f"{count} operations are {state}" for state, count in operations.items()),
        *([f"{unsent} messages are not handled"] if unsent else []),
    ]
