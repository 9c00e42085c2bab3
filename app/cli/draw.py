"""``flask draw``: recompute a draw by lot, from the database or from a file that anybody can download."""

from __future__ import annotations

import json
from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.printing import as_json_option, print_json
from app.db import get_db
from app.offerings import lot_queries
from milestones import lots

draw = AppGroup("draw", help="Recompute draws by lot (MIL-9).")


@draw.command("check")
@click.argument("draw_or_file")
@as_json_option
def check(draw_or_file: str, as_json: bool) -> None:
    """Recompute the draw DRAW_OR_FILE: an id (drw_…), or a file as its page offers it for download.

    Tells the order of the candidates and whether the seed is the committed one; exit status 1 when something differs.
    A file needs no database.
    """
    found = _document(draw_or_file)
    tickets = [lots.Ticket(each["candidate"], each["rank"]) for each in found["tickets"]]
    try:
        lots.verify(str(found["seed"]), str(found["commitment"]), str(found["context"]), tickets)
        problem = None
    except lots.DrawError as error:
        problem = {"code": error.code, "message": error.message}
    if as_json:
        print_json({"ok": problem is None, "draw": found["draw"], "error": problem,
                    "order": [ticket.candidate for ticket in tickets]})
    elif problem is None:
        for number, ticket in enumerate(tickets, start=1):
            click.echo(f"{number:>3}  {ticket.candidate}  {ticket.rank}")
        click.echo(f"{found['draw']} holds: {len(tickets)} candidates, {found['seats']} seats, seed committed before.")
    else:
        click.echo(problem["message"], err=True)
    if problem is not None:
        raise SystemExit(1)


def _document(draw_or_file: str) -> dict[str, object]:
    path = Path(draw_or_file)
    if path.is_file():
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise click.ClickException(f"{path} is not a draw as its page offers it.") from error
    with get_db().read() as session:
        found = lot_queries.shown(session, draw_or_file)
        if found is None:
            raise click.ClickException(f"There is no draw {draw_or_file} here, and no such file.")
        return lot_queries.document(found)
