"""The pages on which a regime is chosen, shown, and its decisions are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from app import create_app
from app.db import Database
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.regimes.test_limits import REG_CF, declare
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor


@pytest.fixture
def story(db: Database) -> Life:
    life = lives.live(db, investors=2, fields=REG_CF)
    declare(life, life.investors[0])
    return life


@pytest.fixture
def as_(story: Life) -> Callable[..., Visitor]:
    site: Flask = create_app(story.stage.settings, story.stage.db)
    return lambda actor: signed_in(site, actor)


def test_com_9_the_limit_is_told_before_and_the_decision_is_shown_after(
    story: Life, as_: Callable[..., Visitor]
) -> None:
    investor = as_(story.investors[0])
    slug = story.stage.offering(story.offering_id).slug
    page = investor.open(f"/offerings/{slug}")
    assert "Rules: US Regulation Crowdfunding" in page.text
    assert "87 FR 57394" in page.text
    assert "in the company’s own controlled account" in page.text
    investor.open(f"/offerings/{slug}/commit")
    investor.open(f"/offerings/{slug}/commit/category")
    investor.send()
    page = investor.send(understood=["0", "1", "2", "3"])
    assert "Left of your yearly limit $2,500.00" in " ".join(page.text.split())
    page = investor.send(amount="5200")
    assert "Enter $2,500.00 or less: your yearly limit has $2,500.00 left" in page.text
    page = investor.send(amount="2500")
    assert page.title == "Check your answers"
    investor.send()
    commitment = investor.path.split("/")[2]
    page = investor.open(f"/commitments/{commitment}")
    for words in ("Decided by the rules of this offering", "us.reg_cf@2022-09-20", "Yearly limit", "$2,500.00"):
        assert words in page.text
    assert as_(story.investors[1]).open(f"/commitments/{commitment}") is not None
    stranger = as_(story.investors[1])
    stranger.open(f"/commitments/{commitment}")
    assert stranger.status == 404
    supervisor = as_(story.stage.person("supervisor", "Sven Supervisor"))
    page = supervisor.open("/operator/decisions")
    assert commitment in page.text
    page = supervisor.open(f"/operator/decisions/{commitment}")
    assert "Does the amount fit under the yearly limit over all companies?" in page.text
    stranger.open(f"/operator/decisions/{commitment}")
    assert stranger.status in (403, 404)


def test_off_14_the_founder_chooses_the_rules_on_the_draft(db: Database) -> None:
    life = lives.drafted(db)
    founder = signed_in(create_app(life.stage.settings, life.stage.db), life.founder)
    founder.open(f"/founder/offerings/{life.offering_id}/money")
    founder.send(regime="us.reg_cf", holding="escrow_agent")
    assert life.stage.offering(life.offering_id).regime == "us.reg_cf"
    page = founder.open(f"/founder/offerings/{life.offering_id}/submit")
    assert "US Regulation Crowdfunding does not allow the money to be held this way after the close" in page.text
    founder.open(f"/founder/offerings/{life.offering_id}/money")
    founder.send(holding="issuer_account")
    found = life.stage.offering(life.offering_id)
    assert (found.regime, found.holding) == ("us.reg_cf", "issuer_account")


def test_a_first_order_under_uk_rules_is_preceded_by_a_warning_by_name_and_a_day(db: Database) -> None:
    life = lives.live(db, investors=1, fields={"regime": "uk.fca", "currency": "GBP/2"},
                      contract={"currency": "GBP/2"})
    declare(life, life.investors[0], category="restricted", currency="GBP/2")
    investor = signed_in(create_app(life.stage.settings, db), life.investors[0])
    url = f"/offerings/{life.stage.offering(life.offering_id).slug}/commit"
    page = investor.open(f"{url}/category")
    assert investor.path == f"{url}/think"
    assert "Investor 1, this is a high-risk investment. How would you feel if you lost" in page.text
    assert "Take 2 minutes to learn more" in page.text
    page = investor.send()
    assert "you may choose whether to go on from" in page.text
    assert "Ask to go on" not in page.text
    life.stage.advance(hours=24)
    page = investor.open(f"{url}/think")
    assert "Your time to think is over" in page.text
    investor.send()
    assert investor.path == f"{url}/category"
