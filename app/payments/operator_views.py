"""The page on which operators decide about an operation that waits for a person (PPL-2)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.offerings.models import Offering
from app.payments import decisions, queries, service
from app.payments.forms import ASK_AGAIN, DecideForm
from app.security import requires

blueprint = Blueprint("decisions", __name__, url_prefix="/operator/operations")

Answer = str | tuple[str, int] | Response


@blueprint.route("/<operation_id>/decide", methods=["GET", "POST"])
@requires("operator")
def decide(operation_id: str) -> Answer:
    with get_db().read() as session:
        operation = queries.operation_by_public_id(session, operation_id)
        if operation is None:
            raise NotFound(_("There is no such payment."), code="operation_not_found")
        offering = session.get_one(Offering, operation.offering_id)
        proposed = decisions.proposal(session, operation) if operation.state == "needs_operator" else None
        proposer = people.user_by_id(session, proposed.user_id).name if proposed else None
        possible = decisions.possible(session, operation)
    actor = security.current_actor()
    own = proposed is not None and proposed.user_id == actor.user_id
    form = DecideForm(actor=actor, possible=possible, proposed=proposed.decision if proposed and not own else None)
    if form.validate_on_submit():
        try:
            return _decide(form, operation_id)
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "payments/decide.html", form=form, operation=operation, offering=offering, proposed=proposed, own=own,
        proposer=proposer,
    )
    return page, form.status


def _decide(form: DecideForm, operation_id: str) -> Response:
    """Carry out what was chosen and say what follows."""
    actor, chosen, reason = form.prove(), form.decision.data or "", form.reason.data or ""

    def act(session: Session) -> str:
        return _act(session, actor, operation_id, chosen, reason)

    state = get_db().unit_of_work(act)
    if chosen == ASK_AGAIN:
        flash(_("The rail is asked again within seconds."), "success")
    elif state == "needs_operator":
        flash(_("Proposed. Another operator must confirm it before anything happens."), "success")
    else:
        flash(_("Decided. The log keeps who proposed and who confirmed."), "success")
    return redirect(url_for("console.payments"))


def _act(session: Session, actor: Actor, operation_id: str, chosen: str, reason: str) -> str:
    now = clock.business_now(session)
    if chosen == ASK_AGAIN:
        return service.ask_again(
            session, actor=actor, operation_public_id=operation_id, reason=reason, now=now
        ).state
    return service.decide_operation(
        session, actor=actor, operation_id=operation_id, decision=chosen, reason=reason, now=now
    ).state
