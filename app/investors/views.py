"""The investor's own pages: what we know of them, declaration, questions, verification (PPL-3).

Where a page is opened on the way to a commitment, ``next`` leads back to it.
"""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts.actor import Actor
from app.blobs import DirectoryBlobs
from app.config import Settings
from app.db import get_db
from app.errors import InvariantBroken, MilestakeError
from app.investors import delivery, identity, queries, rules, service
from app.investors.forms import (
    DeclarationForm,
    DeliveryForm,
    PaperForm,
    ParticularsForm,
    PressForm,
    answers_form,
    paper_words,
)
from app.next_step import next_step
from app.security import requires
from app.shell import next_line

blueprint = Blueprint("investors", __name__)

Answer = str | tuple[str, int] | Response


def own_party(actor: Actor) -> int:
    """Return the party that a person's own pages are about: the first they invest for."""
    return min(actor.parties("investor"))


def _next(default: str) -> str:
    return security.safe_next(request.args.get("next"), default)


# -- what we know ---------------------------------------------------------------------------------------


@blueprint.get("/investor")
@requires("investor")
def profile() -> Answer:
    party_id = own_party(security.current_actor())
    with get_db().read() as session:
        now = clock.business_now(session)
        standing = queries.standing(session, party_id)
        check = queries.latest_verification(session, party_id)
        context = {
            "now": now, "standing": standing, "check": check, "state": standing.verification(now),
            "missing": queries.missing(standing, now), "declarations": queries.declarations(session, party_id),
            "checks": queries.verifications(session, party_id), "tries": queries.tries(session, party_id),
        }
    step = next_step("verification", "pending", check.due_at) if check and check.state == "pending" else None
    return render_template(
        "investors/profile.html", next=next_line(step), category_words=rules.CATEGORY_WORDS,
        reasons=rules.REFUSAL_REASONS, understood_until=standing.understood_until(), **context,
    )


# -- declaration ----------------------------------------------------------------------------------------


@blueprint.route("/investor/declaration", methods=["GET", "POST"])
@requires("investor")
def declaration() -> Answer:
    actor = security.current_actor()
    party_id = own_party(actor)
    form = DeclarationForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.declare(
                    session, actor=actor, party_id=party_id, category=form.category.data,
                    income_minor=form.income.data, net_worth_minor=form.net_worth.data,
                    elsewhere_minor=form.elsewhere.data or 0, invested_bp=form.invested_bp.data,
                    intends_bp=form.intends_bp.data, currency=form.currency.data,
                    wording_hash=rules.hash_of(rules.declaration_wording(form.category.data)),
                    now=clock.business_now(session),
                )
            )
            flash(_("What you stated is kept. It counts from now on."), "success")
            return redirect(_next(url_for(".profile")))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        latest = queries.declaration(session, party_id)
    hints = {each: rules.CATEGORY_WORDS[each][1] for each in rules.CATEGORIES}
    page = render_template(
        "investors/declaration.html", form=form, hints=hints, latest=latest, back=_next(url_for(".profile")),
        category_words=rules.CATEGORY_WORDS,
    )
    return page, form.status


# -- delivery -------------------------------------------------------------------------------------------


@blueprint.route("/investor/delivery", methods=["GET", "POST"])
@requires("investor")
def deliver() -> Answer:
    """Ask for consent to electronic delivery."""
    actor = security.current_actor()
    party_id = own_party(actor)
    form = DeliveryForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: delivery.consent(
                    session, actor=actor, party_id=party_id, wording_hash=form.wording.data,
                    now=clock.business_now(session),
                )
            )
            flash(_("You agreed to get documents electronically."), "success")
            return redirect(_next(url_for(".profile")))
        except MilestakeError as error:
            form.wording.data = rules.DELIVERY_WORDING_HASH
            form.show_error(error)
    with get_db().read() as session:
        since = queries.standing(session, party_id).delivered_since
    page = render_template(
        "investors/delivery.html", form=form, since=since, wording=rules.DELIVERY_WORDING,
        back=_next(url_for(".profile")),
    )
    return page, form.status


@blueprint.route("/investor/delivery/withdraw", methods=["GET", "POST"])
@requires("investor")
def stop_delivery() -> Answer:
    """Withdraw the consent, after its consequence was said."""
    actor = security.current_actor()
    form = PressForm()
    if form.validate_on_submit():
        get_db().unit_of_work(
            lambda session: delivery.withdraw(
                session, actor=actor, party_id=own_party(actor), now=clock.business_now(session)
            )
        )
        flash(_("Withdrawn. You can make no new commitment until you agree again; nothing else changes."), "success")
        return redirect(url_for(".profile"))
    return render_template("investors/delivery_stop.html", form=form), form.status


# -- understanding --------------------------------------------------------------------------------------


@blueprint.route("/investor/understanding", methods=["GET", "POST"])
@requires("investor")
def understanding() -> Answer:
    """Ask the questions. Which answers were wrong is not said: the next try asks others, in another order."""
    actor = security.current_actor()
    party_id = own_party(actor)
    with get_db().read() as session:
        now = clock.business_now(session)
        tries = queries.tries(session, party_id)
    back = _next(url_for(".profile"))
    number = tries.count + 1
    form = answers_form(service.questions(party_id, number), number)
    if tries.next_at is not None and now < tries.next_at:
        return render_template("investors/wait.html", next_at=tries.next_at, tries=tries, back=back), 422 if (
            form.is_submitted()) else 200
    if form.is_submitted() and form.number.data != str(number):
        flash(_("These questions were answered already. Here are new ones."), "warning")
        return redirect(url_for(".understanding", next=back))
    if form.validate_on_submit():
        try:
            attempt = get_db().unit_of_work(
                lambda session: service.answer(
                    session, actor=actor, party_id=party_id, number=number, chosen=form.chosen,
                    now=clock.business_now(session),
                )
            )
            if attempt.passed:
                flash(_("You answered every question rightly."), "success")
                return redirect(back)
            flash(_("At least one answer was not right. Read about the risks, then try again."), "warning")
            return redirect(url_for(".understanding", next=back))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template("investors/understanding.html", form=form, tries=tries, back=back, free=rules.FREE_FAILURES)
    return page, form.status


# -- verification ---------------------------------------------------------------------------------------


@blueprint.get("/investor/verification")
@requires("investor")
def verification() -> Answer:
    return _verification_page(PaperForm(formdata=None), ParticularsForm(formdata=None))


@blueprint.post("/investor/verification/papers")
@requires("investor")
def add_paper() -> Answer:
    actor = security.current_actor()
    form = PaperForm()
    if form.validate_on_submit():
        try:
            security.count_attempt("paper", str(actor.user_id))
            # The bytes are stored before the unit of work: what is never referred to harms nobody.
            sha256, size = _blobs().put(form.file.data.stream)
            get_db().unit_of_work(
                lambda session: identity.add_paper(
                    session, actor=actor, party_id=own_party(actor), kind=form.kind.data, filename=form.filename,
                    media_type=form.media_type, sha256=sha256, size_bytes=size, now=clock.business_now(session),
                )
            )
            flash(_("“%(name)s” is ready to be sent.", name=form.filename), "success")
            return redirect(url_for(".verification", next=_next("") or None))
        except MilestakeError as error:
            form.show_error(error)
    return _verification_page(form, ParticularsForm(formdata=None))


@blueprint.post("/investor/verification/papers/<paper_id>/remove")
@requires("investor")
def remove_paper(paper_id: str) -> Answer:
    actor = security.current_actor()
    if PressForm().validate_on_submit():
        get_db().unit_of_work(
            lambda session: identity.remove_paper(
                session, actor=actor, paper_id=paper_id, now=clock.business_now(session)
            )
        )
        flash(_("The paper is removed."), "success")
    return redirect(url_for(".verification", next=_next("") or None))


@blueprint.post("/investor/verification")
@requires("investor")
def ask() -> Answer:
    actor = security.current_actor()
    form = ParticularsForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: identity.request(
                    session, actor=actor, party_id=own_party(actor), legal_name=form.legal_name.data,
                    country=form.country.data, born_on=form.born_on.data, check=_check(),
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".asked", next=_next("") or None))
        except MilestakeError as error:
            form.show_error(error)
    return _verification_page(PaperForm(formdata=None), form)


@blueprint.get("/investor/verification/sent")
@requires("investor")
def asked() -> Answer:
    with get_db().read() as session:
        check = queries.latest_verification(session, own_party(security.current_actor()))
    if check is None or check.state != "pending":
        return redirect(url_for(".profile"))
    step = next_step("verification", "pending", check.due_at)
    return render_template(
        "investors/asked.html", check=check, next=next_line(step), back=_next(url_for(".profile"))
    )


def _verification_page(paper_form: PaperForm, form: ParticularsForm) -> Answer:
    actor = security.current_actor()
    party_id = own_party(actor)
    with get_db().read() as session:
        now = clock.business_now(session)
        standing = queries.standing(session, party_id)
        latest = queries.latest_verification(session, party_id)
        papers = queries.papers_at_hand(session, party_id)
    if standing.latest_state == "pending":
        return redirect(url_for(".asked", next=_next("") or None))
    if not form.is_submitted() or form.legal_name.data is None:
        form.legal_name.data = form.legal_name.data or (latest.legal_name if latest else actor.name)
        if latest is not None:
            form.country.data = form.country.data or latest.country
            form.born_on.data = form.born_on.data or latest.born_on
    shown = paper_form if paper_form.errors else form
    page = render_template(
        "investors/verification.html", form=shown, paper_form=paper_form, particulars=form, papers=papers,
        state=standing.verification(now), latest=latest, reasons=rules.REFUSAL_REASONS, paper_words=paper_words,
        press=PressForm(formdata=None), needs_papers=_check().needs_papers, next_path=_next("") or None,
    )
    return page, max(paper_form.status, form.status)


@blueprint.get("/identity-papers/<paper_id>")
@requires()
def paper(paper_id: str) -> Response:
    """Send a paper to its owner or an operator, shut in: nothing in it can run or reach our pages."""
    with get_db().read() as session:
        found = queries.paper_for_reader(session, security.current_actor(), paper_id)
    try:
        stream = _blobs().open(found.sha256)
    except KeyError:
        raise InvariantBroken(f"the bytes of {found.public_id} are not in the store", code="blob_missing") from None
    response = send_file(
        stream, mimetype=found.media_type, as_attachment=found.media_type not in rules.SHOWN_TYPES,
        download_name=found.filename, max_age=None,
    )
    return security.shut_in(response)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["milestake_settings"]
    return settings


def _blobs() -> DirectoryBlobs:
    return DirectoryBlobs(_settings().data_dir)


def _check() -> identity.ByOperator:
    """Return the check this deployment uses. In a sandbox nobody has papers to show."""
    return identity.ByOperator(needs_papers=not _settings().sandbox)
