"""The page on which an investor contests that their commitment is linked (COM-11)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from app import clock, security
from app.commitments import links, queries, rules
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.forms import KeyedForm
from app.security import requires

blueprint = Blueprint("links", __name__)

Answer = str | tuple[str, int] | Response


class ContestForm(KeyedForm):
    """Why somebody acts on their own."""

    operation = "contest_link"

    words = TextAreaField(
        _l("Why you act on your own"),
        validators=[InputRequired(_l("Say why you act on your own; an operator reads it.")),
                    Length(max=links.MAX_CONTEST_CHARACTERS, message=_l("Enter at most %(max)d characters."))],
    )


@blueprint.route("/commitments/<commitment_id>/links/<link_id>", methods=["GET", "POST"])
@requires("investor")
def contest(commitment_id: str, link_id: str) -> Answer:
    actor = security.current_actor()
    form = ContestForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: links.contest(
                    session, actor=actor, link_id=link_id, words=form.words.data or "",
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".contested", commitment_id=commitment_id, link_id=link_id))
        except MilestakeError as error:
            form.show_error(error)
    return _page("commitments/contest.html", commitment_id, link_id, form=form), form.status


@blueprint.get("/commitments/<commitment_id>/links/<link_id>/contested")
@requires("investor")
def contested(commitment_id: str, link_id: str) -> Answer:
    return _page("commitments/contested.html", commitment_id, link_id)


def _page(template: str, commitment_id: str, link_id: str, **context: object) -> str:
    with get_db().read() as session:
        view = queries.find_position(session, security.current_actor(), commitment_id)
        own = links.links_of(session, [view.commitment.id])[view.commitment.id]
    link = next((each for each in own if each.public_id == link_id), None)
    if link is None:
        raise NotFound("There is no such link.", code="link_not_found")
    return render_template(template, view=view, link=link, words=rules.LINK_WORDS, **context)
