"""The waiting list of a full offering: in order, for 72 hours, uncharged (OFF-5, COM-7)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.commitments.models import Commitment
from app.db import Database
from app.payments.models import Operation
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused

HOUR = dt.timedelta(hours=1)


def full(db: Database, investors: int = 5) -> Life:
    """Return an offering of at most 5,000.00, full: 4,000.00 of the first investor and 1,000.00 of the second."""
    life = lives.live(db, investors=investors, fields={"maximum_minor": 500_000})
    for number, amount in enumerate((400_000, 100_000)):
        life.commitments.append(life.stage.invest(life.investors[number], life.offering_id, amount))
    return life


def waits(life: Life, entry: str) -> tuple[str, int, int]:
    found = life.stage.waiting_entry(entry)
    return found.status, found.position, found.offered_minor


def counters(life: Life) -> tuple[int, int, int]:
    offering = life.stage.offering(life.offering_id)
    return offering.committed_minor, offering.offered_minor, offering.unpaid_minor


def test_off_5_a_freed_place_is_offered_in_order_and_silence_leads_to_the_bottom(db: Database) -> None:
    life = full(db)
    stage, offering = life.stage, life.offering_id
    first = stage.wait(life.investors[2], offering, 100_000)
    second = stage.wait(life.investors[3], offering, 50_000)
    stage.work()
    assert (waits(life, first), waits(life, second)) == (("waitlisted", 1, 0), ("waitlisted", 2, 0))
    stage.cancel(life.investors[1], life.commitments[1])
    # Between the cancelling and the offer the room belongs to the list already.
    with refused(db, "queue_first"):
        stage.commit(life.investors[4], offering, 50_000)
    stage.work()
    assert waits(life, first) == ("offered", 1, 100_000)
    assert stage.waiting_entry(first).offer_until == stage.waiting_entry(first).status_since + 72 * HOUR
    assert counters(life) == (400_000, 100_000, 100_000)
    with refused(db, "offering_full"):
        stage.commit(life.investors[4], offering, 50_000)
    until = stage.waiting_entry(first).offer_until
    stage.advance_to(until - dt.timedelta(minutes=1))
    assert waits(life, first) == ("offered", 1, 100_000)
    stage.advance_to(until)
    assert waits(life, first) == ("waitlisted", 3, 0)
    assert waits(life, second) == ("offered", 2, 50_000)
    # 500.00 are left, and the first in line takes nothing less than 1,000.00: that room is anybody's.
    stage.commit(life.investors[4], offering, 50_000)
    assert counters(life) == (450_000, 50_000, 100_000)
    stage.work()
    assert waits(life, first) == ("waitlisted", 3, 0)
    with db.read() as session:
        # Nobody on the list was charged anything.
        assert session.scalar(sa.select(sa.func.count()).select_from(Operation)) == 3


def test_off_5_an_offered_place_becomes_a_commitment_and_no_one_else_can_take_it(db: Database) -> None:
    life = full(db)
    stage, offering = life.stage, life.offering_id
    entry = stage.wait(life.investors[2], offering, 100_000)
    stage.cancel(life.investors[1], life.commitments[1])
    stage.work()
    with refused(db, "no_room"):
        stage.commit(life.investors[2], offering, 100_050)
    taken = stage.commit(life.investors[2], offering, 100_000, key="accept")
    assert stage.commit(life.investors[2], offering, 100_000, key="accept") == taken
    assert waits(life, entry) == ("accepted", 1, 0)
    assert counters(life) == (500_000, 0, 100_000)
    stage.pay(life.investors[2], taken)
    assert counters(life) == (500_000, 0, 0)
    with db.read() as session:
        assert session.scalars(sa.select(Commitment.ordinal).order_by(Commitment.ordinal)).all() == [1, 2, 3]


def test_off_5_a_place_that_fits_in_part_is_offered_to_whoever_takes_less(db: Database) -> None:
    life = full(db)
    stage, offering = life.stage, life.offering_id
    whole = stage.wait(life.investors[2], offering, 150_000)
    part = stage.wait(life.investors[3], offering, 150_000, takes_less=True)
    stage.cancel(life.investors[1], life.commitments[1])
    stage.work()
    assert (waits(life, whole), waits(life, part)) == (("waitlisted", 1, 0), ("offered", 2, 100_000))
    # Less than what is kept may be taken; the rest is free again.
    stage.commit(life.investors[3], offering, 60_000)
    assert counters(life) == (460_000, 0, 60_000)


def test_off_5_refusing_leads_to_the_bottom_and_leaving_ends_it(db: Database) -> None:
    life = full(db)
    stage, offering = life.stage, life.offering_id
    first, second = (stage.wait(life.investors[number], offering, 100_000) for number in (2, 3))
    stage.cancel(life.investors[1], life.commitments[1])
    stage.work()
    with refused(db, "waiting_entry_not_found"):
        stage.refuse_place(life.investors[3], first)
    stage.refuse_place(life.investors[2], first)
    stage.refuse_place(life.investors[2], first)
    stage.work()
    assert (waits(life, first), waits(life, second)) == (("waitlisted", 3, 0), ("offered", 2, 100_000))
    stage.leave_list(life.investors[3], second)
    stage.work()
    assert (waits(life, first), waits(life, second)) == (("offered", 3, 100_000), ("left", 2, 0))
    with refused(db, "transition_refused"):
        stage.refuse_place(life.investors[3], second)


def test_off_5_the_list_lapses_at_the_deadline_and_an_offer_never_outlives_it(db: Database) -> None:
    life = lives.live(db, investors=4, fields={"maximum_minor": 500_000})
    stage, offering = life.stage, life.offering_id
    stage.invest(life.investors[0], offering, 400_000)
    deadline = stage.offering(offering).deadline_at
    stage.advance_to(deadline - 50 * HOUR)
    stage.commit(life.investors[1], offering, 100_000)
    offered, waiting = (stage.wait(life.investors[number], offering, 100_000) for number in (2, 3))
    stage.advance(hours=24)
    assert stage.waiting_entry(offered).offer_until == deadline
    stage.advance_to(deadline)
    assert (waits(life, offered), waits(life, waiting)) == (("lapsed", 1, 0), ("lapsed", 2, 0))
    assert counters(life) == (400_000, 0, 0)
    with refused(db, "not_open"):
        stage.commit(life.investors[2], offering, 100_000)


def test_off_5_the_list_is_for_those_who_cannot_commit(db: Database) -> None:
    life = lives.live(db, investors=2, fields={"maximum_minor": 500_000})
    stage, offering, investor = life.stage, life.offering_id, life.investors[1]
    with refused(db, "room_left"):
        stage.wait(investor, offering, 100_000)
    stage.invest(life.investors[0], offering, 450_000)
    with refused(db, "below_ticket"):
        stage.wait(investor, offering, 49_999)
    with refused(db, "above_maximum"):
        stage.wait(investor, offering, 500_001)
    entry = stage.wait(investor, offering, 100_000, key="once")
    assert stage.wait(investor, offering, 100_000, key="once") == entry
    with refused(db, "on_the_list"):
        stage.wait(investor, offering, 80_000)
    with refused(db, "conflict_of_interest"):
        stage.db.unit_of_work(lambda session: _join_as_founder(life, session))
    # 500.00 are free, and whoever waits for 1,000.00 and nothing less cannot use them.
    stage.commit(investor, offering, 50_000)


def _join_as_founder(life: Life, session: sa.orm.Session) -> None:
    from app.accounts.actor import Actor
    from app.commitments import waiting

    party = min(life.founder.parties("founder"))
    both = Actor(life.founder.user_id, frozenset({(party, "investor")}), second_factor=True, name="Fay")
    waiting.join(
        session, actor=both, offering_id=life.offering_id, party_id=party, amount_minor=100_000, takes_less=False,
        key="f", now=life.stage.now,
    )


def test_com_13_a_very_large_place_is_offered_to_an_investor_once(db: Database) -> None:
    life = full(db)
    stage, offering = life.stage, life.offering_id
    whole = stage.wait(life.investors[2], offering, 150_000)
    stage.cancel(life.investors[0], life.commitments[0])
    stage.work()
    assert (waits(life, whole), counters(life)) == (("offered", 1, 150_000), (100_000, 150_000, 0))
    stage.advance(hours=72)
    # Alone on the list, and not offered again: the room is everybody's.
    assert (waits(life, whole), counters(life)) == (("waitlisted", 2, 0), (100_000, 0, 0))
    stage.leave_list(life.investors[2], whole)
    stage.invest(life.investors[3], offering, 100_000)
    stage.commit(life.investors[4], offering, 100_000)
    # Joining anew is no way around it; who takes less is offered a fifth, which counts as unpaid (COM-13).
    again = stage.wait(life.investors[2], offering, 250_000)
    less = stage.wait(life.investors[1], offering, 210_000, takes_less=True)
    stage.work()
    assert (waits(life, again)[0], waits(life, less)) == ("waitlisted", ("offered", 4, 200_000))
    stage.refuse_place(life.investors[1], less)
    stage.advance(hours=24)
    assert (waits(life, again)[0], waits(life, less)) == ("waitlisted", ("offered", 5, 100_000))
    assert counters(life)[1:] == (100_000, 100_000)
