"""Two proposals at once, and an exit against a release: one order or the other (MIL-13)."""

from __future__ import annotations

from app.db import Database
from tests.concurrency.test_places import at_once
from tests.factories import amendments as amend
from tests.factories import life
from tests.functional import figures


def test_mil_13_of_two_proposals_at_once_one_wins(db: Database) -> None:
    story = amend.running(db, amounts=(150_000, 90_000))
    edits = (amend.setting("m2", title="One"), amend.setting("m3", title="Other"))
    results = at_once([lambda edit=edit: amend.propose(story, edit) for edit in edits])
    assert sorted(str(each)[:4] for each in results) == ["amd_", "amen"]
    assert "amendment_open" in results


def test_mil_13_an_exit_against_a_release_has_one_order(db: Database) -> None:
    story = amend.running(db, amounts=(150_000, 90_000, 60_000))
    life.reviewed(story, 1)
    amend.propose(story, amend.measure("m2", "1000"))
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    amend.vote(story, "nyy")
    ends = amend.poll(story).ends_at
    story.stage.advance_to(max(ends, window))
    assert amend.amendment(story).state == "leaving"
    results = at_once([lambda: amend.leave(story, 0), story.stage.work])
    left = results[0]
    unreleased, released, issued, entitled = figures.position(story, 0)
    assert (unreleased, entitled) == (0, issued)
    assert left.amount_minor + released == 150_000  # type: ignore[union-attr]
