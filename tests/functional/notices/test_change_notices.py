"""What people are told of a change: the operator, the founder, whoever must answer, whoever did not (PPL-4, OFF-8)."""

from __future__ import annotations

import datetime as dt

import pytest

from app import formats
from app.db import Database
from tests.factories import altered, halts
from tests.factories import life as lives
from tests.functional.notices.test_events import text, told

pytestmark = pytest.mark.databases("sqlite")


def test_ppl_4_a_change_is_told_from_its_proposal_to_the_last_silence(db: Database) -> None:
    life = altered.held(db, 100_000, 300_000)
    back = altered.propose(life, story="Other words", reason="We found better words.")
    altered.decide(life, back, "decline", reason="Say what is new.")
    altered.changed(life, price_micro=700_000, reason="Costs rose.")
    (row, _other) = altered.rounds(life)
    assert row.due_at is not None
    asked = text(db, life.investors[0], "reconfirmation_asked")
    for words in ("to which you committed $1,000.00", "The reason given: Costs rose.", "Silence cancels and refunds",
                  formats.instant_text(row.due_at)):
        assert words in asked
    altered.reconfirm(life, 1)
    life.stage.advance_to(row.due_at)
    silent = text(db, life.investors[0], "not_reconfirmed")
    assert "You did not reconfirm your commitment of $1,000.00" in silent
    assert "$1,000.00 goes back to where it came from" in silent
    confirmed = text(db, life.investors[1], "commitment_reconfirmed")
    assert "$2,999.50 for 4,285 tokens" in confirmed
    assert "$0.50 buys no whole token" in confirmed
    proposed = [words for _notice, words in told(db, life.operator, "change_proposed")]
    assert [each.path for each in proposed] == ["/operator/changes"] * 2
    assert "Silence means that it is material" in proposed[1].next_text
    assert "Say what is new." in text(db, life.founder, "change_declined")
    assert "version 2" in text(db, life.founder, "change_effective")
    assert told(db, life.investors[1], "not_reconfirmed") == []


def test_ppl_4_first_versions_updates_and_early_closes_are_told(db: Database) -> None:
    life = lives.live(db, investors=1, fields={"deadline_at": lives.Stage(db, lives.settings_for(db)).now
                                               + dt.timedelta(days=60)})
    stage = life.stage
    first = altered.propose(life, price_micro=250_000, deadline_at=stage.now + dt.timedelta(days=70))
    stage.advance_to(altered.change_row(life, first).decide_by)
    assert "silence never publishes it" in text(db, life.operator, "change_overdue")
    altered.decide(life, first)
    assert "Nobody had committed, so nobody has to reconfirm." in text(db, life.founder, "change_effective")
    life.commitments.append(stage.invest(life.investors[0], life.offering_id, 300_000))
    halts.announce(life, stage.now + dt.timedelta(days=30))
    update = altered.post(life, title="The pilot ended")
    altered.flag(life, update)
    stage.work()
    assert "Its title: The pilot ended" in text(db, life.investors[0], "update_posted")
    ((_notice, proposed),) = told(db, life.operator, "change_proposed")[1:]
    assert "is said to be material" in " ".join(proposed.paragraphs)
    stage.advance(days=7)
    assert "are asked to reconfirm or cancel" in text(db, life.investors[0], "early_close_changed")
