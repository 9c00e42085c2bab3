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
from app.payments import gateway, ports, queries, receipts, rules, service
from app.payments.forms import CardForm, ConfirmForm, PayForm, TransferForm
from app.payments.models import Operation, Receipt
from app.payments.rails import build_rails
from app.security import requires

blueprint = Blueprint("payments", __name__)

Answer = str | tuple[str, int] | Response

#: Statuses of a commitment in which its investor can pay.
PAYABLE = ("awaiting_payment", "underpaid", "payment_failed")


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """A commitment with its newest payment, what is missing of it, and money that is not (yet) part of it."""

    view: PositionView
    operation: Operation | None
    receipts: tuple[Receipt, ...]
    now: dt.datetime
    missing_minor: int

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
    def returning(self) -> tuple[Receipt, ...]:
        """What of the payments goes back, or went back, and why."""
        return tuple(each for each in self.receipts if each.status in ("open", "returned"))

    @property
    def part_minor(self) -> int:
        """What has arrived and waits for the rest."""
        return sum(each.amount_minor for each in self.receipts if each.status == "waiting")

    @property
    def is_transfer(self) -> bool:
        """Whether the payer sends the money by bank, under a reference."""
        return self.operation is not None and self.operation.method == rules.TRANSFER

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
        if any(each.status == "doubted" for each in self.receipts):
            return "doubted"
        if self.view.commitment.status == "underpaid":
            return "underpaid"
        if self.view.commitment.status == "held":
            return "paid"
        if self.returning and self.view.commitment.status not in PAYABLE:
            return "late"
        if self.operation is None:
            return "none"
        return self.operation.state if self.operation.state != "succeeded" else "ended"


def _page(commitment_id: str) -> PaymentPage:
    with get_db().read() as session:
        view = commitments.find_position(session, security.current_actor(), commitment_id)
        return PaymentPage(
            view, queries.latest_collection(session, view.commitment.id),
            tuple(queries.receipts_of(session, view.commitment.id)), clock.business_now(session),
            receipts.missing_minor(session, view.commitment),
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
        return redirect(url_for(".transfer" if page.is_transfer else ".confirm", commitment_id=commitment_id))
    return render_template("payments/payment.html", page=page, reasons=rules.RETURN_REASONS)


@blueprint.route("/commitments/<commitment_id>/pay/transfer", methods=["GET", "POST"])
@requires("investor")
def transfer(commitment_id: str) -> Answer:
    """Say under which reference to send how much by when; in the sandbox, send it."""
    page = _page(commitment_id)
    if page.operation is None or not page.is_transfer:
        raise NotFound("There is no transfer to make.", code="operation_not_found")
    form = TransferForm(actor=security.current_actor(), asset=page.view.asset)
    if form.validate_on_submit():
        try:
            gateway.send_transfer(
                get_db(), _rails(), page.operation.public_id, form.amount.data,
                ports.Payer(name=form.holder.data or None, account=form.account.data or None),
            )
            return redirect(url_for(".payment", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    if not form.is_submitted():
        form.amount.data = max(page.missing_minor, 0) or None
    return render_template("payments/transfer.html", page=page, form=form), form.status


@blueprint.route("/commitments/<commitment_id>/pay/confirm", methods=["GET", "POST"])
@requires("investor")
def confirm(commitment_id: str) -> Answer:
    page = _page(commitment_id)
    asks_card = page.operation is not None and page.operation.method == rules.TYPED_CARD
    form = (CardForm if asks_card else ConfirmForm)(actor=security.current_actor())
    if page.operation is None:
        raise NotFound("There is no payment to confirm.", code="operation_not_found")
    if page.stage != "action_required" or page.is_transfer:
        return redirect(url_for(".payment", commitment_id=commitment_id))
    if form.validate_on_submit():
        try:
            payer = ports.Payer(name=form.holder.data, card=form.number.data) if asks_card else None
            gateway.confirm_payment(get_db(), _rails(), page.operation.public_id, payer)
            return redirect(url_for(".payment", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("payments/confirm.html", page=page, form=form), form.status


def _rails() -> gateway.Rails:
    return build_rails(current_app.extensions["milestake_settings"], get_db())
