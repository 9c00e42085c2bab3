"""Pages of paying for a commitment: choose how, confirm where the rail asks, see what became of it.

The intention is written down in one transaction, the rail is called after it, in none (payments.md §2).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import Blueprint, current_app, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app import clock, security
from app.commitments import queries as commitments
from app.commitments.queries import PositionView
from app.db import get_db
from app.errors import MilestakeError, NotFound
from app.payments import gateway, queries, rules, service
from app.payments.forms import ConfirmForm, PayForm
from app.payments.models import Operation, Receipt
from app.payments.rails import build_rails
from app.security import requires

blueprint = Blueprint("payments", __name__)

Answer = str | tuple[str, int] | Response

#: Statuses of a commitment in which its investor can pay.
PAYABLE = ("awaiting_payment", "payment_failed")


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """A commitment with its newest payment and money that came too late."""

    view: PositionView
    operation: Operation | None
    receipts: tuple[Receipt, ...]
    now: dt.datetime

    @property
    def method(self) -> rules.Method | None:
        return rules.METHODS.get(self.operation.method) if self.operation else None

    @property
    def expected_at(self) -> dt.datetime | None:
        """When the rail will have decided, as far as its method says."""
        if self.operation is None or self.method is None or self.method.after is None:
            return None
        return self.operation.created_at + self.method.after

    @property
    def is_payable(self) -> bool:
        """Whether another payment may be started now."""
        status, offering = self.view.commitment.status, self.view.offering
        under_way = self.operation is not None and self.operation.state in rules.UNDECIDED
        in_time = self.now < self.view.commitment.pay_by and self.now < offering.deadline_at
        return status in PAYABLE and offering.state == "live" and in_time and not under_way

    @property
    def stage(self) -> str:
        """Say which words the result page needs."""
        if self.receipts:
            return "late"
        if self.view.commitment.status == "held":
            return "paid"
        if self.operation is None:
            return "none"
        return self.operation.state if self.operation.state != "succeeded" else "ended"


def _page(commitment_id: str) -> PaymentPage:
    with get_db().read() as session:
        view = commitments.find_position(session, security.current_actor(), commitment_id)
        return PaymentPage(
            view, queries.latest_collection(session, view.commitment.id),
            tuple(queries.receipts_of(session, view.commitment.id)), clock.business_now(session),
        )


@blueprint.route("/commitments/<commitment_id>/pay", methods=["GET", "POST"])
@requires("investor")
def pay(commitment_id: str) -> Answer:
    actor = security.current_actor()
    page = _page(commitment_id)
    methods = rules.METHODS_OF_RAIL.get(page.view.offering.rail, {})
    form = PayForm(actor=actor, methods=methods)
    if form.validate_on_submit():
        try:
            security.limit_commits(actor)
            operation = get_db().unit_of_work(
                lambda session: service.start_collection(
                    session, actor=actor, commitment_public_id=commitment_id, method=form.method.data, key=form.key,
                    now=clock.business_now(session),
                )
            )
            gateway.run_operation(get_db(), _rails(), operation.id)
            return redirect(url_for(".payment", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    if not form.is_submitted() and not page.is_payable:
        return redirect(url_for(".payment", commitment_id=commitment_id))
    hints = {method.code: method.hint for method in methods.values()}
    return render_template("payments/pay.html", page=page, form=form, hints=hints), form.status


@blueprint.get("/commitments/<commitment_id>/payment")
@requires("investor")
def payment(commitment_id: str) -> Answer:
    page = _page(commitment_id)
    if page.stage == "action_required":
        return redirect(url_for(".confirm", commitment_id=commitment_id))
    return render_template("payments/payment.html", page=page)


@blueprint.route("/commitments/<commitment_id>/pay/confirm", methods=["GET", "POST"])
@requires("investor")
def confirm(commitment_id: str) -> Answer:
    page = _page(commitment_id)
    form = ConfirmForm(actor=security.current_actor())
    if page.operation is None:
        raise NotFound("There is no payment to confirm.", code="operation_not_found")
    if page.stage != "action_required":
        return redirect(url_for(".payment", commitment_id=commitment_id))
    if form.validate_on_submit():
        try:
            gateway.confirm_payment(get_db(), _rails(), page.operation.public_id)
            return redirect(url_for(".payment", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("payments/confirm.html", page=page, form=form), form.status


def _rails() -> gateway.Rails:
    return build_rails(current_app.extensions["milestake_settings"], get_db())
