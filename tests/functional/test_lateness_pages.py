"""Where founders report and ask for more time, and what everybody reads of it (MIL-14)."""

from __future__ import annotations

import datetime as dt

from app import create_app
from app.db import Database
from tests.factories import life
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor

DAY = dt.timedelta(days=1)


def test_mil_14_a_founder_asks_for_more_time_and_reports_and_everybody_reads_both(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    stage.founders_report = False
    site = create_app(stage.settings, db)
    founder, investor = signed_in(site, story.founder), signed_in(site, story.investors[0])
    milestone = stage.milestone(story.offering_id, 1)
    assert "Ask for more time" in founder.open(f"/milestones/{milestone.public_id}").text
    founder.open(f"/milestones/{milestone.public_id}/extend")
    assert "Say why" in founder.send(reason="").text
    page = founder.send(reason="The mould was delivered late.")
    assert page.title == "Extended"
    assert "The mould was delivered late." in investor.open(f"/milestones/{milestone.public_id}").text
    assert "Extended already" in founder.open(f"/milestones/{milestone.public_id}/extend").text
    investor.open(f"/milestones/{milestone.public_id}/extend")
    assert investor.status == 403

    offering = stage.offering(story.offering_id)
    home = f"/founder/offerings/{story.offering_id}/reports"
    assert "Nothing to file now" in founder.open(f"{home}/new").text
    stage.advance(days=75)
    founder.open(f"{home}/new")
    typed = {"done": "The mould is here.", "spent_minor": "1234.50", "next_steps": "Cast 20 housings.",
             "next_on": (stage.now + 60 * DAY).date().isoformat(), "cash_left_minor": "800", "risks": "None."}
    assert "Enter an amount" in founder.send(**{**typed, "spent_minor": ""}).text
    page = founder.send(**typed)
    assert "Report 1 is filed" in page.text
    public = Visitor(site).open(f"/offerings/{offering.slug}/reports")
    assert "$1,234.50" in public.text
    assert "Cast 20 housings." in public.text
    assert "File report" not in public.text
    assert "What the company reported each quarter" in Visitor(site).open(f"/offerings/{offering.slug}").text


def test_mil_14_everybody_reads_that_reports_were_missed_and_what_follows(db: Database) -> None:
    story = life.active(db)
    stage = story.stage
    stage.founders_report = False
    slug = stage.offering(story.offering_id).slug
    site = create_app(stage.settings, db)
    stage.advance(days=95)
    text = Visitor(site).open(f"/offerings/{slug}/reports").text
    assert "The last report did not come" in text
    founder = signed_in(site, story.founder)
    assert "is late" in founder.open(f"/founder/offerings/{story.offering_id}/reports/new").text


def test_wnd_6_an_investor_reads_what_ending_means_calls_the_vote_and_votes(db: Database) -> None:
    story = life.active(db, amounts=(100_000, 60_000, 900_000), fields={"maximum_minor": 3_000_000})
    stage = story.stage
    slug = stage.offering(story.offering_id).slug
    site = create_app(stage.settings, db)
    small, large = signed_in(site, story.investors[0]), signed_in(site, story.investors[2])
    assert "This vote can be called from" in small.open(f"/offerings/{slug}/end").text
    stage.advance(days=91)
    page = small.open(f"/offerings/{slug}/end")
    # The first milestone is late past its grace by now, and ending the plan gives 85 % of it back.
    assert "There is a cause: a milestone is late" in page.text
    assert "$850.00" in page.text
    page = small.send(reason="It is late and nobody answers.")
    assert "The investors are voting" in page.text
    poll = large.open(f"/offerings/{slug}/end").links
    url = next(href for href, words in poll if words == "Vote")
    assert "Shall the plan of Halden Tidal end?" in large.open(url).text
    assert "You voted to end the plan" in large.send(choice="yes").text
    stage.advance(days=20)
    assert stage.offering(story.offering_id).end_trigger == "investors_vote"
    outsider = signed_in(site, stage.person("investor", "Nobody Here"))
    outsider.open(f"/offerings/{slug}/end")
    assert outsider.status == 404
