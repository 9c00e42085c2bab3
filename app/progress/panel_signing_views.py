"""Where a panel member judges a dispute: the same files and criteria, the exact text, the signature (MIL-10)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from app import clock, security, shell
from app.db import get_db
from app.errors import MilestakeError, Refused
from app.forms import PlainForm
from app.next_step import next_step
from app.progress import dispute_queries, panel_signing, service
from app.progress.dispute_queries import Judging
from app.progress.forms import RESULT_WORDS, findings_form, kind_words, sign_form, size_text
from app.security import requires
from milestones import verdict as verdicts

blueprint = Blueprint("panel_signing", __name__, url_prefix="/auditor/disputes")

Answer = str | tuple[str, int] | Response


def _found(dispute_id: str) -> Judging:
    with get_db().read() as session:
        return dispute_queries.judging(session, security.current_actor(), dispute_id)


@blueprint.route("/<dispute_id>", methods=["GET", "POST"])
@requires("auditor")
def judge(dispute_id: str) -> Answer:
    """The checklist beside the evidence; sending it shows the exact text to sign, and stores nothing."""
    found = _found(dispute_id)
    form = findings_form(found.terms.criteria)
    if found.is_open and form.validate_on_submit():
        try:
            verdicts.check_findings(found.terms, form.findings())
        except verdicts.FindingError as error:
            form.show_error(Refused(error.message, code=error.code))
        else:
            answers = {name: field.data for name, field in form._fields.items() if name != "csrf_token"}
            signing = sign_form(
                found.terms.criteria, actor=security.current_actor(), operation="sign_dispute", formdata=None,
                data=answers,
            )
            return _sign_page(found, signing)
    with get_db().read() as session:
        files = service.evidence_of(session, found.submission.id)
    step = next_step("dispute", "panel", found.place.milestone.deadline_at) if found.is_open else None
    page = render_template(
        "disputes/judge.html", form=form, found=found, place=found.place, files=files, size_text=size_text,
        kind_words=kind_words, next=shell.next_line(step, found.place.offering.zone, yours=True),
    )
    return page, form.status


@blueprint.post("/<dispute_id>/sign")
@requires("auditor")
def sign(dispute_id: str) -> Answer:
    found = _found(dispute_id)
    form = sign_form(found.terms.criteria, actor=security.current_actor(), operation="sign_dispute")
    if not form.validate_on_submit():
        return _sign_page(found, form)
    try:
        proven = form.prove()
        get_db().unit_of_work(
            lambda session: panel_signing.sign(
                session, actor=proven, dispute_id=dispute_id, findings=form.findings(), key=form.key,
                now=clock.business_now(session),
            )
        )
    except MilestakeError as error:
        form.show_error(error)
        return _sign_page(found, form)
    return redirect(url_for(".judge", dispute_id=dispute_id))


def _sign_page(found: Judging, form: PlainForm) -> Answer:
    """Show the exact text: what is found, on which files, under which contract."""
    wording = [
        {"criterion": criterion, "finding": finding, "word": RESULT_WORDS.get(finding.result, finding.result)}
        for criterion, finding in zip(found.terms.criteria, form.findings(), strict=True)
    ]
    page = render_template(
        "disputes/sign.html", form=form, found=found, place=found.place, wording=wording,
        name=security.current_actor().name,
    )
    return page, form.status
