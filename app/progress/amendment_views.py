"""Pages of amendments: a founder proposes, everybody reads what differs, investors leave, auditors comment (MIL-13)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import FileField, HiddenField, TextAreaField
from wtforms.validators import DataRequired, Length

from app import clock, security, shell
from app.contracts import importing
from app.contracts.queries import ContractFileError
from app.db import Session, get_db
from app.errors import MilestakeError, Refused
from app.forms import ActForm, KeyedForm
from app.next_step import next_step
from app.offerings import queries as offerings
from app.offerings.models import Offering
from app.progress import amending, amendment_checks, amendment_effects, amendment_queries
from app.security import public, requires
from milestones import diff, money, offer
from milestones import document as documents
from milestones.terms import Terms

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
    """New terms as a file, and why; ``document`` carries them on once they were read and shown."""

    operation = "propose_amendment"

    file = FileField(_l("The changed terms"))
    document = HiddenField()
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
    """Take the changed terms, show what they change and what they ask of whom, and only then put them to the vote."""
    form = ProposeForm(actor=security.current_actor())
    with get_db().read() as session:
        found = offerings.own_offering(session, security.current_actor(), offering_id)
    shown = None
    if form.validate_on_submit():
        is_read = bool(form.document.data)
        try:
            terms = _terms(form)
            shown = _examined(found.offering, terms)
            if is_read:
                return redirect(url_for(".show", amendment_id=_proposed(form, offering_id, terms)))
            form.document.data = json.dumps(documents.to_document(terms), ensure_ascii=False)
        except ContractFileError as error:
            form.status = error.status
            form.file.errors = [each.message for each in error.problems] or [_("The file cannot be read.")]
        except MilestakeError as error:
            if error.field == "document":
                form.status = error.status
                form.file.errors, shown = [error.message], None
            else:
                form.show_error(error)
    if shown is None:
        form.document.data = None
    return render_template(
        "amendments/check.html" if shown else "amendments/propose.html", form=form, offering=found.offering,
        found=found, shown=shown, lines=_lines(shown.changes, shown.terms, found.offering) if shown else None,
        grounds=_grounds(((each.code, each.path) for each in shown.judged.grounds), shown.terms) if shown else (),
    ), form.status


def _terms(form: ProposeForm) -> Terms:
    """Read the terms that were uploaded, or that the page before carried on."""
    if form.document.data:
        return importing.read_contract(form.document.data.encode()).terms
    file = request.files.get("file")
    return importing.read_contract(file.stream.read(importing.MAX_BYTES + 1) if file else b"").terms


def _examined(offering: Offering, terms: Terms) -> amendment_checks.Proposal:
    """Compare terms with those in force; raises ``Refused`` at ``document`` for what may not be put to the vote."""
    with get_db().read() as session:
        shown = amendment_checks.examine(
            session, offering, documents.to_document(terms), now=clock.business_now(session)
        )
    if shown.objections:
        raise Refused(shown.objections[0].message, code=shown.objections[0].code, field="document")
    return shown


def _proposed(form: ProposeForm, offering_id: str, terms: Terms) -> str:
    actor = form.prove()
    return get_db().unit_of_work(
        lambda session: amending.propose(
            session, actor=actor, offering_id=offering_id, document=documents.to_document(terms),
            reason=form.reason.data or "", key=form.key, now=clock.business_now(session),
        ).public_id
    )


def _lines(changes: Iterable[diff.Change], after: Terms, offering: Offering) -> tuple[Any, ...]:
    """Return what the page of differences takes."""
    document = {"contract": documents.to_document(after), "figures": {"currency": offering.currency}}
    judged = [
        offer.Judged(type(each)(f"/contract{each.path}", each.before, each.after), offer.ALWAYS, "contract", False)
        for each in changes
    ]
    return judged, document, offering.zone


def _grounds(found: Iterable[tuple[str, str]], terms: Terms) -> list[tuple[str, str]]:
    """Return why a change can harm investors: words, and the title of the milestone it is about, if it is about one."""
    said: dict[tuple[str, str], None] = {}
    for code, path in found:
        parts = path.strip("/").split("/")
        number = parts[1] if parts[0] == "milestones" and len(parts) > 1 else ""
        about = next(
            (each.title for at, each in enumerate(terms.milestones) if number in (str(at), each.key)), ""
        )
        said[(str(GROUND_WORDS.get(code, code)), about)] = None
    return list(said)


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
    step = None
    if amendment.state == "voting":
        step = next_step("amendment", "open", found.poll.ends_at)
    elif amendment.state == "leaving":
        step = next_step("amendment", "leaving", amendment.leave_until)
    forms: dict[str, Any] = {"leave": None, "seat": None, "comment": None, "withdraw": None}
    if actor is not None:
        is_auditor, is_founder = actor.has_role("auditor"), found.is_own
        forms = {
            "leave": LeaveForm(actor=actor, formdata=None),
            "comment": CommentForm(actor=actor, formdata=None) if is_auditor else None,
            "seat": ActButton(actor=actor, operation="answer_seat", formdata=None)
            if is_auditor and found.seats else None,
            "withdraw": ActButton(actor=actor, operation="withdraw_amendment", formdata=None) if is_founder else None,
        }  # fmt: skip
    page = render_template(
        "amendments/show.html", found=found, offering=offering, asset=money.Asset.parse(offering.currency),
        lines=_lines(found.changes, found.after, offering), error=error,
        grounds=_grounds(((code, path) for code, path in found.grounds), found.after),
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
