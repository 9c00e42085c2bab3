"""The page on which investors read what ending the plan would mean, call a vote on it, and join a call (WND-6)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security, shell
from app.accounts.actor import Actor
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.next_step import next_step
from app.offerings import queries as offerings
from app.progress import ending, ending_queries
from app.security import requires
from milestones import money

blueprint = Blueprint("ending", __name__)

Answer = str | tuple[str, int] | Response


class CallForm(KeyedForm):
    """Why the plan should end."""

    operation = "call_end"

    reason = TextAreaField(
        _l("Why should it end?"), validators=[DataRequired(_l("Say why; every investor reads it.")),
                                              Length(max=ending.MAX_REASON_CHARACTERS,
                                                     message=_l("Enter at most %(max)d characters."))]
    )


class JoinForm(KeyedForm):
    """Stand behind a call that somebody else made."""

    operation = "join_end_call"


@blueprint.route("/offerings/<slug>/end", methods=["GET", "POST"])
@requires("investor")
def show(slug: str) -> Answer:
    actor = security.current_actor()
    form = CallForm(actor=actor)
    with get_db().read() as session:
        context = _context(session, actor, slug)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: ending.call(
                    session, actor=actor, offering_id=context["offering"].public_id,  # type: ignore[attr-defined]
                    reason=form.reason.data or "", key=form.key, now=clock.business_now(session),
                )
            )
            return redirect(url_for(".show", slug=slug))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template("progress/end.html", form=form, joining=JoinForm(actor=actor, formdata=None), **context)
    return page, form.status


@blueprint.post("/offerings/<slug>/end/<call_id>")
@requires("investor")
def join(slug: str, call_id: str) -> Answer:
    actor = security.current_actor()
    form = JoinForm(actor=actor)
    if form.validate_on_submit():
        get_db().unit_of_work(
            lambda session: ending.join(
                session, actor=actor, call_id=call_id, key=form.key, now=clock.business_now(session)
            )
        )
    return redirect(url_for(".show", slug=slug))


def _context(session: Session, actor: Actor, slug: str) -> dict[str, object]:
    found = offerings.for_reader(session, slug, actor)
    seen = ending_queries.ending_of(session, actor, found.offering, clock.business_now(session))
    step = None
    if seen.poll is not None:
        step = next_step("end_vote", "open", seen.poll.ends_at)
    elif seen.call is not None:
        step = next_step("end_call", "gathering", seen.call.ends_at)
    return {
        "found": found, "offering": found.offering, "seen": seen, "words": ending.CAUSE_WORDS,
        "asset": money.Asset.parse(found.offering.currency), "next": shell.next_line(step, found.offering.zone),
    }
