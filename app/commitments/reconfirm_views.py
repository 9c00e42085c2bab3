"""What changed in an offering, for everybody; and the page on which an investor reconfirms or cancels (OFF-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, redirect, render_template, url_for
from flask_babel import gettext as _
from wtforms import HiddenField

from app import clock, security, shell
from app.accounts.actor import Actor
from app.audit.service import canonical
from app.commitments import queries as positions
from app.commitments import reconfirm_queries, reconfirming, service
from app.commitments.forms import CancelForm, FlagForm
from app.commitments.reconfirm_queries import Asked
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.forms import KeyedForm
from app.next_step import next_step
from app.offerings import queries, updates, versions
from app.offerings.models import Offering
from app.security import public, requires

blueprint = Blueprint("reconfirm", __name__)

Answer = str | tuple[str, int] | Any


class ReconfirmForm(KeyedForm):
    """The version that one reconfirms, and one key for one answer."""

    operation = "reconfirm"

    terms = HiddenField()


# -- what changed, for everybody --------------------------------------------------------------------


@blueprint.get("/offerings/<slug>/changes")
@public
def index(slug: str) -> Answer:
    actor = security.actor_or_none()
    with get_db().read() as session:
        found = queries.for_reader(session, slug, actor)
        listed = reconfirm_queries.changes_of(session, found.offering)
        context = {
            "versions": list(reversed(versions.all_of(session, found.offering.id))), "listed": listed,
            "updates": updates.posted(session, found.offering),
            "asked": asked_here(session, actor, found.offering), "may_flag": _may_flag(session, actor, found.offering),
            "flagged": _flagged(session, actor, found.offering),
        }
        latest = versions.current(session, found.offering)
    lines = {
        each.change.id: (each.judged, latest.document, found.offering.zone)
        for each in listed if latest is not None
    }
    return render_template(
        "offerings/changes.html", offering=found.offering, issuer=found.issuer, lines=lines,
        own=queries.is_own(found, actor),
        nexts={each.change.id: next_of(found.offering, each) for each in listed}, **context,
    )


@blueprint.get("/offerings/<slug>/versions/<int:number>.json")
@public
def version(slug: str, number: int) -> Answer:
    """Answer with a version as it was published: the bytes of its hash."""
    with get_db().read() as session:
        found = queries.for_reader(session, slug, security.actor_or_none())
        if not 1 <= number <= found.offering.version_number:
            raise NotFound(_("There is no such version."), code="version_not_found")
        read = versions.numbered(session, found.offering.id, number)
    return Response(canonical(read.document), mimetype="application/json")


def next_of(offering: Offering, seen: reconfirm_queries.Seen) -> dict[str, object] | None:
    """Return what a change waits for: an operator's decision, or the answers of those who were asked (TIM-5)."""
    return shell.next_line(reconfirm_queries.step_of(seen, offering), offering.zone)


def asked_here(session: Session, actor: Actor | None, offering: Offering) -> list[Asked]:
    """Return what the reader is asked about an offering."""
    if actor is None or not actor.parties("investor"):
        return []
    return reconfirm_queries.asked_of(session, actor.parties("investor"), offering_id=offering.id)


def _party_in(session: Session, actor: Actor | None, offering: Offering) -> int | None:
    if actor is None:
        return None
    return next(
        (party for party in sorted(actor.parties("investor")) if updates.holds_money(session, offering.id, party)), None
    )


def _may_flag(session: Session, actor: Actor | None, offering: Offering) -> bool:
    return offering.state == "live" and _party_in(session, actor, offering) is not None


def _flagged(session: Session, actor: Actor | None, offering: Offering) -> Mapping[int, bool]:
    party = _party_in(session, actor, offering)
    return {} if party is None else updates.flagged_by(session, offering, party)


# -- one investor's answer --------------------------------------------------------------------------


def _asked(session: Session, actor: Actor, commitment_id: str) -> Asked | None:
    view = positions.find_position(session, actor, commitment_id)
    found = reconfirm_queries.asked_of(session, [view.commitment.party_id], offering_id=view.offering.id)
    return next((each for each in found if each.commitment.public_id == commitment_id), None)


@blueprint.route("/commitments/<commitment_id>/reconfirm", methods=["GET", "POST"])
@requires("investor")
def reconfirm(commitment_id: str) -> Answer:
    actor = security.current_actor()
    form = ReconfirmForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: reconfirming.reconfirm(
                    session, actor=actor, commitment_id=commitment_id, terms_hash=form.terms.data or "", key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".answered", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    return _page(actor, commitment_id, form, CancelForm(actor=actor, operation="leave", formdata=None))


@blueprint.post("/commitments/<commitment_id>/leave")
@requires("investor")
def leave(commitment_id: str) -> Answer:
    actor = security.current_actor()
    form = CancelForm(actor=actor, operation="leave")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: reconfirming.cancel(
                    session, actor=actor, commitment_id=commitment_id, now=clock.business_now(session)
                )
            )
            return redirect(url_for("commitments.cancelled", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    again = ReconfirmForm(actor=actor, formdata=None)
    again.form_errors.extend(form.form_errors)
    again.status = form.status
    return _page(actor, commitment_id, again, form)


def _page(actor: Actor, commitment_id: str, form: ReconfirmForm, leaving: CancelForm) -> Answer:
    with get_db().read() as session:
        view = positions.find_position(session, actor, commitment_id)
        asked = _asked(session, actor, commitment_id)
        now = clock.business_now(session)
        answer = reconfirm_queries.answer_of(session, view.commitment.id)
    if asked is None:
        return render_template("commitments/reconfirm_none.html", view=view, answer=answer), form.status
    form.terms.data = asked.version.content_hash
    page = render_template(
        "commitments/reconfirm.html", view=view, asked=asked, form=form, leaving=leaving, now=now,
        lines=(asked.judged, asked.version.document, view.offering.zone),
        next=shell.next_line(next_step("reconfirmation", "open", asked.due_at), view.offering.zone, yours=True),
        refund_due=service.refund_due(view.offering, now),
    )
    return page, form.status


@blueprint.get("/commitments/<commitment_id>/reconfirmed")
@requires("investor")
def answered(commitment_id: str) -> Answer:
    with get_db().read() as session:
        view = positions.find_position(session, security.current_actor(), commitment_id)
        answer = reconfirm_queries.answer_of(session, view.commitment.id)
    if answer is None or answer.answer != "confirmed":
        return redirect(url_for(".reconfirm", commitment_id=commitment_id))
    rest = [each for each in view.refunds if each.reason == "repriced" and each.created_at == answer.answered_at]
    return render_template("commitments/reconfirmed.html", view=view, answer=answer, rest=rest)


# -- flags ------------------------------------------------------------------------------------------


@blueprint.route("/updates/<update_id>/flag", methods=["GET", "POST"])
@requires("investor")
def flag(update_id: str) -> Answer:
    actor = security.current_actor()
    form = FlagForm(actor=actor)
    with get_db().read() as session:
        update = updates.by_id(session, update_id)
        offering = session.get_one(Offering, update.offering_id)
        party = _party_in(session, actor, offering)
    if party is None:
        raise NotFound(_("There is no such update."), code="update_not_found")
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: updates.flag(
                    session, actor=actor, update_id=update_id, party_id=party, reason=form.reason.data,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".flagged", update_id=update_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("offerings/flag.html", form=form, update=update, offering=offering), form.status


@blueprint.get("/updates/<update_id>/flagged")
@requires("investor")
def flagged(update_id: str) -> Answer:
    with get_db().read() as session:
        update = updates.by_id(session, update_id)
        offering = session.get_one(Offering, update.offering_id)
        change = updates.change_of(session, update)
        party = _party_in(session, security.current_actor(), offering)
    if party is None or change is None:
        return redirect(url_for(".index", slug=offering.slug))
    return render_template("offerings/flagged.html", update=update, offering=offering, change=change)
