"""Bring a database's schema up to date: one Alembic path for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

HERE = Path(__file__).resolve().parent


def config(url: str) -> Config:
    """Return Alembic's configuration for the database at ``url`` (no ini file)."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str) -> None:
    """Run every migration that the database at ``url`` has not seen."""
    command.upgrade(config(url), "head")
