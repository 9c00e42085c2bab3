"""``flask ledger``: check the books, and write them for other programs."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from app import selfcheck
from app.cli.printing import as_json_option, print_json
from app.db import get_db
from app.ledger import export as exporting

ledger = AppGroup("ledger", help="Check the books; write them for hledger or beancount.")


@ledger.command("check")
@as_json_option
def check(as_json: bool) -> None:
    """Work every figure out again from the entries; exit status 1 when anything contradicts.

    Journals, counters, statements, tokens, refunds, payouts, operations, releases, hashes, states and deadlines:
    see docs/ledger.md. Reads only.
    """
    with get_db().read() as session:
        problems = selfcheck.run(session)
    if as_json:
        found = [
            {"code": each.code, "where": each.where, "message": each.message, "figures": dict(each.figures)}
            for each in problems
        ]
        print_json({"ok": not problems, "problems": found})
    elif problems:
        for each in problems:
            click.echo(str(each))
        click.echo(f"{len(problems)} problem(s) found.", err=True)
    else:
        click.echo("The books are whole: nothing contradicts.")
    if problems:
        raise SystemExit(1)


@ledger.command("export")
@click.option("--format", "form", required=True, type=click.Choice(exporting.FORMATS), help="Which program reads it.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the screen.")
def export(form: str, out: Path | None) -> None:
    """Write every journal, with closing balances that the reading program checks."""
    with get_db().read() as session:
        if out is None:
            exporting.write(session, sys.stdout, form)
            return
        with out.open("w", encoding="utf-8", newline="\n") as file:
            count = exporting.write(session, file, form)
    click.echo(f"{count} journals written to {out}", err=True)
