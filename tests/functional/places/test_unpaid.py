"""Unpaid places: one each, a fifth of the maximum in all, at once after an expiry (COM-13)."""

from __future__ import annotations

import datetime as dt

from app.db import Database
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused

MINUTE = dt.timedelta(minutes=1)


def counters(life: Life) -> tuple[int, int, int]:
    offering = life.stage.offering(life.offering_id)
    return offering.committed_minor, offering.offered_minor, offering.unpaid_minor


def kept_for(life: Life, commitment: str) -> dt.timedelta:
    from app.commitments import service

    with life.stage.db.read() as session:
        found = service.by_public_id(session, commitment)
    return found.pay_by - found.created_at


def test_com_13_unpaid_places_hold_a_fifth_of_the_maximum_at_most(db: Database) -> None:
    life = lives.live(db, investors=5, fields={"maximum_minor": 1_000_000})
    stage, offering, people = life.stage, life.offering_id, life.investors
    stage.commit(people[0], offering, 150_000)
    stage.commit(people[1], offering, 50_000)
    assert counters(life) == (200_000, 0, 200_000)
    with refused(db, "unpaid_places_full"):
        stage.commit(people[2], offering, 50_000)
    # Whoever is kept out by that may wait, and is served as soon as others have paid.
    entry = stage.wait(people[2], offering, 50_000)
    stage.work()
    assert stage.waiting_entry(entry).status == "waitlisted"
    life.commitments.append(_paid_by(life, 1))
    stage.work()
    assert stage.waiting_entry(entry).status == "offered"
    assert counters(life) == (200_000, 50_000, 200_000)
    # A place larger than a fifth is possible, but for a quarter of an hour only; it binds nobody else.
    large = stage.commit(people[3], offering, 300_000)
    assert (kept_for(life, large), counters(life)) == (15 * MINUTE, (500_000, 50_000, 200_000))
    stage.advance(minutes=16)
    assert counters(life) == (200_000, 50_000, 200_000)


def test_com_13_a_very_large_place_is_not_held_again_and_again(db: Database) -> None:
    life = lives.live(db, investors=3, fields={"maximum_minor": 1_000_000})
    stage, offering, people = life.stage, life.offering_id, life.investors
    large = stage.commit(people[0], offering, 900_000)
    # One at a time: a second one would take over as soon as the first is gone.
    stage.cancel(people[0], large)
    with refused(db, "large_place_once"):
        stage.commit(people[0], offering, 200_050)
    stage.commit(people[1], offering, 300_000)
    with refused(db, "large_place_open"):
        stage.commit(people[2], offering, 250_000)
    stage.advance(minutes=16)
    with refused(db, "large_place_once"):
        stage.commit(people[1], offering, 300_000)
    # Up to a fifth stays open to both, counted as ever, and what is paid is no squatting.
    life.commitments.append(stage.invest(people[1], offering, 200_000))
    life.commitments.append(stage.invest(people[2], offering, 250_000))
    life.commitments.append(stage.invest(people[2], offering, 250_000))
    assert counters(life) == (700_000, 0, 0)


def _paid_by(life: Life, number: int) -> str:
    from app.commitments import prospects

    with life.stage.db.read() as session:
        from app.offerings import service as offerings

        offering = offerings.offering_by_id(session, life.offering_id)
        party = sorted(life.investors[number].parties("investor"))
        unpaid = prospects.unpaid_commitment(session, offering.id, party)
    assert unpaid is not None
    life.stage.pay(life.investors[number], unpaid.public_id)
    return unpaid.public_id


def test_com_13_after_one_expiry_a_place_is_kept_for_minutes_or_waited_for(db: Database) -> None:
    life = lives.live(db, investors=1)
    stage, offering, investor = life.stage, life.offering_id, life.investors[0]
    first = stage.commit(investor, offering, 60_000)
    assert kept_for(life, first) == dt.timedelta(hours=24)
    stage.advance(hours=24)
    assert counters(life) == (0, 0, 0)
    second = stage.commit(investor, offering, 60_000)
    assert kept_for(life, second) == 15 * MINUTE
    stage.advance(minutes=15)
    assert counters(life) == (0, 0, 0)
    entry = stage.wait(investor, offering, 60_000)
    stage.work()
    assert stage.waiting_entry(entry).status == "offered"
    third = stage.commit(investor, offering, 60_000)
    stage.pay(investor, third)
    assert counters(life) == (60_000, 0, 0)


def test_com_13_a_failed_payment_keeps_its_place_only_within_what_unpaid_places_may_hold(db: Database) -> None:
    life = lives.live(db, investors=3)
    stage, offering, people = life.stage, life.offering_id, life.investors
    failing = stage.invest(people[0], offering, 100_000, "fails_late")
    assert counters(life) == (100_000, 0, 0)
    stage.advance(days=2, hours=20)
    for number, amount in ((1, 100_000), (2, 90_000)):
        stage.commit(people[number], offering, amount)
    assert counters(life) == (290_000, 0, 190_000)
    # After three days the debit fails: with its place, unpaid ones would hold more than a fifth of 10,000.00.
    stage.advance(hours=5)
    assert counters(life) == (190_000, 0, 190_000)
    with db.read() as session:
        from app.commitments import service

        assert service.by_public_id(session, failing).status == "expired"


def test_com_13_whoever_paid_by_card_and_cancelled_more_than_twice_pays_by_bank(db: Database) -> None:
    life = lives.live(db, investors=1)
    stage, offering, investor = life.stage, life.offering_id, life.investors[0]
    for _time in range(3):
        stage.cancel(investor, stage.invest(investor, offering, 50_000, "fee_card"))
    commitment = stage.commit(investor, offering, 50_000)
    with refused(db, "bank_only"):
        stage.pay(investor, commitment, "fee_card")
    stage.pay(investor, commitment, "instant")
    assert counters(life) == (50_000, 0, 0)
