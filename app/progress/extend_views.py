"""The page on which a founder asks for a milestone's one extension, and its receipt (MIL-14)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security
from app.accounts.actor import Actor
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.progress import desk, extending, lateness_queries
from app.security import requires

blueprint = Blueprint("extend", __name__, url_prefix="/milestones")

Answer = str | tuple[str, int] | Response


class ExtendForm(KeyedForm):
    """Why more time is needed."""

    operation = "extend_milestone"

    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Say why; every investor reads it.")),
                                  Length(max=extending.MAX_REASON_CHARACTERS,
                                         message=_l("Enter at most %(max)d characters."))]
    )


def _context(session: Session, actor: Actor, milestone_id: str) -> dict[str, object]:
    place = desk.milestone_of_founder(session, actor, milestone_id)
    late = lateness_queries.lateness_of(
        session, place.offering, place.milestone, place.terms, clock.business_now(session)
    )
    return {"place": place, "milestone": place.milestone, "offering": place.offering, "late": late}


@blueprint.route("/<milestone_id>/extend", methods=["GET", "POST"])
@requires("founder")
def ask(milestone_id: str) -> Answer:
    actor = security.current_actor()
    form = ExtendForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: extending.extend(
                    session, actor=actor, milestone_id=milestone_id, reason=form.reason.data or "", key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".given", milestone_id=milestone_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        context = _context(session, actor, milestone_id)
    return render_template("progress/extend.html", form=form, **context), form.status


@blueprint.get("/<milestone_id>/extended")
@requires("founder")
def given(milestone_id: str) -> Answer:
    with get_db().read() as session:
        context = _context(session, security.current_actor(), milestone_id)
    if context["late"] is None or context["late"].extension is None:  # type: ignore[attr-defined]
        return redirect(url_for(".ask", milestone_id=milestone_id))
    return render_template("progress/extended.html", **context)
