"""A founder closes an offering early: which day is possible, what it does, then the notice itself (OFF-6)."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import HiddenField

from app import clock, security
from app.closing import early_close
from app.commitments import queries as commitments
from app.db import get_db
from app.errors import MilestakeError
from app.forms import ActForm, DateField
from app.offerings import deadlines, queries
from app.offerings.models import Offering
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("early_close", __name__, url_prefix="/founder/offerings")

Answer = str | tuple[str, int] | Response


class EarlyCloseForm(ActForm):
    """The new last day. ``shown`` is the day that was checked: only that is announced."""

    operation = "early_close"

    deadline = DateField(_l("New last day"))
    shown = HiddenField()


def _same_time_on(day: dt.date, offering: Offering) -> dt.datetime:
    """Return the present deadline's local time on another day."""
    zone = ZoneInfo(offering.zone)
    return dt.datetime.combine(day, offering.deadline_at.astimezone(zone).time(), zone).astimezone(dt.UTC)


@blueprint.route("/<offering_id>/close-early", methods=["GET", "POST"])
@requires("founder")
def announce(offering_id: str) -> Answer:
    """Ask for the day, show what it does, and announce exactly what was shown."""
    actor = security.current_actor()
    form = EarlyCloseForm(actor=actor)
    with get_db().read() as session:
        now = clock.business_now(session)
        found = queries.own_offering(session, actor, offering_id)
        sums = commitments.raised_sums(session, [found.offering.id])[found.offering.id]
    checked_at = None
    if form.validate_on_submit():
        deadline_at = _same_time_on(form.deadline.data, found.offering)
        try:
            if request.form.get("step") == "announce" and form.shown.data == form.deadline.data.isoformat():
                return _announce(form, offering_id, deadline_at)
            with get_db().read() as session:
                own = queries.own_offering(session, actor, offering_id)
                early_close.demand_announceable(session, own.offering, deadline_at, now=now)
            checked_at, form.shown.data = deadline_at, form.deadline.data.isoformat()
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "founder/close_early.html", form=form, found=found, offering=found.offering, sums=sums,
        asset=Asset.parse(found.offering.currency), checked_at=checked_at,
        cut_off=deadlines.cut_off(found.offering, checked_at) if checked_at else None,
        earliest=early_close.earliest_day(found.offering, now),
    )
    return page, form.status


def _announce(form: EarlyCloseForm, offering_id: str, deadline_at: dt.datetime) -> Response:
    actor = form.prove()
    get_db().unit_of_work(
        lambda session: early_close.announce(
            session, actor=actor, offering_id=offering_id, deadline_at=deadline_at, key=form.key,
            now=clock.business_now(session),
        )
    )
    return redirect(url_for(".announced", offering_id=offering_id))


@blueprint.get("/<offering_id>/close-early/announced")
@requires("founder")
def announced(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.own_offering(session, security.current_actor(), offering_id)
        notice = early_close.latest(session, found.offering.id)
    if notice is None:
        return redirect(url_for(".announce", offering_id=offering_id))
    return render_template("founder/closing_early.html", found=found, offering=found.offering, notice=notice)
