"""The pages of a change: propose, check, decide, read, reconfirm or cancel, flag (OFF-2, OFF-8, ux.md §3)."""

from __future__ import annotations

import datetime as dt

import pytest
from flask import Flask

from app import create_app
from app.db import Database
from tests.factories import altered
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor
from tests.unchanged import snapshot

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def life(db: Database) -> Life:
    return altered.held(db, 100_000, 300_000)


@pytest.fixture
def site(life: Life) -> Flask:
    return create_app(life.stage.settings, life.stage.db)


def test_off_8_from_the_founders_form_to_the_investors_answer(life: Life, site: Flask) -> None:
    founder, home = signed_in(site, life.founder), f"/founder/offerings/{life.offering_id}/changes"
    before = snapshot(life.stage.db)
    page = founder.open(f"{home}/new")
    assert "0 of at most 2 material changes were made" in page.text
    founder.send(reason="Costs rose.")
    assert "Nothing is different from what is published." in founder.page.text
    page = founder.send(price="0.70", use_of_proceeds="60 Product\n40 Sales", reason="Costs rose.")
    assert page.title == "Check your answers: what changes, and what follows"
    for words in ("Price of a token", "$0.50", "$0.70", "Use of the proceeds", "60 % Product", "Costs rose.",
                  "2 commitments are asked to reconfirm within 5 business days"):
        assert words in page.text
    assert snapshot(life.stage.db) == before
    founder.send("/changes/check")
    assert founder.page.title == "The change is proposed"

    operator = signed_in(site, life.operator)
    assert "Changes to decide" in operator.open("/operator").text
    page = operator.open("/operator/changes")
    link = next(href for href, text in page.links if "/operator/changes/chg_" in href)
    page = operator.open(link)
    assert "The table names it. You may add to the table, not take away from it." in page.text
    assert "It is not material" not in page.text
    operator.send(verdict="material")
    assert "The change of Halden Tidal is decided" in operator.page.title
    life.stage.work()

    investor, address = signed_in(site, life.investors[0]), f"/commitments/{life.commitments[0]}"
    assert "Reconfirm or cancel: Halden Tidal has changed" in investor.open("/portfolio").text
    assert "If you do nothing, your commitment is cancelled" in investor.open(address).text
    page = investor.open(f"{address}/reconfirm")
    for words in ("Next: you must reconfirm or cancel by", "What silence means", "You agreed to $0.50",
                  "1,428", "before: 2,000 at $0.50", "Goes back to you $0.40", "All of your $1,000.00 goes back"):
        assert words in page.text
    investor.send()
    assert investor.page.title == "You reconfirmed your commitment to Halden Tidal"
    assert "$999.60 for 1,428 tokens, under version 2." in investor.page.text
    assert "$0.40 that buys no whole token goes back" in investor.page.text
    assert "You reconfirmed on" in investor.open(f"{address}/reconfirm").text
    for words in ("Taken out at the old price", "Put back at the new price"):
        assert words in investor.open(address).text

    other, address = signed_in(site, life.investors[1]), f"/commitments/{life.commitments[1]}"
    other.open(f"{address}/reconfirm")
    other.send("/leave")
    assert other.page.title == "Your commitment to Halden Tidal is cancelled"
    assert altered.commitment(life, 1).status == "cancelled"


def test_off_8_everybody_reads_every_version_change_and_update(life: Life, site: Flask) -> None:
    update = altered.post(life, title="The pilot ended", text="Our customer left.")
    altered.changed(life, minimum_minor=250_000)
    visitor, slug = Visitor(site), life.stage.offering(life.offering_id).slug
    page = visitor.open(f"/offerings/{slug}/changes")
    for words in ("Change 1", "In effect", "Minimum", "$2,000.00", "$2,500.00", "2 commitments were asked",
                  "The pilot ended", "Read version 2", "Next: the investor must reconfirm or cancel by"):
        assert words in page.text
    assert "Say that this is material" not in page.text
    page = visitor.open(f"/offerings/{slug}")
    assert "This offering has changed" in page.text
    assert "The pilot ended" in page.text
    visitor.open(f"/offerings/{slug}/versions/1.json")
    assert visitor.status == 200
    visitor.open(f"/offerings/{slug}/versions/3.json")
    assert visitor.status == 404

    investor = signed_in(site, life.investors[0])
    page = investor.open(f"/offerings/{slug}/changes")
    assert "You are asked to reconfirm" in page.text
    investor.open(f"/updates/{update}/flag")
    investor.send(reason="The pilot was why I invested.")
    assert investor.page.title == "An operator is asked whether it is material"
    stranger = signed_in(site, life.stage.person("investor", "Bystander"))
    stranger.open(f"/updates/{update}/flag")
    assert stranger.status == 404


def test_off_8_a_form_that_nobody_touched_changes_nothing(life: Life, site: Flask) -> None:
    altered.decide(life, altered.propose(
        life, disclosures={
            "use_of_proceeds": [
                {"text": "Product & sales", "share_bp": 6050}, {"text": "Über alles", "share_bp": 3950},
            ],
            "officers": "Fay Founder\n\nand nobody else",
        }, story="One.\n\nTwo.", deadline_at=life.stage.now + dt.timedelta(days=40, seconds=17)))
    founder = signed_in(site, life.founder)
    founder.open(f"/founder/offerings/{life.offering_id}/changes/new")
    founder.send(reason="Nothing.")
    assert founder.page.errors == ["Nothing is different from what is published."]


def test_off_8_pages_of_others_are_not_found_and_gets_write_nothing(life: Life, site: Flask) -> None:
    altered.changed(life, minimum_minor=250_000)
    before = snapshot(life.stage.db)
    stranger = signed_in(site, life.stage.person("founder", "Other Founder"))
    for path in ("", "/new", "/proposed"):
        stranger.open(f"/founder/offerings/{life.offering_id}/changes{path}")
        assert stranger.status == 404
    other = signed_in(site, life.investors[1])
    for path in ("reconfirm", "reconfirmed"):
        other.open(f"/commitments/{life.commitments[0]}/{path}")
        assert other.status == 404
    founder = signed_in(site, life.founder)
    for path in ("changes", "changes/new", "changes/proposed", "updates/new", "disclosures"):
        founder.open(f"/founder/offerings/{life.offering_id}/{path}")
        assert founder.status == 200, path
    after = snapshot(life.stage.db)
    changed = {name for name, value in after.items() if before[name] != value}
    assert changed <= {"party", "user_account", "membership", "log_entry"}  # the stranger


def test_off_8_a_draft_discloses_and_its_first_version_has_it(db: Database) -> None:
    life = lives.drafted(db)
    founder = signed_in(create_app(life.stage.settings, db), life.founder)
    address = f"/founder/offerings/{life.offering_id}/disclosures"
    founder.open(address)
    founder.send(use_of_proceeds="60 Product\n30 Sales")
    assert founder.page.errors == ["The uses of the proceeds must add up to exactly 100 %."]
    founder.send(use_of_proceeds="Product 60")
    assert founder.status == 422
    founder.send(use_of_proceeds="60 Product\n40 Sales", officers="Fay Founder, director")
    life.stage.launch(life.offering_id, life.founder, life.operator, life.auditors)
    page = founder.open(f"/offerings/{life.stage.offering(life.offering_id).slug}")
    for words in ("What the company discloses", "Product 60 %", "Fay Founder, director"):
        assert words in page.text
    founder.open(address)
    founder.send(litigation="Sued.")
    assert founder.page.errors == ["Only a draft can be changed. Withdraw the submission first."]
