"""Fixtures of the browser tests: the whole application on a real server, and people with browsers of their own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser
from werkzeug.serving import make_server

from app import create_app
from app.accounts import passwords
from app.config import load_settings
from app.db import Database
from tests.browser.people import Person, Site


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with the least work: these tests are about pages, not about how long a guess takes."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()


@pytest.fixture
def site(db: Database, tmp_path: Path) -> Iterator[Site]:
    """Serve the application on a fresh database at a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = load_settings({
        "MILESTAKE_ENV": "test",
        "DATABASE_URL": db.url.render_as_string(hide_password=False),
        "DATA_DIR": str(tmp_path / "blobs"),
        "MAIL_DIR": str(tmp_path / "mail"),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "LOG_LEVEL": "ERROR",
    })
    app = create_app(settings, db)
    # Browsers would ask for fifteen files again with every page, and nothing of them changes meanwhile.
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 3600
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Site(db, settings)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def new_person(site: Site, browser: Browser) -> Iterator[Callable[..., Person]]:
    """Give a way to let people in, each with a browser of their own; at the end nothing may have gone wrong in any."""
    everybody: list[Person] = []

    def arrive(name: str = "Somebody", **options: Any) -> Person:
        context = browser.new_context(base_url=site.url, reduced_motion="reduce", **options)
        context.set_default_timeout(15_000)
        person = Person(name, site, context)
        everybody.append(person)
        return person

    yield arrive
    complaints = [f"{person.name}: {each}" for person in everybody for each in person.complaints]
    for person in everybody:
        person.context.close()
    assert complaints == []
