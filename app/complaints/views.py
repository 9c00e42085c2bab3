"""Pages of those who complain: with an account, or without one by a signed link (PPL-7)."""

from __future__ import annotations

from flask import Blueprint, current_app, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts.actor import SYSTEM, Actor
from app.complaints import links, queries, rules, service
from app.complaints.forms import ComplaintForm, ReviewForm
from app.complaints.models import Complaint
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.next_step import next_step
from app.security import public, requires
from app.shell import next_line

blueprint = Blueprint("complaints", __name__, url_prefix="/complaints")

Answer = str | tuple[str, int] | Response


@blueprint.route("/new", methods=["GET", "POST"])
@public
def new() -> Answer:
    actor = security.actor_or_none()
    form = ComplaintForm(actor=actor or SYSTEM)
    if actor is not None:
        del form.email
    if form.validate_on_submit():
        try:
            security.count_attempt("complaint", str(actor.user_id) if actor else security.client_network())
            row = get_db().unit_of_work(
                lambda session: service.complain(
                    session, actor=actor or SYSTEM, email=None if actor else form.email.data, topic=form.topic.data,
                    words=form.words.data, about=form.about.data, key=form.key, now=clock.business_now(session),
                )
            )
            if actor is not None:
                return redirect(url_for(".sent", complaint_id=row.public_id))
            return redirect(url_for(".sent_by_link", token=links.sign(_secret(), row.public_id)))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("complaints/new.html", form=form), form.status


@blueprint.get("")
@requires()
def index() -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        rows = queries.of_user(session, actor.user_id or 0)
    return render_template("complaints/index.html", rows=rows, topic_words=rules.TOPICS)


# -- with an account ------------------------------------------------------------------------------------


@blueprint.get("/<complaint_id>/sent")
@requires()
def sent(complaint_id: str) -> Answer:
    return _sent_page(_own(complaint_id), url_for(".show", complaint_id=complaint_id))


@blueprint.route("/<complaint_id>", methods=["GET", "POST"])
@requires()
def show(complaint_id: str) -> Answer:
    return _page(_own(complaint_id), security.current_actor(), url_for(".show", complaint_id=complaint_id))


def _own(complaint_id: str) -> Complaint:
    with get_db().read() as session:
        return queries.own(session, security.current_actor(), complaint_id)


# -- without one ----------------------------------------------------------------------------------------


@blueprint.get("/read/<token>/sent")
@public
def sent_by_link(token: str) -> Answer:
    return _sent_page(_by_link(token), url_for(".by_link", token=token))


@blueprint.route("/read/<token>", methods=["GET", "POST"])
@public
def by_link(token: str) -> Answer:
    return _page(_by_link(token), SYSTEM, url_for(".by_link", token=token))


def _by_link(token: str) -> Complaint:
    with get_db().read() as session:
        row = queries.by_public_id(session, links.read(_secret(), token))
    if row.user_id is not None:
        raise NotFound(_("There is no such complaint."), code="complaint_not_found")
    return row


def _secret() -> str:
    return str(current_app.config["SECRET_KEY"])


# -- both -----------------------------------------------------------------------------------------------


def _sent_page(row: Complaint, path: str) -> Answer:
    step = next_step("complaint", "received", row.due_at) if row.state == "received" else None
    return render_template("complaints/sent.html", row=row, path=path, next=next_line(step))


def _page(row: Complaint, actor: Actor, path: str) -> Answer:
    form = ReviewForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.ask_review(
                    session, actor=actor, complaint_id=row.public_id, reason=form.words.data,
                    now=clock.business_now(session),
                )
            )
            return redirect(path)
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("complaint", row.state, row.due_at) if row.state in queries.OPEN else None
    page = render_template(
        "complaints/show.html", row=row, form=form, next=next_line(step), topic_words=rules.TOPICS, path=path
    )
    return page, form.status
