"""Pages of one's own account: signing up and in, the second factor, roles, the password.

What operators see of people is ``people_views``.
"""

from __future__ import annotations

import segno
from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from app import clock, ratelimit, security, shell
from app.accounts import credentials, invitations, passwords, queries, service
from app.accounts.authenticator import authenticator
from app.accounts.forms import (
    ROLE_WORDS,
    AcceptForm,
    CodeForm,
    PasswordForm,
    PressForm,
    RoleForm,
    SetupForm,
    SignInForm,
    SignUpForm,
)
from app.accounts.models import User
from app.accounts.rules import OPEN_ROLES, may_hold
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.security import count_attempt, public, requires, safe_next

blueprint = Blueprint("accounts", __name__)

Answer = str | tuple[str, int] | Response


@blueprint.route("/sign-up", methods=["GET", "POST"])
@public
def sign_up() -> Answer:
    if security.signed_in():
        return redirect(url_for(".account"))
    form = SignUpForm(role=request.args.get("as") if request.args.get("as") in OPEN_ROLES else None)
    if form.validate_on_submit():
        try:
            count_attempt("sign_up", security.client_network())
            user = get_db().unit_of_work(
                lambda session: service.sign_up(
                    session,
                    email=form.email.data,
                    name=form.name.data,
                    password=form.password.data,
                    role=form.role.data,
                    now=clock.business_now(session),
                )
            )
            return _welcome(user)
        except MilestakeError as error:
            form.show_error(error)
    return render_template("accounts/sign_up.html", form=form), form.status


@blueprint.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> Answer:
    if security.signed_in():
        return redirect(_next_or_landing())
    form = SignInForm()
    if form.validate_on_submit():
        try:
            user = _checked_sign_in(form.email.data, form.password.data)
            if user is not None:
                security.sign_in_user(user.public_id)
                return redirect(_next_or_landing())
            form.status = 422
            form.form_errors.append(_("The mail address and the password do not belong together. Try again."))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        is_empty = not queries.has_operator(session)
    return render_template("accounts/sign_in.html", form=form, is_empty=is_empty), form.status


def _checked_sign_in(email: str, password: str) -> User | None:
    """Return the user, after counting the attempt; a success uncounts it and renews an old hash."""
    network = security.client_network()
    pair = f"{email.strip().casefold()} {network}"
    count_attempt("sign_in_address", network)
    count_attempt("sign_in", pair)
    db = get_db()
    with db.read() as session:
        user = credentials.check_password(session, email=email, password=password)
    if user is None:
        return None

    def settle(session: service.Session) -> None:
        ratelimit.forget(session, bucket="sign_in", subject=pair)
        ratelimit.take_back(session, bucket="sign_in_address", subject=network)
        if passwords.is_outdated(user.password_hash):
            credentials.rehash_password(session, user_id=user.id, password=password)

    db.unit_of_work(settle)
    return user


@blueprint.post("/sign-out")
@public
def sign_out() -> Answer:
    security.sign_out_user()
    flash(_("You are signed out."), "success")
    return redirect(url_for(".sign_in"))


@blueprint.get("/account")
@requires()
def account() -> Answer:
    who = security.signed_in()
    with get_db().read() as session:
        memberships = queries.memberships_of(session, who.user_id)
        names = queries.party_names(session, {row.party_id for row in memberships})
        codes_left = queries.recovery_codes_left(session, who.user_id)
    own = {row.role for row in memberships if row.party_id == who.party_id}
    held = {row.role for row in memberships}
    return render_template(
        "accounts/account.html",
        who=who,
        memberships=memberships,
        party_names=names,
        role_words=ROLE_WORDS,
        codes_left=codes_left,
        may_add=any(role not in own and may_hold(role, held) for role in OPEN_ROLES),
        press=PressForm(),
    )


@blueprint.route("/account/roles", methods=["GET", "POST"])
@requires()
def add_role() -> Answer:
    actor = security.current_actor()
    form = RoleForm()
    with get_db().read() as session:
        party_id = queries.natural_party_of(session, actor.user_id)
        held = {row.role for row in queries.memberships_of(session, actor.user_id) if row.party_id == party_id}
    form.role.choices = [(role, ROLE_WORDS[role]) for role in OPEN_ROLES if role not in held]
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.add_capability(
                    session, actor=actor, role=form.role.data, now=clock.business_now(session)
                )
            )
            flash(_("Your account has one more role."), "success")
            return redirect(url_for(".account"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("accounts/add_role.html", form=form), form.status


@blueprint.route("/account/password", methods=["GET", "POST"])
@requires()
def change_password() -> Answer:
    actor = security.current_actor()
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            count_attempt("password", str(actor.user_id))
            user = get_db().unit_of_work(
                lambda session: credentials.change_password(
                    session,
                    actor=actor,
                    current=form.current.data,
                    new=form.new.data,
                    now=clock.system_now(),
                )
            )
            security.sign_in_user(user.public_id, second_factor=actor.second_factor)
            flash(_("Your password is changed. Every other device is signed out."), "success")
            return redirect(url_for(".account"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("accounts/password.html", form=form), form.status


# -- the second factor ------------------------------------------------------------------------------------


@blueprint.route("/account/second-factor", methods=["GET", "POST"])
@requires()
def second_factor() -> Answer:
    who = security.signed_in()
    if not who.has_second_factor:
        return redirect(url_for(".second_factor_setup", next=request.args.get("next")))
    form = CodeForm()
    if form.validate_on_submit():
        try:
            count_attempt("second_factor", str(who.user_id))

            def verify(session: service.Session) -> None:
                credentials.verify_second_factor(
                    session, user_id=who.user_id, code=form.code.data, now=clock.system_now()
                )
                ratelimit.forget(session, bucket="second_factor", subject=str(who.user_id))

            get_db().unit_of_work(verify)
            security.mark_second_factor()
            return redirect(safe_next(request.args.get("next"), url_for(".account")))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        user = queries.user_by_id(session, who.user_id)
        code = credentials.sandbox_code(user, sandbox=shell.is_sandbox(), now=clock.system_now())
    back = safe_next(request.args.get("next"), url_for(".account"))
    return render_template("accounts/second_factor.html", form=form, sandbox_code=code, back_url=back), form.status


@blueprint.get("/account/second-factor/setup")
@requires()
def second_factor_setup() -> Answer:
    return _setup_page(CodeForm())


@blueprint.post("/account/second-factor/setup")
@requires()
def begin_second_factor() -> Answer:
    actor = security.current_actor()
    get_db().unit_of_work(
        lambda session: credentials.enrol_second_factor(session, actor=actor, now=clock.system_now())
    )
    return redirect(url_for(".second_factor_setup", next=request.args.get("next")))


@blueprint.post("/account/second-factor/confirm")
@requires()
def confirm_second_factor() -> Answer:
    actor = security.current_actor()
    form = CodeForm()
    if form.validate_on_submit():
        try:
            count_attempt("second_factor", str(actor.user_id))

            def confirm(session: service.Session) -> list[str]:
                codes = credentials.confirm_second_factor(
                    session, actor=actor, code=form.code.data, now=clock.system_now()
                )
                ratelimit.forget(session, bucket="second_factor", subject=str(actor.user_id))
                return codes

            codes = get_db().unit_of_work(confirm)
            security.mark_second_factor()
            return _codes_page(codes)
        except MilestakeError as error:
            form.show_error(error)
    return _setup_page(form)


@blueprint.post("/account/recovery-codes")
@requires(second_factor=True)
def recovery_codes() -> Answer:
    actor = security.current_actor()
    codes = get_db().unit_of_work(
        lambda session: credentials.new_recovery_codes(session, actor=actor, now=clock.system_now())
    )
    return _codes_page(codes)


def _setup_page(form: CodeForm) -> Answer:
    who = security.signed_in()
    next_path = request.args.get("next")
    if who.has_second_factor and not security.has_fresh_second_factor():
        return redirect(url_for(".second_factor", next=url_for(".second_factor_setup", next=next_path)))
    with get_db().read() as session:
        secret = queries.user_by_id(session, who.user_id).totp_pending_secret
    picture = None
    if secret is not None:
        address = authenticator().address(secret, who.email)
        picture = Markup(  # noqa: S704 - made by the library from data of ours, no markup in it
            segno.make(address, error="m").svg_inline(
                scale=5, dark="#000", light="#fff", svgclass="qr", lineclass=None, title=_("Picture for your app")
            )
        )
    page = render_template(
        "accounts/second_factor_setup.html",
        form=form,
        press=PressForm(),
        secret=secret,
        picture=picture,
        replaces=who.has_second_factor,
        next_path=safe_next(next_path, url_for(".account")),
    )
    return page, form.status


def _codes_page(codes: list[str]) -> Answer:
    return render_template(
        "accounts/recovery_codes.html",
        codes=codes,
        next_path=safe_next(request.args.get("next"), url_for(".account")),
    )


# -- the first operator and invitations ---------------------------------------------------------------------


@blueprint.route("/setup", methods=["GET", "POST"])
@public
def setup() -> Answer:
    with get_db().read() as session:
        if queries.has_operator(session):
            raise NotFound(_("This site is set up already."))
    form = SetupForm()
    if form.validate_on_submit():
        try:
            count_attempt("setup", security.client_network())
            user = get_db().unit_of_work(
                lambda session: invitations.first_operator(
                    session,
                    token=form.token.data,
                    email=form.email.data,
                    name=form.name.data,
                    password=form.password.data,
                    now=clock.system_now(),
                )
            )
            return _welcome(user)
        except MilestakeError as error:
            form.show_error(error)
    return render_template("accounts/setup.html", form=form), form.status


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
@public
def accept_invitation(token: str) -> Answer:
    if security.signed_in():
        return render_template("accounts/invitation_signed_in.html", press=PressForm())
    with get_db().read() as session:
        invitation = invitations.find_invitation(session, token=token, now=clock.system_now())
    form = AcceptForm()
    if form.validate_on_submit():
        try:
            count_attempt("setup", security.client_network())
            user = get_db().unit_of_work(
                lambda session: invitations.accept_invitation(
                    session,
                    token=token,
                    name=form.name.data,
                    password=form.password.data,
                    now=clock.system_now(),
                )
            )
            return _welcome(user)
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "accounts/invitation.html", form=form, email=invitation.email, role=ROLE_WORDS[invitation.role]
    )
    return page, form.status


# -- pieces -------------------------------------------------------------------------------------------------


def _welcome(user: User) -> Response:
    """Sign a new user in and show what comes next."""
    security.sign_in_user(user.public_id)
    flash(_("Your account is ready."), "success")
    return redirect(safe_next(request.args.get("next"), url_for(".account")))


def _next_or_landing() -> str:
    who = security.signed_in()
    roles = frozenset(role for _party, role in who.memberships) if who else frozenset()
    return safe_next(request.args.get("next"), shell.landing_url(roles))
