"""The operators' queue of complaints, and their answers; supervisors read (PPL-7)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.complaints import queries, rules, service
from app.db import get_db
from app.errors import MilestakeError
from app.next_step import next_step
from app.operations.forms import AnswerForm
from app.operations.menu_views import side_items
from app.security import requires

blueprint = Blueprint("complaint_desk", __name__, url_prefix="/operator/complaints")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("operator", "supervisor")
def index() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        waiting, answered = queries.waiting(session), queries.answered(session)
        names = queries.names(session, [*waiting, *answered])
    return render_template(
        "operator/complaints.html", waiting=waiting, answered=answered, names=names, now=now, topic_words=rules.TOPICS,
        side_items=side_items("complaints"),
    )


@blueprint.route("/<complaint_id>", methods=["GET", "POST"])
@requires("operator", "supervisor")
def show(complaint_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        now = clock.business_now(session)
        row = queries.by_public_id(session, complaint_id)
        names = queries.names(session, [row])
    is_mine = actor.has_role("operator") and row.state in queries.OPEN and row.answered_by != actor.user_id
    form = AnswerForm(actor=actor) if is_mine and row.user_id != actor.user_id else None
    if form is not None and form.validate_on_submit():
        try:
            proven = form.prove()
            act = service.answer if row.state == "received" else service.answer_again
            get_db().unit_of_work(
                lambda session: act(
                    session, actor=proven, complaint_id=complaint_id, words=form.words.data,
                    now=clock.business_now(session),
                )
            )
            flash(_("Your answer to %(number)s is sent.", number=row.number), "success")
            return redirect(url_for(".show", complaint_id=complaint_id))
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("complaint", row.state, row.due_at) if row.state in queries.OPEN else None
    page = render_template(
        "operator/complaint.html", row=row, form=form, names=names, now=now, next=shell.next_line(step),
        topic_words=rules.TOPICS,
    )
    return page, form.status if form else 200
