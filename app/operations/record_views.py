"""What supervisors read, and operators too: the log of decisions, registers as of any day, exports. Nothing changes.

Also the holders of one offering's class, for its company and its holders.
"""

from __future__ import annotations

import io

from flask import Blueprint, Response, flash, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from app import clock, security
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.audit import queries as audit
from app.audit.models import LogEntry
from app.db import Session, get_db
from app.errors import NotFound
from app.ledger import export
from app.offerings import queries as offering_queries
from app.offerings.models import Issuer, TokenClass
from app.operations import holdings, queries
from app.operations.menu_views import side_items
from app.operations.tables_views import csv_answer, day_arg, number_arg, text_arg
from app.security import requires

blueprint = Blueprint("records", __name__)

Answer = str | tuple[str, int] | BaseResponse
READERS = ("operator", "supervisor")
PAGE_SIZE = 30
EXPORT_ROWS = 1000


@blueprint.get("/supervisor")
@requires("supervisor")
def index() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        health = queries.health(session, now)
        latest = _decisions(session)
        names = _names(session, latest)
        counts = holdings.counts(session)
    return render_template(
        "supervisor/index.html", health=health, latest=latest, names=names, counts=counts, now=now,
        side_items=side_items("records"),
    )


def _decisions(session: Session) -> list[LogEntry]:
    """Return the newest decisions that carry a reason."""
    return [entry for entry in audit.latest_entries(session, limit=200) if entry.reason and entry.actor_user_id][:10]


def _names(session: Session, entries: list[LogEntry]) -> dict[int, str]:
    return holdings.user_names(session, {entry.actor_user_id for entry in entries if entry.actor_user_id})


# -- the log ----------------------------------------------------------------------------------------


@blueprint.get("/operator/log")
@requires(*READERS)
def log() -> Answer:
    action, object_id, who = text_arg("action", 60), text_arg("object", 60), text_arg("who", 60)
    before = number_arg("before")
    with get_db().read() as session:
        person = people.user_by_public_id(session, who) if who.startswith("usr_") else (
            people.user_by_email(session, who) if who else None)
        user_id = person.id if person else (-1 if who else None)
        entries = list(audit.latest_entries(
            session, before_id=before, action=action or None, object_id=object_id or None, actor_user_id=user_id,
            limit=PAGE_SIZE + 1,
        ))
        more = len(entries) > PAGE_SIZE
        entries = entries[:PAGE_SIZE]
        names = _names(session, entries)
    asked = {"action": action or None, "object": object_id or None, "who": who or None}
    return render_template(
        "operator/log.html", entries=entries, names=names, action=action, object_id=object_id, who=who,
        values_of=audit.values_of, side_items=side_items("log"),
        older_url=url_for(".log", **asked, before=entries[-1].id) if more else None,
        newer_url=url_for(".log", **asked) if before else None,
        csv_url=url_for(".log_csv", **asked),
    )


@blueprint.get("/operator/log.csv")
@requires(*READERS)
def log_csv() -> Answer:
    """Send the newest entries of the log that were asked for, with the hash of each."""
    action, object_id = text_arg("action", 60), text_arg("object", 60)
    with get_db().read() as session:
        entries = list(audit.latest_entries(
            session, action=action or None, object_id=object_id or None, limit=EXPORT_ROWS
        ))
        names = _names(session, entries)
    rows = [
        (entry.id, entry.at.isoformat(), names.get(entry.actor_user_id or 0, "Milestake"), entry.action,
         entry.object_id, entry.before, entry.after, entry.reason, entry.content_hash)
        for entry in entries
    ]
    header = ("entry", "at_utc", "who", "action", "object", "before", "after", "reason", "sha256")
    return csv_answer("milestake-log.csv", header, rows)


# -- registers --------------------------------------------------------------------------------------


@blueprint.get("/operator/registers")
@requires(*READERS)
def registers() -> Answer:
    with get_db().read() as session:
        classes = holdings.classes(session)
    return render_template("supervisor/registers.html", classes=classes, side_items=side_items("registers"))


@blueprint.get("/operator/registers/<class_id>")
@requires(*READERS)
def register(class_id: str) -> Answer:
    with get_db().read() as session:
        token_class, issuer = _class(session, class_id)
        typed, as_of, readable = day_arg("as_of")
        table = holdings.table(session, token_class, as_of=as_of)
        changes = holdings.changes(session, token_class, as_of=as_of, before_id=number_arg("before"), limit=PAGE_SIZE)
        now = clock.business_now(session)
    page = render_template(
        "supervisor/register.html", token_class=token_class, issuer=issuer, table=table, changes=changes, now=now,
        as_of=as_of, typed=typed, readable=readable, side_items=side_items("registers"),
        csv_url=url_for(".register_csv", class_id=class_id, as_of=typed or None),
    )
    return page, 200 if readable else 422


@blueprint.get("/operator/registers/<class_id>.csv")
@requires(*READERS)
def register_csv(class_id: str) -> Answer:
    with get_db().read() as session:
        token_class, _issuer = _class(session, class_id)
        typed, as_of, readable = day_arg("as_of")
        table = holdings.table(session, token_class, as_of=as_of if readable else None)
    rows = [(row.party, row.name, token_class.code, row.tokens, row.share_bp) for row in table.rows]
    header = ("party", "holder", "class", "tokens", "share_bp")
    return csv_answer(f"register-{token_class.code}-{typed or 'now'}.csv", header, rows)


def _class(session: Session, class_id: str) -> tuple[TokenClass, Issuer]:
    found = next((row for row in holdings.classes(session) if row.token_class.public_id == class_id), None)
    if found is None:
        raise NotFound(_("There is no such token class."), code="token_class_not_found")
    return found.token_class, found.issuer


# -- exports ----------------------------------------------------------------------------------------


@blueprint.get("/operator/export/<any(hledger,beancount):form>")
@requires(*READERS)
def ledger_export(form: str) -> Answer:
    """Send the whole ledger as a file that another program reads and checks."""
    out = io.StringIO()
    with get_db().read() as session:
        export.write(session, out, form)
    response = Response(out.getvalue(), mimetype="text/plain")
    ending = "journal" if form == "hledger" else "beancount"
    response.headers["Content-Disposition"] = f'attachment; filename="milestake.{ending}"'
    return response


# -- holders of one offering ------------------------------------------------------------------------


@blueprint.get("/offerings/<slug>/holders")
@requires()
def holders(slug: str) -> Answer:
    """Show who holds the class: all of it to its company, operators and supervisors, one's own row to a holder."""
    actor = security.current_actor()
    with get_db().read() as session:
        found = offering_queries.for_reader(session, slug, actor)
        typed, as_of, readable = day_arg("as_of", found.offering.zone)
        table = holdings.table(session, found.token_class, as_of=as_of)
        sees_all = _sees_all(actor, found.issuer)
        mine = actor.parties("investor")
        if not sees_all and not holdings.ever_held(session, found.token_class, mine):
            raise NotFound(_("There is no such offering."), code="offering_not_found")
        changes = holdings.changes(
            session, found.token_class, as_of=as_of, before_id=number_arg("before"), limit=PAGE_SIZE,
            parties=None if sees_all else mine,
        )
        now = clock.business_now(session)
    if not readable:
        flash(_("Enter a day as YYYY-MM-DD. The table shows today."), "error")
    page = render_template(
        "supervisor/holders.html", found=found, offering=found.offering, token_class=found.token_class, table=table,
        rows=[row for row in table.rows if sees_all or row.party_id in mine], sees_all=sees_all, as_of=as_of,
        typed=typed, now=now, changes=changes,
    )
    return page, 200 if readable else 422


def _sees_all(actor: Actor, issuer: Issuer) -> bool:
    return any(actor.has_role(role) for role in READERS) or actor.acts_for(issuer.party_id, "founder")
