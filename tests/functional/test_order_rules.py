"""Operators' orders that an offering ends: two people, a date, and what silence does (PPL-2, OFF-9, WND-1)."""

from __future__ import annotations

import dataclasses

from app.accounts.actor import Actor
from app.db import Database
from app.offerings import withdrawing
from app.progress import authority, interventions, orders
from app.progress.order_models import WindDownOrder
from tests.factories import halts, life
from tests.functional import figures
from tests.unchanged import refused

DAY = halts.DAY


def _order(story: life.Life, order_id: str) -> WindDownOrder:
    with story.stage.db.read() as session:
        return orders.by_public_id(session, order_id)


def test_ppl_2_a_wind_down_takes_two_operators_and_falls_without_the_second(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    stage, second = story.stage, story.stage.person("operator", "Otto Second")

    def propose() -> str:
        return db.unit_of_work(lambda s: orders.propose(
            s, actor=story.operator, offering_id=story.offering_id, reason="Insolvent.", key=stage.key(),
            now=stage.now)).public_id

    def confirm(order_id: str, by: Actor) -> None:
        db.unit_of_work(lambda s: orders.confirm(s, actor=by, order_id=order_id, now=stage.now))

    order_id = propose()
    with refused(db, "order_open"):
        propose()
    with refused(db, "four_eyes"):
        confirm(order_id, story.operator)
    with refused(db, "second_operator_needed"):
        db.unit_of_work(lambda s: interventions.wind_down(
            s, actor=second, offering_id=story.offering_id, trigger="operator_order", reason="Alone.", now=stage.now))
    with refused(db, "forbidden"):
        confirm(order_id, story.founder)
    decide_by = _order(story, order_id).decide_by
    halts.place(story, days=9)
    stage.advance_to(decide_by)
    # A halt does not keep it standing, and nothing moved.
    assert (_order(story, order_id).state, figures.offering(story).state, figures.refunds(story)) == (
        "fallen", "active", [])
    with refused(db, "order_over"):
        confirm(order_id, second)
    taken_back = propose()
    db.unit_of_work(lambda s: orders.refuse(
        s, actor=story.operator, order_id=taken_back, reason="They pay again.", now=stage.now))
    assert _order(story, taken_back).state == "refused"
    life.ordered_down(story, reason="They did not pay.")
    assert (figures.offering(story).state, figures.offering(story).end_reason) == ("wound_down", "They did not pay.")
    assert [each[1] for each in figures.refunds(story)] == [127_500, 76_500]


def test_ppl_2_withdrawing_a_live_offering_takes_two_operators(db: Database) -> None:
    story = life.live(db, investors=2, fields={"minimum_minor": 900_000, "target_minor": 900_000})
    stage, second = story.stage, story.stage.person("operator", "Otto Second")
    stage.invest(story.investors[0], story.offering_id, 300_000)

    def propose(document: authority.Document | None = None) -> str:
        return db.unit_of_work(lambda s: orders.propose(
            s, actor=story.operator, offering_id=story.offering_id, reason="A false figure.", document=document,
            key=stage.key(), now=stage.now)).public_id

    def confirm(order_id: str, by: Actor) -> None:
        db.unit_of_work(lambda s: orders.confirm(s, actor=by, order_id=order_id, now=stage.now))

    with refused(db, "second_operator_needed"):
        db.unit_of_work(lambda s: withdrawing.withdraw(
            s, actor=story.operator, offering_id=story.offering_id, reason="Alone.", now=stage.now))
    fallen = propose()
    with refused(db, "order_open"):
        propose()
    with refused(db, "four_eyes"):
        confirm(fallen, story.operator)
    decide_by = _order(story, fallen).decide_by
    stage.advance_to(decide_by)
    assert (_order(story, fallen).state, figures.offering(story).state, figures.refunds(story)) == (
        "fallen", "live", [])
    with refused(db, "order_document"):
        propose(dataclasses.replace(halts.ORDER, reference=""))
    order_id = propose(halts.ORDER)
    confirm(order_id, second)
    stage.work()
    offering = figures.offering(story)
    assert (offering.state, offering.end_trigger, offering.end_reason) == (
        "withdrawn", "operator_order", "A false figure.")
    assert figures.refunds(story) == [(1, 300_000, "withdrawn", "done")]
    with db.read() as session:
        assert [each.reference for each in authority.attached_to(session, order_id)] == ["AZ 3/26"]


def test_ppl_2_an_order_to_withdraw_falls_at_the_close(db: Database) -> None:
    story = life.live(db, investors=1)
    stage = story.stage
    stage.invest(story.investors[0], story.offering_id, 300_000)
    deadline_at = figures.offering(story).deadline_at
    stage.advance_to(deadline_at - DAY)
    order_id = db.unit_of_work(lambda s: orders.propose(
        s, actor=story.operator, offering_id=story.offering_id, reason="Late.", key=stage.key(),
        now=stage.now)).public_id
    second = stage.person("operator", "Otto Second")
    life.let_time_pass(stage, deadline_at)
    with refused(db, "not_open"):
        db.unit_of_work(lambda s: orders.confirm(s, actor=second, order_id=order_id, now=deadline_at))
    stage.work()
    assert (_order(story, order_id).state, figures.offering(story).state != "live") == ("fallen", True)
    with refused(db, "order_over"):
        db.unit_of_work(lambda s: orders.confirm(s, actor=second, order_id=order_id, now=stage.now))


def test_ppl_2_an_order_falls_when_the_plan_ends_otherwise(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    order_id = db.unit_of_work(lambda s: orders.propose(
        s, actor=story.operator, offering_id=story.offering_id, reason="Insolvent.", key=story.stage.key(),
        now=story.stage.now)).public_id
    figures.resign(story)
    story.stage.work()
    assert (_order(story, order_id).state, figures.offering(story).end_trigger) == ("fallen", "founder_resigned")
