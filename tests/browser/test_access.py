"""Committing and signing without JavaScript, and committing with nothing but a keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.commitments.models import Commitment
from app.progress.models import Attestation
from tests.browser.people import Person, Site
from tests.factories import life as lives

pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

People = Callable[..., Person]
MOST_TABS = 80


def test_com_8_committing_works_without_javascript(site: Site, new_person: People) -> None:
    life = lives.live(site.db, stage=site.stage, investors=1)
    ines = new_person("Investor 1", java_script_enabled=False)
    ines.sign_in(site.let_in(life.investors[0]))

    ines.open("/offerings/halden-tidal/commit")
    ines.follow("Continue")
    ines.press("This is right: continue")
    for box in ines.main.get_by_role("checkbox").all():
        box.check()
    ines.press("Continue")
    ines.fill(Amount="400")
    ines.press("Continue")
    assert ines.page.title().startswith("Error:")
    assert ines.errors() == ["Enter $500.00 or more: that is the smallest commitment here."]
    ines.fill(Amount="1,234.75")
    ines.press("Continue")
    ines.sees("$1,234.50", "2,469 tokens")
    ines.press("Commit $1,234.50")
    ines.follow("Pay")
    ines.tick("Instant transfer")
    ines.press("Pay")
    ines.sees("$1,234.50 is in escrow")

    with site.db.read() as session:
        commitment = session.scalars(sa.select(Commitment)).one()
    assert (commitment.status, commitment.amount_minor, commitment.tokens) == ("held", 123_450, 2_469)


def test_mil_7_signing_works_without_javascript(site: Site, new_person: People) -> None:
    life = lives.active(site.db, stage=site.stage, amounts=[150_000, 133_350])
    site.stage.submit_evidence(life.founder, site.stage.milestone(life.offering_id, 1).public_id)
    ann = new_person("Auditor 1", java_script_enabled=False)
    ann.sign_in(site.let_in(life.auditors[0]))
    ann.set_up_second_factor()

    ann.open("/auditor")
    ann.follow("Review the evidence")
    ann.press("Check before signing")
    assert len(ann.errors()) == 2
    for criterion in ann.main.get_by_role("group", name="Your finding").all():
        criterion.get_by_label(re.compile("^Met")).check()
    ann.press("Check before signing")
    ann.press("Sign")
    ann.sees("Your findings are signed")

    with site.db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Attestation)) == 1
    assert site.stage.milestone(life.offering_id, 1).state == "challengeable"


def tab_to(person: Person, words: str) -> None:
    """Press Tab until what has the focus says ``words``: its text, its label, or its legend."""
    for _ in range(MOST_TABS):
        person.page.keyboard.press("Tab")
        said = person.page.evaluate(
            """() => {
                const each = document.activeElement;
                const label = each.labels && each.labels.length ? each.labels[0].textContent : '';
                return (label || each.textContent || '').trim().replace(/\\s+/g, ' ');
            }"""
        )
        if said.startswith(words):
            visible = person.page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"
            )
            assert visible, f"the focus on “{words}” cannot be seen"
            return
    raise AssertionError(f"“{words}” is not reached by keyboard on {person.page.url}")


def enter(person: Person, words: str) -> None:
    """Reach a link or button by keyboard and press Enter."""
    tab_to(person, words)
    with person.page.expect_navigation():
        person.page.keyboard.press("Enter")


def test_committing_works_by_keyboard_alone(site: Site, new_person: People) -> None:
    life = lives.live(site.db, stage=site.stage, investors=1)
    ines = new_person("Investor 1")
    ines.sign_in(site.let_in(life.investors[0]))

    ines.open("/offerings/halden-tidal/commit")
    enter(ines, "Continue")
    enter(ines, "This is right: continue")
    for _ in range(4):
        ines.page.keyboard.press("Tab")
        while ines.page.evaluate("() => document.activeElement.type") != "checkbox":
            ines.page.keyboard.press("Tab")
        ines.page.keyboard.press("Space")
    enter(ines, "Continue")
    tab_to(ines, "Amount")
    ines.page.keyboard.type("400")
    enter(ines, "Continue")
    focused = ines.page.evaluate("() => document.activeElement.className")
    assert "error-summary" in focused
    enter_link_to_field(ines)
    ines.page.keyboard.press("Control+A")
    ines.page.keyboard.type("600")
    enter(ines, "Continue")
    enter(ines, "Commit $600.00")
    enter(ines, "Pay $600.00 now")
    tab_to(ines, "Instant transfer")
    ines.page.keyboard.press("Space")
    enter(ines, "Pay $600.00")
    ines.sees("$600.00 is in escrow")

    with site.db.read() as session:
        assert session.scalars(sa.select(Commitment.status)).all() == ["held"]


def enter_link_to_field(person: Person) -> None:
    """Follow the first link in the box of errors: it must land in its field."""
    person.page.keyboard.press("Tab")
    person.page.keyboard.press("Enter")
    assert person.page.evaluate("() => document.activeElement.name") == "amount"
