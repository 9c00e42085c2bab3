"""Where an investor answers: whether a plan goes on after a halt, and whether they stay after a shortfall."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import RadioField
from wtforms.validators import InputRequired

from app import clock, security, shell
from app.db import get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.next_step import next_step
from app.progress import halt_queries, polls
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("polls", __name__, url_prefix="/polls")

Answer = str | tuple[str, int] | Response


class AnswerForm(KeyedForm):
    """One of two answers."""

    operation = "answer_poll"

    choice = RadioField(
        _l("Your answer"), validators=[InputRequired(_l("Choose one of the two answers."))], validate_choice=False
    )

    def ask(self, kind: str) -> None:
        """Word the two answers."""
        words: dict[str, list[tuple[str, Any]]] = {
            polls.HALT: [(polls.YES, _("Yes, the plan goes on")), (polls.NO, _("No, send back what is unreleased"))],
            polls.SHORTFALL: [(polls.YES, _("I stay")), (polls.NO, _("Refund all of mine"))],
        }
        self.choice.choices = words[kind]


@blueprint.route("/<poll_id>", methods=["GET", "POST"])
@requires("investor")
def show(poll_id: str) -> Answer:
    actor = security.current_actor()
    form = AnswerForm(actor=actor)
    with get_db().read() as session:
        found = halt_queries.question(session, actor, poll_id)
    if poll_id != found.mine.public_id and len(actor.parties("investor")) > 1:
        # Who acts for several investors answers for one at a time.
        return redirect(url_for(".show", poll_id=found.mine.public_id))
    form.ask(found.poll.kind)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: polls.answer(
                    session, actor=actor, poll_id=poll_id, choice=form.choice.data, key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".answered", poll_id=found.mine.public_id))
        except MilestakeError as error:
            form.show_error(error)
    if not form.is_submitted():
        form.choice.data = found.mine.choice
    with get_db().read() as session:
        now = clock.business_now(session)
    page = render_template("polls/show.html", form=form, is_open=found.is_open(now), **_context(found))
    return page, form.status


@blueprint.get("/<poll_id>/answered")
@requires("investor")
def answered(poll_id: str) -> Answer:
    with get_db().read() as session:
        found = halt_queries.question(session, security.current_actor(), poll_id)
    if found.mine.choice is None:
        return redirect(url_for(".show", poll_id=poll_id))
    return render_template("polls/answered.html", **_context(found))


def _context(found: halt_queries.Question) -> dict[str, object]:
    subject = "vote" if found.poll.kind == polls.HALT else "stay"
    step = next_step(subject, "open", found.poll.ends_at) if found.poll.state == "open" else None
    return {
        "poll": found.poll, "offering": found.offering, "mine": found.mine, "halt": found.halt,
        "may_change": found.may_change, "asset": Asset.parse(found.offering.currency),
        "next": shell.next_line(step, found.offering.zone, yours=True) if step else None,
    }
