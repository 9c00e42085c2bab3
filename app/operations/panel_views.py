"""Replace an auditor who fell silent while a submission waits (MIL-9)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts import queries as people
from app.accounts.queries import AuditorListing
from app.contracts import service as contracts
from app.db import Session, get_db
from app.errors import MilestakeError
from app.next_step import next_step
from app.offerings import independence
from app.operations.forms import ReplaceForm
from app.progress import desk, panels, queries, service
from app.progress.desk import Place
from app.security import requires

blueprint = Blueprint("panels", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody who may leave or join, and why they may not, or what is known of them."""

    auditor: AuditorListing
    reason: str | None


@blueprint.route("/milestones/<milestone_id>/replace", methods=["GET", "POST"])
@requires("operator")
def replace(milestone_id: str) -> Answer:
    form = ReplaceForm(actor=security.current_actor())
    with get_db().read() as session:
        place = desk.milestone_for_reader(session, security.current_actor(), milestone_id)
        silent, others = _choices(session, place)
    form.leaving.choices = [(each.auditor.public_id, each.auditor.name) for each in silent]
    form.joining.choices = [(each.auditor.public_id, each.auditor.name) for each in others]
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: panels.replace_auditor(
                    session, actor=actor, milestone_id=milestone_id, leaving=form.leaving.data,
                    joining=form.joining.data, reason=form.reason.data, now=clock.business_now(session),
                )
            )
            return redirect(url_for("reviews.decided", object_id=milestone_id))
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("milestone", place.milestone.state, place.milestone.deadline_at)
    page = render_template(
        "operator/replace.html", form=form, place=place, silent=silent, others=others,
        next=shell.next_line(step, place.offering.zone),
    )
    return page, form.status


def _choices(session: Session, place: Place) -> tuple[list[Choice], list[Choice]]:
    """Return the seats without findings on the waiting submission, and the auditors without a seat."""
    submission = queries.latest_submission(session, place.milestone.id)
    signed = {each.party_id for each in service.attestations_of(session, submission.id)} if submission else set()
    seated = {
        seat.party_id: seat.state for seat in contracts.appointments(session, place.milestone.contract_id)
        if seat.milestone_key == place.milestone.key and seat.state in ("appointed", "accepted")
    }
    reasons = independence.known_auditors(session, place.offering)
    auditors = people.auditors(session)
    silent = [Choice(each, seated[each.party_id]) for each in auditors if each.party_id in set(seated) - signed]
    return silent, [Choice(each, reasons.get(each.public_id)) for each in auditors if each.party_id not in seated]
