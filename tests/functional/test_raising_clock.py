"""One offering, second by second across its edges: what each person may do just before, at, and just after (TIM-1).

The offering is in New York and its last 48 hours hold the change to summer time. Every act is tried at the given
second and undone again, so that each row starts from the same books.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import Actor
from app.closing import early_close
from app.closing import service as closing
from app.closing import tasks as closing_tasks
from app.commitments import service as commitments
from app.commitments.models import Commitment
from app.db import Database
from app.demo.stage import WORDING_HASH, Stage
from app.errors import MilestakeError
from app.offerings import deadlines, halts, versions, withdrawing
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.payments import charges, ports, subjects
from app.payments import service as payments
from app.payments.models import Operation, RailCursor
from app.progress import halting
from tests.factories import life
from tests.factories.life import Life

SECOND, HOUR, DAY = dt.timedelta(seconds=1), dt.timedelta(hours=1), dt.timedelta(days=1)
NEW_YORK = ZoneInfo("America/New_York")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


# -- where the edges are ----------------------------------------------------------------------------

#: (what, zone, calendar, deadline, last moment to cancel, end of the clearing window); all instants in UTC
EDGES = (
    # Sunday 14 March 2032, 02:00: New York's clocks go forward. 48 hours are 48 hours: 11:00 there, not 12:00.
    ("change in the last 48 hours", "America/New_York", "US", "2032-03-15 16:00", "2032-03-13 16:00",
     "2032-03-29 16:00"),
    # 12:00 stays 12:00 by the clock on the wall, so the window is an hour shorter.
    ("change in the window", "America/New_York", "US", "2032-03-12 17:00", "2032-03-10 17:00", "2032-03-26 16:00"),
    # Back to winter time on 7 November 2032; Veterans Day is the 11th, Thanksgiving comes later.
    ("change back in the window", "America/New_York", "US", "2032-11-05 16:00", "2032-11-03 16:00",
     "2032-11-22 17:00"),
    # London changes on Easter Sunday, 28 March 2032; Good Friday and Easter Monday are no business days.
    ("London at Easter", "Europe/London", "GB", "2032-03-25 12:00", "2032-03-23 12:00", "2032-04-12 11:00"),
    ("London in the last 48 hours", "Europe/London", "GB", "2032-03-29 11:00", "2032-03-27 11:00",
     "2032-04-12 11:00"),
    ("deadline on 29 February", "UTC", "US", "2032-02-29 12:00", "2032-02-27 12:00", "2032-03-12 12:00"),
    ("cut-off on 29 February", "UTC", "NONE", "2032-03-02 12:00", "2032-02-29 12:00", "2032-03-16 12:00"),
    # Presidents' Day, 16 February 2032, and 29 February lie in the window.
    ("a public holiday", "America/New_York", "US", "2032-02-13 17:00", "2032-02-11 17:00", "2032-03-01 17:00"),
    ("the same without one", "America/New_York", "NONE", "2032-02-13 17:00", "2032-02-11 17:00", "2032-02-27 17:00"),
)


@pytest.mark.parametrize(("zone", "calendar", "deadline", "cut_off", "window"), [row[1:] for row in EDGES],
                         ids=[row[0] for row in EDGES])
def test_tim_1_edges_of_a_deadline(zone: str, calendar: str, deadline: str, cut_off: str, window: str) -> None:
    offering = Offering(
        zone=zone, calendar=calendar, regime="private", state="live", deadline_at=utc(deadline),
        launched_at=utc(deadline) - 30 * DAY, open_since=utc(deadline) - 30 * DAY,
    )
    assert deadlines.cut_off(offering, offering.deadline_at) == utc(cut_off)
    assert subjects.payments_count_until(offering) == utc(window)


#: (what, zone, calendar, launched on, notice at (UTC), first day that may be the new deadline's)
NOTICES = (
    ("the last second of Monday there", "America/New_York", "US", "2032-01-12", "2032-02-24 04:59:59", "2032-03-01"),
    ("the first second of Tuesday", "America/New_York", "US", "2032-01-12", "2032-02-24 05:00:00", "2032-03-02"),
    ("over Presidents' Day", "America/New_York", "US", "2032-01-12", "2032-02-12 17:00:00", "2032-02-20"),
    ("the same without a calendar", "America/New_York", "NONE", "2032-01-12", "2032-02-12 17:00:00", "2032-02-19"),
    ("over Easter", "Europe/London", "GB", "2032-01-12", "2032-03-24 12:00:00", "2032-04-02"),
    ("21 days are not over", "UTC", "US", "2032-02-09", "2032-02-10 12:00:00", "2032-03-01"),
)


@pytest.mark.parametrize(("zone", "calendar", "launched", "notice", "first"), [row[1:] for row in NOTICES],
                         ids=[row[0] for row in NOTICES])
def test_off_6_first_day_of_an_early_close(zone: str, calendar: str, launched: str, notice: str, first: str) -> None:
    since = dt.datetime.fromisoformat(launched).replace(hour=12, tzinfo=ZoneInfo(zone))
    offering = Offering(zone=zone, calendar=calendar, regime="private", launched_at=since, open_since=since)
    assert early_close.earliest_day(offering, utc(notice)).isoformat() == first


# -- what each person may do ------------------------------------------------------------------------

DEADLINE = utc("2032-03-15 16:00")
CUT_OFF = utc("2032-03-13 16:00")
WINDOW = utc("2032-03-29 16:00")

DEADLINE_JOB = next(job for job in closing_tasks.JOBS if job.name == "reach_deadline")

OK = "ok"
_OPEN = {"commit": OK, "pay": OK, "cancel": OK, "withdraw": OK, "close early": "early_close_notice", "halt": OK,
         "operator withdraws": "second_operator_needed", "deadline has its effect": "no"}
_NO_CANCEL = {**_OPEN, "cancel": "too_late_to_cancel"}
_OVER = {"commit": "not_open", "pay": "payment_too_late", "cancel": "too_late_to_cancel", "withdraw": "not_open",
         "close early": "not_open", "halt": "closing_now", "operator withdraws": "not_open",
         "deadline has its effect": "yes"}
_CLEARING = {**_OVER, "withdraw": "transition_forbidden", "operator withdraws": "transition_forbidden", "halt": OK,
             "deadline has its effect": "no"}

#: (the second, in words, what each may do); the worker acts between the last two rows of the deadline
LIVE: tuple[tuple[dt.datetime, str, dict[str, str]], ...] = (
    (CUT_OFF - SECOND, "one second before the last moment to cancel", _OPEN),
    (CUT_OFF, "at the last moment to cancel", _NO_CANCEL),
    (CUT_OFF + SECOND, "one second after it", _NO_CANCEL),
    (DEADLINE - SECOND, "one second before the deadline", _NO_CANCEL),
    (DEADLINE, "at the deadline, before the worker acts", _OVER),
    (DEADLINE + SECOND, "one second after it, before the worker acts", _OVER),
)
CLOSING: tuple[tuple[dt.datetime, str, dict[str, str]], ...] = (
    (DEADLINE + SECOND, "one second after the deadline, the worker has acted",
     _CLEARING | {"money clears": "counts", "decided": "no"}),
    (WINDOW - SECOND, "one second before the window ends", _CLEARING | {"money clears": "counts", "decided": "no"}),
    (WINDOW, "at the end of the window", _CLEARING | {"money clears": "late", "decided": "yes"}),
    (WINDOW + SECOND, "one second after it", _CLEARING | {"money clears": "late", "decided": "yes"}),
)
#: Halted from two hours before the last moment to cancel; tried at the deadline that the calendar shows.
HALTED = {**_OPEN, "commit": "halted", "pay": "halted", "close early": "halted", "halt": "halted_already",
          "deadline has its effect": "no"}


class _Undo(Exception):
    """No error: it takes back what was only tried."""


def tried(db: Database, act: Callable[[Session], object]) -> str:
    """Return "ok" or the code of the refusal; nothing is kept."""

    def run(session: Session) -> None:
        act(session)
        raise _Undo

    try:
        db.unit_of_work(run)
    except _Undo:
        return OK
    except MilestakeError as error:
        return error.code
    raise AssertionError("unreachable")


def in_2032(db: Database) -> Stage:
    """Return a stage whose clock stands at noon of 9 February 2032 in New York."""
    stage = life.Stage(db, life.settings_for(db))
    start = dt.datetime(2032, 2, 9, 12, tzinfo=NEW_YORK)
    while (left := (start - stage.now) // SECOND) > 0:
        step = min(left, clock.MAX_STEP_SECONDS)
        db.unit_of_work(lambda session, step=step: clock.advance(session, seconds=step, allowed=True))
    return stage


def offered(db: Database) -> Life:
    """Return an open offering with the minimum paid, and one payment under way that the rail never decides."""
    story = life.live(
        db, stage=in_2032(db), investors=4,
        fields={"deadline_at": DEADLINE, "zone": "America/New_York", "calendar": "US"},
        document=_document(),
    )
    stage = story.stage
    for investor, amount, method in zip(
        story.investors, (250_000, 60_000, 50_000), ("instant", "instant", "bank_2d"), strict=False
    ):
        story.commitments.append(stage.invest(investor, story.offering_id, amount, method))
    stage.work()
    return story


def _document() -> dict[str, object]:
    document = life.contract_document(DEADLINE.date())
    return {**document, "zone": "America/New_York", "calendar": "US"}


def acts(story: Life, at: dt.datetime) -> dict[str, Callable[[Session], object]]:
    """Return what people and the clock try at an instant, by its words in the table."""
    stage, newcomer = story.stage, story.investors[3]
    offering_id, key = story.offering_id, stage.key()
    return {
        "commit": lambda session: _accept(session, stage, newcomer, offering_id, at),
        "pay": lambda session: _pay(session, stage, newcomer, offering_id, at),
        "cancel": lambda session: commitments.cancel(
            session, actor=story.investors[1], commitment_id=story.commitments[1], now=at),
        "withdraw": lambda session: withdrawing.withdraw(
            session, actor=story.founder, offering_id=offering_id, reason="We changed our plans.", now=at),
        "operator withdraws": lambda session: withdrawing.withdraw(
            session, actor=story.operator, offering_id=offering_id, reason="A rule was broken.", now=at),
        "close early": lambda session: early_close.announce(
            session, actor=story.founder, offering_id=offering_id, deadline_at=DEADLINE - HOUR, key=key, now=at),
        "halt": lambda session: halting.place(
            session, actor=story.operator, offering_id=offering_id, reason="A bank asked.", public_text="We look.",
            ends_at=at + 3 * DAY, key=key, now=at),
    }


def _accept(session: Session, stage: Stage, who: Actor, offering_id: str, at: dt.datetime) -> Commitment:
    offering = offerings.offering_by_id(session, offering_id)
    return commitments.accept_commitment(
        session, actor=who, offering_id=offering_id, party_id=stage.party(who, "investor"), amount_minor=50_000,
        terms_hash=versions.hash_of(session, offering), wording_hash=WORDING_HASH, key=stage.key(), now=at,
    )


def _pay(session: Session, stage: Stage, who: Actor, offering_id: str, at: dt.datetime) -> object:
    """Pay for a place that was taken half an hour before; where none could be taken, the one that was."""
    commitment = session.scalars(sa.select(Commitment).where(Commitment.status == "awaiting_payment")).one_or_none()
    if commitment is None:
        commitment = _accept(session, stage, who, offering_id, at - HOUR / 2)
    return payments.start_collection(
        session, actor=who, commitment_public_id=commitment.public_id, method="instant", key=stage.key(), now=at
    )


def seen(db: Database, story: Life, at: dt.datetime) -> dict[str, str]:
    """Return what everybody may do at an instant, in the words of the tables."""
    found = {what: tried(db, act) for what, act in acts(story, at).items()}
    with db.read() as session:
        row = offerings.offering_by_id(session, story.offering_id)
        due = DEADLINE_JOB.due(session, at, 10)
        found["deadline has its effect"] = "yes" if row.id in due else "no"
    return found


def decided(db: Database, story: Life, at: dt.datetime) -> dict[str, str]:
    """Return whether money that clears at an instant counts, and whether the close is decided then."""
    found = {}

    def ask(session: Session) -> None:
        offering = offerings.offering_by_id(session, story.offering_id)
        commitment = commitments.by_public_id(session, story.commitments[2])
        operation = session.scalars(sa.select(Operation).where(Operation.commitment_id == commitment.id)).one()
        effect = ports.Effect(ports.CLEARED, commitment.amount_minor, at)
        counts = charges._is_in_time(operation, offering, commitment, effect)
        found["money clears"] = "counts" if counts else "late"
        # The rail was asked at this instant and still has the payment under way.
        for cursor in session.scalars(sa.select(RailCursor)):
            cursor.polled_at = at
        operation.changed_at = at
        session.flush()
        found["decided"] = "yes" if closing.may_settle(session, offering, now=at) else "no"

    assert tried(db, ask) == OK
    return found


def test_tim_1_second_by_second(db: Database) -> None:
    story = offered(db)
    offering = story.stage.offering(story.offering_id)
    assert (offering.deadline_at, offering.cancel_until) == (DEADLINE, CUT_OFF)
    assert CUT_OFF.astimezone(NEW_YORK).hour == 11
    for at, words, expected in LIVE:
        assert (words, seen(db, story, at)) == (words, expected)
    # One place is still unpaid when the deadline comes.
    late = story.investors[3]
    db.unit_of_work(lambda session: _accept(session, story.stage, late, story.offering_id, DEADLINE - HOUR))
    db.unit_of_work(lambda session: DEADLINE_JOB.act(session, offering.id, DEADLINE + SECOND))
    closed = story.stage.offering(story.offering_id)
    assert (closed.state, closed.step_due_at) == ("clearing", WINDOW)
    for at, words, expected in CLOSING:
        assert (words, seen(db, story, at) | decided(db, story, at)) == (words, expected)


def test_off_13_a_halt_stops_the_clock_on_both_edges(db: Database) -> None:
    story = offered(db)
    placed_at, lifted_at = CUT_OFF - 2 * HOUR, DEADLINE + 10 * HOUR
    halt = db.unit_of_work(
        lambda session: halting.place(
            session, actor=story.operator, offering_id=story.offering_id, reason="A bank asked.",
            public_text="We look.", ends_at=placed_at + 5 * DAY, key=story.stage.key(), now=placed_at,
        )
    )
    for at in (CUT_OFF, DEADLINE - SECOND, DEADLINE, DEADLINE + SECOND):
        assert seen(db, story, at) == HALTED
    db.unit_of_work(
        lambda session: halting.lift(
            session, actor=story.operator, halt_id=halt.public_id, reason="Answered.", now=lifted_at
        )
    )
    moved = lifted_at - placed_at
    offering = story.stage.offering(story.offering_id)
    assert offering.deadline_at == DEADLINE + moved
    # The old cut-off would come two hours after the halt: cancelling is free for 48 hours all the same.
    assert offering.cancel_until == lifted_at + 48 * HOUR
    for at, expected in (
        (offering.cancel_until - SECOND, _OPEN), (offering.cancel_until, _NO_CANCEL),
        (offering.deadline_at - SECOND, _NO_CANCEL), (offering.deadline_at, _OVER),
    ):
        assert seen(db, story, at) == expected
    assert halts.clock(offering, lifted_at) == lifted_at
