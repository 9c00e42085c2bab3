"""Races for places with exact outcomes: processes on PostgreSQL, threads on SQLite (OFF-5, COM-7, COM-8)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.commitments.models import Commitment
from app.commitments.waiting_models import WaitingEntry
from app.db import Database
from app.demo.stage import Stage
from app.ledger.models import Journal
from app.payments.models import Operation
from tests.concurrency.racing import Act, at_once, crowd
from tests.factories import life as lives
from tests.unchanged import refused

PLACE, PLACES, RACERS = 50_000, 10, 200


def test_com_7_two_hundred_race_for_the_last_ten_places(db: Database) -> None:
    life = lives.live(db, investors=2, fields={"maximum_minor": 5_000_000, "target_minor": 4_000_000})
    stage, offering_id = life.stage, life.offering_id
    first = stage.invest(life.investors[0], offering_id, 5_000_000 - PLACE * PLACES)
    racers = crowd(stage, RACERS)

    def race(who: Actor) -> Act:
        return lambda own: own.commit(who, offering_id, PLACE)

    outcomes = at_once(stage, [race(who) for who in racers])

    won = [who for who, outcome in zip(racers, outcomes, strict=True) if str(outcome).startswith("com_")]
    lost = [who for who in racers if who not in won]
    assert (len(won), outcomes.count("offering_full")) == (PLACES, RACERS - PLACES)
    offering = stage.offering(offering_id)
    assert (offering.committed_minor, offering.unpaid_minor, offering.commitment_count) == (5_000_000, 500_000, 11)
    with db.read() as session:
        ordinals = session.scalars(sa.select(Commitment.ordinal).order_by(Commitment.ordinal)).all()
    assert ordinals == list(range(1, PLACES + 2))
    with refused(db, "offering_full"):
        stage.commit(lost[0], offering_id, PLACE)
    # Whoever lost joins the list, all at once: nobody has another's position, and a freed place goes to the first.
    entries = at_once(stage, [lambda own, who=who: own.wait(who, offering_id, PLACE) for who in lost[:25]])
    with db.read() as session:
        waiting = session.execute(
            sa.select(WaitingEntry.public_id, WaitingEntry.position).order_by(WaitingEntry.position)
        ).all()
    assert sorted(each.public_id for each in waiting) == sorted(map(str, entries))
    assert [each.position for each in waiting] == list(range(1, 26))
    stage.cancel(life.investors[0], first)
    stage.work()
    offering = stage.offering(offering_id)
    assert (offering.committed_minor, offering.offered_minor) == (500_000, 500_000)
    assert [stage.waiting_entry(each.public_id).status for each in waiting[9:11]] == ["offered", "waitlisted"]


def test_com_8_fifty_double_clicks_are_one_commitment_and_one_charge(db: Database) -> None:
    life = lives.live(db, investors=1)
    stage, investor, offering_id = life.stage, life.investors[0], life.offering_id

    commits = at_once(stage, [lambda own: own.commit(investor, offering_id, PLACE, key="one form")] * 50)

    assert len(set(commits)) == 1
    commitment = str(commits[0])
    pays = at_once(stage, [lambda own: _pay(own, investor, commitment)] * 50)
    stage.work()
    assert set(pays) <= {"paid", "already_paid"}
    assert stage.offering(offering_id).committed_minor == PLACE
    with db.read() as session:
        charges = session.execute(sa.select(Operation.amount_minor, Operation.state)).all()
        journals = session.scalar(
            sa.select(sa.func.count()).select_from(Journal).where(Journal.kind == "payment_cleared")
        )
    assert ([tuple(each) for each in charges], journals) == ([(PLACE, "succeeded")], 1)


def _pay(own: Stage, investor: Actor, commitment: str) -> str:
    own.pay(investor, commitment)
    return "paid"


def test_com_6_a_cancellation_against_the_close_has_one_winner(db: Database) -> None:
    life = lives.live(db, investors=2)
    stage, (stays, leaves), offering_id = life.stage, life.investors, life.offering_id
    kept = stage.invest(stays, offering_id, 300_000)
    other = stage.invest(leaves, offering_id, 100_000)
    edge = stage.offering(offering_id).cancel_until
    stage.advance_to(edge - dt.timedelta(seconds=2))

    def close(own: Stage) -> str:
        own.advance_to(own.offering(offering_id).deadline_at)
        return "closed"

    outcomes = at_once(stage, [close, *[lambda own: own.cancel(leaves, other)] * 3])

    stage.close(offering_id)
    left = outcomes.count(None)
    assert outcomes[0] == "closed"
    # Three clicks are one cancelling: all go through, or all come too late.
    assert [each for each in outcomes[1:] if each is not None] in (
        [], *[["too_late_to_cancel"] * number for number in (1, 2, 3)]
    )
    offering = stage.offering(offering_id)
    with db.read() as session:
        statuses = dict(list(session.execute(sa.select(Commitment.public_id, Commitment.status))))
    assert statuses == {kept: "held", other: "cancelled" if left else "held"}
    assert (offering.state, offering.proceeds_minor) == ("active", 300_000 if left else 400_000)


def test_off_5_an_offered_place_accepted_while_it_lapses_has_one_owner(db: Database) -> None:
    life = lives.live(db, investors=3, fields={"maximum_minor": 500_000})
    stage, (holder, first, second), offering_id = life.stage, life.investors, life.offering_id
    held = stage.invest(holder, offering_id, 500_000)
    entries = [stage.wait(who, offering_id, 500_000) for who in (first, second)]
    stage.cancel(holder, held)
    stage.work()
    until = stage.waiting_entry(entries[0]).offer_until
    assert until is not None
    stage.advance_to(until - dt.timedelta(seconds=2))

    def lapse(own: Stage) -> str:
        own.advance_to(until)
        return "worked"

    outcomes = at_once(stage, [lambda own: own.commit(first, offering_id, 500_000, key="accept"), lapse])

    stage.work()
    statuses = [stage.waiting_entry(each).status for each in entries]
    offering = stage.offering(offering_id)
    if str(outcomes[0]).startswith("com_"):
        assert statuses == ["accepted", "waitlisted"]
        assert (offering.committed_minor, offering.offered_minor) == (500_000, 0)
    else:
        assert outcomes[0] in ("offer_over", "offering_full")
        assert statuses == ["waitlisted", "offered"]
        assert (offering.committed_minor, offering.offered_minor) == (0, 500_000)
