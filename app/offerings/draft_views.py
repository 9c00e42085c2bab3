"""A draft offering as a task list: its story, its money and dates, and the check before it is submitted.

The contract is edited in ``editor_views``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.contracts import queries as contract_queries
from app.contracts import service as contracts
from app.db import Session, get_db
from app.errors import MilestakeError
from app.offerings import fees, queries, rules, service
from app.offerings.contract_forms import field_of, starter_document
from app.offerings.forms import ConfirmForm, MoneyForm, StartForm, StoryForm
from app.offerings.models import Offering
from app.offerings.queries import Found
from app.regimes import records
from app.security import requires
from milestones import document as documents
from milestones.terms import Terms

blueprint = Blueprint("draft", __name__, url_prefix="/founder")

Answer = str | tuple[str, int] | Response
_OPEN_DAYS, _FIRST_DAYS, _PLAN_DAYS = 45, 120, 300


@blueprint.route("/companies/<issuer_id>/offerings/new", methods=["GET", "POST"])
@requires("founder")
def start(issuer_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        company = queries.company_of(session, actor, issuer_id)
        now = clock.business_now(session)
    form = StartForm(actor=actor)
    form.token_class.choices = [(each.public_id, f"{each.name} ({each.code})") for each in company.classes]
    if not form.is_submitted():
        form.token_class.data = company.classes[-1].public_id if company.classes else None
        form.deadline.data = (now + dt.timedelta(days=_OPEN_DAYS)).date()
        form.deadline_time.data = dt.time(17, 0)
    if form.validate_on_submit():
        fields = form.figures(name=form.name.data)
        document = starter_document(
            title=form.name.data, currency=fields.currency, zone=fields.zone, calendar=fields.calendar,
            target_date=(form.deadline.data + dt.timedelta(days=_FIRST_DAYS)).isoformat(),
            long_stop=(form.deadline.data + dt.timedelta(days=_PLAN_DAYS)).isoformat(),
        )
        try:
            offering = get_db().unit_of_work(
                lambda session: service.draft_offering(
                    session, actor=actor, token_class_id=form.token_class.data, fields=fields, document=document,
                    key=form.key, now=clock.business_now(session),
                )
            )
            return redirect(url_for("founder.offering", offering_id=offering.public_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/start.html", form=form, issuer=company.issuer, company=company), form.status


@blueprint.route("/offerings/<offering_id>/story", methods=["GET", "POST"])
@requires("founder")
def story(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
    form = StoryForm(actor=actor, obj=found.offering)
    if form.validate_on_submit():
        texts = {name: form[name].data or "" for name in ("name", "pitch", "sector", "story", "risks")}
        try:
            get_db().unit_of_work(
                lambda session: service.update_draft(
                    session, actor=actor, offering_id=offering_id, now=clock.business_now(session),
                    fields=dataclasses.replace(
                        service.fields_of(service.offering_by_id(session, offering_id)), **texts
                    ),
                )
            )
            flash(_("The story is saved."), "success")
            return redirect(url_for("founder.offering", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/story.html", form=form, found=found), form.status


@blueprint.route("/offerings/<offering_id>/money", methods=["GET", "POST"])
@requires("founder")
def money(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
    form = MoneyForm(actor=actor)
    form.prefill(found.offering)
    if form.validate_on_submit():
        def save(session: Session) -> Offering:
            offering = service.offering_by_id(session, offering_id)
            fields = form.figures(name=offering.name, offering=offering)
            terms = contracts.draft_terms(contract_queries.contract(session, offering.contract_id))
            # Contract and offering name one currency, zone and calendar; the page has them once.
            document = documents.to_document(
                dataclasses.replace(terms, currency=fields.currency, zone=fields.zone, calendar=fields.calendar)
            )
            return service.update_draft(
                session, actor=actor, offering_id=offering_id, fields=fields, document=document,
                now=clock.business_now(session),
            )

        try:
            get_db().unit_of_work(save)
            flash(_("Money and dates are saved."), "success")
            return redirect(url_for("founder.offering", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/money.html", form=form, found=found), form.status


@blueprint.route("/offerings/<offering_id>/submit", methods=["GET", "POST"])
@requires("founder")
def submit(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ConfirmForm(actor=actor, operation="submit_offering")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.submit(
                    session, actor=actor, offering_id=offering_id, now=clock.business_now(session)
                )
            )
            return redirect(url_for(".submitted", offering_id=offering_id))
        except service.OfferingNotReady as error:
            form.status = error.status
            form.form_errors.append(_("Something below stands in the way. Correct it and submit again."))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        check = checked(session, found, clock.business_now(session))
        agreed = queries.agreed_terms(session, found.offering)
    return render_template(
        "founder/submit.html", form=form, found=found, offering=found.offering, check=check, agreed=agreed,
        net=fees.net_of(found.offering),
        review_days=rules.REVIEW_BUSINESS_DAYS, regime_name=records.record(found.offering.regime).name,
    ), form.status


@blueprint.get("/offerings/<offering_id>/submitted")
@requires("founder")
def submitted(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.own_offering(session, security.current_actor(), offering_id)
    return render_template("founder/submitted.html", found=found, offering=found.offering)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the words and the place where it is corrected."""

    code: str
    message: str
    url: str


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """What stands in the way, by the page on which it is corrected, and what was relaxed."""

    story: tuple[Finding, ...]
    money: tuple[Finding, ...]
    contract: tuple[Finding, ...]
    relaxed: tuple[Finding, ...]

    @property
    def all(self) -> tuple[Finding, ...]:
        return (*self.story, *self.money, *self.contract)


_STORY_FIELDS = ("story", "risks", "pitch", "name")


def checked(session: Session, found: Found, now: dt.datetime) -> Check:
    """Return what the rules say about a draft, each with a link to its place."""
    refused, relaxed = service.problems_of(session, found.offering, now=now)
    here = found.offering.public_id

    def placed(problem: rules.Problem) -> Finding:
        if problem.path.startswith("contract"):
            name = field_of(problem.path.removeprefix("contract"))
            if name in ("currency", "zone"):
                return Finding(problem.code, problem.message, url_for("draft.money", offering_id=here) + f"#{name}")
            return Finding(problem.code, problem.message, url_for("editor.edit", offering_id=here) + f"#{name}")
        page = "draft.story" if problem.path in _STORY_FIELDS else "draft.money"
        return Finding(problem.code, problem.message, url_for(page, offering_id=here) + f"#{problem.path}")

    in_contract = [each for each in refused if each.path.startswith("contract")]
    in_story = [each for each in refused if each.path in _STORY_FIELDS]
    in_money = [each for each in refused if each not in in_contract and each not in in_story]
    return Check(
        *(tuple(placed(each) for each in group) for group in (in_story, in_money, in_contract, relaxed))
    )


def is_starter(terms: Terms) -> bool:
    """Whether a contract still has the one milestone that a new draft begins with."""
    return [each.key for each in terms.milestones] == ["first"] and terms.milestones[0].tranche_bp == 10_000

