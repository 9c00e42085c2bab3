"""Commands that run things: the worker, migrations, the demo with its site, and the replay of real contracts."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from app import work
from app import worker as working
from app.cli import serving
from app.cli.printing import refusals, settings
from app.db import get_db
from app.payments.rails import build_rails

database = AppGroup("db", help="Bring the database's tables up to date.")
demo = AppGroup("demo", help="A small invented platform to look around in.")


@click.command("worker")
@click.option("--once", is_flag=True, help="Do everything that is due now, and stop.")
@with_appcontext
def worker(once: bool) -> None:
    """Do due jobs and send what is to be sent, until told to stop; as many workers as wanted may run."""
    context = work.Context(get_db(), settings(), build_rails(settings(), get_db()))
    if not once:
        working.serve(context)
        return
    done = working.run_due(context)
    click.echo(f"{done} thing(s) done; nothing more is due.")


@database.command("upgrade")
def upgrade() -> None:
    """Run every migration that the database has not seen."""
    serving.migrate(settings())
    click.echo("The database is up to date.")


@demo.command("load")
def load() -> None:
    """Load the demo into an empty database, and print whom to sign in as."""
    serving.migrate(settings())
    _load_demo()


@demo.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
def serve(host: str, port: int) -> None:
    """Migrate, load the demo if there is nothing yet, and run web and worker until Ctrl-C."""
    serving.demand_development(settings())
    serving.demand_free_port(host, port)
    serving.migrate(settings())
    _load_demo()
    get_db().dispose()
    raise SystemExit(serving.serve(host, port))


def _load_demo() -> None:
    loading = importlib.import_module("app.demo.loading")
    click.echo("Loading the demo, which takes some seconds the first time …")
    # Each of the worker's thousand acts in it would be a line above the sign-ins.
    worker_log = logging.getLogger("worker")
    worker_log.setLevel(logging.WARNING)
    loading.load(get_db(), settings())
    worker_log.setLevel(logging.NOTSET)
    for line in loading.sign_ins(get_db()):
        click.echo(line)


def _replay_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--need-programs", is_flag=True, envvar="CI",
                     help="Fail where hledger or beancount is missing; set in continuous integration (CI)."),
        click.option("--database", "url", help="An empty database to keep the result in; otherwise a scratch one."),
        click.option("--limit", type=click.IntRange(1), help="Only so many records, spread over the file."),
        click.option("--seed", type=int, help="What the investors are made up from; printed."),
        click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
    ):
        command = option(command)
    return command


@click.command("replay")
@_replay_options
@with_appcontext
def replay(file: Path, **options: Any) -> None:
    """Run the contracts of FILE (JSON lines) through the whole application, and check every book afterwards.

    Exit status 0 only when every offering ended, every cent is somewhere and no check found anything.
    """
    _replay(file, "run", **options)


@click.command("replay-offerings")
@_replay_options
@with_appcontext
def replay_offerings(file: Path, **options: Any) -> None:
    """Run the filed offerings of FILE (JSON lines) on their real days through the application, and check the books.

    Exit status 0 only when every filing ended, every cent is somewhere and no check found anything.
    """
    _replay(file, "run_filings", **options)


def _replay(file: Path, name: str, **options: Any) -> None:
    replaying = importlib.import_module("app.replay")
    records = importlib.import_module("app.replay.records")
    if options["seed"] is None:
        del options["seed"]
    with refusals():
        try:
            is_well = replaying.run_file(
                file, settings(), click.echo, play=getattr(replaying, name), **options
            )
        except records.RecordError as error:
            raise click.ClickException(str(error)) from error
    raise SystemExit(0 if is_well else 1)
