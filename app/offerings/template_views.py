"""Starting a draft's contract from a template: the library, a template with the offering's dates, and taking it.

The templates are ``app.contracts.templates``'; what is taken is edited in ``editor_views``.
"""

from __future__ import annotations

import dataclasses

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app import clock, formats, security
from app.contracts import templates
from app.contracts.templates import Template
from app.db import Session, get_db
from app.errors import MilestakeError
from app.offerings import admission, figures, queries, rules, service
from app.offerings.draft_views import is_starter
from app.offerings.forms import TemplateForm
from app.offerings.models import Offering
from app.security import requires
from milestones import document as documents
from milestones import money
from milestones.apportion import tranche_amounts
from milestones.template import resolve
from milestones.terms import Terms

blueprint = Blueprint("contract_templates", __name__, url_prefix="/founder/offerings")

Answer = str | tuple[str, int] | Response


@dataclasses.dataclass(frozen=True, slots=True)
class Preview:
    """A template with an offering's dates: its document and terms, amounts at the target, what the check will say."""

    document: dict[str, object]
    terms: Terms
    amounts_minor: tuple[int, ...]
    refused: tuple[rules.Problem, ...]


@blueprint.get("/<offering_id>/contract/templates")
@requires("founder")
def choose(offering_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.own_offering(session, security.current_actor(), offering_id)
    bars = {each.name: _segments(each) for each in templates.library()}
    return render_template(
        "founder/templates.html", found=found, offering=found.offering, library=templates.library(), bars=bars
    )


@blueprint.route("/<offering_id>/contract/templates/<name>", methods=["GET", "POST"])
@requires("founder")
def take(offering_id: str, name: str) -> Answer:
    actor = security.current_actor()
    template = templates.template(name)
    form = TemplateForm(actor=actor)
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        terms = queries.agreed_terms(session, found.offering).terms
        preview = _preview(session, template, found.offering)
    offering = found.offering
    replaced = 0 if is_starter(terms) else len(terms.milestones)
    form.replace.label.text = ngettext(
        "Yes, replace the milestone that is in the draft", "Yes, replace the %(num)s milestones that are in the draft",
        replaced or 1,
    )
    if form.validate_on_submit():
        if replaced and not form.replace.data:
            form.replace.errors = [_("Say that the milestones that are there now may be replaced, or leave them.")]
            form.status = 422
        else:
            try:
                _put(form, offering_id, preview)
                told = _("The draft begins from “%(title)s”. Make every figure your own.", title=template.title)
                flash(told, "success")
                return redirect(url_for("editor.edit", offering_id=offering_id))
            except MilestakeError as error:
                form.show_error(error)
    asset = money.Asset.parse(offering.currency)
    return render_template(
        "founder/template.html", form=form, found=found, offering=offering, template=template, preview=preview,
        asset=asset, replaced=replaced, starts_on=figures.day_of(offering, offering.deadline_at),
        segments=_segments(template, [formats.money_text(each, asset) for each in preview.amounts_minor]),
        tranches=list(zip(template.tranches, preview.amounts_minor, strict=True)),
    ), form.status


def _preview(session: Session, template: Template, offering: Offering) -> Preview:
    """Date a template from the day of the offering's deadline; judge it by its figures and regime (MIL-4, OFF-14)."""
    document = resolve(
        template, starts_on=figures.day_of(offering, offering.deadline_at), currency=offering.currency,
        zone=offering.zone, calendar=offering.calendar, title=offering.name,
    )
    terms = documents.parse_document(document)
    refused, _relaxed = rules.contract_problems(service.fields_of(offering), terms, {})
    by_regime = admission.problems(session, offering, now=clock.business_now(session), terms=terms)
    refused += [problem for problem in by_regime if problem.path.startswith("contract")]
    amounts = tranche_amounts(offering.target_minor, [tranche.bp for tranche in terms.tranches])
    return Preview(document, terms, tuple(amounts), tuple(refused))


def _segments(template: Template, amounts: list[str] | None = None) -> list[dict[str, object]]:
    """Return the segments of a template's tranche bar, with amounts where they are known."""
    return [
        {"key": tranche.key, "label": template.title_of(tranche.ordinal) or _("Closing"), "share_bp": tranche.bp,
         "amount": amounts[place] if amounts else None, "state": "locked"}
        for place, tranche in enumerate(template.tranches)
    ]


def _put(form: TemplateForm, offering_id: str, preview: Preview) -> Offering:
    def save(session: Session) -> Offering:
        return service.update_draft(
            session, actor=form.actor, offering_id=offering_id, document=preview.document,
            now=clock.business_now(session),
        )

    return get_db().unit_of_work(save)
