"""A founder's working place: all companies, one offering's dashboard, and opening or withdrawing it.

Drafts are worked on in ``draft_views`` and ``editor_views``; ending a plan that runs is ``app.progress``'s.
"""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import calendars, clock, security
from app.accounts.actor import Actor
from app.commitments import queries as commitment_queries
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.db import Session, get_db
from app.errors import MilestakeError, Refused
from app.offerings import awaited, fees, figures, page_views, queries, service, shapes_views, withdrawing
from app.offerings.draft_views import checked, is_starter
from app.offerings.forms import ConfirmForm, ReasonForm
from app.offerings.models import Offering
from app.offerings.queries import Found
from app.payments import queries as payments
from app.payments import reversal_queries as reversals
from app.progress import queries as progress
from app.progress.queries import MilestoneView
from app.security import requires
from milestones import document as documents
from milestones.terms import Terms

blueprint = Blueprint("founder", __name__, url_prefix="/founder")

Answer = str | tuple[str, int] | Response
CHALLENGE_CALENDAR_DAYS = 7


@blueprint.get("")
@requires("founder")
def index() -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        companies = queries.companies_of(session, actor.parties("founder"))
        offerings = [offering for company in companies for offering in company.offerings]
        raised = commitment_queries.raised(session, offerings)
        milestones = contract_queries.milestones_of_contracts(session, [each.contract_id for each in offerings])
        waited_for = awaited.steps(session, offerings)
    lines = {
        each.id: shapes_views.offering_next(
            each, milestones.get(each.contract_id, []), is_own=True, late=waited_for.get(each.id)
        )
        for each in offerings
    }
    tags = {each.id: shapes_views.tag_of(each, raised[each.id]) for each in offerings}
    return render_template("founder/index.html", companies=companies, lines=lines, tags=tags, raised=raised)


@blueprint.get("/offerings/<offering_id>")
@requires("founder")
def offering(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        now = clock.business_now(session)
        if found.offering.state == "draft":
            return render_template("founder/draft.html", **_draft_context(session, found, now))
        return render_template("founder/offering.html", **_dashboard(session, found, actor, now))


def _draft_context(session: Session, found: Found, now: dt.datetime) -> dict[str, object]:
    agreed = queries.agreed_terms(session, found.offering)
    check = checked(session, found, now)

    def state(findings: tuple[object, ...], begun: bool = True) -> str:
        return "task.done" if not findings else ("task.problem" if begun else "task.todo")

    has_story = bool(found.offering.story or found.offering.risks or found.offering.pitch)
    return {
        "found": found, "offering": found.offering, "check": check, "agreed": agreed,
        "next": shapes_views.offering_next(found.offering, [], is_own=True),
        "states": {
            "story": state(check.story, has_story), "money": state(check.money),
            "contract": state(check.contract, not is_starter(agreed.terms)),
        },
    }


def _dashboard(session: Session, found: Found, actor: Actor, now: dt.datetime) -> dict[str, object]:
    offering = found.offering
    views = progress.milestones_of(session, offering)
    payouts = payments.payouts_of(session, offering.id)
    context = page_views.offering_context(session, found, actor, now=now)
    paid = sum(each.due_minor for each in payouts if each.status == "paid")
    released = [each for each in context["releases"] if each.record.kind == "released"]
    return {
        **context, "found": found, "payouts": payouts, "paid_minor": paid,
        "claims": reversals.claims(session, offering_id=offering.id),
        "received": {
            "released_minor": sum(each.record.amount_minor for each in released),
            "fee_minor": sum(each.record.fee_minor for each in released),
            "paid_minor": paid,
            "waiting_minor": sum(each.due_minor for each in payouts) - paid,
        },
        "dates": next_cent(found.offering, context["agreed"].terms, views, now),
        "panels": contract_queries.panels(session, offering.contract_id),
        "release_titles": {each.record.id: each.title for each in released},
        "take_back": ConfirmForm(actor=actor, operation="withdraw_submission"),
    }


def next_cent(
    offering: Offering, terms: Terms, views: list[MilestoneView], now: dt.datetime
) -> dict[str, object] | None:
    """Return the earliest instant at which the next tranche can be released, as things stand; None when none can.

    Evidence handed in today, all auditors on their last day, the full window; and later if it is suspended.
    """
    if offering.state != "active":
        return None
    waiting = [view for view in views if view.row.state in ("approved", "challengeable", "submitted", "open")]
    if not waiting:
        return None
    view = waiting[0]
    row, agreed = view.row, view.terms
    if row.state == "approved":
        return {"title": row.title, "state": row.state, "at": None, "waits_for": view.waits_for}
    if row.state == "challengeable" or agreed is None:
        return {"title": row.title, "state": row.state, "at": progress.earliest_release(row, now), "waits_for": None}

    def after(start: dt.datetime, days: int, at_least: int = 0) -> dt.datetime:
        return calendars.window_end(start, days, code=terms.calendar, zone=terms.zone, min_calendar_days=at_least)

    in_review = row.state == "submitted" and row.deadline_at is not None
    signed_by = row.deadline_at if in_review else after(now, agreed.review_business_days)
    return {
        "title": row.title, "state": row.state, "waits_for": None,
        "at": after(now, agreed.challenge_business_days, CHALLENGE_CALENDAR_DAYS),
        "latest": after(signed_by, agreed.challenge_business_days, CHALLENGE_CALENDAR_DAYS),
    }


# -- acts -----------------------------------------------------------------------------------------


@blueprint.post("/offerings/<offering_id>/withdraw-submission")
@requires("founder")
def withdraw_submission(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ConfirmForm(actor=actor, operation="withdraw_submission")
    if form.validate_on_submit():
        get_db().unit_of_work(
            lambda session: service.withdraw_submission(
                session, actor=actor, offering_id=offering_id, now=clock.business_now(session)
            )
        )
        flash(_("The submission is taken back. You can change the draft again."), "success")
    return redirect(url_for(".offering", offering_id=offering_id))


@blueprint.route("/offerings/<offering_id>/launch", methods=["GET", "POST"])
@requires("founder", second_factor=True)
def launch(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ConfirmForm(actor=actor, operation="launch_offering")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.launch(
                    session, actor=actor, offering_id=offering_id, now=clock.business_now(session)
                )
            )
            return redirect(url_for(".launched", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        agreed = queries.agreed_terms(session, found.offering)
        panels = contract_queries.panels(session, found.offering.contract_id)
        missing, content_hash = _panel_as_it_stands(session, found.offering)
        by_regime = figures.of(found.offering, clock.business_now(session))
    asset = shapes_views.asset_of(found.offering)
    return render_template(
        "founder/launch.html", form=form, found=found, offering=found.offering, terms=agreed.terms, panels=panels,
        missing=missing, content_hash=content_hash, asset=asset, is_ready=found.offering.state == "approved",
        tokens=shapes_views.money.tokens_for(found.offering.maximum_minor, found.offering.price_micro, asset),
        figures=by_regime, net=fees.net_of(found.offering),
    ), form.status


def _panel_as_it_stands(session: Session, offering: Offering) -> tuple[str | None, str | None]:
    """Return (what consent is missing, None) or (None, the hash that launching now would publish)."""
    try:
        terms = contracts.terms_with_panel(session, contract_queries.contract(session, offering.contract_id))
    except Refused as error:
        return error.message, None
    return None, documents.contract_hash(terms)


@blueprint.get("/offerings/<offering_id>/launched")
@requires("founder")
def launched(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.own_offering(session, security.current_actor(), offering_id)
        agreed = queries.agreed_terms(session, found.offering)
    return render_template("founder/launched.html", found=found, offering=found.offering, agreed=agreed)


@blueprint.route("/offerings/<offering_id>/withdraw", methods=["GET", "POST"])
@requires("founder", second_factor=True)
def withdraw(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ReasonForm(actor=actor, operation="withdraw_offering")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: withdrawing.withdraw(
                    session, actor=actor, offering_id=offering_id, reason=form.reason.data,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".withdrawn", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        raised = commitment_queries.raised(session, [found.offering])[found.offering.id]
        now = clock.business_now(session)
        refund_days = figures.of(found.offering, now).refund_bd
        may_withdraw = withdrawing.may_withdraw(session, found.offering, now)
    return render_template(
        "founder/withdraw.html", form=form, found=found, offering=found.offering, raised=raised,
        asset=shapes_views.asset_of(found.offering), refund_days=refund_days,
        may_withdraw=may_withdraw,
    ), form.status


@blueprint.get("/offerings/<offering_id>/withdrawn")
@requires("founder")
def withdrawn(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.own_offering(session, security.current_actor(), offering_id)
    return render_template("founder/withdrawn.html", found=found, offering=found.offering)
