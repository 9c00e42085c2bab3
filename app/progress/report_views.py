"""Pages of reports: what a company told its investors each quarter, and where its founder files one (MIL-14)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security, shell
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import AmountField, DateField, KeyedForm
from app.next_step import next_step
from app.offerings import queries as offerings
from app.offerings.queries import Found
from app.progress import lateness_queries, reporting
from app.security import public, requires
from milestones import money

blueprint = Blueprint("reports", __name__)

Answer = str | tuple[str, int] | Response

_TEXT = [
    DataRequired(_l("Fill this in. “None” is an answer too.")),
    Length(max=reporting.MAX_TEXT_CHARACTERS, message=_l("Enter at most %(max)d characters.")),
]


class ReportForm(KeyedForm):
    """What a report says (MIL-14)."""

    operation = "file_report"

    done = TextAreaField(_l("What was done since the last report?"), validators=_TEXT)
    spent_minor = AmountField(_l("How much was spent since then?"))
    next_steps = TextAreaField(_l("What is next?"), validators=_TEXT)
    next_on = DateField(_l("By when is that done?"))
    cash_left_minor = AmountField(_l("How much cash does the company have left?"))
    risks = TextAreaField(_l("What are the risks now?"), validators=_TEXT)

    @property
    def fields(self) -> reporting.ReportFields:
        return reporting.ReportFields(
            done=self.done.data or "", spent_minor=self.spent_minor.data, next_steps=self.next_steps.data or "",
            next_on=self.next_on.data, cash_left_minor=self.cash_left_minor.data, risks=self.risks.data or "",
        )


@blueprint.get("/offerings/<slug>/reports")
@public
def index(slug: str) -> Answer:
    actor = security.actor_or_none()
    with get_db().read() as session:
        found = offerings.for_reader(session, slug, actor)
        context = _context(session, found)
    return render_template("reports/index.html", own=offerings.is_own(found, actor), **context)


@blueprint.get("/founder/offerings/<offering_id>/reports")
@requires("founder")
def founder(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = offerings.own_offering(session, actor, offering_id)
        context = _context(session, found)
    return render_template("reports/index.html", own=True, **context)


def _context(session: Session, found: Found) -> dict[str, object]:
    now = clock.business_now(session)
    seen = lateness_queries.reports_of(session, found.offering, now)
    step = None
    if seen.countdown is not None:
        step = next_step("report_countdown", "running", seen.countdown.ends_at)
    elif seen.due is not None:
        step = next_step("report", "due", seen.due.due_at)
    return {
        "found": found, "offering": found.offering, "issuer": found.issuer, "seen": seen,
        "asset": money.Asset.parse(found.offering.currency), "next": shell.next_line(step, found.offering.zone),
    }


@blueprint.route("/founder/offerings/<offering_id>/reports/new", methods=["GET", "POST"])
@requires("founder")
def new(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = offerings.own_offering(session, actor, offering_id)
        context = _context(session, found)
    form = ReportForm(actor=actor)
    form.spent_minor.asset = form.cash_left_minor.asset = found.offering.currency
    if form.validate_on_submit():
        try:
            report = get_db().unit_of_work(
                lambda session: reporting.file(
                    session, actor=actor, offering_id=offering_id, fields=form.fields, key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".filed", offering_id=offering_id, report_id=report.public_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("reports/new.html", form=form, **context), form.status


@blueprint.get("/founder/offerings/<offering_id>/reports/<report_id>")
@requires("founder")
def filed(offering_id: str, report_id: str) -> Answer:
    with get_db().read() as session:
        found = offerings.own_offering(session, security.current_actor(), offering_id)
        context = _context(session, found)
    mine = next((each for each in context["seen"].filed if each.public_id == report_id), None)  # type: ignore[attr-defined]
    if mine is None:
        return redirect(url_for(".founder", offering_id=offering_id))
    return render_template("reports/filed.html", report=mine, **context)
