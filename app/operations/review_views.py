"""What operators decide about offerings and milestones: review, auditors, suspension (OFF-4, MIL-8).

Every decision has its own page that says what it does, and a page after it that says what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts import queries as people
from app.accounts.actor import Actor
from app.audit import queries as audit
from app.commitments import queries as commitment_queries
from app.contracts import queries as contract_queries
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.forms import ActForm
from app.next_step import next_step
from app.offerings import awaited, independence, lot_queries, panels, withdrawing
from app.offerings import queries as offering_queries
from app.offerings import service as offerings
from app.offerings.models import Issuer, Offering, TokenClass
from app.operations import holdings, queries
from app.operations.forms import DrawForm, NoteForm, ReasonForm
from app.operations.menu_views import side_items
from app.operations.tables_views import number_arg
from app.payments import queries as payment_queries
from app.progress import desk, interventions, orders
from app.progress import queries as progress
from app.regimes import records
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("reviews", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 50


@blueprint.get("/offerings")
@requires("operator", "supervisor")
def index() -> Answer:
    before = number_arg("before")
    with get_db().read() as session:
        rows = queries.offerings(session, before_id=before, limit=PAGE_SIZE + 1)
        raised = commitment_queries.raised(session, [row.offering for row in rows])
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    return render_template(
        "operator/offerings.html", rows=rows, raised=raised, side_items=side_items("offerings"),
        older_url=url_for(".index", before=rows[-1].offering.id) if more else None,
        newer_url=url_for(".index") if before else None,
    )


@blueprint.get("/offerings/<offering_id>")
@requires("operator", "supervisor")
def show(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        offering = offerings.offering_by_id(session, offering_id)
        context = _facts(session, offering)
        context["entries"] = audit.entries_of(session, offering.public_id)
        context["names"] = holdings.user_names(
            session, {entry.actor_user_id for entry in context["entries"] if entry.actor_user_id}
        )
        late = awaited.steps(session, [offering]).get(offering.id)
    step = late or next_step("offering", offering.state, offering.step_due_at)
    yours = actor.has_role("operator") and step is not None and step.owner == "operator"
    return render_template(
        "operator/offering.html", next=shell.next_line(step, offering.zone, yours=yours),
        may_act=actor.has_role("operator"), side_items=side_items("offerings"), **context,
    )


def _facts(session: Session, offering: Offering) -> dict[str, Any]:
    """Return everything an operator weighs: figures, contract, what stands in the way, auditors and their ties."""
    now = clock.business_now(session)
    refused, relaxed = offerings.problems_of(session, offering, now=now)
    known = independence.known_auditors(session, offering)
    stopped = progress.if_stopped(session, offering)
    return {
        "offering": offering, "issuer": session.get_one(Issuer, offering.issuer_id),
        "token_class": session.get_one(TokenClass, offering.token_class_id), "asset": Asset.parse(offering.currency),
        "agreed": offering_queries.agreed_terms(session, offering),
        "panels": contract_queries.panels(session, offering.contract_id),
        "draws": lot_queries.draws_of(session, offering.id), "seed": lot_queries.committed(session, offering.id),
        "milestones": progress.milestones_of(session, offering),
        "raised": commitment_queries.raised(session, [offering])[offering.id],
        "refused": refused if offering.state in ("draft", "in_review") else [], "relaxed": relaxed,
        "auditors": [(each, known.get(each.public_id)) for each in people.auditors(session)],
        "payouts": payment_queries.payouts_of(session, offering.id), "if_stopped": stopped, "now": now,
        "order": orders.open_of(session, offering.id), "regime_name": records.record(offering.regime).name,
    }


# -- decisions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """A decision with a reason: its words, what it does, the form, and the service that carries it out."""

    title: Any
    does: Any
    button: Any
    act: Callable[..., object]
    form: type[ActForm] = ReasonForm
    danger: bool = False


OFFERING_DECISIONS: Mapping[str, Decision] = {
    "approve": Decision(
        _l("Approve the offering"),
        _l("The founder may then launch it within 60 days, once every appointed auditor has accepted. Launching "
           "freezes the terms and opens it for commitments. Somebody who submitted it cannot approve it."),
        _l("Approve"), offerings.approve, NoteForm,
    ),
    "ask-changes": Decision(
        _l("Ask for changes"),
        _l("It goes back to the founder as a draft, with your words. Nothing is published."),
        _l("Send it back"), offerings.ask_changes,
    ),
    "withdraw": Decision(
        _l("Withdraw the offering"),
        _l("It ends before it was opened: nobody has committed anything. Your words are published."),
        _l("Withdraw"), withdrawing.withdraw, danger=True,
    ),
}

MILESTONE_DECISIONS: Mapping[str, Decision] = {
    "suspend": Decision(
        _l("Suspend the release"),
        _l("Nothing is released for this milestone until another operator lifts the suspension. If nobody does within "
           "15 business days, the milestone opens again and nothing is used up. Your words are published."),
        _l("Suspend"), interventions.suspend, danger=True,
    ),
    "resume": Decision(
        _l("Lift the suspension"),
        _l("The whole challenge window runs again, so nothing is released sooner. Whoever suspended cannot lift it."),
        _l("Lift it"), interventions.resume,
    ),
}


@blueprint.route("/offerings/<offering_id>/<any('approve','ask-changes','withdraw'):what>", methods=["GET", "POST"])
@requires("operator")
def decide(offering_id: str, what: str) -> Answer:
    decision = OFFERING_DECISIONS[what]
    with get_db().read() as session:
        context = _facts(session, offerings.offering_by_id(session, offering_id))
    if what == "withdraw" and context["offering"].state == "live":
        return redirect(url_for("orders.wind_down", offering_id=offering_id))
    return _decide(
        decision, what, object_id=offering_id,
        back=url_for(".show", offering_id=offering_id), name=context["offering"].name, ids={"offering_id": offering_id},
        problems=context["refused"] if what == "approve" else [],
    )


def suspend(milestone_id: str) -> Answer:
    return _decide_milestone("suspend", milestone_id)


def resume(milestone_id: str) -> Answer:
    return _decide_milestone("resume", milestone_id)


for _view in (suspend, resume):
    blueprint.add_url_rule(
        f"/milestones/<milestone_id>/{_view.__name__}", view_func=requires("operator")(_view), methods=["GET", "POST"]
    )


def _decide_milestone(what: str, milestone_id: str) -> Answer:
    with get_db().read() as session:
        place = desk.milestone_for_reader(session, security.current_actor(), milestone_id)
    return _decide(
        MILESTONE_DECISIONS[what], what, back=url_for("milestones.show", milestone_id=milestone_id),
        object_id=milestone_id, name=f"{place.offering.name}: {place.milestone.title}",
        ids={"milestone_id": milestone_id}, problems=[],
    )


def _decide(
    decision: Decision, what: str, *, back: str, object_id: str, name: str, ids: Mapping[str, str], problems: list[Any],
) -> Answer:
    form = decision.form(actor=security.current_actor(), operation=what)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: decision.act(
                    session, actor=actor, reason=form.reason.data, now=clock.business_now(session), **ids
                )
            )
            return redirect(url_for(".decided", object_id=object_id))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "operator/decide.html", form=form, decision=decision, name=name, back=back, problems=problems,
        object_id=object_id,
    )
    return page, form.status


@blueprint.get("/decided/<object_id>")
@requires("operator")
def decided(object_id: str) -> Answer:
    """Confirm an operator's newest own decision on an object, from the log."""
    actor = security.current_actor()
    with get_db().read() as session:
        entries = audit.latest_entries(session, object_id=object_id, actor_user_id=actor.user_id, limit=1)
        if not entries:
            raise NotFound(_("You have decided nothing about this."), code="decision_not_found")
        name, url, line = _about(session, actor, object_id)
    return render_template(
        "operator/decided.html", entry=entries[0], name=name, url=url, next=line,
        after=audit.values_of(entries[0].after),
    )


def _about(session: Session, actor: Actor, object_id: str) -> tuple[str, str, dict[str, object] | None]:
    """Return an object's name, its page and its next line."""
    if object_id.startswith("mst_"):
        place = desk.milestone_for_reader(session, actor, object_id)
        step = next_step("milestone", place.milestone.state, place.milestone.deadline_at)
        url = url_for("milestones.show", milestone_id=object_id)
        return f"{place.offering.name}: {place.milestone.title}", url, shell.next_line(step, place.offering.zone)
    if object_id.startswith("wdo_"):
        order = orders.by_public_id(session, object_id)
        offering = session.get_one(Offering, order.offering_id)
        step = next_step("wind_down_order", order.state, order.decide_by) if order.state == orders.PROPOSED else None
        url = url_for("orders.wind_down", offering_id=offering.public_id)
        return offering.name, url, shell.next_line(step, offering.zone)
    offering = offerings.offering_by_id(session, object_id)
    step = next_step("offering", offering.state, offering.step_due_at)
    return offering.name, url_for(".show", offering_id=object_id), shell.next_line(step, offering.zone)


# -- auditors ---------------------------------------------------------------------------------------


@blueprint.route("/offerings/<offering_id>/auditors/<milestone_key>", methods=["GET", "POST"])
@requires("operator")
def appoint(offering_id: str, milestone_key: str) -> Answer:
    with get_db().read() as session:
        context = _facts(session, offerings.offering_by_id(session, offering_id))
    milestone = next((each for each in context["agreed"].terms.milestones if each.key == milestone_key), None)
    if milestone is None:
        raise NotFound(_("The contract has no such milestone."), code="milestone_not_found")
    form = DrawForm(actor=security.current_actor())
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: panels.draw_panel(
                    session, actor=actor, offering_id=offering_id, milestone_key=milestone_key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".decided", object_id=offering_id))
        except MilestakeError as error:
            error.field = None
            form.show_error(error)
    page = render_template("operator/appoint.html", form=form, milestone=milestone, **context)
    return page, form.status
