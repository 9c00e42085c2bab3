"""The page of notices: one's own only, read by pressing, counted in the frame."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import passwords
from app.config import Settings
from app.db import Database
from app.demo.stage import Stage
from app.notices import rules, wording
from app.notices.models import Notice
from tests.factories import life as lives
from tests.functional.visitor import Visitor


@pytest.fixture
def life(db: Database, settings: Settings) -> lives.Life:
    """Give a running contract whose investors can sign in."""
    stage = Stage(db, settings)
    life = lives.live(db, stage=stage, investors=0)
    hashed = passwords.hash_password("correct horse battery")
    for name in ("ines", "otto"):
        investor = stage.person("investor", name.title(), email=f"{name}@mail.example", password_hash=hashed)
        life.investors.append(investor)
        stage.invest(investor, life.offering_id, 150_000)
    stage.close(life.offering_id)
    return life


def test_ppl_4_a_person_reads_their_notices_and_the_frame_counts_them(life: lives.Life, visitor: Visitor) -> None:
    visitor.sign_in("ines@mail.example")
    page = visitor.open("/notices")

    assert page.title == "Notices"
    assert "5 are not read yet." in page.text
    assert 'class="count">5<' in page.source
    assert "Paid: $1,500.00 is in escrow" in page.text
    assert page.text.index("Released at the close") < page.text.index("You committed")

    (one, *_others) = [form for form in page.forms if (form.action or "").endswith("/read")]
    visitor.post(one.action or "", one.values)
    assert visitor.path == "/portfolio"
    assert "4 are not read yet." in visitor.open("/notices").text
    visitor.send("/read-all")
    assert "You have read everything." in visitor.page.text
    assert 'class="count"' not in visitor.page.source


def test_another_persons_notice_is_not_found_and_stays_unread(
    life: lives.Life, db: Database, new_visitor: Callable[..., Visitor]
) -> None:
    with db.read() as session:
        theirs = session.scalars(
            sa.select(Notice).where(Notice.user_id == life.investors[1].user_id).order_by(Notice.id)
        ).all()
    visitor = new_visitor()
    visitor.sign_in("ines@mail.example")
    visitor.open("/notices")
    token = visitor.page.form_to("/read").value("csrf_token") or ""

    for path in (f"/notices/{theirs[0].public_id}/read", f"/notices/{theirs[0].public_id}/read-all", "/notices/x/read"):
        visitor.post(path, {"csrf_token": token})
        assert visitor.status == 404
    with db.read() as session:
        assert all(session.get_one(Notice, each.id).read_at is None for each in theirs)
        assert all(each.public_id not in visitor.page.source for each in theirs)


def test_the_page_of_notices_is_paged_and_reading_never_marks(
    life: lives.Life, db: Database, visitor: Visitor
) -> None:
    for _ in range(18):
        life.stage.commit(life.investors[0], lives.live(db, stage=life.stage, investors=0).offering_id, 50_000)
    life.stage.work()
    visitor.sign_in("ines@mail.example")

    first = visitor.open("/notices")
    assert "23 are not read yet." in first.text
    (older,) = [href for href, words in first.links if words.strip() == "More"]
    second = visitor.open(older)
    assert second.source.count("<article") == 3
    assert "23 are not read yet." in second.text


def test_a_visitor_must_sign_in_first(site: Flask, visitor: Visitor) -> None:
    visitor.open("/notices")

    assert visitor.path.startswith("/sign-in")
    assert len(site.view_functions) > 1


def test_every_notice_leads_to_a_page_that_there_is(life: lives.Life, db: Database, site: Flask) -> None:
    with db.read() as session:
        found = session.scalars(sa.select(Notice)).all()
        paths = {each.path for each in wording.words_of(session, found).values()}
    adapter = site.url_map.bind("localhost")
    for path in paths | {re.sub(r"\{\w+\}", "x", pattern) for pattern in rules.PATHS.values()}:
        assert adapter.match(path, method="GET"), path
