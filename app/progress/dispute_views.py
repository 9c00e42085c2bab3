"""Pages of doubts: challenge a verdict, join or leave, read a dispute, appeal a "not met" (MIL-10)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response
from wtforms import RadioField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length

from app import clock, security, shell
from app.db import Session, get_db
from app.errors import MilestakeError
from app.forms import ActForm, KeyedForm
from app.progress import appeals, challenges, desk, dispute_queries
from app.progress.desk import Place
from app.security import requires

blueprint = Blueprint("disputes", __name__)

Answer = str | tuple[str, int] | Response

_SHORT = Length(max=challenges.MAX_REASON_CHARACTERS, message=_l("Enter at most %(max)d characters."))


class ChallengeForm(KeyedForm):
    """The criterion that is doubted, and why."""

    operation = "challenge"

    criterion = RadioField(
        _l("Which criterion do you doubt?"), validators=[InputRequired(_l("Choose the criterion that you doubt."))],
        validate_choice=False,
    )
    reason = TextAreaField(
        _l("Why it is not met"),
        validators=[DataRequired(_l("Say why; investors, the company and the panel read it.")), _SHORT],
    )


class JoinForm(KeyedForm):
    """A button to stand behind a challenge."""

    operation = "join_challenge"


class LeaveForm(KeyedForm):
    """A button to stand behind it no longer."""

    operation = "leave_challenge"


class AppealForm(ActForm):
    """Why the verdict is wrong."""

    operation = "appeal"

    reason = TextAreaField(
        _l("Why the verdict is wrong"),
        validators=[DataRequired(_l("Say why; the panel and your investors read it.")), _SHORT],
    )


@blueprint.route("/milestones/<milestone_id>/challenge", methods=["GET", "POST"])
@requires("investor")
def challenge(milestone_id: str) -> Answer:
    actor = security.current_actor()
    form = ChallengeForm(actor=actor)
    with get_db().read() as session:
        place = desk.milestone_for_reader(session, actor, milestone_id)
        doubts = dispute_queries.doubts_of(session, place, actor, clock.business_now(session))
        asked = place.asked
    form.criterion.choices = [(each.key, each.text) for each in asked.criteria] if asked else []
    if form.validate_on_submit():
        try:
            opened = get_db().unit_of_work(
                lambda session: challenges.open_challenge(
                    session, actor=actor, milestone_id=milestone_id, criterion_key=form.criterion.data,
                    reason=form.reason.data or "", key=form.key, now=clock.business_now(session),
                )
            )
            return redirect(url_for(".shown", challenge_id=opened.public_id))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template("disputes/challenge_new.html", form=form, doubts=doubts, **_of(place))
    return page, form.status


@blueprint.get("/challenges/<challenge_id>")
@requires()
def shown(challenge_id: str) -> Answer:
    return _challenge_page(challenge_id, None)


def _challenge_page(challenge_id: str, failed: KeyedForm | None) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        place, row = dispute_queries.challenge_for_reader(session, actor, challenge_id)
        view = dispute_queries.challenge_view(session, place, actor, row, clock.business_now(session))
    form = failed or (LeaveForm if view.is_behind else JoinForm)(actor=actor, formdata=None)
    page = render_template(
        "disputes/challenge.html", form=form, view=view, is_holder=actor.has_role("investor"),
        next=shell.next_line(view.next, place.offering.zone), **_of(place),
    )
    return page, form.status


@blueprint.post("/challenges/<challenge_id>/join")
@requires("investor")
def join(challenge_id: str) -> Answer:
    return _press(challenge_id, JoinForm(actor=security.current_actor()), challenges.join,
                  _("You stand behind the challenge."))


@blueprint.post("/challenges/<challenge_id>/leave")
@requires("investor")
def leave(challenge_id: str) -> Answer:
    return _press(challenge_id, LeaveForm(actor=security.current_actor()), challenges.leave,
                  _("You no longer stand behind the challenge."))


def _press(challenge_id: str, form: KeyedForm, act: Any, said: str) -> Answer:
    if not form.validate_on_submit():
        return _challenge_page(challenge_id, form)
    try:
        get_db().unit_of_work(
            lambda session: act(
                session, actor=form.actor, challenge_id=challenge_id, key=form.key, now=clock.business_now(session)
            )
        )
    except MilestakeError as error:
        form.show_error(error)
        return _challenge_page(challenge_id, form)
    flash(said, "success")
    return redirect(url_for(".shown", challenge_id=challenge_id))


@blueprint.route("/milestones/<milestone_id>/appeal", methods=["GET", "POST"])
@requires("founder")
def appeal(milestone_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        place = desk.milestone_of_founder(session, actor, milestone_id)
        doubts = dispute_queries.doubts_of(session, place, actor, clock.business_now(session))
    form = AppealForm(actor=actor)
    if form.validate_on_submit():
        try:
            proven = form.prove()
            opened = get_db().unit_of_work(
                lambda session: appeals.appeal(
                    session, actor=proven, milestone_id=milestone_id, reason=form.reason.data or "", key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".show", dispute_id=opened.public_id))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template("disputes/appeal.html", form=form, doubts=doubts, **_of(place))
    return page, form.status


@blueprint.get("/disputes/<dispute_id>")
@requires()
def show(dispute_id: str) -> Answer:
    actor = security.current_actor()
    with get_db().read() as session:
        place, row = dispute_queries.dispute_for_reader(session, actor, dispute_id)
        view = dispute_queries.dispute_view(session, place.milestone, row)
        doubted = _challenge_of(session, row.challenge_id, place)
    return render_template(
        "disputes/dispute.html", view=view, dispute=row, doubted=doubted,
        next=shell.next_line(view.next, place.offering.zone), **_of(place),
    )


def _challenge_of(session: Session, challenge_id: int | None, place: Place) -> tuple[str, str] | None:
    """Return the public id of a dispute's challenge and the words of the criterion that it doubts."""
    if challenge_id is None:
        return None
    row = session.get_one(challenges.Challenge, challenge_id)
    return row.public_id, place.words.get(row.criterion_key, row.criterion_key)


def _of(place: Place) -> dict[str, object]:
    return {"place": place, "milestone": place.milestone, "offering": place.offering, "asset": place.asset}
