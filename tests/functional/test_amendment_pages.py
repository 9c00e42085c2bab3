"""The pages of amendments: side by side, one's own money, the vote, leaving (MIL-13)."""

from __future__ import annotations

from app.db import Database
from tests.factories import amendments as amend
from tests.functional import figures
from tests.functional.test_halt_pages import visitor


def test_mil_13_an_investor_reads_votes_and_leaves_on_pages(db: Database) -> None:
    story = amend.running(db)
    amendment_id = amend.propose(story, amend.measure("m2", "1000"))
    url = f"/amendments/{amendment_id}"
    investor = visitor(story, story.investors[0])
    page = investor.open(url)
    assert "It can harm investors" in page.text or "can harm investors" in page.text
    assert "$850.00" in page.text and "1000" in page.text
    assert investor.open(f"/offerings/{figures.offering(story).slug}").text
    page = investor.open(f"/polls/{amend.poll(story).public_id}")
    assert "$595.00" in page.text
    assert "You voted against the change" in investor.send(choice="no").text
    amend.vote(story, "-yyy--")
    assert amend.count(story).state == "leaving"
    page = investor.open(url)
    assert "Leave with $850.00" in page.text
    assert investor.open(f"/polls/{amend.poll(story).public_id}/count").text.count("ans_") >= 6
    founder = visitor(story, story.founder)
    founder.open(f"/founder/offerings/{story.offering_id}/amend")
    assert founder.status == 200
