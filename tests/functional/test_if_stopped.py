"""What "if it stopped today" says is to the cent and token what a wind-down then posts (MIL-5)."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from app.commitments import escrow
from app.commitments.models import Commitment
from app.commitments.rules import Position
from app.db import Database
from app.offerings import service as offerings
from app.progress import queries as progress
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.figures import (
    no_work_is_left,
    offering,
    position,
    refunds,
    resign,
    states,
    stop_releases,
)


def foreseen(life: Life) -> tuple[progress.IfStopped, Mapping[int, progress.IfStopped]]:
    """Return what "if it stopped today" says of all and of each commitment, by ordinal."""
    with life.stage.db.read() as session:
        row = offerings.offering_by_id(session, life.offering_id)
        total = progress.if_stopped(session, row)
        each = {
            found.ordinal: progress.if_stopped_for(session, row, found.id, escrow.position(session, found.id))
            for found in session.execute(sa.select(Commitment).order_by(Commitment.ordinal)).scalars()
        }
    assert total is not None
    return total, {ordinal: found for ordinal, found in each.items() if found is not None}


def posted(life: Life) -> tuple[progress.IfStopped, Mapping[int, progress.IfStopped]]:
    """Return the same of what a wind-down has really done."""
    back: dict[int, int] = {}
    for ordinal, amount, reason, _status in refunds(life):
        if reason == "founder_resigned":
            back[ordinal] = back.get(ordinal, 0) + amount
    ends = {number + 1: Position(*position(life, number)) for number in range(len(life.commitments))}
    each = {
        ordinal: progress.IfStopped(back.get(ordinal, 0), end.issued_tokens, end.released_minor, end.unreleased_minor)
        for ordinal, end in ends.items()
    }
    columns = ("back_minor", "tokens", "spent_minor", "under_review_minor")
    return progress.IfStopped(*(sum(getattr(one, column) for one in each.values()) for column in columns)), each


#: Amounts that divide badly, so that every rounding shows.
UNEVEN = (100_050, 99_950, 50_050, 133_350, 77_750)


def test_mil_5_if_it_stopped_today_is_to_the_cent_what_a_wind_down_posts(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN)
    lives.released(life, 1)
    expected = foreseen(life)
    assert expected[0] == progress.IfStopped(253_633, 4_148, 207_517, 0)

    resign(life)
    life.stage.work()
    assert offering(life).state == "wound_down"
    assert posted(life) == expected


def test_mil_5_it_says_what_is_under_review_and_keeps_it_out(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN)
    lives.reviewed(life, 1)
    expected = foreseen(life)
    assert expected[0].under_review_minor == life.stage.milestone(life.offering_id, 1).tranche_minor

    resign(life)
    assert offering(life).state == "winding_down"
    assert posted(life) == expected
    # Submitted before: its verdict still releases it (WND-2).
    life.stage.advance(days=10)
    assert offering(life).state == "wound_down"
    assert states(life) == ["released", "released", "lapsed", "lapsed"]
    no_work_is_left(db)


def test_mil_5_it_counts_an_approved_tranche_as_spent_with_its_tokens(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN, contract={"order": "parallel"})
    lives.reviewed(life, 2)
    ends_at = life.stage.milestone(life.offering_id, 2).deadline_at
    assert ends_at is not None
    stop_releases(life, "A payment is being looked into.")
    life.stage.advance_to(ends_at)
    lives.reviewed(life, 3)
    assert states(life) == ["released", "open", "approved", "challengeable"]
    expected = foreseen(life)

    resign(life)
    stop_releases(life, None)
    life.stage.work()
    assert states(life) == ["released", "lapsed", "released", "challengeable"]
    assert posted(life) == expected
