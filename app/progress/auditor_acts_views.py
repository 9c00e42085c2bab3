"""What auditors do beside reviewing: take an attestation back, give a seat up, say which work they take (MIL-8, 15)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from app import clock, security
from app.db import get_db
from app.errors import MilestakeError
from app.forms import ActForm, PlainForm
from app.offerings import auditing
from app.progress import desk, panels, withdrawals
from app.progress.auditor_views import side_items
from app.security import requires

blueprint = Blueprint("auditor_acts", __name__, url_prefix="/auditor")

Answer = str | tuple[str, int] | Response


class WithdrawForm(ActForm):
    """Why an attestation is taken back."""

    operation = "withdraw_attestation"

    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Say why; everybody reads it.")),
                                  Length(max=2000, message=_l("Enter at most %(max)d characters."))]
    )


class RecuseForm(ActForm):
    """What ties an auditor to the company or to another auditor."""

    operation = "recuse"

    reason = TextAreaField(
        _l("What ties you to them"),
        validators=[DataRequired(_l("Say what ties you to the company or to another auditor.")),
                    Length(max=auditing.MAX_CHARACTERS, message=_l("Enter at most %(max)d characters."))],
    )


class OfferForm(PlainForm):
    """Whether one takes new reviews, of which sectors, for which firm, and what one asks."""

    is_willing = BooleanField(_l("I take new reviews"))
    sectors = TextAreaField(_l("Only these sectors"), validators=[Length(max=auditing.MAX_CHARACTERS)])
    firm = StringField(_l("Firm"), validators=[Length(max=auditing.MAX_CHARACTERS)])
    fee_note = TextAreaField(_l("What you ask for a review"), validators=[Length(max=auditing.MAX_CHARACTERS)])


class ConflictForm(PlainForm):
    """A company that one is not independent of."""

    issuer = SelectField(_l("Company"), validators=[InputRequired(_l("Choose the company."))], validate_choice=False)
    reason = TextAreaField(
        _l("What ties you to it"), validators=[DataRequired(_l("Say what ties you to it.")),
                                               Length(max=auditing.MAX_CHARACTERS)]
    )


@blueprint.route("/attestations/<attestation_id>/withdraw", methods=["GET", "POST"])
@requires("auditor")
def withdraw(attestation_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        signature = desk.signature_of(session, actor, attestation_id)
        found = desk.review_for(session, actor, signature.submission.public_id)
    form = WithdrawForm(actor=actor)
    if form.validate_on_submit():
        try:
            proven = form.prove()
            get_db().unit_of_work(
                lambda session: withdrawals.withdraw(
                    session, actor=proven, attestation_id=attestation_id, reason=form.reason.data or "", key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for("auditor.receipt", attestation_id=attestation_id))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template("auditor/withdraw.html", form=form, seat=found.seat, signature=signature)
    return page, form.status


@blueprint.route("/appointments/<appointment_id>/recuse", methods=["GET", "POST"])
@requires("auditor")
def recuse(appointment_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        seat = desk.seat_of(session, actor, appointment_id)
    form = RecuseForm(actor=actor)
    if form.validate_on_submit():
        try:
            proven = form.prove()
            get_db().unit_of_work(
                lambda session: panels.recuse(
                    session, actor=proven, appointment_id=appointment_id, reason=form.reason.data or "",
                    now=clock.business_now(session),
                )
            )
            flash(_("You gave the seat up. The next auditor by lot is asked."), "success")
            return redirect(url_for("auditor.queue"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("auditor/recuse.html", form=form, seat=seat), form.status


@blueprint.route("/offer", methods=["GET", "POST"])
@requires("auditor")
def offer() -> Answer:
    """What the lot knows of an auditor: whether they take work and which, and whom they are tied to."""
    actor = security.current_actor()
    with get_db().read() as session:
        profile = auditing.profile_of(session, min(actor.parties("auditor")))
    form = OfferForm(obj=profile) if profile is not None else OfferForm(is_willing=True)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: auditing.offer(
                    session, actor=actor, is_willing=bool(form.is_willing.data), sectors=form.sectors.data or "",
                    firm=form.firm.data or "", fee_note=form.fee_note.data or "", now=clock.business_now(session),
                )
            )
            flash(_("Saved. It holds from the next draw on."), "success")
            return redirect(url_for(".offer"))
        except MilestakeError as error:
            form.show_error(error)
    return _offer_page(form, _conflict_form())


@blueprint.post("/conflicts")
@requires("auditor")
def conflict() -> Answer:
    actor = security.current_actor()
    form = _conflict_form()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: auditing.declare_conflict(
                    session, actor=actor, issuer_id=form.issuer.data or "", reason=form.reason.data or "",
                    now=clock.business_now(session),
                )
            )
            flash(_("Declared. You are drawn for none of its panels from now on."), "success")
            return redirect(url_for(".offer"))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        profile = auditing.profile_of(session, min(actor.parties("auditor")))
    return _offer_page(OfferForm(formdata=None, obj=profile), form)


def _conflict_form() -> ConflictForm:
    form = ConflictForm()
    with get_db().read() as session:
        form.issuer.choices = [("", _("Choose a company")), *auditing.companies(session)]
    return form


def _offer_page(form: OfferForm, declaring: ConflictForm) -> Answer:
    with get_db().read() as session:
        declared = auditing.declared_by(session, min(security.current_actor().parties("auditor")))
    page = render_template(
        "auditor/offer.html", form=form, declaring=declaring, declared=declared, side_items=side_items("offer")
    )
    return page, max(form.status, declaring.status)
