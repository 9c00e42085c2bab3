"""The pages of parts, links, refunds, waits and signatures pass the gate at both sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from app.commitments.models import CommitmentLink
from app.payments.models import Receipt
from tests.browser.people import Person, Site
from tests.browser.test_gate import DESK, PHONE, Walk, html_errors, look
from tests.factories import life as lives
from tests.factories import payers


def test_the_pages_of_money_that_is_not_simple_pass_the_gate(
    site: Site, new_person: Callable[..., Person], find_program: Callable[..., str], tmp_path: Path
) -> None:
    stage = site.stage
    stage.founders_sign = False
    life = lives.live(site.db, stage=stage, investors=3)
    one, two, three = life.investors
    parts = payers.transfer(life, one, 120_000, 70_000, name=one.name, account="GB01")
    payers.transfer(life, two, 60_000, 60_000, name=f"{two.name} and Bela", account="GB02")
    linked = payers.transfer(life, three, 100_000, 101_234, name=three.name, account="sbx_acct_ok")
    stage.invest(stage.person("investor", "Una Wire"), life.offering_id, 200_000)
    stage.invest(stage.person("investor", "Kim Card"), life.offering_id, 150_000, "ach")
    stage.work()
    with site.db.read() as session:
        link = session.scalars(sa.select(CommitmentLink.public_id)).first()
        doubted = session.scalars(sa.select(Receipt.public_id).where(Receipt.status == "doubted")).one()
    ines, otto, been = new_person("Investor 1"), new_person("Investor 3"), Walk()
    olga, fay = new_person("Olga"), new_person("Fay")
    for person, who in ((ines, one), (otto, three), (olga, life.operator), (fay, life.founder)):
        person.sign_in(site.let_in(who))
        person.set_up_second_factor()
    pages = [
        (ines, f"/commitments/{parts}"), (ines, f"/commitments/{parts}/payment"),
        (ines, f"/commitments/{parts}/pay/transfer"), (otto, f"/commitments/{linked}"),
        (otto, f"/commitments/{linked}/links/{link}"), (olga, "/operator/payers"),
        (olga, f"/operator/payers/receipts/{doubted}"), (olga, f"/operator/payers/links/{link}"),
    ]
    _look(pages, been)
    stage.close(life.offering_id)
    _look([(fay, f"/founder/offerings/{life.offering_id}/funding")], been)
    stage.sign_funding()
    stage.work()
    _look([
        (fay, f"/founder/offerings/{life.offering_id}/funding/signed"),
        (fay, f"/founder/offerings/{life.offering_id}"),
    ], been)
    assert not been.found + html_errors(been.pages, find_program("java"), tmp_path)


def _look(pages: list[tuple[Person, str]], been: Walk) -> None:
    for person, path in pages:
        for size in (PHONE, DESK):
            list(look(person, path, size, been))

