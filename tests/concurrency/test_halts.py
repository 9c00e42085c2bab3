"""A halt against a release, an early close against a cancellation: one order or the other (OFF-6, OFF-13)."""

from __future__ import annotations

from app.db import Database
from tests.concurrency.test_places import at_once
from tests.factories import halts, life
from tests.functional import figures


def test_off_13_a_halt_against_a_release_has_one_order(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    stage = story.stage
    life.reviewed(story, 1)
    stage.work()  # the window runs from the delivery of the verdict
    window = stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    life.let_time_pass(stage, window)
    results = at_once([lambda: halts.place(story, days=3), stage.work])
    assert str(results[0]).startswith("hlt_")
    halted, state = halts.halt(story).placed_at, stage.milestone(story.offering_id, 1).state
    released = [each for each in figures.released(story) if each[0] == "released"]
    # Released before the halt, with its payout perhaps waiting for the end of it; or not at all while it lasts.
    assert state in ("released", "challengeable", "approved")
    assert len(released) == (2 if state == "released" else 1)
    stage.advance(days=1)
    assert stage.milestone(story.offering_id, 1).state in ("released", state)
    assert figures.offering(story).halted_since == halted


def test_off_6_an_early_close_against_a_cancellation_has_one_order(db: Database) -> None:
    story = life.live(db, investors=2)
    stage = story.stage
    for investor, amount in zip(story.investors, (150_000, 60_000), strict=True):
        story.commitments.append(stage.invest(investor, story.offering_id, amount))
    early = figures.offering(story).deadline_at - 6 * halts.DAY
    results = at_once([
        lambda: halts.announce(story, early), lambda: stage.cancel(story.investors[1], story.commitments[1]),
    ])
    # The cancellation always stands; the notice only where the minimum was still there when it was given.
    assert results[1] is None
    assert figures.commitment(story, 1).status == "cancelled"
    offering = figures.offering(story)
    if results[0] == "early_close_short":
        assert offering.deadline_at == early + 6 * halts.DAY
        return
    assert offering.deadline_at == early
    stage.advance_to(early)
    stage.advance(minutes=1)
    assert halts.notice(story).state == "void"
    assert figures.offering(story).deadline_at == early + 6 * halts.DAY


def test_off_13_two_operators_halt_once(db: Database) -> None:
    story = life.live(db, investors=1)
    second = story.stage.person("operator", "Second Operator")
    results = at_once([lambda who=who: halts.place(story, by=who) for who in (story.operator, second)])
    assert sorted(str(each)[:4] for each in results) == ["halt", "hlt_"]
    assert "halted_already" in results
