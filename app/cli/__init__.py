"""The table of commands: what ``flask`` can do beside serving pages.

Commands only read their arguments, open a unit of work and print; what they do is done by the same services and
queries as the pages. Exit status 0 means that all is well, 1 that something was found or refused, 2 that the
command was not understood. ``--json`` prints one JSON document for programs.
"""

from __future__ import annotations

from flask import Flask

from app.accounts import commands as accounts
from app.cli import books, contract, draw, people, regime, running, schedule


def register_cli(app: Flask) -> None:
    """Add every command to ``app``."""
    app.cli.add_command(accounts.setup_token)
    app.cli.add_command(people.user)
    app.cli.add_command(contract.contract)
    app.cli.add_command(books.ledger)
    app.cli.add_command(regime.regime)
    app.cli.add_command(running.worker)
    app.cli.add_command(running.database)
    app.cli.add_command(running.demo)
    app.cli.add_command(running.replay)
    app.cli.add_command(running.replay_offerings)
    app.cli.add_command(schedule.schedule)
    app.cli.add_command(draw.draw)
