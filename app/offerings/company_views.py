"""A founder's companies: creating one, its token classes, and the account it is paid at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, idempotency, security
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import KeyedForm
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import issuers, queries
from app.offerings.forms import PAYEES, ClassForm, CompanyForm, PayeeForm
from app.offerings.rules import PAYEE_HOLD_DAYS
from app.security import requires

blueprint = Blueprint("company", __name__, url_prefix="/founder/companies")

Answer = str | tuple[str, int] | Response


def once(form: KeyedForm, fields: Mapping[str, object], make: Callable[[Session], str]) -> str:
    """Do what a form asks for once per form key, and return the public id of what it made (COM-1, COM-8)."""

    def act(session: Session) -> str:
        now = clock.business_now(session)
        claim = {"actor": form.actor, "operation": form.operation, "key": form.key}
        earlier = idempotency.claim(session, **claim, fields=fields, now=now)
        if earlier is not None:
            return earlier
        made = make(session)
        idempotency.settle(session, **claim, result_ref=made)
        return made

    return get_db().unit_of_work(act)


@blueprint.route("/new", methods=["GET", "POST"])
@requires("founder")
def new() -> Answer:
    actor = security.current_actor()
    form = CompanyForm(actor=actor)
    if form.validate_on_submit():
        fields = {
            "name": form.name.data, "place": form.place.data, "description": form.description.data or "",
            "payee_ref": form.payee_ref.data,
        }
        try:
            issuer_id = once(
                form, fields,
                lambda session: issuers.create_issuer(
                    session, actor=actor, **fields, now=clock.business_now(session)
                ).public_id,
            )
            flash(_("%(name)s is created. Next, define the token class that you want to sell.", name=form.name.data),
                  "success")
            return redirect(url_for(".show", issuer_id=issuer_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/company_new.html", form=form), form.status


@blueprint.get("/<issuer_id>")
@requires("founder")
def show(issuer_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        company = queries.company_of(session, actor, issuer_id)
        unissued = {
            each.id: ledger.balance(session, chart.unissued(each.public_id, each.asset)) for each in company.classes
        }
        issued = {
            each.id: ledger.balance(session, chart.outstanding(each.public_id, each.asset)) for each in company.classes
        }
    return render_template(
        "founder/company.html", company=company, issuer=company.issuer, unissued=unissued, issued=issued,
        payees=dict(PAYEES), hold_days=PAYEE_HOLD_DAYS,
    )


@blueprint.route("/<issuer_id>/classes/new", methods=["GET", "POST"])
@requires("founder")
def new_class(issuer_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        company = queries.company_of(session, actor, issuer_id)
    form = ClassForm(actor=actor)
    if form.validate_on_submit():
        fields = {
            "issuer_id": issuer_id, "code": form.code.data, "name": form.name.data, "rights": form.rights.data,
            "authorised_tokens": form.authorised_tokens.data, "existing_tokens": form.existing_tokens.data,
        }
        try:
            once(
                form, fields,
                lambda session: issuers.create_token_class(
                    session, actor=actor, **fields, now=clock.business_now(session)
                ).public_id,
            )
            flash(_("%(name)s is created and its tokens are authorised.", name=form.name.data), "success")
            return redirect(url_for(".show", issuer_id=issuer_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/class_new.html", form=form, issuer=company.issuer), form.status


@blueprint.route("/<issuer_id>/payee", methods=["GET", "POST"])
@requires("founder", second_factor=True)
def payee(issuer_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        issuer = queries.company_of(session, actor, issuer_id).issuer
    form = PayeeForm(actor=actor)
    if form.validate_on_submit():
        fields = {"issuer_id": issuer_id, "payee_ref": form.payee_ref.data}
        try:
            once(
                form, fields,
                lambda session: issuers.change_payee(
                    session, actor=actor, **fields, now=clock.business_now(session)
                ).public_id,
            )
            return redirect(url_for(".payee_changed", issuer_id=issuer_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template(
        "founder/payee.html", form=form, issuer=issuer, payees=dict(PAYEES), hold_days=PAYEE_HOLD_DAYS
    ), form.status


@blueprint.get("/<issuer_id>/payee/changed")
@requires("founder")
def payee_changed(issuer_id: str) -> Answer:
    with get_db().read() as session:
        issuer = queries.company_of(session, security.current_actor(), issuer_id).issuer
    return render_template(
        "founder/payee_changed.html", issuer=issuer, payees=dict(PAYEES), hold_days=PAYEE_HOLD_DAYS
    )
