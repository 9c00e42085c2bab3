"""A day to think before a first offer under the rules of the United Kingdom (COBS 4.12A)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.db import Database
from app.investors import cooling, rules
from app.investors.models import Acknowledgement, Declaration
from app.offerings import figures
from app.regimes import queries
from tests.factories import life
from tests.factories.life import Life
from tests.functional.regimes.test_limits import declare
from tests.unchanged import refused

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def story(db: Database) -> Life:
    found = life.live(db, investors=2, fields={"regime": "uk.fca", "currency": "GBP/2"},
                      contract={"currency": "GBP/2"})
    for investor in found.investors:
        declare(found, investor, category="restricted", currency="GBP/2")
    return found


def act(story: Life, what: str, investor: Actor, wording: str = rules.COOLING_WORDING_HASH) -> None:
    stage = story.stage

    def run(session: Session) -> None:
        told = {"actor": investor, "party_id": stage.party(investor, "investor"), "regime": "uk.fca",
                "wording_hash": wording, "now": stage.now}
        if what == "request":
            cooling.request(session, **told)
        else:
            day = figures.day_of(stage.offering(story.offering_id), stage.now)
            cooling.choose(session, day=day, **told)

    stage.db.unit_of_work(run)


def test_com_9_a_first_order_waits_a_day_and_takes_a_choice_after_it(db: Database, story: Life) -> None:
    stage, (investor, other) = story.stage, story.investors
    with refused(db, "cooling_off"):
        stage.commit(investor, story.offering_id, 50_000)
    with refused(db, "wording_changed"):
        act(story, "request", investor, "0" * 64)
    with refused(db, "cooling_off"):
        act(story, "choose", investor)
    act(story, "request", investor)
    stage.advance(hours=23, minutes=59)
    act(story, "request", investor)
    with refused(db, "cooling_off"):
        act(story, "choose", investor)
    stage.advance(minutes=1)
    # The day is over, and silence is no choice.
    with refused(db, "cooling_off"):
        stage.commit(investor, story.offering_id, 50_000)
    act(story, "choose", investor)
    commitment = stage.commit(investor, story.offering_id, 50_000)
    with refused(db, "cooling_off"):
        stage.commit(other, story.offering_id, 50_000)
    with db.read() as session:
        kept = queries.decisions_of(session, commitment)
        rows = session.scalars(sa.select(Acknowledgement).where(Acknowledgement.kind.like("cooling%")).order_by(
            Acknowledgement.id)).all()
    assert [(each.rule_id, each.allowed) for each in kept] == [
        ("cooling_off", True), ("investor_category", True), ("investor_check", True), ("restricted_investor", True)]
    assert [(row.kind, row.wording_hash) for row in rows] == [
        ("cooling_requested", rules.COOLING_WORDING_HASH), ("cooling_chosen", rules.COOLING_WORDING_HASH)]
    assert rows[1].acknowledged_at - rows[0].acknowledged_at >= 24 * HOUR
    # Once for all offerings of the regime.
    stage.cancel(investor, commitment)
    stage.commit(investor, story.offering_id, 60_000)


def test_com_9_a_restricted_investor_with_a_tenth_of_net_assets_is_not_admitted(db: Database, story: Life) -> None:
    stage, investor = story.stage, story.investors[0]
    act(story, "request", investor)
    stage.advance(hours=24)
    act(story, "choose", investor)
    for stated, code in (({"invested_bp": 1_000}, "invested_too_much"), ({"intends_bp": 1_000}, "intends_too_much")):
        declare(story, investor, category="restricted", currency="GBP/2", **stated)
        with refused(db, code):
            stage.commit(investor, story.offering_id, 50_000)
    # A statement of before the percentages were asked lets nobody in.
    db.unit_of_work(lambda session: session.add(Declaration(
        party_id=stage.party(investor, "investor"), user_id=investor.user_id, category="restricted", income_minor=0,
        net_worth_minor=0, currency="GBP/2", wording_hash="0" * 64, declared_at=stage.now,
        valid_until=rules.add_months(stage.now, 12),
    )))
    with refused(db, "percentages_missing"):
        stage.commit(investor, story.offering_id, 50_000)
    declare(story, investor, category="restricted", currency="GBP/2", invested_bp=999, intends_bp=0)
    stage.commit(investor, story.offering_id, 50_000)
