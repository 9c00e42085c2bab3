"""The investor's own pages and the operators' queue, as people use them (PPL-3, ux.md §4)."""

from __future__ import annotations

import dataclasses
import io

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.db import Database
from app.demo.stage import Stage
from app.investors import queries, rules, service
from app.investors.models import IdentityDocument, UnderstandingAttempt
from tests.factories import life as lives
from tests.functional.investors.conftest import Newcomer, newcomer_on
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor
from tests.unchanged import snapshot

PDF = b"%PDF-1.7 a passport"


@pytest.fixture
def site(nina: Newcomer) -> Flask:
    return create_app(nina.stage.settings, nina.db)


def declare(visitor: Visitor, **typed: str) -> None:
    visitor.send(**{"category": "retail", "income": "50000", "net_worth": "80,000.00", "confirmed": "y", **typed})


def answers(nina: Newcomer, *, rightly: bool) -> dict[str, str]:
    """Return what somebody types who knows, or does not know, the answers."""
    with nina.db.read() as session:
        number = queries.tries(session, nina.party).count + 1
    typed = {}
    for question in service.questions(nina.party, number):
        place = [key for key, _words in question.answers].index(question.right)
        typed["q_" + question.key.replace(".", "_")] = str(place if rightly else (place + 1) % 3)
    return typed


def test_ppl_3_the_commit_pages_lead_to_what_is_missing_and_back(db: Database) -> None:
    life = lives.live(db, investors=0)
    nina = newcomer_on(life.stage)
    site = create_app(life.stage.settings, db)
    visitor, olga = signed_in(site, nina.actor), signed_in(site, nina.operator)
    url = f"/offerings/{life.stage.offering(life.offering_id).slug}/commit"
    page = visitor.open(f"{url}/category")
    for words in ("Have your identity checked.", "Say what kind of investor you are.",
                  "Answer the questions about the risks.", "Nothing is charged"):
        assert words in page.text
    assert "continue" not in " ".join(button for form in page.forms for button in form.buttons)

    visitor.open(next(href for href, text in page.links if text == "What kind of investor you are"))
    declare(visitor)
    assert visitor.path == f"{url}/category"
    assert "You state that you are Everyday investor" in visitor.page.text

    visitor.open(next(href for href, text in visitor.page.links if text == "Documents by mail and on these pages"))
    assert rules.DELIVERY_WORDING in visitor.page.text
    visitor.send()
    assert visitor.path == f"{url}/category"
    visitor.open("/investor/delivery/withdraw")
    assert "You can make no new commitment, and cannot wait for a place" in visitor.page.text
    visitor.send()
    assert visitor.path == "/investor" and "Agree to get documents electronically." in visitor.page.text
    visitor.open(f"/investor/delivery?next={url}/category")
    visitor.send()

    visitor.open(next(href for href, text in visitor.page.links if text == "Your identity"))
    page = visitor.send("/verification", legal_name="Nina Newcomer", born_on="1990-05-17", country="DE")
    # The first form of the page is the one for papers: nothing was chosen.
    assert page.errors == ["Choose a file."]
    visitor.open(f"/investor/verification?next={url}/category")
    form = next(form for form in visitor.page.forms if "legal_name" in form.names)
    visitor.post(form.action, [*(each for each in form.values if each[0] not in ("legal_name", "born_on", "country")),
                               ("legal_name", "Nina Newcomer"), ("born_on", "1990-05-17"), ("country", "DE")])
    assert visitor.page.title == "Your request was received"
    assert "ver_" in visitor.page.text

    # In a sandbox an operator verifies a person within two clicks from the queue.
    olga.open("/operator/verification")
    olga.open(next(href for href, text in olga.page.links if text == "Nina Newcomer"))
    olga.send()
    assert olga.page.title == "Nina Newcomer is verified"

    visitor.open(f"{url}/category")
    assert visitor.send().title == "Questions about the risks"
    assert visitor.send(**answers(nina, rightly=True)).title == "Confirm that you understand"
    visitor.send(understood=["0", "1", "2", "3"])
    visitor.send(amount="500")
    visitor.send()
    assert visitor.path.endswith("/confirmed")


@pytest.mark.databases("sqlite")
def test_understanding_says_neither_which_answer_was_wrong_nor_which_is_right(nina: Newcomer, site: Flask) -> None:
    visitor = signed_in(site, nina.actor)
    page = visitor.open("/investor/understanding")
    asked = service.questions(nina.party, 1)
    for question in asked:
        assert question.text in page.text
        # What is sent is where an answer stands, not what it is.
        assert question.key not in page.source
        assert not any(f'"{key}"' in page.source for key, _words in question.answers)
    for _key in (1, 2):
        visitor.open("/investor/understanding")
        page = visitor.send(**answers(nina, rightly=False))
    assert "At least one answer was not right" in page.text
    assert page.title == "You can try again later"
    assert "The next try is taken from" in page.text
    before = snapshot(nina.db)
    visitor.open("/investor/understanding")
    assert visitor.page.title == "You can try again later"
    assert snapshot(nina.db) == before
    with nina.db.read() as session:
        rows = session.scalars(sa.select(UnderstandingAttempt)).all()
    assert [(row.number, row.passed, row.asked_count) for row in rows] == [(1, False, 5), (2, False, 5)]


@pytest.mark.databases("sqlite")
def test_a_form_of_an_earlier_try_is_not_marked(nina: Newcomer, site: Flask) -> None:
    visitor = signed_in(site, nina.actor)
    visitor.open("/investor/understanding")
    old = visitor.page.form_to()
    typed = answers(nina, rightly=True)
    nina.answer(rightly=False)
    visitor.post("/investor/understanding", [*old.values, *typed.items()])
    assert "These questions were answered already" in visitor.page.text
    visitor.open("/investor/understanding")
    page = visitor.send()
    assert page.errors == ["Choose one answer."] * 5


@pytest.mark.databases("sqlite")
def test_a_declaration_keeps_what_was_typed_when_it_does_not_hold(nina: Newcomer, site: Flask) -> None:
    visitor = signed_in(site, nina.actor)
    visitor.open("/investor/declaration")
    declare(visitor, income="a lot", confirmed=None)
    assert visitor.status == 422
    assert len(visitor.page.errors) == 2
    assert visitor.page.form_to().value("income") == "a lot"
    declare(visitor, category="restricted")
    assert visitor.page.errors == ["A restricted investor states this. Enter 0 if it is nothing."] * 2
    declare(visitor, category="retail")
    assert visitor.page.title == "You as an investor"
    assert "Everyday investor" in visitor.page.text
    assert "$50,000.00" in visitor.page.text
    visitor.open("/investor/declaration?next=https://elsewhere.example/")
    declare(visitor, category="accredited")
    assert visitor.path == "/investor"


@pytest.mark.databases("sqlite")
def test_ppl_3_papers_are_shown_to_their_owner_and_operators_only(nina: Newcomer, site: Flask) -> None:
    visitor, olga = signed_in(site, nina.actor), signed_in(site, nina.operator)
    otto = signed_in(site, nina.stage.person("investor", "Otto Other"))
    visitor.open("/investor/verification")
    for name, content, words in (
        ("page.html", b"<html>", "Choose a PDF, PNG or JPEG file that is what its name says."),
        ("scan.pdf", b"\x89PNG", "Choose a PDF, PNG or JPEG file that is what its name says."),
        ("scan.pdf", b"", "This file is empty. Choose the file again."),
        ("scan.pdf", b"%PDF-" + b"0" * rules.MAX_PAPER_BYTES, "This file is larger than 10 MB. Save it smaller."),
    ):
        page = visitor.send("/papers", kind="passport", files={"file": (io.BytesIO(content), name)})
        assert page.errors == [words]
    visitor.send("/papers", kind="passport", files={"file": (io.BytesIO(PDF), "../pass.pdf")})
    with nina.db.read() as session:
        paper = session.scalars(sa.select(IdentityDocument)).one()
    assert (paper.filename, paper.size_bytes) == ("pass.pdf", len(PDF))
    url = f"/identity-papers/{paper.public_id}"
    for other in (olga, otto):  # an operator sees it once it was sent
        other.open(url)
        assert other.status == 404
    nina.ask()
    for other, status in ((visitor, 200), (olga, 200), (otto, 404)):
        other.open(url)
        assert other.status == status
    headers = visitor.answer.headers
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.databases("sqlite")
def test_ppl_3_an_operator_refuses_with_a_reason_that_the_person_reads(nina: Newcomer, site: Flask) -> None:
    visitor, olga = signed_in(site, nina.actor), signed_in(site, nina.operator)
    row = nina.ask()
    olga.open(f"/operator/verification/{row.public_id}/refuse")
    assert olga.send().errors == ["Choose why it is refused."]
    olga.send(reason_code="document_expired", note="It ran out in March.")
    assert olga.page.title == "Nina Newcomer was refused"
    page = visitor.open("/investor")
    assert "The document has run out. Send one that is still in force. It ran out in March." in page.text
    assert "The document has run out" in visitor.open("/investor/verification").text


@pytest.mark.databases("sqlite")
def test_the_queue_is_for_operators_and_real_money_has_no_short_way(nina: Newcomer, site: Flask) -> None:
    row = nina.ask()
    for actor in (nina.actor, nina.stage.person("supervisor", "Sunniva Supervisor")):
        visitor = signed_in(site, actor)
        for path in ("", f"/{row.public_id}", f"/{row.public_id}/refuse", f"/{row.public_id}/decided"):
            visitor.open("/operator/verification" + path)
            assert visitor.status == 403, path
    olga = signed_in(site, nina.operator)
    olga.open("/operator/verification/ver_nobody")
    assert olga.status == 404
    quiet = nina.stage.person("investor", "Quentin Quiet", may_commit=False)
    olga.open("/operator/verification")
    olga.open(next(href for href, text in olga.page.links if text == "Quentin Quiet"))
    assert olga.send().title == "Quentin Quiet is verified"
    real = create_app(dataclasses.replace(nina.stage.settings, sandbox=False), nina.db)
    olga = signed_in(real, nina.operator)
    assert "Quentin" not in olga.open("/operator/verification").text.split("Decided last")[0]
    with nina.db.read() as session:
        from app.accounts import queries as people

        public_id = people.user_by_id(session, quiet.user_id).public_id
    olga.open(f"/operator/verification/people/{public_id}")
    assert olga.status == 404


@pytest.mark.databases("sqlite")
def test_looking_writes_nothing(nina: Newcomer, site: Flask) -> None:
    row = nina.ask()
    before = snapshot(nina.db)
    visitor, olga = signed_in(site, nina.actor), signed_in(site, nina.operator)
    for person, path in (
        (visitor, "/investor"), (visitor, "/investor/declaration"), (visitor, "/investor/understanding"),
        (visitor, "/investor/verification"), (visitor, "/investor/verification/sent"),
        (olga, "/operator/verification"), (olga, f"/operator/verification/{row.public_id}"),
    ):
        person.open(path)
        assert person.status == 200, path
    assert snapshot(nina.db) == before


def test_the_stage_makes_investors_who_may_commit(db: Database) -> None:
    stage = Stage(db, lives.settings_for(db))
    investor = stage.person("investor", "Ready Reader")
    with db.read() as session:
        assert queries.missing(queries.standing(session, stage.party(investor, "investor")), stage.now) == ()
