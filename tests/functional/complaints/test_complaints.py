"""A complaint has a number at once, an answer, and a second look by somebody else (PPL-7)."""

from __future__ import annotations

import dataclasses
import datetime as dt
import email
import email.policy
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.accounts.actor import SYSTEM, Actor
from app.audit.models import LogEntry
from app.complaints import service
from app.complaints.models import Complaint, ComplaintMail
from app.db import Database
from app.demo.stage import Stage
from app.notices.models import Notice
from tests.factories.life import settings_for
from tests.functional.signed_in import signed_in
from tests.functional.visitor import Visitor
from tests.unchanged import refused, snapshot


@dataclasses.dataclass
class Desk:
    """Somebody who complains, and two operators."""

    stage: Stage
    ines: Actor
    olga: Actor
    percy: Actor

    @property
    def db(self) -> Database:
        return self.stage.db

    def complain(self, actor: Actor | None = None, **changes: object) -> Complaint:
        fields = {
            "actor": actor or self.ines, "email": None, "topic": "money", "words": "My refund is late.",
            "about": "rfd_1", "key": self.stage.key(), "now": self.stage.now, **changes,
        }
        return self.db.unit_of_work(lambda session: service.complain(session, **fields))

    def act(
        self, name: str, complaint_id: str, actor: Actor, words: str = "We looked.", **changes: object
    ) -> Complaint:
        said = {"reason": words} if name == "ask_review" else {"words": words}
        fields = {"actor": actor, "complaint_id": complaint_id, "now": self.stage.now, **said, **changes}
        return self.db.unit_of_work(lambda session: getattr(service, name)(session, **fields))

    def told(self, actor: Actor) -> list[str]:
        self.stage.work()
        with self.db.read() as session:
            return list(session.scalars(
                sa.select(Notice.kind).where(Notice.user_id == actor.user_id).order_by(Notice.id)
            ))


@pytest.fixture
def desk(db: Database) -> Desk:
    stage = Stage(db, settings_for(db))
    return Desk(
        stage, stage.person("investor", "Ines Ott", may_commit=False), stage.person("operator", "Olga Operator"),
        stage.person("operator", "Percy Operator"),
    )


@pytest.fixture
def pages(desk: Desk) -> Flask:
    return create_app(desk.stage.settings, desk.db)


def test_ppl_7_received_answered_and_looked_at_again_by_a_second_person(desk: Desk) -> None:
    # Thursday before Thanksgiving: 15 and 10 business days leave the holiday out.
    now = dt.datetime(2099, 11, 19, 10, tzinfo=dt.UTC)
    row = desk.complain(now=now)
    assert re.fullmatch(r"C-\d{6}", row.number)
    assert row.due_at == dt.datetime(2099, 12, 11, 10, tzinfo=dt.UTC)
    with refused(desk.db, "review_not_open"):
        desk.act("ask_review", row.public_id, desk.ines)
    desk.act("answer", row.public_id, desk.olga, "It is sent on Friday.")
    with refused(desk.db, "answered_already"):
        desk.act("answer", row.public_id, desk.percy)
    asked = desk.act("ask_review", row.public_id, desk.ines, "It was not.", now=now)
    assert asked.due_at == dt.datetime(2099, 12, 4, 10, tzinfo=dt.UTC)
    with refused(desk.db, "second_person_needed"):
        desk.act("answer_again", row.public_id, desk.olga)
    last = desk.act("answer_again", row.public_id, desk.percy, "It is sent now.")
    assert (last.state, last.answered_by, last.reviewed_by) == ("reviewed", desk.olga.user_id, desk.percy.user_id)
    with refused(desk.db, "review_not_open"):
        desk.act("ask_review", row.public_id, desk.ines)
    assert desk.told(desk.ines) == ["complaint_received", "complaint_answered", "complaint_reviewed"]
    assert desk.told(desk.percy) == ["complaint_review_asked"]
    with desk.db.read() as session:
        log = session.scalars(sa.select(LogEntry).where(LogEntry.object_id == row.public_id)).all()
    assert [each.action for each in log] == ["complaint.received", "complaint.answered", "complaint.review_asked",
                                             "complaint.reviewed"]
    # What was written stays out of the log (PPL-6).
    assert not any("refund" in str((each.before, each.after, each.reason)) for each in log)


def test_ppl_7_a_date_that_passes_asks_every_operator_once_and_leaves_it_open(desk: Desk) -> None:
    row = desk.complain()
    desk.stage.advance_to(row.due_at - dt.timedelta(seconds=2))
    assert desk.told(desk.olga) == []
    desk.stage.advance_to(row.due_at)
    desk.stage.advance(days=3)
    assert desk.told(desk.olga) == desk.told(desk.percy) == ["complaint_overdue"]
    desk.act("answer", row.public_id, desk.percy)
    desk.act("ask_review", row.public_id, desk.ines)
    desk.stage.advance(days=30)
    assert desk.told(desk.olga) == ["complaint_overdue", "complaint_review_asked", "complaint_overdue"]
    with desk.db.read() as session:
        assert session.scalars(sa.select(Complaint.state)).all() == ["in_review"]


def test_ppl_7_without_an_account_by_mail_and_link(desk: Desk, pages: Flask) -> None:
    guest = Visitor(pages)
    guest.open("/complaints/new")
    page = guest.send(email="not an address", topic="other", words="A company used my picture.")
    assert page.errors == ["Enter a mail address like name@example.com."]
    page = guest.send(email="Gus@Mail.example", topic="other", words="A company used my picture.")
    assert page.title == "Your complaint was received"
    number = re.search(r"C-\d{6}", page.text)[0]
    desk.stage.work()
    with desk.db.read() as session:
        row = session.scalars(sa.select(Complaint)).one()
        assert (row.email, row.user_id, row.number) == ("gus@mail.example", None, number)
    desk.act("answer", row.public_id, desk.olga, "The picture is gone.")
    desk.stage.work()
    desk.stage.work()
    letters = sorted(desk.stage.settings.mail_dir.glob("*-by-mail.eml"))
    assert len(letters) == 2
    guest.open(link_in(letters[1]))
    assert "The picture is gone." in guest.page.text
    assert guest.send(words="It is not.").title == f"Complaint {number}"
    assert "somebody else" in guest.page.text.casefold() or "second operator" in guest.page.text
    desk.act("answer_again", row.public_id, desk.percy, "Now it is.")
    assert "Now it is." in guest.open(link_in(letters[0])).text
    with desk.db.read() as session:
        mails = session.scalars(sa.select(ComplaintMail)).all()
    assert [each.mailed_at is not None for each in mails] == [True, True, False]


def link_in(file: Path) -> str:
    """Return the path of the link in a mail's text."""
    letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert letter["To"].addresses[0].addr_spec == "gus@mail.example"
    text = letter.get_body(("plain",)).get_content()
    return re.search(r"https?://[^/\s]+(/complaints/read/\S+)", text)[1]


@pytest.mark.databases("sqlite")
def test_ppl_7_another_persons_complaint_is_not_there(desk: Desk, pages: Flask) -> None:
    row = desk.complain()
    gone = desk.complain(SYSTEM, email="gus@mail.example")
    otto = desk.stage.person("investor", "Otto Other", may_commit=False)
    for actor in (otto, desk.stage.person("founder", "Fay Founder")):
        visitor = signed_in(pages, actor)
        for path in (row.public_id, f"{row.public_id}/sent", gone.public_id, "read/forged", f"read/{gone.public_id}"):
            visitor.open(f"/complaints/{path}")
            assert visitor.status == 404, path
        visitor.open("/operator/complaints")
        assert visitor.status == 403
    with refused(desk.db, "complaint_not_found"):
        desk.act("ask_review", row.public_id, otto)
    with refused(desk.db, "forbidden"):
        desk.act("answer", row.public_id, desk.ines)
    with refused(desk.db, "second_factor_needed"):
        desk.act("answer", row.public_id, dataclasses.replace(desk.olga, second_factor=False))
    own = desk.complain(desk.olga)
    with refused(desk.db, "own_case"):
        desk.act("answer", own.public_id, desk.olga)


@pytest.mark.databases("sqlite")
def test_ppl_7_pages_of_the_complainant_and_the_desk(desk: Desk, pages: Flask) -> None:
    ines, olga, percy = (signed_in(pages, each) for each in (desk.ines, desk.olga, desk.percy))
    page = ines.open("/complaints/new")
    assert "email" not in page.form_to().names
    assert len(ines.send().errors) == 2
    form = ines.page.form_to()
    typed = [(name, value) for name, value in form.values if name not in ("topic", "words")]
    typed += [("topic", "decision"), ("words", "Why was it refused?\n\nNobody said.")]
    ines.post("/complaints/new", typed)
    assert ines.page.title == "Your complaint was received"
    assert "an operator must answer it by" in ines.page.text
    ines.post("/complaints/new", typed)  # a double click
    assert "C-" in ines.open("/complaints").text
    with desk.db.read() as session:
        row = session.scalars(sa.select(Complaint)).one()
    before = snapshot(desk.db)
    for path in ("/complaints", f"/complaints/{row.public_id}", f"/complaints/{row.public_id}/sent"):
        ines.open(path)
        assert ines.status == 200
    for path in ("/operator/complaints", f"/operator/complaints/{row.public_id}"):
        olga.open(path)
        assert olga.status == 200
        assert row.number in olga.page.text
    assert snapshot(desk.db) == before
    sunniva = signed_in(pages, desk.stage.person("supervisor", "Sunniva Supervisor"))
    page = sunniva.open(f"/operator/complaints/{row.public_id}")
    assert "Why was it refused?" in page.text
    assert not any("words" in form.names for form in page.forms)
    assert olga.send(words=" ").errors == ["Write an answer."]
    olga.send(words="The paper had run out.")
    assert "is sent" in olga.page.text
    ines.open(f"/complaints/{row.public_id}")
    assert "The paper had run out." in ines.page.text
    ines.send(words="It had not.")
    assert "Somebody other than who answered first" in olga.open(f"/operator/complaints/{row.public_id}").text
    percy.open(f"/operator/complaints/{row.public_id}")
    percy.send(words="You are right.")
    assert "You are right." in ines.open(f"/complaints/{row.public_id}").text
