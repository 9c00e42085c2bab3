"""Somebody who opens pages, fills in forms and follows what comes, without a browser.

It sends what a browser would send: every field of the form as it was rendered, hidden ones included,
with the given values typed over them. Checks of looks and scripts are in ``tests/browser``.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pyotp
from flask import Flask
from werkzeug.test import TestResponse

REDIRECTS = {301, 302, 303, 307, 308}


@dataclass
class FormOnPage:
    """A form as it was rendered: where it goes and what its fields hold."""

    action: str | None
    method: str
    values: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)

    def value(self, name: str) -> str | None:
        return next((value for key, value in self.values if key == name), None)

    @property
    def names(self) -> set[str]:
        return {key for key, _value in self.values}


class Page(HTMLParser):
    """What a page says: its h1, its text, its forms, its error messages."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.forms: list[FormOnPage] = []
        self.links: list[tuple[str, str]] = []
        self._form: FormOnPage | None = None
        self._open: dict[str, Any] = {}
        self.h1: list[str] = []
        self._capture: list[str] = []
        self._select: str | None = None
        self._texts: list[str] = []
        self._skip = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = dict(attrs)
        if tag in {"script", "style"}:
            self._skip += 1
        if tag == "form":
            self._form = FormOnPage(a.get("action"), (a.get("method") or "get").lower())
            self.forms.append(self._form)
        if self._form is not None:
            self._field(tag, a)
        if tag == "a" and a.get("href"):
            self.links.append((a["href"], ""))
        if tag == "h1":
            self._capture.append("h1")
            self.h1.append("")
        if tag == "textarea":
            self._open = {"name": a.get("name"), "text": ""}
        if tag == "a":
            self._capture.append("a")

    def _field(self, tag: str, a: dict[str, str | None]) -> None:
        name = a.get("name")
        if tag == "input" and name:
            kind = (a.get("type") or "text").lower()
            if kind in {"radio", "checkbox"} and "checked" not in a:
                return
            if kind not in {"submit", "button", "file"}:
                self._form.values.append((name, a.get("value") or ("on" if kind == "checkbox" else "")))
        if tag == "select":
            self._select = name
        if tag == "option" and self._select and "selected" in a:
            self._form.values.append((self._select, a.get("value") or ""))
        if tag == "button" and name:
            self._form.buttons.append(f"{name}={a.get('value') or ''}")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._skip -= 1
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = None
        if tag == "textarea" and self._open:
            if self._form is not None:
                text = self._open["text"].removeprefix("\r\n").removeprefix("\n")
                self._form.values.append((self._open["name"], text))
            self._open = {}
        if tag in {"h1", "a"} and tag in self._capture:
            self._capture.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open["text"] += data
        if self._skip:
            return
        self._texts.append(data)
        if "h1" in self._capture:
            self.h1[-1] += data
        if "a" in self._capture and self.links:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)

    @property
    def text(self) -> str:
        """Everything a person reads, one space between words."""
        return " ".join(" ".join(self._texts).split())

    @property
    def title(self) -> str:
        return " ".join(self.h1[0].split()) if self.h1 else ""

    @property
    def errors(self) -> list[str]:
        """The messages in the box on top."""
        box = re.search(r'class="error-summary".*?</ul>', self.source, re.S)
        items = re.findall(r"<li>(.*?)</li>", box[0], re.S) if box else []
        return [html.unescape(re.sub(r"<[^>]+>", "", item)).strip() for item in items]

    def form_to(self, part: str | None = None) -> FormOnPage:
        """Return the first POST form of the content whose action contains ``part``."""
        for form in self.forms:
            if form.method == "post" and (
                ("sign-out" not in (form.action or "")) if part is None else part in (form.action or "")
            ):
                return form
        raise AssertionError(f"no form for {part!r} on “{self.title}”: {[f.action for f in self.forms]}")


class Visitor:
    """One browser with its cookies. ``status``, ``path`` and ``page`` are of the last answer."""

    def __init__(self, app: Flask, *, address: str = "127.0.0.1") -> None:
        self.app = app
        self.client = app.test_client()
        self.address = address
        self.secret: str | None = None
        self.path = "/"
        self.status = 0
        self.page = Page("")
        self.answer: TestResponse | None = None

    # -- going ------------------------------------------------------------------------------------

    def open(self, path: str, *, follow: bool = True) -> Page:
        """Open a page, following redirects."""
        return self._arrive(self.client.get(path, environ_base=self._environ()), path, follow)

    def send(
        self, to: str | None = None, *, follow: bool = True, files: dict[str, Any] | None = None, **typed: Any
    ) -> Page:
        """Send the form whose action contains ``to`` (or the first one) with these values typed in.

        A value of None removes the field, a list sends it several times.
        """
        form = self.page.form_to(to)
        values = [(name, value) for name, value in form.values if name not in typed]
        for name, value in typed.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    values.append((name, str(one)))
        return self.post(form.action or self.path, values, follow=follow, files=files)

    def post(
        self,
        path: str,
        values: list[tuple[str, str]] | dict[str, str],
        *,
        follow: bool = True,
        files: dict[str, Any] | None = None,
    ) -> Page:
        """Post these values as they are."""
        pairs = values.items() if isinstance(values, dict) else values
        data: dict[str, list[Any]] = {}
        for name, value in pairs:
            data.setdefault(name, []).append(value)
        for name, file in (files or {}).items():
            data.setdefault(name, []).extend(file if isinstance(file, list) else [file])
        answer = self.client.post(
            path,
            data=data,
            content_type="multipart/form-data" if files else None,
            headers={"Referer": f"http://localhost{self.path}"},
            environ_base=self._environ(),
        )
        return self._arrive(answer, path, follow)

    def _arrive(self, answer: TestResponse, path: str, follow: bool) -> Page:
        hops = 0
        while follow and answer.status_code in REDIRECTS:
            hops += 1
            assert hops < 10, f"redirects without end at {path}"
            path = answer.headers["Location"]
            answer = self.client.get(path, environ_base=self._environ())
        self.answer, self.status, self.path = answer, answer.status_code, path
        self.page = Page(answer.get_data(as_text=True) if answer.mimetype == "text/html" else "")
        return self.page

    def _environ(self) -> dict[str, str]:
        return {"REMOTE_ADDR": self.address}

    # -- being somebody ---------------------------------------------------------------------------

    def sign_up(self, *, role: str, email: str, name: str, password: str = "correct horse battery") -> Page:
        self.open("/sign-up")
        return self.send(role=role, email=email, name=name, password=password)

    def sign_in(self, email: str, password: str = "correct horse battery", *, to: str | None = None) -> Page:
        self.open("/sign-in" + (f"?next={to}" if to else ""))
        return self.send(email=email, password=password)

    def sign_out(self) -> Page:
        return self.send("/sign-out")

    def set_up_second_factor(self) -> None:
        """Enrol codes by time; the session has a fresh one afterwards."""
        self.open("/account/second-factor/setup")
        self.send("/account/second-factor/setup")
        self.secret = re.search(r"data-secret>([A-Z2-7]+)<", self.page.source)[1]
        self.send("/account/second-factor/confirm", code=self.code())
        assert self.status == 200, self.page.errors

    def code(self, *, step: int = 0) -> str:
        """Return the code of this step, or of steps before or after it."""
        return pyotp.TOTP(self.secret).at(int(dt.datetime.now(dt.UTC).timestamp()) + 30 * step)
