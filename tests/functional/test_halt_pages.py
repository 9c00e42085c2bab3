"""The pages of halts, early closes, polls and refunds: preview first, confirm after, nobody else's (OFF-6, OFF-13)."""

from __future__ import annotations

import csv
import io

import pytest

from app import create_app
from app.db import Database
from tests.factories import halts, life
from tests.factories.life import Life
from tests.functional import figures
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor

#: Pages are the same on both databases; what stands behind them is tested on both in ``test_halt_rules``.
pytestmark = pytest.mark.databases("sqlite")
DAY = halts.DAY
PDF = b"%PDF-1.7 an authority's order"


def visitor(story: Life, actor: object) -> Visitor:
    return signed_in(create_app(story.stage.settings, story.stage.db), actor)  # type: ignore[arg-type]


def paid(db: Database, *amounts: int) -> Life:
    story = life.live(db, investors=len(amounts))
    for investor, amount in zip(story.investors, amounts, strict=True):
        story.commitments.append(story.stage.invest(investor, story.offering_id, amount))
    return story


def test_off_13_an_operator_previews_places_and_lifts_a_halt(db: Database) -> None:
    story = paid(db, 150_000, 60_000)
    operator = visitor(story, story.operator)
    url = f"/operator/offerings/{story.offering_id}/halt"
    end = (story.stage.now + 5 * DAY).date().isoformat()
    typed = {"reason": "A bank asked.", "public_text": halts.PUBLIC_TEXT, "end": end}
    operator.open(url)
    page = operator.send(**typed, step="place")
    assert figures.offering(story).halted_since is None
    assert "As everybody will read it" in page.text
    assert "2 · $2,100.00" in page.text
    page = operator.send(step="place")
    assert figures.offering(story).halted_since is not None
    assert "Halted" in page.text
    slug = figures.offering(story).slug
    public = Visitor(operator.app).open(f"/offerings/{slug}")
    assert halts.PUBLIC_TEXT in public.text
    assert "A bank asked." not in public.text
    assert "Halted by Milestake" in public.text
    halt = halts.halt(story)
    assert "Halted offerings" in operator.open("/operator").text
    lift = f"/operator/halts/{halt.public_id}/lift"
    operator.open(lift)
    operator.send(reason="The bank has answered.")
    assert figures.offering(story).halted_since is None


def test_off_13_a_second_operator_lengthens_and_others_find_nothing(db: Database) -> None:
    story = paid(db, 150_000)
    halt_id = halts.place(story)
    url = f"/operator/halts/{halt_id}/extend"
    end = (story.stage.now + 20 * DAY).date().isoformat()
    first = visitor(story, story.operator)
    first.open(url)
    first.send(end=end, reason="Longer.")
    assert first.status == 403
    second = visitor(story, story.stage.person("operator", "Second Operator"))
    second.open(url)
    page = second.send(end=end, reason="The bank needs longer.", order_reference="AZ 3/26")
    assert page.errors == ["Choose the document of the order."]
    second.send(end=end, reason="The bank needs longer.", order_reference="AZ 3/26",
                files={"order_file": (io.BytesIO(PDF), "order.pdf")})
    assert halts.halt(story).ends_at.date().isoformat() == end
    supervisor = visitor(story, story.stage.person("supervisor", "Sven Supervisor"))
    page = supervisor.open(f"/operator/halts/{halt_id}")
    link = next(href for href, text in page.links if "AZ 3/26" in text)
    answer = supervisor.client.get(link)
    assert (answer.data, answer.headers["Content-Type"]) == (PDF, "application/pdf")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert visitor(story, story.founder).client.get(link).status_code == 403
    founder = visitor(story, story.founder)
    founder.open(f"/operator/halts/{halt_id}")
    assert founder.status == 403


def test_off_6_a_founder_checks_and_announces_an_early_close(db: Database) -> None:
    story = paid(db, 150_000, 60_000)
    founder = visitor(story, story.founder)
    url = f"/founder/offerings/{story.offering_id}/close-early"
    day = (figures.offering(story).deadline_at - 5 * DAY).date().isoformat()
    founder.open(url)
    page = founder.send(deadline=day, step="check")
    assert "What this does" in page.text
    page = founder.send(step="announce")
    assert "The early close is announced" in page.text
    assert halts.notice(story).state == "announced"
    public = founder.open(f"/offerings/{figures.offering(story).slug}")
    assert "Closing early" in public.text
    other = life.live(db, stage=story.stage)
    stranger = visitor(story, other.founder)
    stranger.open(url)
    assert stranger.status == 404


def test_off_13_an_investor_votes_on_a_page_and_nobody_else_sees_it(db: Database) -> None:
    story = life.active(db, amounts=(150_000, 90_000))
    halts.place(story, days=3)
    story.stage.advance_to(halts.halt(story).ends_at)
    url = f"/polls/{halts.poll(story).public_id}"
    investor = visitor(story, story.investors[0])
    page = investor.open(url)
    assert "$1,275.00" in page.text
    page = investor.send(choice="yes")
    assert "You voted to go on" in page.text
    investor.open(f"{url}/count")
    assert investor.status == 404
    stranger = visitor(story, story.stage.person("investor", "Strange Investor"))
    stranger.open(url)
    assert stranger.status == 404


def test_off_9_a_founder_sees_what_would_go_back_and_then_what_went_back(db: Database) -> None:
    story = paid(db, 150_000, 60_000)
    founder = visitor(story, story.founder)
    url = f"/founder/offerings/{story.offering_id}/refunds"
    page = founder.open(url)
    assert "$2,100.00" in page.text
    assert "Investor 1" not in page.text
    rows = list(csv.DictReader(io.StringIO(founder.client.get(f"{url}.csv").text)))
    assert [row["would_go_back"] for row in rows] == ["1500.00", "600.00"]
    operator = visitor(story, story.operator)
    page = operator.open(f"/operator/offerings/{story.offering_id}/withdraw")
    assert "To 2 investors $2,100.00" in page.text
    figures.withdraw(story)
    story.stage.work()
    page = operator.open(f"/operator/offerings/{story.offering_id}/refunds")
    assert "Owed back in all $2,100.00" in page.text
    assert "Investor 1" in page.text
    stranger = visitor(story, life.live(db, stage=story.stage).founder)
    stranger.open(url)
    assert stranger.status == 404
