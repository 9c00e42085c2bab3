"""How commands end: words for a person on the screen, or one JSON document for a program."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import current_app

from app.config import Settings
from app.errors import MilestakeError

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def settings() -> Settings:
    """Return the settings that the application started with."""
    return current_app.extensions["milestake_settings"]


def print_json(document: object) -> None:
    """Print one JSON document, keys in order, instants as ISO 8601."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True, default=_plain))


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    raise TypeError(f"not for JSON: {type(value).__name__}")


@contextmanager
def refusals(*, as_json: bool = False) -> Iterator[None]:
    """Turn what a service refuses into words and exit status 1."""
    try:
        yield
    except MilestakeError as error:
        if as_json:
            print_json({"ok": False, "error": {"code": error.code, "message": error.message}})
            raise SystemExit(1) from error
        raise click.ClickException(error.message) from error
