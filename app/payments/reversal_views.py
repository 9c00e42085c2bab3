"""Where operators see what rails took back, record what companies pay for it, and play disputes in a sandbox."""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts import queries as people
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.payments import claims, gateway, reversal_queries
from app.payments.forms import ClaimForm, GiveUpForm, PlayForm
from app.payments.rails import build_rails
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("reversals", __name__, url_prefix="/operator/reversals")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("operator", "supervisor")
def index() -> Answer:
    with get_db().read() as session:
        disputes, decided = reversal_queries.desk(session)
        owed = reversal_queries.claims(session)
    settings = current_app.extensions["milestake_settings"]
    return render_template(
        "operator/reversals.html", disputes=disputes, decided=decided, owed=owed,
        may_act="operator" in security.current_actor().roles, is_sandbox=settings.sandbox,
    )


@blueprint.route("/claims/<claim_id>/paid", methods=["GET", "POST"])
@requires("operator")
def paid(claim_id: str) -> Answer:
    with get_db().read() as session:
        found = reversal_queries.claim_by_id(session, claim_id)
    form = ClaimForm(actor=security.current_actor(), asset=Asset.parse(found.offering.currency))
    if form.validate_on_submit():
        try:
            actor, amount, reference = form.prove(), form.amount.data, form.reference.data or ""

            def act(session: Session) -> str:
                return claims.pay(
                    session, actor=actor, claim_id=claim_id, amount_minor=amount, reference=reference, key=form.key,
                    now=clock.business_now(session),
                ).state

            state = get_db().unit_of_work(act)
            flash(_("Recorded; nothing more is owed.") if state == "settled" else _("Recorded."), "success")
            return redirect(url_for(".index"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/claim_paid.html", form=form, found=found), form.status


@blueprint.route("/claims/<claim_id>/give-up", methods=["GET", "POST"])
@requires("operator")
def give_up(claim_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = reversal_queries.claim_by_id(session, claim_id)
        proposed = claims.proposal(session, found.row) if found.row.state == "open" else None
        proposer = people.user_by_id(session, proposed.user_id).name if proposed else None
    form = GiveUpForm(actor=actor)
    if form.validate_on_submit():
        try:
            proven, reason = form.prove(), form.reason.data or ""

            def act(session: Session) -> str:
                now = clock.business_now(session)
                return claims.give_up(session, actor=proven, claim_id=claim_id, reason=reason, now=now).state

            if get_db().unit_of_work(act) == "open":
                flash(_("Proposed. Another operator must confirm it before anything happens."), "success")
            else:
                flash(_("Given up. The log keeps who proposed and who confirmed."), "success")
            return redirect(url_for(".index"))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "operator/claim_give_up.html", form=form, found=found, proposed=proposed, proposer=proposer,
        own=proposed is not None and proposed.user_id == actor.user_id,
    )
    return page, form.status


@blueprint.route("/play", methods=["GET", "POST"])
@requires("operator")
def play() -> Answer:
    """Let a pretend payer dispute a payment, or the pretend rail decide it; only where money is pretend."""
    settings = current_app.extensions["milestake_settings"]
    if not settings.sandbox:
        raise NotFound(_("There is no such page."), code="page_not_found")
    form = PlayForm(actor=security.current_actor())
    if form.validate_on_submit():
        try:
            form.prove()
            gateway.play_dispute(
                get_db(), build_rails(settings, get_db()), form.payment.data or "", form.step.data or "",
                form.amount.data or "",
            )
            flash(_("Played. The books follow what the pretend rail says."), "success")
            return redirect(url_for(".index"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/dispute_play.html", form=form), form.status
