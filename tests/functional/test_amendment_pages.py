"""The pages of amendments: side by side, one's own money, the vote, leaving (MIL-13)."""

from __future__ import annotations

import json
from io import BytesIO

from app.db import Database
from tests.factories import amendments as amend
from tests.functional import figures
from tests.functional.test_halt_pages import visitor
from tests.unchanged import snapshot


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


def test_mil_13_a_founder_reads_what_changes_before_it_is_put_to_the_vote(db: Database) -> None:
    story = amend.running(db)
    founder = visitor(story, story.founder)

    def choose(*edits: amend.Edit) -> str:
        founder.open(f"/founder/offerings/{story.offering_id}/amend")
        file = BytesIO(json.dumps(amend.edited(story, *edits)).encode())
        return founder.send(files={"file": (file, "plan.json")}, reason="The supplier is late.").text

    before = snapshot(db)
    choose()
    assert founder.path.endswith("/amend") and founder.status == 422, "nothing differs: said beside the file"
    text = choose(amend.measure("m2", "1000"))
    assert snapshot(db) == before
    assert founder.status == 200
    assert "Nothing is published yet" in text
    assert "A criterion is weaker, or reads otherwise: Milestone 2" in text
    assert "1000" in text
    founder.send(reason="The supplier is two months late.")
    assert founder.path.startswith("/amendments/amd_")
    assert amend.amendment(story).reason == "The supplier is two months late."
