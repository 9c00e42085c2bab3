"""The demo clock's page: business time, moving it forward, and doing at once what has become due. Sandbox only."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, abort, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app import clock, formats, shell, work, worker
from app.config import Settings
from app.db import get_db
from app.errors import MilestakeError
from app.next_step import next_step
from app.operations import queries
from app.operations.forms import PressForm, StepForm
from app.payments.rails import build_rails
from app.security import requires

blueprint = Blueprint("demo_clock", __name__, url_prefix="/clock")

Answer = str | tuple[str, int] | Response

#: Whoever tries the demo moves time; supervisors change nothing (PPL-2).
MOVERS = ("investor", "founder", "auditor", "operator")
HOUR, DAY = 3600, 86_400


def _settings() -> Settings:
    settings: Settings = current_app.extensions["milestake_settings"]
    if not settings.sandbox:
        abort(404)
    return settings


@blueprint.get("")
@requires()
def show() -> Answer:
    _settings()
    return _page(StepForm(formdata=None))


def _page(form: StepForm) -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        offset = clock.offset_seconds(session)
        coming = queries.coming(session, now)
    steps = [(_("1 hour"), HOUR), (_("1 day"), DAY), (_("7 days"), 7 * DAY), (_("30 days"), 30 * DAY)]
    rows = [
        {"at": each.at, "zone": each.zone, "name": each.name, "subject": each.subject, "state": each.state,
         "seconds": (each.at - now) // dt.timedelta(seconds=1) + 2,
         "next": shell.next_line(next_step(each.subject, each.state, each.at), each.zone)}
        for each in coming
    ]
    page = render_template(
        "operator/clock.html", now=now, ahead=_ahead(offset), steps=steps, coming=rows, form=form,
        press=PressForm(formdata=None), longest=clock.MAX_STEP_SECONDS,
    )
    return page, form.status


def _ahead(seconds: int) -> str:
    days, rest = divmod(seconds, DAY)
    return _("%(days)s days, %(hours)s hours", days=formats.whole_text(days), hours=rest // HOUR)


@blueprint.post("/advance")
@requires(*MOVERS)
def advance() -> Answer:
    settings = _settings()
    form = StepForm()
    text = form.seconds.data or ""
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: clock.advance(session, seconds=seconds, allowed=settings.sandbox)
            )
            flash(_("The clock was moved. The worker acts within seconds."), "success")
            return redirect(url_for(".show"))
        except MilestakeError as error:
            form.show_error(error)
    return _page(form)


@blueprint.post("/run")
@requires(*MOVERS)
def run() -> Answer:
    """Do in this process what the worker would do; two at once share the work as two workers do."""
    settings = _settings()
    form = PressForm()
    if form.validate_on_submit():
        db = get_db()
        done = worker.run_due(work.Context(db, settings, build_rails(settings, db)))
        flash(ngettext("%(num)s thing was due and is done.", "%(num)s things were due and are done.", done), "success")
    return redirect(url_for(".show"))
