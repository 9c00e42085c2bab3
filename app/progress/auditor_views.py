"""An auditor's desk: appointments, reviews by due date, the checklist, signing, receipts, history (MIL-7 to 9)."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, formats, security, shell
from app.contracts import service as contracts
from app.db import Session, get_db
from app.errors import MilestakeError, Refused
from app.forms import PlainForm
from app.next_step import next_step
from app.progress import counting, desk, dispute_queries, service
from app.progress.desk import Review
from app.progress.forms import RESULT_WORDS, AnswerForm, findings_form, kind_words, sign_form, size_text
from app.security import requires
from milestones import verdict as verdicts

blueprint = Blueprint("auditor", __name__, url_prefix="/auditor")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("auditor")
def queue() -> Answer:
    parties = security.current_actor().parties("auditor")
    with get_db().read() as session:
        reviews = desk.reviews_of(session, parties)
        to_sign = [each for each in reviews if each.submission.status == "received" and each.mine is None]
        asked = desk.seats_of(session, parties, states=["appointed"])
        # What is open for one person is a handful, so asking for each offering stays cheap.
        reasons = {each.offering.id: desk.independence_of(session, each) for each in [*asked, *_seats(to_sign)]}
        now = clock.business_now(session)
        panels = dispute_queries.to_judge(session, security.current_actor())
    return render_template(
        "auditor/queue.html", panels=panels, to_sign=to_sign, asked=asked, reasons=reasons, now=now,
        side_items=side_items("queue"),
        waiting=[each for each in reviews if each.submission.status == "received" and each.mine is not None],
    )


def _seats(reviews: list[Review]) -> list[desk.Seat]:
    return [review.seat for review in reviews]


@blueprint.get("/history")
@requires("auditor")
def history() -> Answer:
    parties = security.current_actor().parties("auditor")
    with get_db().read() as session:
        reviews = [each for each in desk.reviews_of(session, parties) if each.mine is not None]
        seats = desk.seats_of(session, parties, states=["accepted", "declined"])
    return render_template("auditor/history.html", reviews=reviews, seats=seats, side_items=side_items("history"))


@blueprint.route("/appointments/<appointment_id>", methods=["GET", "POST"])
@requires("auditor")
def appointment(appointment_id: str) -> Answer:
    actor = security.current_actor()
    form = AnswerForm()
    with get_db().read() as session:
        seat = desk.seat_of(session, actor, appointment_id)
        reason = desk.independence_of(session, seat)
    if form.validate_on_submit():
        accept = form.answer.data == "accept"
        try:
            get_db().unit_of_work(
                lambda session: contracts.answer_appointment(
                    session, actor=actor, appointment_id=appointment_id, accept=accept,
                    now=clock.business_now(session),
                )
            )
            flash(_("You accepted. You are told when evidence comes in.") if accept
                  else _("You declined. Another auditor will be asked."), "success")
            return redirect(url_for(".queue"))
        except MilestakeError as error:
            form.show_error(error)
    step = next_step("appointment", "appointed", seat.appointment.answer_by)
    is_open = seat.appointment.state == "appointed"
    page = render_template(
        "auditor/appointment.html", form=form, seat=seat, reason=reason, is_open=is_open,
        next=shell.next_line(step, seat.offering.zone, yours=True) if is_open else None,
    )
    return page, form.status


# -- reviewing --------------------------------------------------------------------------------------


@blueprint.route("/submissions/<submission_id>", methods=["GET", "POST"])
@requires("auditor")
def review(submission_id: str) -> Answer:
    """The checklist beside the evidence; sending it shows the exact text to sign, and stores nothing."""
    actor = security.current_actor()
    with get_db().read() as session:
        found = desk.review_for(session, actor, submission_id)
    if found.mine is not None:
        return redirect(url_for(".receipt", attestation_id=found.mine.public_id))
    form = findings_form(found.seat.terms.criteria)
    if found.submission.status == "received" and form.validate_on_submit():
        try:
            verdicts.check_findings(found.seat.terms, form.findings())
        except verdicts.FindingError as error:
            form.show_error(Refused(error.message, code=error.code))
        else:
            answers = {name: field.data for name, field in form._fields.items() if name != "csrf_token"}
            return _sign_page(found, sign_form(found.seat.terms.criteria, actor=actor, formdata=None, data=answers))
    return _review_page(found, form)


def _review_page(found: Review, form: PlainForm) -> Answer:
    with get_db().read() as session:
        files = service.evidence_of(session, found.submission.id)
        reason = desk.independence_of(session, found.seat)
    milestone, zone = found.seat.milestone, found.seat.offering.zone
    step = next_step("milestone", milestone.state, milestone.deadline_at)
    line = shell.next_line(step, zone)
    if line is not None:
        line["yours"] = line.get("owner") is not None and found.submission.status == "received"
    page = render_template(
        "auditor/review.html", form=form, review=found, seat=found.seat, files=files, reason=reason,
        next=line, size_text=size_text, kind_words=kind_words,
    )
    return page, form.status


@blueprint.post("/submissions/<submission_id>/sign")
@requires("auditor")
def sign(submission_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        found = desk.review_for(session, actor, submission_id)
    form = sign_form(found.seat.terms.criteria, actor=actor)
    if not form.validate_on_submit():
        return _sign_page(found, form)
    try:
        proven = form.prove()
        signed = get_db().unit_of_work(
            lambda session: service.attest(
                session, actor=proven, submission_id=submission_id, findings=form.findings(), key=form.key,
                now=clock.business_now(session),
            )
        )
    except MilestakeError as error:
        form.show_error(error)
        return _sign_page(found, form)
    return redirect(url_for(".receipt", attestation_id=signed.public_id))


def _sign_page(found: Review, form: PlainForm) -> Answer:
    """Show the exact text: what is found, on which files, under which contract."""
    findings = form.findings()
    terms = found.seat.terms
    wording = [
        {"criterion": criterion, "finding": finding, "word": RESULT_WORDS.get(finding.result, finding.result)}
        for criterion, finding in zip(terms.criteria, findings, strict=True)
    ]
    page = render_template(
        "auditor/sign.html", form=form, review=found, seat=found.seat, wording=wording,
        name=security.current_actor().name, amount=formats.money_text(found.seat.at_stake_minor, found.seat.asset),
        is_met=all(finding.result == verdicts.MET for finding in findings),
    )
    return page, form.status


@blueprint.get("/attestations/<attestation_id>")
@requires("auditor")
def receipt(attestation_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        signature = desk.signature_of(session, actor, attestation_id)
        submission = signature.submission
        found = desk.review_for(session, actor, submission.public_id)
        # Own findings are given, so the others' may be seen (MIL-7).
        others = [each for each in desk.signatures_on(session, submission)
                  if each.attestation.id != signature.attestation.id]
        intact = _is_intact(session, signature)
    milestone = found.seat.milestone
    step = next_step("milestone", milestone.state, milestone.deadline_at)
    return render_template(
        "auditor/receipt.html", signature=signature, others=others, review=found, seat=found.seat,
        findings_from=counting.findings_from, intact=intact, next=shell.next_line(step, found.seat.offering.zone),
        words={criterion.key: criterion.text for criterion in found.seat.terms.criteria},
    )


def _is_intact(_session: Session, signature: desk.Signature) -> bool:
    """Whether the record hashes to what was signed."""
    hashed = service.attestation_hash(signature.attestation, signature.submission.public_id)
    return hashed == signature.attestation.content_hash


def side_items(here: str) -> list[tuple[str, str, bool]]:
    """Return the pages of an auditor's desk, the one shown marked."""
    return [
        (_("To review"), url_for("auditor.queue"), here == "queue"),
        (_("Signed and answered"), url_for("auditor.history"), here == "history"),
        (_("Which work you take"), url_for("auditor_acts.offer"), here == "offer"),
    ]
