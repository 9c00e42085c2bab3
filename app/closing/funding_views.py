"""The page on which an officer signs who funded the commitments, and its receipt (COM-11)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import BooleanField
from wtforms.validators import InputRequired

from app import clock, security
from app.closing import funding
from app.commitments import queries as commitments
from app.db import get_db
from app.errors import MilestakeError
from app.forms import ActForm
from app.next_step import next_step
from app.offerings import queries as offerings
from app.security import requires
from milestones import money

blueprint = Blueprint("funding", __name__, url_prefix="/founder/offerings")

Answer = str | tuple[str, int] | Response


class FundingForm(ActForm):
    """The statement, agreed to word for word."""

    operation = "state_funding"

    agreed = BooleanField(
        _l("I sign this statement for the company"),
        validators=[InputRequired(_l("Tick the box to sign, or leave the page if it is not true."))],
    )


@blueprint.route("/<offering_id>/funding", methods=["GET", "POST"])
@requires("founder")
def sign(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = FundingForm(actor=actor)
    if form.validate_on_submit():
        try:
            signer = form.prove()
            get_db().unit_of_work(
                lambda session: funding.state_funding(
                    session, actor=signer, offering_id=offering_id, now=clock.business_now(session)
                )
            )
            return redirect(url_for(".signed", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        found = offerings.own_offering(session, actor, offering_id)
        sums = commitments.raised_sums(session, [found.offering.id])[found.offering.id]
    if found.offering.funding_stated_at is not None and not form.is_submitted():
        return redirect(url_for(".signed", offering_id=offering_id))
    page = render_template(
        "founder/funding.html", form=form, offering=found.offering, sums=sums, statement=funding.STATEMENT,
        asset=money.Asset.parse(found.offering.currency), is_missing=funding.is_missing(found.offering),
        step=next_step("funding", "unstated", funding.due_at(found.offering)),
    )
    return page, form.status


@blueprint.get("/<offering_id>/funding/signed")
@requires("founder")
def signed(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = offerings.own_offering(session, security.current_actor(), offering_id)
    if found.offering.funding_stated_at is None:
        return redirect(url_for(".sign", offering_id=offering_id))
    return render_template("founder/funding_signed.html", offering=found.offering, statement=funding.STATEMENT)
