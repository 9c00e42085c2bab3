"""The ledger as pages: accounts and entries for operators and supervisors, one journal for everybody it concerns.

Nothing can be changed here; a wrong journal is answered by another journal.
"""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import security
from app.accounts.actor import Actor
from app.db import Session, get_db
from app.errors import NotFound
from app.ledger import browse, chart
from app.ledger import queries as ledger
from app.ledger.queries import JournalView
from app.offerings.models import Issuer, Offering
from app.operations import queries
from app.operations.menu_views import side_items
from app.operations.tables_views import number_arg, text_arg
from app.security import requires

blueprint = Blueprint("books", __name__)

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 50
READERS = ("operator", "supervisor")

#: Journals about everybody of an offering together: they tell nothing of one investor.
COLLECTIVE = ("offering_published", "maximum_changed", "closed", "released", "returned", "left", "given_back",
              "payout_reserved", "payout_done", "payout_failed", "payout_returned", "fees_covered", "fees_set_off",
              "fees_swept")


@blueprint.get("/operator/ledger")
@requires(*READERS)
def accounts() -> Answer:
    kind, owner, after = text_arg("kind", 20), text_arg("owner", 40), number_arg("after")
    with get_db().read() as session:
        rows = browse.accounts(session, kind=kind, owner=owner, after_id=after, limit=PAGE_SIZE + 1)
        sums = queries.asset_sums(session)
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    asked = {"kind": kind or None, "owner": owner or None}
    return render_template(
        "ledger/accounts.html", rows=rows, sums=sums, kind=kind, owner=owner, kinds=sorted(chart.SIDES),
        side_items=side_items("ledger"),
        older_url=url_for(".accounts", **asked, after=rows[-1].id) if more else None,
        newer_url=url_for(".accounts", **asked) if after else None,
    )


@blueprint.get("/operator/ledger/account")
@requires(*READERS)
def account() -> Answer:
    address, asset = text_arg("address", 200), text_arg("asset", 40)
    before = number_arg("before")
    with get_db().read() as session:
        found = browse.account(session, address, asset)
        if found is None:
            raise NotFound(_("There is no such account."), code="account_not_found")
        lines = browse.entries(session, found.id, before_version=before, limit=PAGE_SIZE + 1)
    more = len(lines) > PAGE_SIZE
    lines = lines[:PAGE_SIZE]
    here = {"address": address, "asset": asset}
    return render_template(
        "ledger/account.html", book=found, lines=lines, cause_url=cause_url, side_items=side_items("ledger"),
        older_url=url_for(".account", **here, before=lines[-1].version) if more else None,
        newer_url=url_for(".account", **here) if before else None,
    )


@blueprint.get("/operator/ledger/journals")
@requires(*READERS)
def journals() -> Answer:
    before, slug = number_arg("before"), text_arg("offering", 40)
    with get_db().read() as session:
        offering = session.scalar(sa.select(Offering).where(Offering.public_id == slug)) if slug else None
        rows = ledger.journals(
            session, offering_id=offering.id if offering else (0 if slug else None), before_id=before,
            limit=PAGE_SIZE + 1,
        )
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    asked = {"offering": slug or None}
    return render_template(
        "ledger/journals.html", rows=rows, offering=offering, slug=slug, cause_url=cause_url,
        side_items=side_items("ledger"),
        older_url=url_for(".journals", **asked, before=rows[-1].id) if more else None,
        newer_url=url_for(".journals", **asked) if before else None,
    )


@blueprint.get("/ledger/journals/<journal_id>")
@requires()
def journal(journal_id: str) -> Answer:
    """Show one journal to operators, supervisors, and those of the offering whom it concerns."""
    actor = security.current_actor()
    with get_db().read() as session:
        found = next(iter(ledger.journals(session, public_ids=[journal_id], limit=1)), None)
        own = queries.own_rows(session, found.id, actor.parties("investor")) if found else []
        if found is None or not _may_see(session, actor, found, bool(own)):
            raise NotFound(_("There is no such journal."), code="journal_not_found")
        offering = session.get(Offering, found.offering_id) if found.offering_id else None
        seal = browse.seal_of(session, found.id)
    is_reader = any(actor.has_role(role) for role in READERS)
    return render_template(
        "ledger/journal.html", journal=found, offering=offering, own=own, seal=seal, is_reader=is_reader,
        cause_url=cause_url if is_reader else None,
    )


def _may_see(session: Session, actor: Actor, found: JournalView, has_row: bool) -> bool:
    """Whether a journal concerns the actor: their own money, or everybody of an offering they are part of."""
    if has_row or any(actor.has_role(role) for role in READERS):
        return True
    if found.offering_id is None:
        return False
    investing = actor.parties("investor")
    if queries.is_own_cause(session, found, investing):
        return True
    if found.kind not in COLLECTIVE:
        return False
    offering = session.get_one(Offering, found.offering_id)
    issuer = session.get_one(Issuer, offering.issuer_id)
    return actor.acts_for(issuer.party_id, "founder") or queries.has_part_in(session, offering.id, investing)


def cause_url(cause: str) -> str:
    """Return where the thing that caused a journal is shown; what has no page of its own, in the log."""
    if cause.startswith("off_"):
        return url_for("reviews.show", offering_id=cause)
    if cause.startswith("mst_"):
        return url_for("milestones.show", milestone_id=cause)
    return url_for("records.log", object=cause)
