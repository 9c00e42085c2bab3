"""The operator's console: health at a glance, stuck work, payments that need a person, the float (TIM-2, PAY-1)."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, formats, security, shell
from app.db import Session, get_db
from app.errors import MilestakeError, NotFound
from app.next_step import next_step
from app.offerings.models import Offering
from app.operations import queries, service
from app.operations.forms import AmountForm, FundForm, ReasonForm
from app.operations.menu_views import side_items
from app.outbox.models import JobFailure, OutboxMessage
from app.payments import queries as payment_queries
from app.payments import treasury
from app.progress import orders
from app.security import requires

blueprint = Blueprint("console", __name__, url_prefix="/operator")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("operator")
def index() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        health = queries.health(session, now)
        reviews = queries.review_queue(session)
        suspended = queries.milestones_in(session, ("suspended",))
        under_review = queries.milestones_in(session, ("submitted", "challengeable"))
        halted = queries.halted(session)
        proposed = queries.proposed_changes(session)
        ordered = orders.waiting(session)
    return render_template(
        "operator/index.html", health=health, reviews=reviews, suspended=suspended, under_review=under_review, now=now,
        halted=halted, proposed=proposed, ordered=ordered, side_items=side_items("console"),
    )


# -- stuck work -------------------------------------------------------------------------------------


@blueprint.get("/work")
@requires("operator")
def work() -> Answer:
    with get_db().read() as session:
        stuck, waiting = queries.stuck_work(session), queries.waiting_messages(session)
    return render_template("operator/work.html", stuck=stuck, waiting=waiting, side_items=side_items("work"))


@blueprint.route("/work/jobs/<int:failure_id>", methods=["GET", "POST"])
@requires("operator")
def retry_job(failure_id: int) -> Answer:
    def found(session: Session) -> dict[str, object]:
        row = session.get(JobFailure, failure_id)
        if row is None:
            raise NotFound(_("This job has run meanwhile; nothing is left to retry."))
        return {"name": f"{row.job}: {row.object_id}", "row": row}

    return _retry("retry_job", found, lambda session, **given: service.retry_job(
        session, failure_id=failure_id, **given))


@blueprint.route("/work/messages/<int:message_id>", methods=["GET", "POST"])
@requires("operator")
def retry_message(message_id: int) -> Answer:
    def found(session: Session) -> dict[str, object]:
        row = session.get(OutboxMessage, message_id)
        if row is None or row.done_at is not None:
            raise NotFound(_("This message was handled meanwhile; nothing is left to retry."))
        return {"name": f"{row.topic}: {row.key}", "row": row}

    return _retry("retry_message", found, lambda session, **given: service.retry_message(
        session, message_id=message_id, **given))


def _retry(
    operation: str, find: Callable[[Session], dict[str, object]], act: Callable[..., None]
) -> Answer:
    with get_db().read() as session:
        context = find(session)
    form = ReasonForm(actor=security.current_actor(), operation=operation)
    if form.validate_on_submit():
        try:
            actor = form.prove()
            get_db().unit_of_work(
                lambda session: act(
                    session, actor=actor, reason=form.reason.data, now=clock.business_now(session)
                )
            )
            flash(_("The worker tries it again within seconds."), "success")
            return redirect(url_for(".work"))
        except MilestakeError as error:
            form.show_error(error)
    return render_template("operator/retry.html", form=form, **context), form.status


# -- payments ---------------------------------------------------------------------------------------


@blueprint.get("/payments")
@requires("operator")
def payments() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        operations = payment_queries.operations_for_operator(session)
        health = payment_queries.health(session, now=now)
        rails = queries.rail_rows(session)
        names = {row.offering.id: row.offering for row in rails}
    lines = {
        each.id: shell.next_line(next_step("operation", each.state, None)) for each in operations
    }
    return render_template(
        "operator/payments.html", operations=operations, health=health, rails=rails, offerings=names, lines=lines,
        now=now, side_items=side_items("payments"),
    )


@blueprint.route("/float", methods=["GET", "POST"])
@requires("operator")
def fund() -> Answer:
    """Ask for an amount; sending it shows what it would do, and stores nothing."""
    with get_db().read() as session:
        floats, uncovered = payment_queries.floats(session), payment_queries.uncovered_fees(session)
        names = _names(session, [each.offering_id for each in uncovered])
    assets = sorted({asset for _rail, asset in floats} or {"USD/2"})
    form = AmountForm(assets=assets)
    if form.validate_on_submit():
        check = FundForm(
            actor=security.current_actor(), formdata=None, asset=form.asset.data, amount_minor=str(form.amount.data)
        )
        return _fund_check(check)
    page = render_template(
        "operator/float.html", form=form, floats=floats, uncovered=uncovered, names=names,
        side_items=side_items("payments"),
    )
    return page, form.status


@blueprint.post("/float/confirm")
@requires("operator")
def fund_confirm() -> Answer:
    form = FundForm(actor=security.current_actor())
    if not form.validate_on_submit():
        return _fund_check(form)
    try:
        actor = form.prove()
        journal_id = get_db().unit_of_work(
            lambda session: treasury.fund_float(
                session, actor=actor, amount_minor=_whole(form.amount_minor.data), asset=form.asset.data or "",
                now=clock.business_now(session), key=form.key,
            )
        )
    except MilestakeError as error:
        form.show_error(error)
        return _fund_check(form)
    flash(_("The float is funded; the journal is below."), "success")
    return redirect(url_for("books.journal", journal_id=journal_id))


def _fund_check(form: FundForm) -> Answer:
    asset = form.asset.data or "USD/2"
    with get_db().read() as session:
        before = payment_queries.floats(session).get(("sandbox", asset), 0)
    amount = _whole(form.amount_minor.data)
    page = render_template(
        "operator/float_check.html", form=form, amount=formats.money_text(amount, asset),
        before=formats.money_text(before, asset), after=formats.money_text(before + amount, asset),
    )
    return page, form.status


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def _names(session: Session, offering_ids: list[int]) -> dict[int, str]:
    return {each: session.get_one(Offering, each).name for each in offering_ids}
