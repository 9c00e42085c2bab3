"""Have others drawn by lot when two replacements brought too few findings (MIL-9)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts import queries as people
from app.contracts import service as contracts
from app.contracts.models import SEATED
from app.db import Session, get_db
from app.errors import MilestakeError
from app.next_step import next_step
from app.offerings import halts
from app.operations.forms import DrawAgainForm
from app.progress import desk, panels, service
from app.progress.desk import Place
from app.security import requires

blueprint = Blueprint("panels", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response


@blueprint.route("/milestones/<milestone_id>/replace", methods=["GET", "POST"])
@requires("operator")
def replace(milestone_id: str) -> Answer:
    form = DrawAgainForm(actor=security.current_actor())
    with get_db().read() as session:
        place = desk.milestone_for_reader(session, security.current_actor(), milestone_id)
        seats, may_draw = _panel(session, place)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: panels.draw_again(
                    session, actor=actor, milestone_id=milestone_id, reason=form.reason.data,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for("reviews.decided", object_id=milestone_id))
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("milestone", place.milestone.state, place.milestone.deadline_at)
    page = render_template(
        "operator/replace.html", form=form, place=place, seats=seats, may_draw=may_draw,
        next=shell.next_line(step, place.offering.zone),
    )
    return page, form.status


def _panel(session: Session, place: Place) -> tuple[list[dict[str, str]], bool]:
    """Return the names and states of a panel, and whether an operator may have others drawn now."""
    submission = panels.waiting(session, place.milestone)
    signed = {each.party_id for each in service.standing_of(session, submission.id)} if submission else set()
    held = [
        each for each in contracts.appointments(session, place.milestone.contract_id)
        if each.milestone_key == place.milestone.key and each.state in SEATED
    ]
    names = people.party_names(session, {each.party_id for each in held})
    seats = [
        {"name": names[each.party_id], "state": "signed" if each.party_id in signed else each.state} for each in held
    ]
    now = halts.clock(place.offering, clock.business_now(session))
    may_draw = submission is not None and panels.may_draw_again(submission, place.milestone, now)
    return seats, may_draw
