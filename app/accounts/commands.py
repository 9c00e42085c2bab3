"""Commands about people: the token that lets the first operator of an empty database in."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from app import clock
from app.accounts import invitations
from app.db import Database, get_db


def setup_words(db: Database, public_url: str) -> str | None:
    """Return what to tell whoever starts a site without an operator, None when there is one."""
    token = db.unit_of_work(lambda session: invitations.issue_setup_token(session, now=clock.system_now()))
    if token is None:
        return None
    return f"There is no operator yet. Open {public_url}/setup and give this token, within 24 hours:\n  {token}"


@click.command("setup-token")
@with_appcontext
def setup_token() -> None:
    """Print a one-time token for the first operator; fails when there is an operator."""
    words = setup_words(get_db(), current_app.extensions["milestake_settings"].public_url)
    if words is None:
        raise click.ClickException("There is an operator already. Operators invite each other on the page People.")
    click.echo(words)
