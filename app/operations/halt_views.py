"""The operators' pages of halts: place one after a preview, lengthen it, lift it, and see what it holds up (OFF-13)."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import BooleanField, HiddenField, TextAreaField, ValidationError

from app import clock, security, shell
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import DateField
from app.next_step import next_step
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.operations import authority_views, holdings
from app.operations.forms import MAX_REASON_CHARACTERS, AuthorityForm, ReasonForm
from app.operations.menu_views import side_items
from app.progress import authority, halt_queries, halting, polls
from app.progress.halt_models import Halt
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("halts", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response


class HaltForm(ReasonForm):
    """A new halt. ``shown`` is the fingerprint of what was previewed: only exactly that is placed."""

    operation = "place_halt"

    public_text = TextAreaField(_l("What everybody reads"))
    is_secret = BooleanField(_l("Secrecy: show the fixed neutral text instead"))
    end = DateField(_l("Ends at the start of this day, at the latest"))
    shown = HiddenField()

    def validate_public_text(self, field: TextAreaField) -> None:
        if not self.is_secret.data and not (field.data or "").strip():
            raise ValidationError(_("Write what everybody reads on the offering's page."))
        if len(field.data or "") > MAX_REASON_CHARACTERS:
            raise ValidationError(_("Enter at most 2,000 characters."))

    @property
    def fingerprint(self) -> str:
        """What stands in the form now; compared with ``shown``."""
        parts = (self.reason.data, self.public_text.data, str(self.is_secret.data), str(self.end.data))
        return hashlib.sha256("\0".join(str(each or "").strip() for each in parts).encode()).hexdigest()

    @property
    def text_shown(self) -> str:
        """The words that will stand on the page."""
        return halting.NEUTRAL_TEXT if self.is_secret.data else (self.public_text.data or "").strip()


class ExtendForm(AuthorityForm):
    """A later end, with an authority's order where it is beyond 60 days in all."""

    operation = "extend_halt"

    end = DateField(_l("Ends at the start of this day, at the latest"))


def _start_of(day: dt.date, offering: Offering) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), ZoneInfo(offering.zone)).astimezone(dt.UTC)


@blueprint.route("/offerings/<offering_id>/halt", methods=["GET", "POST"])
@requires("operator")
def place(offering_id: str) -> Answer:
    """Preview a halt and what it would do; a second press places exactly what was previewed."""
    form = HaltForm(actor=security.current_actor())
    with get_db().read() as session:
        now = clock.business_now(session)
        offering = offerings.offering_by_id(session, offering_id)
        running = halting.running(session, offering.id)
        effects = halt_queries.consequences(session, offering)
    if running is not None:
        return redirect(url_for(".show", halt_id=running.public_id))
    is_previewed = False
    if form.validate_on_submit():
        is_previewed = True
        if request.form.get("step") == "place" and form.shown.data == form.fingerprint:
            try:
                return _place(form, offering)
            except MilestakeError as error:
                form.show_error(error)
        form.shown.data = form.fingerprint
    page = render_template(
        "operator/halt_place.html", form=form, offering=offering, effects=effects, is_previewed=is_previewed, now=now,
        until=_start_of(form.end.data, offering) if is_previewed else None,
        latest=halting.latest_end(offering, now), asset=Asset.parse(offering.currency),
        may_halt=offering.state in halting.HALTABLE, neutral_text=halting.NEUTRAL_TEXT,
    )
    return page, form.status


def _place(form: HaltForm, offering: Offering) -> Response:
    actor = form.prove()
    halt = get_db().unit_of_work(
        lambda session: halting.place(
            session, actor=actor, offering_id=offering.public_id, reason=form.reason.data,
            public_text=form.public_text.data or "", is_secret=bool(form.is_secret.data),
            ends_at=_start_of(form.end.data, offering), key=form.key, now=clock.business_now(session),
        )
    )
    return redirect(url_for(".show", halt_id=halt.public_id))


@blueprint.get("/halts/<halt_id>")
@requires("operator", "supervisor")
def show(halt_id: str) -> Answer:
    with get_db().read() as session:
        context = _facts(session, halt_id)
    return render_template("operator/halt.html", side_items=side_items("offerings"), **context)


def _facts(session: Session, halt_id: str) -> dict[str, Any]:
    halt = halting.by_public_id(session, halt_id)
    offering = session.get_one(Offering, halt.offering_id)
    actor = security.current_actor()
    vote = polls.open_of(session, offering.id, polls.HALT) if halt.state == "voting" else None
    step = next_step("halt", halt.state, vote.ends_at if vote else halt.ends_at) if halt.ended_at is None else None
    people = {each for each in (halt.placed_by, halt.ends_set_by, halt.ended_by) if each}
    now = clock.business_now(session)
    return {
        "halt": halt, "offering": offering, "asset": Asset.parse(offering.currency), "vote": vote,
        "names": holdings.user_names(session, people), "effects": halt_queries.consequences(session, offering),
        "next": shell.next_line(step, offering.zone, yours=actor.has_role("operator") and vote is None),
        "longest": halting.longest_end(session, offering, halt),
        "may_act": actor.has_role("operator") and _may_lift(halt, offering, now),
        "may_extend": actor.has_role("operator") and halt.state == "open" and now < halt.ends_at,
        "history": halt_queries.history(session, offering.id),
        "documents": authority.attached_to(session, halt.public_id),
    }


def _may_lift(halt: Halt, offering: Offering, now: dt.datetime) -> bool:
    return halt.state == "open" and (now < halt.ends_at or offering.state == "winding_down")


@blueprint.route("/halts/<halt_id>/extend", methods=["GET", "POST"])
@requires("operator")
def extend(halt_id: str) -> Answer:
    form = ExtendForm(actor=security.current_actor())
    with get_db().read() as session:
        context = _facts(session, halt_id)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            document = form.document(authority_views.blobs())
            get_db().unit_of_work(
                lambda session: halting.extend(
                    session, actor=actor, halt_id=halt_id, ends_at=_start_of(form.end.data, context["offering"]),
                    reason=form.reason.data, document=document, key=form.key, now=clock.business_now(session),
                )
            )
            return redirect(url_for(".show", halt_id=halt_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/halt_extend.html", form=form, **context), form.status


@blueprint.route("/halts/<halt_id>/lift", methods=["GET", "POST"])
@requires("operator")
def lift(halt_id: str) -> Answer:
    form = ReasonForm(actor=security.current_actor(), operation="lift_halt")
    with get_db().read() as session:
        context = _facts(session, halt_id)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: halting.lift(
                    session, actor=actor, halt_id=halt_id, reason=form.reason.data, now=clock.business_now(session)
                )
            )
            return redirect(url_for(".show", halt_id=halt_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/halt_lift.html", form=form, **context), form.status
