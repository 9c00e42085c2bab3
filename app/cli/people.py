"""``flask user``: give people roles from the machine, for whoever runs it."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from app import clock
from app.accounts import queries, service
from app.accounts.actor import ROLES, SYSTEM
from app.cli.printing import refusals
from app.db import get_db
from app.errors import NotFound

user = AppGroup("user", help="Give people roles.")


@user.command("grant")
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
def grant(email: str, role: str) -> None:
    """Let the user with EMAIL act in ROLE, approved at once.

    Roles that must stay apart (PPL-2) are refused as on the pages.
    """

    def act(session: Session) -> None:
        found = queries.user_by_email(session, email.strip().casefold())
        if found is None:
            raise NotFound(f"There is no account with the mail address {email}. It has to be signed up first.")
        service.grant_role(session, actor=SYSTEM, user_id=found.id, role=role, now=clock.system_now())

    with refusals():
        get_db().unit_of_work(act)
    click.echo(f"{email} may act as {role}.")
