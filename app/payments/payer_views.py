"""Where operators decide whose account a payment came from, and whether contested links stand (COM-11, COM-12)."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.accounts.models import Party
from app.commitments import links, rules
from app.commitments.models import Commitment, CommitmentLink
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.investors import queries as investors
from app.next_step import next_step
from app.offerings.models import Offering
from app.payments import payers, queries, receipts
from app.payments.forms import DoubtForm, LinkForm
from app.payments.models import Receipt
from app.security import requires

blueprint = Blueprint("payers", __name__, url_prefix="/operator/payers")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("operator")
def index() -> Answer:
    with get_db().read() as session:
        doubted, contested = queries.doubted_receipts(session), links.contested(session)
    return render_template(
        "operator/payers.html", doubted=doubted, contested=contested,
        next_of=lambda subject, state, at: shell.next_line(next_step(subject, state, at)), words=rules.LINK_WORDS,
    )


@blueprint.route("/receipts/<receipt_id>", methods=["GET", "POST"])
@requires("operator")
def doubt(receipt_id: str) -> Answer:
    form = DoubtForm(actor=security.current_actor())

    def act(session: Session) -> None:
        receipts.decide_doubt(
            session, actor=form.actor, receipt_id=receipt_id, is_theirs=form.decision.data == "theirs",
            reason=form.reason.data or "", now=clock.business_now(session),
        )

    answer = _decided(form, act)
    if answer is not None:
        return answer
    with get_db().read() as session:
        receipt = session.scalars(sa.select(Receipt).where(Receipt.public_id == receipt_id)).one_or_none()
        if receipt is None:
            raise NotFound(_("There is no such payment."), code="receipt_not_found")
        commitment = session.get_one(Commitment, receipt.commitment_id)
        page = {
            "receipt": receipt, "commitment": commitment, "offering": session.get_one(Offering, receipt.offering_id),
            "report": payers.reports_of(session, [receipt.operation_id]).get(receipt.operation_id),
            "known": investors.verified_name(session, commitment.party_id)
            or session.get_one(Party, commitment.party_id).name,
        }
    return render_template(
        "operator/payer.html", form=form, step=shell.next_line(next_step("receipt", "doubted", receipt.decide_by)),
        **page,
    ), form.status


@blueprint.route("/links/<link_id>", methods=["GET", "POST"])
@requires("operator")
def link(link_id: str) -> Answer:
    form = LinkForm(actor=security.current_actor())

    def act(session: Session) -> None:
        links.decide(
            session, actor=form.actor, link_id=link_id, lift=form.decision.data == "lift",
            reason=form.reason.data or "", now=clock.business_now(session),
        )

    answer = _decided(form, act)
    if answer is not None:
        return answer
    with get_db().read() as session:
        found = session.scalars(sa.select(CommitmentLink).where(CommitmentLink.public_id == link_id)).one_or_none()
        if found is None:
            raise NotFound(_("There is no such link."), code="link_not_found")
        commitment = session.get_one(Commitment, found.commitment_id)
        page = {
            "link": found, "commitment": commitment, "offering": session.get_one(Offering, commitment.offering_id),
            "investor": session.get_one(Party, commitment.party_id).name,
            "other": session.get_one(Party, found.other_party_id).name,
        }
    return render_template(
        "operator/link.html", form=form, words=rules.LINK_WORDS,
        step=shell.next_line(next_step("link", "contested", found.decide_by)), **page,
    ), form.status


def _decided(form: DoubtForm | LinkForm, act: Callable[[Session], None]) -> Response | None:
    """Carry out what was chosen and lead back; None where the form is to be shown."""
    if not form.validate_on_submit():
        return None
    try:
        form.prove()
        get_db().unit_of_work(act)
    except MilestakeError as error:
        form.show_error(error)
        return None
    flash(_("Decided. The log keeps who and why."), "success")
    return redirect(url_for(".index"))
