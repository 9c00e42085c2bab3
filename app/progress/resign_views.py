"""A founder gives a running plan up: what it would do in figures, then the wind-down itself (WND-1, WND-2)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security
from app.commitments import queries as commitment_queries
from app.db import get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.offerings import queries as offerings
from app.progress import interventions, queries
from app.security import requires
from milestones import money

blueprint = Blueprint("resign", __name__, url_prefix="/founder/offerings")

Answer = str | tuple[str, int] | Response
TRIGGER = "founder_resigned"
PAGE = 50


class ResignForm(KeyedForm):
    """The reason that every investor is told."""

    operation = "resign"

    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Say why; every investor is told.")),
                                  Length(max=2000, message=_l("Enter at most %(max)d characters."))]
    )


@blueprint.route("/<offering_id>/resign", methods=["GET", "POST"])
@requires("founder", second_factor=True)
def resign(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ResignForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: interventions.wind_down(
                    session, actor=actor, offering_id=offering_id, trigger=TRIGGER, reason=form.reason.data,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".resigned", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        found = offerings.own_offering(session, actor, offering_id)
        stopped = queries.if_stopped(session, found.offering)
        raised = commitment_queries.raised(session, [found.offering])[found.offering.id]
        each = list(queries.if_stopped_each(session, found.offering).items())
        at = min(max(0, request.args.get("after", type=int) or 0), len(each))
        shown = each[at : at + PAGE]
        names = commitment_queries.public_ids(session, [commitment_id for commitment_id, _one in shown])
    older, newer = at + PAGE, max(0, at - PAGE)
    return render_template(
        "founder/resign.html", form=form, found=found, offering=found.offering, stopped=stopped, raised=raised,
        asset=money.Asset.parse(found.offering.currency), is_running=found.offering.state == "active",
        preview=[(names[commitment_id], one) for commitment_id, one in shown], count=len(each),
        older_url=url_for(".resign", offering_id=offering_id, after=older) if older < len(each) else None,
        newer_url=url_for(".resign", offering_id=offering_id, after=newer) if at else None,
    ), form.status


@blueprint.get("/<offering_id>/resigned")
@requires("founder")
def resigned(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = offerings.own_offering(session, security.current_actor(), offering_id)
        releases = queries.releases_of(session, found.offering.id)
    back = sum(each.record.amount_minor for each in releases if each.record.kind == "returned")
    return render_template(
        "founder/resigned.html", found=found, offering=found.offering, back_minor=back,
        asset=money.Asset.parse(found.offering.currency),
    )
