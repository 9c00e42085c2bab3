"""Where operators see and change the reserve that covers unseasoned money (COM-10)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.db import get_db
from app.errors import MilestakeError
from app.payments import reserve
from app.payments.forms import ReserveForm
from app.security import requires

blueprint = Blueprint("reserve", __name__, url_prefix="/operator/reserve")

Answer = str | tuple[str, int] | Response


@blueprint.route("", methods=["GET", "POST"])
@requires("operator")
def index() -> Answer:
    with get_db().read() as session:
        standing = reserve.standing(session, now=clock.business_now(session))
    assets = sorted({each.asset for each in standing}) or ["USD/2"]
    form = ReserveForm(actor=security.current_actor(), assets=assets)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            amount = form.amount.data * (1 if form.direction.data == "in" else -1)
            journal = get_db().unit_of_work(
                lambda session: reserve.fund_reserve(
                    session, actor=actor, amount_minor=amount, asset=form.asset.data or "", key=form.key,
                    now=clock.business_now(session),
                )
            )
            flash(_("The reserve is changed; the journal is below. What it covers moves within seconds."), "success")
            return redirect(url_for("books.journal", journal_id=journal))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/reserve.html", form=form, standing=standing), form.status
