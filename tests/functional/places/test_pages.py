"""The pages of the waiting list and of how places are divided."""

from __future__ import annotations

import pytest
from flask import Flask

from app.db import Database
from tests.factories import life as lives
from tests.functional.commitments.conftest import Market

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def full(db: Database, site: Flask) -> Market:
    """An offering of 5,000.00 that one investor has taken whole."""
    life = lives.live(db, investors=1, fields={"maximum_minor": 500_000})
    life.commitments.append(life.stage.invest(life.investors[0], life.offering_id, 500_000))
    return Market(life, site)


def test_off_5_join_see_the_place_take_it_and_commit(full: Market) -> None:
    visitor, _actor = full.investor()
    page = visitor.open(full.url)
    assert "This offering is full" in page.text
    assert "Join the waiting list" in visitor.open(f"/offerings/{full.offering.slug}").text
    visitor.open(f"/offerings/{full.offering.slug}/waiting")
    assert "Enter $500.00 or more" in " ".join(visitor.send(amount="5").errors)
    visitor.send(amount="700")
    entry = visitor.path.split("/")[2].split("?")[0]
    assert "You are number 1 of 1 on the waiting list" in visitor.page.text
    assert "Your place" not in visitor.open(full.url).text
    stranger, _other = full.investor("Otto Ost")
    stranger.open(f"/waiting/{entry}")
    assert stranger.status == 404
    full.life.stage.cancel(full.life.investors[0], full.life.commitments[0])
    full.life.stage.work()
    page = visitor.open(f"/waiting/{entry}")
    assert "A place of $700.00 is kept for you" in page.text
    assert "If you say nothing until the last moment, the place goes to the next in line" in page.text
    assert "Take the place" in visitor.open("/portfolio").text
    commitment = full.commit(visitor, "700")
    assert full.commitment(commitment).amount_minor == 70_000
    assert "You took your place" in visitor.open(f"/waiting/{entry}").text


def test_off_5_refusing_and_leaving_ask_once_more(full: Market) -> None:
    visitor, _actor = full.investor()
    visitor.open(f"/offerings/{full.offering.slug}/waiting")
    visitor.send(amount="700")
    entry = visitor.path.split("/")[2].split("?")[0]
    full.life.stage.cancel(full.life.investors[0], full.life.commitments[0])
    full.life.stage.work()
    assert "Refuse the place of $700.00?" in visitor.open(f"/waiting/{entry}/refuse").text
    visitor.send()
    assert full.life.stage.waiting_entry(entry).status == "waitlisted"
    assert "Leave the waiting list of Halden Tidal?" in visitor.open(f"/waiting/{entry}/leave").text
    visitor.send()
    assert "You left the waiting list" in visitor.page.text


def test_off_7_the_offering_says_how_places_are_divided(db: Database, site: Flask) -> None:
    life = lives.live(db, fields={"maximum_minor": 500_000, "allotment": "pro_rata", "accept_up_to_minor": 1_000_000})
    market = Market(life, site)
    visitor, _actor = market.investor()
    text = visitor.open(f"/offerings/{market.offering.slug}").text
    assert "Places are divided in proportion. Commitments are accepted up to $10,000.00 in all." in text
    assert "somebody who paid $5,000.00 keeps $2,500.00 in escrow, and $2,500.00 goes back" in text


def test_off_7_an_investor_sees_what_would_be_cut_before_the_close(db: Database, site: Flask) -> None:
    life = lives.live(db, investors=1, fields={
        "maximum_minor": 500_000, "allotment": "pro_rata", "accept_up_to_minor": 1_000_000,
    })
    market = Market(life, site)
    visitor, actor = market.investor()
    mine = life.stage.invest(actor, life.offering_id, 300_000)
    assert "nothing would be cut" in visitor.open(f"/commitments/{mine}").text
    life.stage.invest(life.investors[0], life.offering_id, 450_000)
    text = visitor.open(f"/commitments/{mine}").text
    assert "about $2,000.00 of yours would stay and $1,000.00 would go back at once" in text
    life.stage.close(life.offering_id)
    text = visitor.open(f"/commitments/{mine}").text
    assert "More was paid than the maximum: cut to your share, the rest back to you" in text
    assert "-$1,000.00" in text
