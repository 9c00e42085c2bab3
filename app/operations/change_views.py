"""Operators decide about changes of live offerings: what is proposed, how the table judges it, and a reason (OFF-8)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import RadioField
from wtforms.validators import InputRequired

from app import clock, security, shell
from app.commitments import reconfirm_queries, reconfirming
from app.db import Session, get_db
from app.errors import MilestakeError
from app.offerings import changes, rules, updates, versions
from app.offerings.change_models import OfferingChange, OfferingUpdate
from app.offerings.models import Issuer, Offering
from app.operations.forms import NoteForm
from app.operations.menu_views import side_items
from app.security import requires

blueprint = Blueprint("change_desk", __name__, url_prefix="/operator/changes")

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 50


class DecisionForm(NoteForm):
    """A verdict with its reason; which verdicts there are depends on the change."""

    operation = "decide_change"

    verdict = RadioField(_l("Your decision"), validators=[InputRequired(_l("Choose a decision."))])


@blueprint.get("")
@requires("operator", "supervisor")
def index() -> Answer:
    with get_db().read() as session:
        rows = session.execute(
            sa.select(OfferingChange, Offering, Issuer)
            .join(Offering, Offering.id == OfferingChange.offering_id)
            .join(Issuer, Issuer.id == Offering.issuer_id)
            .order_by(sa.case((OfferingChange.state == "proposed", 0), else_=1), OfferingChange.decide_by.desc())
            .limit(PAGE_SIZE)
        ).all()
    return render_template("operator/changes.html", rows=rows, side_items=side_items("changes"))


def _facts(session: Session, change_id: str) -> dict[str, Any]:
    change = changes.change_by_id(session, change_id)
    offering = session.get_one(Offering, change.offering_id)
    seen = reconfirm_queries.seen(session, offering, change)
    latest = versions.current(session, offering)
    assert latest is not None
    now = clock.business_now(session)
    is_open = change.state == "proposed" and offering.state == "live"
    return {
        "change": change, "offering": offering, "issuer": session.get_one(Issuer, offering.issuer_id), "seen": seen,
        "lines": (seen.judged, latest.document, offering.zone),
        "update": session.get(OfferingUpdate, change.update_id) if change.update_id else None,
        "flags": updates.flags_of(session, change.update_id) if change.update_id else [],
        "problems": changes.problems_of(session, offering, change, now=now) if is_open else [],
        "asked": reconfirm_queries.would_be_asked(session, offering), "is_open": is_open,
        "used": changes.material_count(session, offering), "most": rules.MATERIAL_CHANGES_AT_MOST,
        "next": shell.next_line(reconfirm_queries.step_of(seen, offering), offering.zone),
    }


@blueprint.route("/<change_id>", methods=["GET", "POST"])
@requires("operator", "supervisor")
def show(change_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        facts = _facts(session, change_id)
    form = DecisionForm(actor=actor) if facts["is_open"] and actor.has_role("operator") else None
    if form is not None:
        form.verdict.choices = _choices(facts)
        if form.validate_on_submit():
            try:
                proving = form.prove()
                get_db().unit_of_work(
                    lambda session: reconfirming.decide(
                        session, actor=proving, change_id=change_id, verdict=form.verdict.data,
                        reason=form.reason.data or "", now=clock.business_now(session),
                    )
                )
                return redirect(url_for(".decided", change_id=change_id))
            except MilestakeError as error:
                form.show_error(error)
    page = render_template("operator/change.html", form=form, side_items=side_items("changes"), **facts)
    return page, form.status if form else 200


def _choices(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the verdicts that the rules leave for this change."""
    change = facts["change"]
    if facts["seen"].is_before_first:
        return [("material", _l("Publish it as the next version")), ("decline", _l("Send it back"))]
    found = [("material", _l("It is material: everybody who committed is asked to reconfirm"))]
    if not change.by_table:
        found.append(("not_material", _l("It is not material: nobody is asked")))
    if change.kind == "terms":
        found.append(("decline", _l("Send it back: nothing changes")))
    return found


@blueprint.get("/<change_id>/decided")
@requires("operator", "supervisor")
def decided(change_id: str) -> Answer:
    with get_db().read() as session:
        facts = _facts(session, change_id)
    if facts["change"].state == "proposed":
        return redirect(url_for(".show", change_id=change_id))
    return render_template("operator/change_decided.html", **facts)
