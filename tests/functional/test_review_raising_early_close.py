"""What a review found of early closes: money sent by bank counts, and three more days stay three more days (OFF-6)."""

from __future__ import annotations

import datetime as dt

from app.db import Database
from app.offerings import deadlines
from tests.factories import halts
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.payments.conftest import Till
from tests.functional.payments.test_parts import Bank

DAY = dt.timedelta(days=1)


def settle(till: Till) -> None:
    """Let the rail be asked once more, so that all before the deadline is heard."""
    till.pauses_pass()
    till.life.stage.advance(minutes=1)


def test_off_6_money_sent_by_bank_counts_at_an_early_close_also_in_parts(db: Database) -> None:
    life = lives.live(db, investors=2)
    till = Till(life)
    bank = Bank(till, 200_000)
    bank.send(120_000)
    bank.send(80_000)
    other = Bank(till, 50_000, investor=1)
    other.send(50_000)
    life.stage.advance(days=8)
    early = figures.offering(life).deadline_at - 5 * DAY
    halts.announce(life, early)
    life.stage.advance_to(early)
    settle(till)
    assert (halts.notice(life).state, halts.notice(life).cleared_minor) == ("taken", 250_000)
    settle(till)
    assert (figures.offering(life).state, figures.offering(life).counted_minor) == ("active", 250_000)


def test_off_12_the_three_days_stay_when_the_early_close_is_void(db: Database) -> None:
    life = lives.live(db, investors=3)
    for investor, amount in zip(life.investors, (150_000, 60_000, 60_000), strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    before = figures.offering(life)
    life.stage.advance(days=8)
    early = before.deadline_at - DAY
    halts.announce(life, early)
    life.stage.advance_to(early - dt.timedelta(hours=49))
    for number in (1, 2):
        life.stage.cancel(life.investors[number], life.commitments[number])
    offering = figures.offering(life)
    assert offering.deadline_at == deadlines.extended(offering, early) > before.deadline_at
    life.stage.advance_to(offering.deadline_at)
    settle(Till(life))
    after = figures.offering(life)
    assert (halts.notice(life).state, after.state) == ("void", "live")
    assert after.deadline_at == deadlines.extended(offering, before.deadline_at) > offering.deadline_at
    assert after.cancel_until == deadlines.extended(offering, before.cancel_until)
    assert halts.notice(life).earlier_deadline_at == after.deadline_at
