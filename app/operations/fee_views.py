"""Agree another fee than the usual one with a founder, at the review (REL-4)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from app import clock, security
from app.db import get_db
from app.errors import MilestakeError
from app.forms import PercentField
from app.offerings import fees
from app.offerings import service as offerings
from app.offerings.rules import PLATFORM_FEE_BP
from app.operations.forms import ReasonForm
from app.security import requires

blueprint = Blueprint("fees", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response


class FeeForm(ReasonForm):
    """Another share of released money, with its reason."""

    operation = "agree_fee"

    fee = PercentField(_l("Milestake's fee of released money, in percent"))


@blueprint.route("/offerings/<offering_id>/fee", methods=["GET", "POST"])
@requires("operator")
def agree(offering_id: str) -> Answer:
    form = FeeForm(actor=security.current_actor())
    with get_db().read() as session:
        offering = offerings.offering_by_id(session, offering_id)
    if not form.is_submitted():
        form.fee.data = offering.fee_bp
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: fees.agree(
                    session, actor=actor, offering_id=offering_id, fee_bp=form.fee.data,
                    reason=form.reason.data or "", now=clock.business_now(session),
                )
            )
            return redirect(url_for("reviews.decided", object_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "operator/fee.html", form=form, offering=offering, net=fees.net_of(offering), usual_bp=PLATFORM_FEE_BP,
    )
    return page, form.status
