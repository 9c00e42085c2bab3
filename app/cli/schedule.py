"""``flask schedule``: what will happen in the coming days, which jobs act on what and which cents move (TIM-4)."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from app import forecast
from app.cli.printing import as_json_option, print_json, settings
from app.db import get_db
from app.forecast import told
from app.logging import configure_logging


@click.command("schedule")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 366), help="How far to look ahead.")
@click.option("--nothing-arrives", is_flag=True,
              help="Assume that rails keep what they have under way; the sandbox would otherwise follow its own books.")
@as_json_option
@with_appcontext
def schedule(days: int, nothing_arrives: bool, as_json: bool) -> None:
    """Say what happens in the coming days if nobody acts: a dry run by the worker's own jobs on a copy.

    Changes nothing, sends nothing, asks no rail, and holds up nobody. Exit status 1 when a cent stands somewhere with
    neither a date nor a person in charge.
    """
    # What fails in a rehearsal is told below; as a line of the log it would alarm somebody.
    configure_logging("CRITICAL")
    found = forecast.forecast(get_db(), settings(), days=days, nothing_arrives=nothing_arrives)
    if as_json:
        print_json(told.document(found))
    else:
        click.echo(told.text(found))
    if not found.is_sound:
        raise SystemExit(1)
