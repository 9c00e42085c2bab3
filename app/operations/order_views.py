"""Order that an offering ends, and confirm or refuse another operator's order (OFF-9, WND-1, WND-2, PPL-2)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import RadioField, TextAreaField, ValidationError
from wtforms.validators import InputRequired

from app import clock, security, shell
from app.accounts.actor import Actor
from app.closing import refund_queries
from app.db import get_db
from app.errors import MilestakeError
from app.forms import ActForm
from app.next_step import next_step
from app.offerings import service as offerings
from app.operations import authority_views, holdings, queries
from app.operations.forms import AuthorityForm, NoteForm
from app.operations.tables_views import number_arg
from app.progress import authority, orders
from app.progress import queries as progress
from app.progress.order_models import WindDownOrder
from app.security import requires
from milestones.money import Asset

blueprint = Blueprint("orders", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 50
CONFIRM, REFUSE = "confirm", "refuse"


class OrderForm(NoteForm):
    """What a second operator does with an order; a refusal takes a reason."""

    operation = "decide_wind_down"

    verdict = RadioField(_l("Your decision"), validators=[InputRequired(_l("Choose a decision."))])
    reason = TextAreaField(_l("Reason"))

    def validate_reason(self, field: TextAreaField) -> None:
        super().validate_reason(field)
        if self.verdict.data == REFUSE and not (field.data or "").strip():
            raise ValidationError(_("Write why; it is kept in the log."))


@blueprint.route("/offerings/<offering_id>/wind-down", methods=["GET", "POST"])
@requires("operator")
def wind_down(offering_id: str) -> Answer:
    """Propose that an offering ends or decide about what is proposed; what would go back comes first (OFF-9, WND-2)."""
    actor = security.current_actor()
    page_at = number_arg("after") or 0
    with get_db().read() as session:
        offering = offerings.offering_by_id(session, offering_id)
        order = orders.open_of(session, offering.id)
        preview = list(progress.if_stopped_each(session, offering).items())
        total = progress.if_stopped(session, offering)
        shown = preview[page_at : page_at + PAGE_SIZE]
        names = queries.investors_of(session, [commitment_id for commitment_id, _each in shown])
        people = holdings.user_names(session, {order.proposed_by} if order else set())
        documents = authority.attached_to(session, order.public_id) if order else ()
        is_live = offering.state == "live"
        refunds = refund_queries.preview(session, offering) if is_live else None
    form = _form(actor, order)
    if form.validate_on_submit():
        try:
            return redirect(url_for("reviews.decided", object_id=_act(form, offering_id, order)))
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("wind_down_order", order.state, order.decide_by) if order else None
    older, newer = page_at + PAGE_SIZE, max(0, page_at - PAGE_SIZE)
    page = render_template(
        "operator/wind_down.html", form=form, offering=offering, preview=shown, names=names, total=total,
        count=len(preview), asset=Asset.parse(offering.currency), order=order, people=people, documents=documents,
        is_live=is_live, refunds=refunds,
        next=shell.next_line(step, offering.zone),
        older_url=url_for(".wind_down", offering_id=offering_id, after=older) if older < len(preview) else None,
        newer_url=url_for(".wind_down", offering_id=offering_id, after=newer) if page_at else None,
    )
    return page, form.status


def _form(actor: Actor, order: WindDownOrder | None) -> ActForm:
    if order is None:
        return AuthorityForm(actor=actor, operation="wind_down")
    form = OrderForm(actor=actor)
    is_own = order.proposed_by == actor.user_id
    form.verdict.choices = [(REFUSE, _("Take it back: the offering goes on"))] if is_own else [
        (CONFIRM, _("Confirm it: everybody is refunded") if order.kind == orders.WITHDRAW else _(
            "Confirm it: what is unreleased goes back at once")),
        (REFUSE, _("Refuse it: the offering goes on")),
    ]
    return form


def _act(form: ActForm, offering_id: str, order: WindDownOrder | None) -> str:
    """Do what was pressed and return the object that the page after it tells about."""
    actor = form.prove()
    db = get_db()
    if order is None:
        document = form.document(authority_views.blobs())
        return db.unit_of_work(
            lambda session: orders.propose(
                session, actor=actor, offering_id=offering_id, reason=form.reason.data or "", document=document,
                key=form.key, now=clock.business_now(session),
            ).public_id
        )
    if form.verdict.data == CONFIRM:
        db.unit_of_work(
            lambda session: orders.confirm(
                session, actor=actor, order_id=order.public_id, now=clock.business_now(session)
            )
        )
        return offering_id
    db.unit_of_work(
        lambda session: orders.refuse(
            session, actor=actor, order_id=order.public_id, reason=form.reason.data or "",
            now=clock.business_now(session),
        )
    )
    return order.public_id
