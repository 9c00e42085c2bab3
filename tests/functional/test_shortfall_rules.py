"""What follows when payments taken back leave less than the minimum before the first release (OFF-11)."""

from __future__ import annotations

import sqlalchemy as sa

from app.commitments.models import Commitment
from app.db import Database
from app.ledger.models import Entry, Journal, LedgerAccount
from tests.factories import halts, life
from tests.functional import figures
from tests.functional.test_halt_rules import at

DAY = halts.DAY


def _short(db: Database, *amounts: int, linked: int | None = None) -> life.Life:
    """Return a running plan of which a payment of 100,000 was taken back, with these left."""
    story = life.live(db, investors=len(amounts), contract={"tranches": (5000, 5000), "closing_bp": 0})
    stage, deadline = story.stage, figures.offering(story).deadline_at
    for investor, amount in zip(story.investors, amounts, strict=True):
        story.commitments.append(stage.invest(investor, story.offering_id, amount))
    stage.advance_to(deadline - 2 * DAY)
    stage.invest(stage.person("investor", "Late Investor"), story.offering_id, 100_000, "returned_5d")
    stage.close(story.offering_id)
    stage.advance(minutes=1)
    assert figures.offering(story).state == "active"
    if linked is not None:
        _link(story, linked, linked=True)
    life.reviewed(story, 1)
    stage.advance(days=4)
    return story


def test_off_11_those_who_stay_go_on_and_silence_refunds(db: Database) -> None:
    story = _short(db, 110_000, 80_000)
    poll = halts.poll(story)
    assert (poll.kind, poll.total_minor, figures.offering(story).state) == ("shortfall", 190_000, "active")
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    halts.answer(story, 0, "yes")
    halts.answer(story, 1, "yes")
    at(story, window or story.stage.now)
    assert figures.states(story)[0] == "approved"
    at(story, poll.ends_at)
    # 190,000 stays below the minimum of 200,000: the plan ends and everybody is refunded.
    assert figures.offering(story).state == "wound_down"
    assert figures.offering(story).end_trigger == "below_minimum"


def test_off_11_enough_stay_the_others_get_all_of_theirs_and_releases_go_on(db: Database) -> None:
    story = _short(db, 140_000, 80_000, 50_000, linked=1)
    assert (halts.poll(story).kind, halts.poll(story).total_minor) == ("shortfall", 270_000)
    halts.answer(story, 0, "yes")
    halts.answer(story, 1, "yes")
    # An operator finds that the second investor is not linked after all: those who stay have 220,000.
    _link(story, 1, linked=False)
    at(story, halts.poll(story).ends_at)
    assert halts.poll(story).outcome == "goes_on"
    assert figures.position(story, 2) == (0, 0, 0, 0)
    assert [each for each in figures.refunds(story) if each[2] == "left"] == [(3, 50_000, "left", "done")]
    with db.read() as session:
        moved = session.execute(
            sa.select(LedgerAccount.address, Entry.amount)
            .join(Entry, Entry.account_id == LedgerAccount.id)
            .join(Journal, Journal.id == Entry.journal_id)
            .where(Journal.kind == "left")
        )
        amounts = {address.partition(":")[0]: amount for address, amount in moved}
    assert amounts == {"escrow": 50_000, "refunds": -50_000, "unissued": 1_000, "reserved": -1_000}
    assert figures.states(story)[0] == "released"
    assert figures.position(story, 0) == (70_000, 70_000, 1_400, 2_800)
    figures.no_work_is_left(db)


def _link(story: life.Life, number: int, *, linked: bool) -> None:
    story.stage.db.unit_of_work(
        lambda session: session.execute(
            sa.update(Commitment).where(Commitment.public_id == story.commitments[number]).values(is_linked=linked)
        )
    )
