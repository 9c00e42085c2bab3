"""The contract editor of a draft: a form page without scripts, and importing a file."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.contracts import importing
from app.contracts.queries import ContractFileError
from app.db import Session, get_db
from app.errors import MilestakeError
from app.offerings import queries, service
from app.offerings.contract_forms import RELAXED_WORDS, ContractTree, EditorForm
from app.offerings.draft_views import checked, is_starter
from app.offerings.forms import ImportForm
from app.offerings.models import Offering
from app.security import requires
from milestones import document as documents

blueprint = Blueprint("editor", __name__, url_prefix="/founder/offerings")

Answer = str | tuple[str, int] | Response


@blueprint.route("/<offering_id>/contract", methods=["GET", "POST"])
@requires("founder")
def edit(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = EditorForm(actor=actor)
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        terms = queries.agreed_terms(session, found.offering).terms
        check = checked(session, found, clock.business_now(session))
    offering = found.offering
    tree = ContractTree.of_form(request.form) if form.is_submitted() else ContractTree.of_terms(terms)
    is_saved = not form.is_submitted()
    if form.validate_on_submit() and not tree.act(request.form.get("action", "save")):
        document = tree.document(currency=offering.currency, zone=offering.zone, calendar=offering.calendar)
        if document is None:
            form.status = 422
        else:
            try:
                _save(form, offering_id, document)
                flash(_("The contract is saved."), "success")
                return redirect(url_for(".edit", offering_id=offering_id))
            except MilestakeError as error:
                form.show_error(error)
    return render_template(
        "founder/editor.html", form=form, tree=tree, found=found, offering=offering, check=check, is_saved=is_saved,
        relaxed_words=RELAXED_WORDS, has_errors=bool(tree.errors or form.errors), is_starter=is_starter(terms),
    ), form.status


@blueprint.route("/<offering_id>/contract/import", methods=["GET", "POST"])
@requires("founder")
def import_file(offering_id: str) -> Answer:
    actor = security.current_actor()
    form = ImportForm(actor=actor)
    problems: list[importing.FileProblem] = []
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
    if form.validate_on_submit():
        file = request.files.get("file")
        try:
            read = importing.read_contract(file.stream.read(importing.MAX_BYTES + 1) if file else b"")
            _save(form, offering_id, documents.to_document(read.terms))
            flash(_("“%(title)s” is imported. Check it here before you submit.", title=read.terms.title), "success")
            return redirect(url_for(".edit", offering_id=offering_id))
        except ContractFileError as error:
            form.status, problems = error.status, error.problems
            form.file.errors = [_("The file cannot be read as a contract; what is wrong is listed below.")]
        except MilestakeError as error:
            form.show_error(error)
    return render_template(
        "founder/import.html", form=form, found=found, offering=found.offering, problems=problems,
        most_kb=importing.MAX_BYTES // 1024,
    ), form.status


def _save(form: EditorForm | ImportForm, offering_id: str, document: dict[str, object]) -> Offering:
    def save(session: Session) -> Offering:
        return service.update_draft(
            session, actor=form.actor, offering_id=offering_id, document=document, now=clock.business_now(session)
        )

    return get_db().unit_of_work(save)
