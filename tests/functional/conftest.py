"""Fixtures for tests through the pages: the application on a fresh database, and visitors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask

from app import create_app
from app.accounts import passwords
from app.config import Settings, load_settings
from app.db import Database
from tests.functional.visitor import Visitor


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with the least work: these tests are about pages, not about how long a guess takes."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody.cache_clear()


@pytest.fixture
def settings(db: Database, tmp_path: Path) -> Settings:
    return load_settings({
        "MILESTAKE_ENV": "test",
        "DATABASE_URL": db.url.render_as_string(hide_password=False),
        "DATA_DIR": str(tmp_path / "blobs"),
        "MAIL_DIR": str(tmp_path / "mail"),
        "LOG_LEVEL": "WARNING",
    })


@pytest.fixture
def site(settings: Settings, db: Database) -> Flask:
    """Give the whole application on a fresh database."""
    return create_app(settings, db)


@pytest.fixture
def visitor(site: Flask) -> Visitor:
    return Visitor(site)


@pytest.fixture
def new_visitor(site: Flask) -> Callable[..., Visitor]:
    """Give a way to make more visitors, each with cookies of their own."""
    return lambda **options: Visitor(site, **options)
