"""Say what a replay did: the table, what was changed to make contracts of the records, and what did not hold.

Works the figures out from the tables and the entries, not from what the stage thinks it did.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments.models import Commitment, Refund
from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.outbox.models import JobFailure, OutboxMessage
from app.payments.models import Operation, Payout
from app.progress.amendment_models import Amendment, AmendmentExit
from app.progress.dispute_models import Challenge, Dispute
from app.progress.models import Attestation, Release, Submission
from app.replay.checks import Money, money
from app.replay.fates import ENDS
from app.replay.revising import REFUSED
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
    _tell_conflicts(session, played, out)
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


def _tell_conflicts(session: Session, played: Played, out: Out) -> None:
    """Print what of the records our rules decided: amendments, lateness, evaluators who differ, early ends."""
    refused = {
        name.removeprefix(REFUSED): count for name, count in played.counts.items() if name.startswith(REFUSED)
    }
    adverse = session.scalar(sa.select(sa.func.count()).select_from(Amendment).where(Amendment.is_adverse)) or 0
    disputes = session.execute(
        sa.select(Dispute.cause, Dispute.outcome, sa.func.count()).group_by(Dispute.cause, Dispute.outcome)
    )
    rows = [
        ("amendments recorded", played.counts["amendments recorded"], f"refused: {words_of(refused) or 'none'}"),
        ("proposed", total(session, Amendment), f"{words_of(by(session, Amendment.state))}; {adverse} adverse"),
        ("left before one", total(session, AmendmentExit), "investors with all that was unreleased"),
        *_lateness(session),
        ("split panels", _split_panels(session), "submissions whose auditors differ; the k-th highest finding decides"),
        *(
            ("findings refused", count, name.removeprefix("finding refused: "))
            for name, count in sorted(played.counts.items()) if name.startswith("finding refused: ")
        ),
        ("challenges", total(session, Challenge), words_of(by(session, Challenge.state))),
        ("disputes", total(session, Dispute), ", ".join(f"{n} by {cause}: {end}" for cause, end, n in disputes)),
        ("wind-downs", sum(_triggers(session).values()), words_of(_triggers(session))),
    ]
    out("")
    out("What our rules decided")
    for name, count, words in rows:
        out(f"  {count:5}  {name}{f' ({words})' if words else ''}")


def _lateness(session: Session) -> list[tuple[str, int, str]]:
    """Count milestones by when they were handed in first, seen from their target date, reviews' time given back."""
    first = sa.select(Submission.milestone_id, sa.func.min(Submission.received_at).label("at")).where(
        Submission.received_at.is_not(None), Submission.is_retention.is_(False)
    ).group_by(Submission.milestone_id).subquery("first")
    rows = session.execute(sa.select(Milestone.target_at, first.c.at).join(first, first.c.milestone_id == Milestone.id))
    late = [received_at - target_at for target_at, received_at in rows if target_at is not None]
    on_time = sum(each <= dt.timedelta(0) for each in late)
    days = sorted(each.days for each in late)
    median = days[len(days) // 2] if days else 0
    return [("handed in on time", on_time, ""), ("handed in late", len(late) - on_time, f"median {median} days late")]


def _split_panels(session: Session) -> int:
    rows = session.execute(sa.select(Attestation.submission_id, Attestation.findings))
    found: dict[int, set[str]] = {}
    for submission_id, findings in rows:
        found.setdefault(submission_id, set()).add(findings)
    return sum(len(each) > 1 for each in found.values())


def _triggers(session: Session) -> Mapping[str, int]:
    rows = session.execute(
        sa.select(Offering.end_trigger, sa.func.count())
        .where(Offering.end_trigger.is_not(None)).group_by(Offering.end_trigger)
    )
    return dict(rows.all())


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
