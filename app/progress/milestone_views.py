"""A milestone's own page, and how its founder hands in evidence: files, statement, check, sent (MIL-6)."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import calendars, clock, formats, security, shell
from app.accounts.actor import Actor
from app.blobs import DirectoryBlobs
from app.db import Session, get_db
from app.errors import Conflict, MilestakeError
from app.next_step import next_step
from app.progress import desk, dispute_queries, lateness_queries, queries, service
from app.progress.desk import Place
from app.progress.forms import EvidenceForm, PressForm, StatementForm, SubmitForm, kind_words, size_text
from app.progress.models import Submission
from app.progress.steps import CHALLENGE_CALENDAR_DAYS
from app.security import requires
from milestones import states

blueprint = Blueprint("milestones", __name__)

Answer = str | tuple[str, int] | Response


@blueprint.get("/milestones/<milestone_id>")
@requires()
def show(milestone_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        place = desk.milestone_for_reader(session, actor, milestone_id)
        is_own = actor.acts_for(place.issuer.party_id, "founder")
        handed = desk.submissions_of(session, place, drafts=is_own)
        submissions = [each.submission for each in handed]
        context = {
            **_context(session, place, actor),
            "handed": handed,
            "signed": queries.signed_findings(session, submissions),
            "signed_counts": queries.signed_counts(session, submissions),
            "releases": [
                each for each in queries.releases_of(session, place.offering.id)
                if each.record.milestone_id == place.milestone.id
            ],
            "waits_for": queries.waits_for(session, place.offering, place.milestone),
            "is_operator": actor.has_role("operator"),
            "doubts": dispute_queries.doubts_of(session, place, actor, clock.business_now(session)),
            "is_holder": actor.has_role("investor"),
        }
    return render_template("progress/milestone.html", **context)


def _context(session: Session, place: Place, actor: Actor) -> dict[str, object]:
    """Return what every page of a milestone shows: itself, what is next, and what stopping now would mean."""
    milestone, offering = place.milestone, place.offering
    is_own = actor.acts_for(place.issuer.party_id, "founder")
    step = next_step("milestone", milestone.state, milestone.deadline_at)
    yours = is_own and step is not None and step.owner == "founder"
    return {
        "place": place, "milestone": milestone, "offering": offering, "issuer": place.issuer, "terms": place.terms,
        "asset": place.asset, "is_own": is_own,
        "left_minor": (milestone.tranche_minor or 0) - milestone.decided_minor - milestone.returned_minor,
        "next": shell.next_line(step, offering.zone, yours=yours),
        "late": lateness_queries.lateness_of(session, offering, milestone, place.terms, clock.business_now(session)),
        "stopped": _stopped(session, place), "kind_words": kind_words, "size_text": size_text,
    }


def _stopped(session: Session, place: Place) -> dict[str, str] | None:
    stopped = queries.if_stopped(session, place.offering)
    if stopped is None:
        return None
    return {
        "back_to_you": formats.money_text(stopped.back_minor, place.asset), "back_label": _("Back to investors"),
        "tokens": formats.whole_text(stopped.tokens), "tokens_label": _("Tokens they keep"),
        "spent": formats.money_text(stopped.spent_minor, place.asset),
        "under_review": formats.money_text(stopped.under_review_minor, place.asset),
    }


# -- handing in -------------------------------------------------------------------------------------


@blueprint.get("/milestones/<milestone_id>/submit")
@requires("founder")
def submit(milestone_id: str) -> Answer:
    return _files_page(milestone_id, None)


@blueprint.post("/milestones/<milestone_id>/submit/files")
@requires("founder")
def add_file(milestone_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        place = desk.milestone_of_founder(session, actor, milestone_id)
    form = EvidenceForm(kinds=place.evidence_kinds)
    if not form.validate_on_submit():
        return _files_page(milestone_id, form)
    # The bytes are stored before the unit of work: what is never referred to harms nobody.
    sha256, size = _blobs().put(form.file.data.stream)

    def add(session: Session) -> None:
        now = clock.business_now(session)
        draft = service.draft_submission(session, actor=actor, milestone_id=milestone_id, now=now)
        service.add_evidence(
            session, actor=actor, submission_id=draft.public_id, kind=form.kind.data, filename=form.filename,
            media_type=form.media_type, sha256=sha256, size_bytes=size, now=now,
        )

    try:
        get_db().unit_of_work(add)
    except MilestakeError as error:
        form.show_error(error)
        return _files_page(milestone_id, form)
    flash(_("“%(name)s” is in the draft.", name=form.filename), "success")
    return redirect(url_for(".submit", milestone_id=milestone_id))


@blueprint.post("/milestones/<milestone_id>/submit/discard")
@requires("founder")
def discard(milestone_id: str) -> Answer:
    actor = security.current_actor()
    form = PressForm()
    if form.validate_on_submit():
        draft = _draft(actor, milestone_id)
        if draft is not None:
            get_db().unit_of_work(
                lambda session: service.discard_submission(
                    session, actor=actor, submission_id=draft.public_id, now=clock.business_now(session)
                )
            )
            flash(_("The draft is set aside. Its files are kept on record, and nobody was shown them."), "success")
    return redirect(url_for(".submit", milestone_id=milestone_id))


@blueprint.route("/milestones/<milestone_id>/submit/statement", methods=["GET", "POST"])
@requires("founder")
def statement(milestone_id: str) -> Answer:
    if _draft(security.current_actor(), milestone_id) is None:
        return redirect(url_for(".submit", milestone_id=milestone_id))
    form = StatementForm()
    if form.validate_on_submit():
        sending = SubmitForm(actor=security.current_actor(), formdata=None, statement=form.statement.data.strip())
        return _check_page(milestone_id, sending)
    with get_db().read() as session:
        context = _with_draft(session, milestone_id, security.current_actor())
    return render_template("progress/statement.html", form=form, **context), form.status


@blueprint.post("/milestones/<milestone_id>/submit/send")
@requires("founder")
def send(milestone_id: str) -> Answer:
    actor = security.current_actor()
    form = SubmitForm(actor=actor)
    draft = _newest(actor, milestone_id)
    if draft is None:
        return redirect(url_for(".submit", milestone_id=milestone_id))
    if not form.validate_on_submit():
        return _check_page(milestone_id, form)
    try:
        proven = form.prove()
        submission = get_db().unit_of_work(
            lambda session: service.submit(
                session, actor=proven, submission_id=draft.public_id, statement=form.statement.data or "",
                key=form.key, now=clock.business_now(session),
            )
        )
    except MilestakeError as error:
        form.show_error(error)
        return _check_page(milestone_id, form)
    return redirect(url_for(".sent", milestone_id=milestone_id, submission_id=submission.public_id))


@blueprint.get("/milestones/<milestone_id>/submissions/<submission_id>")
@requires("founder")
def sent(milestone_id: str, submission_id: str) -> Answer:
    """Confirm what was handed in, with the earliest and latest date of the next cent."""
    actor = security.current_actor()
    with get_db().read() as session:
        place = desk.milestone_of_founder(session, actor, milestone_id)
        handed = next(
            (each for each in desk.submissions_of(session, place, drafts=False)
             if each.submission.public_id == submission_id), None,
        )
        context = _context(session, place, actor)
        now = clock.business_now(session)
    if handed is None:
        return redirect(url_for(".show", milestone_id=milestone_id))
    return render_template(
        "progress/sent.html", handed=handed, steps=_next_steps(place, handed.submission, now), **context
    )


def _next_steps(place: Place, submission: Submission, now: dt.datetime) -> list[dict[str, str]]:
    """Return what happens after a submission, each with the date by which it does."""
    zone, terms, due = place.offering.zone, place.terms, submission.review_due_at or now

    def window(start: dt.datetime) -> str:
        end = calendars.window_end(
            start, terms.challenge_business_days, code=place.offering.calendar, zone=zone,
            min_calendar_days=CHALLENGE_CALENDAR_DAYS,
        )
        return formats.instant_text(end, zone)

    return [
        {"text": _("%(count)s auditors sign their findings; %(needed)s of them must find every criterion met.",
                   count=terms.quorum.auditors, needed=terms.quorum.approvals),
         "when": _("By %(due)s", due=formats.instant_text(due, zone))},
        {"text": _("Investors may raise doubts for %(days)s business days, at least %(least)s days.",
                   days=terms.challenge_business_days, least=CHALLENGE_CALENDAR_DAYS),
         "when": _("From the moment the last finding is signed")},
        {"text": _("The tranche of %(amount)s is released: earliest date of the next cent.",
                   amount=formats.money_text(place.milestone.tranche_minor or 0, place.asset)),
         "when": _("Signed today: %(early)s. Signed on the last day: %(late)s. A suspension or a “not met” moves it.",
                   early=window(now), late=window(due))},
    ]


# -- pieces -----------------------------------------------------------------------------------------


def _files_page(milestone_id: str, form: EvidenceForm | None) -> Answer:
    with get_db().read() as session:
        context = _with_draft(session, milestone_id, security.current_actor())
    place = context["place"]
    form = form or EvidenceForm(kinds=place.evidence_kinds)
    page = render_template("progress/files.html", form=form, press=PressForm(formdata=None), **context)
    return page, form.status


def _check_page(milestone_id: str, form: SubmitForm) -> Answer:
    with get_db().read() as session:
        context = _with_draft(session, milestone_id, security.current_actor())
    if context["draft"] is None:
        raise Conflict(_("This submission was handed in and cannot be changed."), code="submission_frozen")
    return render_template("progress/check.html", form=form, **context), form.status


def _with_draft(session: Session, milestone_id: str, actor: Actor) -> dict[str, object]:
    place = desk.milestone_of_founder(session, actor, milestone_id)
    handed = desk.submissions_of(session, place, drafts=True)
    draft = next((each for each in handed if each.submission.status == "draft"), None)
    given = {each.kind for each in draft.files} if draft else set()
    return {
        **_context(session, place, actor),
        "draft": draft,
        "earlier": [each for each in handed if each.submission.status != "draft"],
        "missing": [kind for kind in place.evidence_kinds if kind not in given],
        "is_open": place.milestone.state in states.FOUNDERS_STATES and place.offering.state == "active",
    }


def _draft(actor: Actor, milestone_id: str) -> Submission | None:
    with get_db().read() as session:
        context = _with_draft(session, milestone_id, actor)
    return context["draft"].submission if context["draft"] else None


def _newest(actor: Actor, milestone_id: str) -> Submission | None:
    """Return the draft, or the newest submission when it was handed in already: a repeat finds its result."""
    with get_db().read() as session:
        place = desk.milestone_of_founder(session, actor, milestone_id)
        handed = desk.submissions_of(session, place, drafts=True)
    return handed[0].submission if handed else None


def _blobs() -> DirectoryBlobs:
    return DirectoryBlobs(current_app.extensions["milestake_settings"].data_dir)
