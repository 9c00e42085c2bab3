"""What operators see and decide of people: auditors who wait, invitations, locked accounts."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts import invitations, queries, service
from app.accounts.forms import ROLE_WORDS, InviteForm, ReasonForm
from app.accounts.models import Membership, User
from app.audit import queries as audit
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.security import requires

blueprint = Blueprint("people", __name__, url_prefix="/operator/people")

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 50


@blueprint.get("")
@requires("operator")
def index() -> Answer:
    after = request.args.get("after", "")
    after_id = int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0
    with get_db().read() as session:
        listed = queries.people(session, after_user_id=after_id, limit=PAGE_SIZE + 1)
        waiting = queries.waiting_auditors(session)
        invited = queries.open_invitations(session)
    more = len(listed) > PAGE_SIZE
    listed = listed[:PAGE_SIZE]
    return render_template(
        "accounts/people/index.html",
        people=listed,
        waiting=waiting,
        invited=invited,
        now=clock.system_now(),
        role_words=ROLE_WORDS,
        older_url=url_for(".index", after=listed[-1].user.id) if more else None,
        newer_url=url_for(".index") if after_id else None,
    )


@blueprint.route("/invite", methods=["GET", "POST"])
@requires("operator", second_factor=True)
def invite() -> Answer:
    actor = security.current_actor()
    form = InviteForm()
    if form.validate_on_submit():
        try:
            invitation, token = get_db().unit_of_work(
                lambda session: invitations.invite(
                    session, actor=actor, email=form.email.data, role=form.role.data, now=clock.system_now()
                )
            )
            # Shown in the answer itself: the token is not kept, so no later page could show it.
            return render_template(
                "accounts/people/invited.html",
                invitation=invitation,
                role=ROLE_WORDS[invitation.role],
                address=url_for("accounts.accept_invitation", token=token, _external=True),
            )
        except MilestakeError as error:
            form.show_error(error)
    return render_template("accounts/people/invite.html", form=form), form.status


@blueprint.get("/auditors/<membership_id>")
@requires("operator", second_factor=True)
def auditor(membership_id: str) -> Answer:
    return _auditor_page(membership_id, ReasonForm())


@blueprint.post("/auditors/<membership_id>/approve")
@requires("operator", second_factor=True)
def approve_auditor(membership_id: str) -> Answer:
    actor = security.current_actor()
    membership, user = _membership(membership_id)
    get_db().unit_of_work(
        lambda session: service.approve_auditor(
            session, actor=actor, membership_id=membership.id, now=clock.business_now(session)
        )
    )
    flash(_("%(name)s can now be appointed as an auditor.", name=user.name), "success")
    return redirect(url_for(".index"))


@blueprint.post("/auditors/<membership_id>/refuse")
@requires("operator", second_factor=True)
def refuse_auditor(membership_id: str) -> Answer:
    actor = security.current_actor()
    membership, user = _membership(membership_id)
    form = ReasonForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.refuse_auditor(
                    session,
                    actor=actor,
                    membership_id=membership.id,
                    reason=form.reason.data or "",
                    now=clock.business_now(session),
                )
            )
            flash(_("%(name)s was refused as an auditor.", name=user.name), "success")
            return redirect(url_for(".index"))
        except MilestakeError as error:
            form.show_error(error)
    return _auditor_page(membership_id, form)


@blueprint.get("/<user_id>")
@requires("operator")
def person(user_id: str) -> Answer:
    return _person_page(user_id, ReasonForm())


@blueprint.post("/<user_id>/lock")
@requires("operator", second_factor=True)
def lock(user_id: str) -> Answer:
    return _decide_on(user_id, service.lock_user, _("This account is locked. Every device is signed out."))


@blueprint.post("/<user_id>/unlock")
@requires("operator", second_factor=True)
def unlock(user_id: str) -> Answer:
    return _decide_on(user_id, service.unlock_user, _("This account can sign in again."))


def _decide_on(user_id: str, decide: object, done_words: str) -> Answer:
    actor = security.current_actor()
    user = _user(user_id)
    form = ReasonForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: decide(
                    session,
                    actor=actor,
                    user_id=user.id,
                    reason=form.reason.data or "",
                    now=clock.business_now(session),
                )
            )
            flash(done_words, "success")
            return redirect(url_for(".person", user_id=user_id))
        except MilestakeError as error:
            form.show_error(error)
    return _person_page(user_id, form)


def _person_page(user_id: str, form: ReasonForm) -> Answer:
    user = _user(user_id)
    with get_db().read() as session:
        memberships = queries.memberships_of(session, user.id)
        names = queries.party_names(session, {row.party_id for row in memberships})
        entries = audit.entries_of(session, user.public_id)
    page = render_template(
        "accounts/people/person.html",
        user=user,
        memberships=memberships,
        party_names=names,
        role_words=ROLE_WORDS,
        entries=entries,
        form=form,
        # A reason typed before the code is asked for would be lost on the way, so the code comes first.
        has_code=security.has_fresh_second_factor(),
        code_url=security.second_factor_url(url_for(".person", user_id=user_id)),
        is_oneself=user.id == security.current_actor().user_id,
    )
    return page, form.status


def _auditor_page(membership_id: str, form: ReasonForm) -> Answer:
    membership, user = _membership(membership_id)
    page = render_template(
        "accounts/people/auditor.html",
        membership=membership,
        user=user,
        mail_domain=queries.mail_domain(user.email),
        form=form,
    )
    return page, form.status


def _membership(public_id: str) -> tuple[Membership, User]:
    with get_db().read() as session:
        membership = queries.membership_by_public_id(session, public_id)
        if membership is None or membership.role != "auditor" or membership.ended_at is not None:
            raise NotFound(_("There is no such auditor waiting."))
        return membership, queries.user_by_id(session, membership.user_id)


def _user(public_id: str) -> User:
    with get_db().read() as session:
        user = queries.user_by_public_id(session, public_id)
    if user is None:
        raise NotFound(_("There is no such person."))
    return user
