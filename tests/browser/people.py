"""Somebody at a browser, and the site they are at.

A person finds things as people do: by label, by the words on a button, by the text of a link. Whatever the browser
complains of on the way (console errors, refused by the policy, requests to other places) is kept in ``complaints``.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pyotp
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request

from app import work
from app.accounts import passwords
from app.accounts.actor import Actor
from app.accounts.models import User
from app.config import Settings
from app.db import Database, Session
from app.demo.stage import Stage
from app.investors import rules
from app.payments.rails import build_rails
from app.worker import run_due

PASSWORD = "correct horse battery"


class Site:
    """The served application, its database and its worker."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self.url = settings.public_url
        self.stage = Stage(db, settings)

    def work(self) -> int:
        """Let a worker do everything that is due."""
        return run_due(work.Context(self.db, self.settings, build_rails(self.settings, self.db)))

    def let_in(self, who: Actor) -> str:
        """Give somebody whom the stage made a password, and return their mail address."""
        hashed = passwords.hash_password(PASSWORD)

        def give(session: Session) -> str:
            user = session.get_one(User, who.user_id)
            user.password_hash = hashed
            return user.email

        return self.db.unit_of_work(give)


@dataclass
class Person:
    """One person with one browser. ``secret`` is of their authenticator app once it is set up."""

    name: str
    site: Site
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    secret: str | None = None

    def __post_init__(self) -> None:
        self.page: Page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._look)

    def _hear(self, message: ConsoleMessage) -> None:
        # Chromium writes each answer of 400 and more to the console; whoever opens such a page looks at its status.
        if message.type in {"error", "warning"} and "the server responded with a status of 4" not in message.text:
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _look(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.site.url).netloc:
            self.complaints.append(f"{self.page.url} asks for {request.url}")

    # -- finding and doing ------------------------------------------------------------------------------

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    @property
    def title(self) -> str:
        return " ".join(self.page.locator("h1").first.inner_text().split())

    @property
    def text(self) -> str:
        """Everything the page says, one space between words."""
        return " ".join((self.main.inner_text()).split())

    def open(self, path: str) -> int:
        """Open a page and return its status."""
        answer = self.page.goto(path)
        assert answer is not None
        return answer.status

    def fill(self, **values: str) -> None:
        """Type into the fields whose labels start so; underscores stand for spaces."""
        for label, value in values.items():
            self.type(label.replace("_", " "), value)

    def type(self, label: str, value: str) -> None:
        box = self.main.get_by_label(re.compile(f"^{re.escape(label)}", re.IGNORECASE)).first
        if box.evaluate("each => each.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)

    def tick(self, label: str) -> None:
        """Choose the radio button or box whose label starts so."""
        self.main.get_by_label(re.compile(f"^{re.escape(label)}")).first.check()

    def press(self, word: str) -> None:
        """Press the first button of the page's content with these words, and wait for what comes."""
        with self.page.expect_navigation():
            self.main.get_by_role("button", name=word, exact=False).first.click()

    def follow(self, word: str) -> None:
        """Follow the first link of the page's content with these words."""
        with self.page.expect_navigation():
            self.main.get_by_role("link", name=word, exact=False).first.click()

    def sees(self, *words: str) -> None:
        """Assert that the page says each of these."""
        text = self.text
        for each in words:
            assert each in text, f"“{each}” is not on “{self.title}” ({self.page.url}): {text[:3000]}"

    def errors(self) -> list[str]:
        """Return the words in the box of errors."""
        return [" ".join(each.split()) for each in self.page.locator(".error-summary li").all_inner_texts()]

    # -- being somebody ---------------------------------------------------------------------------------

    def sign_up(self, role: str, email: str) -> None:
        self.open("/sign-up")
        self.tick(role)
        self.fill(Your_name=self.name, Mail_address=email, Password=PASSWORD)
        self.press("Create")
        assert self.errors() == []

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.open("/sign-in")
        self.fill(Mail_address=email, Password=password)
        self.press("Sign in")
        assert self.errors() == []

    def set_up_second_factor(self) -> None:
        """Enrol an authenticator app with the secret that the page shows."""
        self.open("/account/second-factor/setup")
        if self.main.locator("[data-secret]").count() == 0:
            self.main.get_by_role("button").first.click()
            self.page.wait_for_load_state()
        self.secret = "".join((self.main.locator("[data-secret]").text_content() or "").split())
        self.fill(Code=pyotp.TOTP(self.secret).at(dt.datetime.now(dt.UTC)))
        with self.page.expect_navigation():
            self.main.get_by_role("button").first.click()
        assert self.errors() == []

    def prove(self) -> None:
        """Give the code of the second factor that the sandbox shows to people of the demo who have one."""
        self.open("/account/second-factor")
        shown = self.main.locator("[data-sandbox-code]")
        if shown.count():
            self.fill(Code=shown.inner_text())
            with self.page.expect_navigation():
                self.main.get_by_role("button").first.click()

    def move_clock_past(self, what: str) -> None:
        """Move the demo clock to just after the first date that names ``what``, and let due work be done."""
        self.open("/clock")
        row = self.main.get_by_role("listitem").filter(has_text=what).filter(has=self.page.locator("form"))
        with self.page.expect_navigation():
            row.first.get_by_role("button", name="Go to just after it").click()
        self.press("Run due work now")


def become_investor(investor: Person, operator: Person, site: Site) -> None:
    """Declare, answer the questions and be verified, each on its page; the operator needs two clicks."""
    investor.open("/investor")
    investor.follow("What kind of investor you are")
    investor.tick("Everyday investor")
    investor.fill(Your_income="180,000", Your_net_worth="250,000.00")
    investor.tick("What I state here is true")
    investor.press("State this")
    investor.follow("Questions about the risks")
    for question in rules.QUESTIONS.questions:
        words = dict(question.answers)[question.right]
        box = investor.main.get_by_role("group", name=question.text).get_by_label(words)
        if box.count():
            box.check()
    investor.press("Send my answers")
    investor.sees("You answered every question rightly.")
    investor.open("/investor/delivery")
    investor.press("I agree")
    investor.open("/investor")
    investor.follow("Your identity")
    investor.fill(Your_full_name=investor.name, Day_you_were_born="1990-05-17", Country="DE")
    investor.press("Send to be checked")
    investor.sees("Your request was received")
    operator.open("/operator/verification")
    operator.follow(investor.name)
    operator.press("Verify")
    operator.sees("is verified")
    site.work()
    investor.open("/investor")
    investor.sees("Nothing is missing: you can commit to offerings.")
