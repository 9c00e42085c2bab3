"""A founder changes an open offering: every field, a check of what it means, a proposal; updates (OFF-2, OFF-8)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts.actor import Actor
from app.commitments import reconfirm_queries
from app.contracts.queries import ContractFileError
from app.db import get_db
from app.errors import MilestakeError, Refused
from app.offerings import (
    change_forms,
    change_shapes_views,
    changes,
    figures,
    queries,
    rules,
    service,
    shapes_views,
    updates,
    versions,
)
from app.offerings.change_forms import ChangeForm, CheckForm, DiscloseForm, UpdateForm
from app.offerings.forms import ConfirmForm
from app.offerings.models import Offering
from app.offerings.queries import Found
from app.security import requires
from milestones import offer

blueprint = Blueprint("changes", __name__, url_prefix="/founder/offerings/<offering_id>")

blueprint.add_app_template_global(change_shapes_views.lines_of, "change_lines")

Answer = str | tuple[str, int] | Response


def _found(actor: Actor, offering_id: str) -> Found:
    with get_db().read() as session:
        return queries.own_offering(session, actor, offering_id)


@blueprint.get("/changes")
@requires("founder")
def index(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        listed = reconfirm_queries.changes_of(session, found.offering)
    waiting = next((each for each in listed if each.change.state == "proposed"), None)
    return render_template(
        "founder/changes.html", found=found, offering=found.offering, listed=listed, waiting=waiting,
        next=next_of(found.offering, waiting), take_back=ConfirmForm(actor=actor, operation="take_back_change"),
        asset=shapes_views.asset_of(found.offering),
    )


def next_of(offering: Offering, seen: reconfirm_queries.Seen | None) -> dict[str, object] | None:
    """Return the next line of a proposed change, or of its round (TIM-5)."""
    return None if seen is None else shell.next_line(reconfirm_queries.step_of(seen, offering), offering.zone)


@blueprint.route("/changes/new", methods=["GET", "POST"])
@requires("founder")
def new(offering_id: str) -> Answer:
    actor = security.current_actor()
    found = _found(actor, offering_id)
    form = ChangeForm(offering=found.offering, rights=found.token_class.rights)
    if form.validate_on_submit():
        try:
            return _check_page(actor, found, form)
        except ContractFileError:
            pass
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        is_open = found.offering.state == "live" and clock.business_now(session) < found.offering.deadline_at
        used = changes.material_count(session, found.offering)
    return render_template(
        "founder/change.html", form=form, found=found, offering=found.offering, is_open=is_open, used=used,
        most=rules.MATERIAL_CHANGES_AT_MOST, is_first=changes.is_before_first(found.offering),
    ), form.status


def _check_page(actor: Actor, found: Found, form: ChangeForm) -> Answer:
    """Show what would change and what follows from it; nothing is stored yet."""
    offering, proposed = found.offering, form.proposed()
    with get_db().read() as session:
        changes.demand_live(offering, clock.business_now(session))
        changes.demand_none_open(session, offering)
        patch = changes.patch_of(session, offering, proposed)
        changes.demand_possible(session, offering, patch, now=clock.business_now(session))
    check = CheckForm(actor=actor, formdata=None)
    check.proposal.data = change_forms.sign(
        actor, offering.public_id, patch, offering.version_number, (form.reason.data or "").strip()
    )
    return _shown(actor, found, check)


def _shown(actor: Actor, found: Found, check: CheckForm) -> Answer:
    read = change_forms.read(check.proposal.data, actor, found.offering.public_id)
    if read is None:
        return _again(found)
    patch, _base, reason = read
    with get_db().read() as session:
        version = versions.current(session, found.offering)
        assert version is not None
        asked = reconfirm_queries.would_be_asked(session, found.offering)
    judged = offer.judge(version.document, offer.merge(version.document, patch))
    page = render_template(
        "founder/change_check.html", form=check, found=found, offering=found.offering, reason=reason,
        lines=(judged, offer.merge(version.document, patch), found.offering.zone),
        is_material=offer.is_material(judged), is_first=changes.is_before_first(found.offering), asked=asked,
        days=figures.of(found.offering).reconfirm_bd, decide_days=rules.CHANGE_BUSINESS_DAYS,
        review_days=rules.NEW_VERSION_BUSINESS_DAYS, min_days=figures.of(found.offering).min_open_days,
    )
    return page, check.status


def _again(found: Found) -> Response:
    flash(_("Your changes are no longer at hand. Nothing was proposed; start again."), "warning")
    return redirect(url_for(".new", offering_id=found.offering.public_id))


@blueprint.post("/changes/check")
@requires("founder")
def check(offering_id: str) -> Answer:
    actor = security.current_actor()
    found = _found(actor, offering_id)
    form = CheckForm(actor=actor)
    read = change_forms.read(form.proposal.data, actor, offering_id)
    if read is None:
        return _again(found)
    patch, base_number, reason = read
    if form.validate_on_submit():
        try:
            proving = form.prove()
            get_db().unit_of_work(
                lambda session: changes.propose(
                    session, actor=proving, offering_id=offering_id, patch=patch, base_number=base_number,
                    reason=reason, key=form.key, now=clock.business_now(session),
                )
            )
            return redirect(url_for(".proposed", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    return _shown(actor, found, form)


@blueprint.get("/changes/proposed")
@requires("founder")
def proposed(offering_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = queries.own_offering(session, actor, offering_id)
        listed = reconfirm_queries.changes_of(session, found.offering)
    if not listed:
        return redirect(url_for(".index", offering_id=offering_id))
    return render_template("founder/change_proposed.html", found=found, offering=found.offering, seen=listed[0])


@blueprint.post("/changes/<change_id>/take-back")
@requires("founder", second_factor=True)
def take_back(offering_id: str, change_id: str) -> Answer:
    actor = security.current_actor()
    form = ConfirmForm(actor=actor, operation="take_back_change")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: changes.take_back(
                    session, actor=actor, change_id=change_id, now=clock.business_now(session)
                )
            )
            flash(_("The proposal is taken back. Everything stands as it was published."), "success")
        except MilestakeError as error:
            flash(error.message, "warning")
    return redirect(url_for(".index", offering_id=offering_id))


@blueprint.route("/disclosures", methods=["GET", "POST"])
@requires("founder")
def disclose(offering_id: str) -> Answer:
    """What a draft discloses; a live offering's is changed like everything else of it."""
    actor = security.current_actor()
    found = _found(actor, offering_id)
    form = DiscloseForm(actor=actor, offering=found.offering)
    if form.validate_on_submit():
        try:
            problems = list(offer.use_problems(form.told()["use_of_proceeds"]))
            if problems:
                raise Refused(problems[0], code="uses_not_whole", field="use_of_proceeds")
            get_db().unit_of_work(
                lambda session: service.update_draft(
                    session, actor=actor, offering_id=offering_id, disclosures=form.told(),
                    now=clock.business_now(session),
                )
            )
            flash(_("What the company discloses is saved."), "success")
            return redirect(url_for("founder.offering", offering_id=offering_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("founder/disclosures.html", form=form, found=found, offering=found.offering), form.status


@blueprint.route("/updates/new", methods=["GET", "POST"])
@requires("founder")
def update(offering_id: str) -> Answer:
    actor = security.current_actor()
    found = _found(actor, offering_id)
    form = UpdateForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: updates.post(
                    session, actor=actor, offering_id=offering_id, kind=form.kind.data, title=form.title.data,
                    text=form.text.data, key=form.key, now=clock.business_now(session),
                )
            )
            flash(_("The update is posted. Everybody who has committed is told."), "success")
            return redirect(url_for("reconfirm.index", slug=found.offering.slug))
        except MilestakeError as error:
            form.show_error(error)
    return render_template(
        "founder/update.html", form=form, found=found, offering=found.offering,
        may_post=found.offering.state in updates.OPEN_FOR_UPDATES,
    ), form.status
