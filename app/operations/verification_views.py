"""The operators' queue of people to verify: papers, decision with a reason and a date (PPL-3)."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, current_app, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts import queries as people
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.forms import ActForm
from app.investors import identity, queries, rules
from app.next_step import next_step
from app.operations.forms import RefusePersonForm, VerifyForm
from app.operations.menu_views import side_items
from app.security import requires

blueprint = Blueprint("verifications", __name__, url_prefix="/operator/verification")

Answer = str | tuple[str, int] | Response


def _is_sandbox() -> bool:
    return bool(current_app.extensions["milestake_settings"].sandbox)


@blueprint.get("")
@requires("operator")
def index() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        pending, decided = queries.pending_checks(session), queries.decided_checks(session)
        others = queries.unverified_investors(session, now) if _is_sandbox() else ()
    return render_template(
        "operator/verifications.html", pending=pending, decided=decided, others=others, now=now,
        waits=lambda row: (now - row.requested_at).days, side_items=side_items("verifications"),
    )


@blueprint.route("/<verification_id>", methods=["GET", "POST"])
@requires("operator")
def decide(verification_id: str) -> Answer:
    """Verify: one button with the usual date filled in."""
    form = VerifyForm(actor=security.current_actor())
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: identity.verify(
                    session, actor=actor, verification_id=verification_id, expires_at=_end_of(form.expires_on.data),
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".decided", verification_id=verification_id))
        except MilestakeError as error:
            form.show_error(error)
    return _page("operator/verification.html", verification_id, form)


@blueprint.route("/<verification_id>/refuse", methods=["GET", "POST"])
@requires("operator")
def refuse(verification_id: str) -> Answer:
    form = RefusePersonForm(actor=security.current_actor())
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: identity.refuse(
                    session, actor=actor, verification_id=verification_id, reason_code=form.reason_code.data,
                    note=form.note.data or "", now=clock.business_now(session),
                )
            )
            return redirect(url_for(".decided", verification_id=verification_id))
        except MilestakeError as error:
            form.show_error(error)
    return _page("operator/verification_refuse.html", verification_id, form)


@blueprint.get("/<verification_id>/decided")
@requires("operator")
def decided(verification_id: str) -> Answer:
    with get_db().read() as session:
        check = queries.check_by_id(session, verification_id)
    if check.verification.state == "pending":
        return redirect(url_for(".decide", verification_id=verification_id))
    return render_template("operator/verification_decided.html", check=check, reasons=rules.REFUSAL_REASONS)


def _page(template: str, verification_id: str, form: ActForm) -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        check = queries.check_by_id(session, verification_id)
        earlier = [each for each in queries.verifications(session, check.verification.party_id)
                   if each.id != check.verification.id]
    row = check.verification
    if row.state != "pending" and not form.errors:
        return redirect(url_for(".decided", verification_id=verification_id))
    _propose_end(form, now)
    page = render_template(
        template, form=form, check=check, earlier=earlier, now=now, shown_types=rules.SHOWN_TYPES,
        next=shell.next_line(next_step("verification", "pending", row.due_at)),
    )
    return page, form.status


def _propose_end(form: ActForm, now: dt.datetime) -> None:
    if isinstance(form, VerifyForm) and not form.is_submitted():
        form.expires_on.data = rules.add_months(now, rules.VERIFICATION_MONTHS).date()


@blueprint.route("/people/<user_id>", methods=["GET", "POST"])
@requires("operator")
def sandbox_person(user_id: str) -> Answer:
    """In a sandbox, verify somebody who sent nothing: everybody here is invented."""
    if not _is_sandbox():
        raise NotFound(_("There is no such page."))
    with get_db().read() as session:
        user = people.user_by_public_id(session, user_id)
        now = clock.business_now(session)
    if user is None:
        raise NotFound(_("There is no such person."))
    form = VerifyForm(actor=security.current_actor())
    if form.validate_on_submit():
        try:
            actor = form.prove()
            row = get_db().unit_of_work(
                lambda session: identity.take_over(
                    session, actor=actor, party_id=user.party_id, user_id=user.id, legal_name=user.name, country="US",
                    expires_at=_end_of(form.expires_on.data), now=clock.business_now(session),
                )
            )
            return redirect(url_for(".decided", verification_id=row.public_id))
        except MilestakeError as error:
            form.show_error(error)
    _propose_end(form, now)
    return render_template("operator/verification_sandbox.html", form=form, user=user), form.status


def _end_of(day: dt.date) -> dt.datetime:
    """Return the end of a day, UTC: a check is good for the whole of its last day."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
