"""Pages of amendments: a founder proposes, everybody reads what differs, investors leave, auditors comment (MIL-13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import FileField, TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security, shell
from app.contracts import importing
from app.contracts.queries import ContractFileError
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import ActForm, KeyedForm
from app.next_step import next_step
from app.offerings import queries as offerings
from app.progress import amending, amendment_effects, amendment_queries
from app.security import public, requires
from milestones import document as documents
from milestones import money, offer

blueprint = Blueprint("amendments", __name__)

Answer = str | tuple[str, int] | Response

GROUND_WORDS = {
    "criterion_removed": _l("A criterion is removed"),
    "criterion_weaker": _l("A criterion is weaker, or reads otherwise"),
    "more_money": _l("More money could be out sooner"), "date_moved": _l("A date moves by more than 30 days"),
    "auditors": _l("Auditors or quorum change"), "failure": _l("Another outcome of a failure"),
    "money": _l("Retained parts change"), "dates": _l("More time"), "terms": _l("Another term of a milestone"),
    "criteria": _l("The deliverable reads otherwise"), "relaxed": _l("A rule is relaxed"),
    "contract_term": _l("Another term of the contract"),
}  # fmt: skip


class ProposeForm(ActForm):
    """New terms as a file, and why."""

    operation = "propose_amendment"

    file = FileField(_l("The changed terms"))
    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Say why; every investor reads it.")),
                                  Length(max=4000, message=_l("Enter at most %(max)d characters."))]
    )


class LeaveForm(KeyedForm):
    """One button."""

    operation = "leave_amendment"


class ActButton(KeyedForm):
    """One button; the operation is given by the view."""


class CommentForm(KeyedForm):
    """What an auditor says."""

    operation = "comment_amendment"

    text = TextAreaField(
        _l("Your comment"), validators=[DataRequired(_l("Write what investors should know.")),
                                        Length(max=4000, message=_l("Enter at most %(max)d characters."))]
    )


@blueprint.route("/founder/offerings/<offering_id>/amend", methods=["GET", "POST"])
@requires("founder")
def propose(offering_id: str) -> Answer:
    form = ProposeForm(actor=security.current_actor())
    with get_db().read() as session:
        found = offerings.own_offering(session, security.current_actor(), offering_id)
    if form.validate_on_submit():
        try:
            file = request.files.get("file")
            read = importing.read_contract(file.stream.read(importing.MAX_BYTES + 1) if file else b"")
            actor = form.prove()
            made = get_db().unit_of_work(
                lambda session: amending.propose(
                    session, actor=actor, offering_id=offering_id, document=documents.to_document(read.terms),
                    reason=form.reason.data or "", key=form.key, now=clock.business_now(session),
                ).public_id
            )
            return redirect(url_for(".show", amendment_id=made))
        except ContractFileError as error:
            form.status = error.status
            form.file.errors = [each.message for each in error.problems] or [_("The file cannot be read.")]
        except MilestakeError as error:
            form.show_error(error)
    return render_template("amendments/propose.html", form=form, offering=found.offering, found=found), form.status


@blueprint.get("/amendments/<amendment_id>")
@public
def show(amendment_id: str) -> Answer:
    return _page(amendment_id)


def _page(amendment_id: str, error: MilestakeError | None = None) -> Answer:
    who = security.signed_in()
    actor = security.current_actor() if who is not None else None
    with get_db().read() as session:
        found = amendment_queries.seen(session, actor, amendment_id)
    offering, amendment = found.offering, found.amendment
    document = {"contract": documents.to_document(found.after), "figures": {"currency": offering.currency}}
    changes = [
        offer.Judged(type(each)(f"/contract{each.path}", each.before, each.after), offer.ALWAYS, "contract", False)
        for each in found.changes
    ]
    step = None
    if amendment.state == "voting":
        step = next_step("amendment", "open", found.poll.ends_at)
    elif amendment.state == "leaving":
        step = next_step("amendment", "leaving", amendment.leave_until)
    forms: dict[str, Any] = {"leave": None, "seat": None, "comment": None, "withdraw": None}
    if actor is not None:
        is_auditor, is_founder = actor.has_role("auditor"), actor.has_role("founder")
        forms = {
            "leave": LeaveForm(actor=actor, formdata=None),
            "comment": CommentForm(actor=actor, formdata=None) if is_auditor else None,
            "seat": ActButton(actor=actor, operation="answer_seat", formdata=None)
            if is_auditor and found.seats else None,
            "withdraw": ActButton(actor=actor, operation="withdraw_amendment", formdata=None) if is_founder else None,
        }  # fmt: skip
    page = render_template(
        "amendments/show.html", found=found, offering=offering, asset=money.Asset.parse(offering.currency),
        lines=(changes, document, offering.zone), ground_words=GROUND_WORDS, error=error,
        next=shell.next_line(step, offering.zone) if step else None, **forms,
    )
    return page, error.status if error else 200


def _do(amendment_id: str, act: Callable[[Session], object]) -> Answer:
    """Run one act and show the page again, with what was refused."""
    get_db().unit_of_work(act)
    return redirect(url_for(".show", amendment_id=amendment_id))


@blueprint.post("/amendments/<amendment_id>/leave/<int:party_id>")
@requires("investor")
def leave(amendment_id: str, party_id: int) -> Answer:
    form = LeaveForm(actor=security.current_actor())
    if not form.validate_on_submit():
        return _page(amendment_id)
    return _do(amendment_id, lambda session: amendment_effects.leave(
        session, actor=form.actor, amendment_id=amendment_id, party_id=party_id, key=form.key,
        now=clock.business_now(session),
    ))


@blueprint.post("/amendments/<amendment_id>/say")
@requires("auditor")
def say(amendment_id: str) -> Answer:
    form = CommentForm(actor=security.current_actor())
    if not form.validate_on_submit():
        return _page(amendment_id)
    return _do(amendment_id, lambda session: amending.comment(
        session, actor=form.actor, amendment_id=amendment_id, text=form.text.data or "", key=form.key,
        now=clock.business_now(session),
    ))


@blueprint.post("/amendments/<amendment_id>/seat/<any(accept, decline):answer>")
@requires("auditor", second_factor=True)
def answer_seat(amendment_id: str, answer: str) -> Answer:
    actor = security.current_actor()
    return _do(amendment_id, lambda session: amending.answer_seat(
        session, actor=actor, amendment_id=amendment_id, accept=answer == "accept", now=clock.business_now(session),
    ))


@blueprint.post("/amendments/<amendment_id>/withdraw")
@requires("founder", second_factor=True)
def withdraw(amendment_id: str) -> Answer:
    actor = security.current_actor()
    return _do(amendment_id, lambda session: amending.withdraw(
        session, actor=actor, amendment_id=amendment_id, now=clock.business_now(session),
    ))
