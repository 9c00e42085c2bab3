"""Pages of the waiting list: join, one's own place and what silence means, refuse, leave (OFF-5).

Taking an offered place is committing: ``commit_views``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response
from wtforms import BooleanField

from app import clock, security
from app.accounts import queries as accounts
from app.commitments import places, prospects, service, waiting, waiting_queries
from app.commitments.forms import InvestorForm
from app.commitments.waiting_models import WaitingEntry
from app.db import get_db
from app.errors import MilestakeError
from app.forms import AmountField, KeyedForm, PlainForm
from app.investors import queries as investors
from app.next_step import next_step
from app.security import requires
from milestones import money

blueprint = Blueprint("waiting", __name__)

Answer = str | tuple[str, int] | Response


class JoinForm(KeyedForm, InvestorForm):
    """How much is wanted, whether less would do, and for whom when there is a choice."""

    operation = "join_waiting_list"

    amount = AmountField(_l("Amount you want"))
    takes_less = BooleanField(_l("A smaller place is fine too"))

    def __init__(self, *args: Any, asset: money.Asset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount.asset = asset


class AnswerForm(PlainForm):
    """The wish to refuse a place, or to leave the list."""


@blueprint.route("/offerings/<slug>/waiting", methods=["GET", "POST"])
@requires("investor")
def join(slug: str) -> Answer:
    actor = security.current_actor()
    parties = actor.parties("investor")
    with get_db().read() as session:
        now = clock.business_now(session)
        target = prospects.investable(session, slug)
        for party_id in parties:
            service.demand_no_interest(session, target.offering, party_id)
        names = accounts.party_names(session, parties)
        listed = waiting.active_entry(session, target.offering.id, parties)
        length = waiting_queries.length(session, target.offering.id)
        room = places.room_of(session, target.offering, parties, now=now)
        missing = [each for party in parties for each in investors.missing(investors.standing(session, party), now)]
    if listed is not None and len(names) == 1:
        return redirect(url_for(".place", entry_id=listed.public_id))
    if not target.is_open(now):
        return redirect(url_for("commit.risk", slug=slug))
    form = JoinForm(actor=actor, asset=target.asset, parties=names)
    if not form.is_submitted():
        form.amount.data = request.args.get("amount", type=int)
    if form.validate_on_submit():
        try:
            security.limit_commits(actor)
            entry = get_db().unit_of_work(
                lambda session: waiting.join(
                    session, actor=actor, offering_id=target.offering.public_id, party_id=form.party_id,
                    amount_minor=form.amount.data, takes_less=form.takes_less.data, key=form.key,
                    now=clock.business_now(session),
                )
            )
            return redirect(url_for(".place", entry_id=entry.public_id, joined=1))
        except MilestakeError as error:
            form.show_error(error)
    page = render_template(
        "commitments/waiting_join.html", target=target, form=form, length=length, room=room, missing=missing, now=now,
        here=url_for(".join", slug=slug),
    )
    return page, form.status


@blueprint.get("/waiting/<entry_id>")
@requires("investor")
def place(entry_id: str) -> Answer:
    with get_db().read() as session:
        view = waiting_queries.find(session, security.current_actor(), entry_id)
        is_over = waiting.is_over(view.offering, view.entry, clock.business_now(session))
    return render_template(
        "commitments/waiting.html", view=view, is_over=is_over, has_joined=bool(request.args.get("joined")),
        step=next_step("waiting_entry", view.entry.status, view.deadline_at),
    )


@blueprint.route("/waiting/<entry_id>/refuse", methods=["GET", "POST"])
@requires("investor")
def refuse(entry_id: str) -> Answer:
    return _answer(entry_id, "offered", "commitments/waiting_refuse.html", waiting.refuse)


@blueprint.route("/waiting/<entry_id>/leave", methods=["GET", "POST"])
@requires("investor")
def leave(entry_id: str) -> Answer:
    return _answer(entry_id, None, "commitments/waiting_leave.html", waiting.leave)


def _answer(entry_id: str, only_while: str | None, template: str, act: Callable[..., WaitingEntry]) -> Answer:
    """Ask once more, then do it; a place for which there is nothing to ask is shown instead."""
    actor = security.current_actor()
    form = AnswerForm()
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: act(session, actor=actor, entry_id=entry_id, now=clock.business_now(session))
            )
            return redirect(url_for(".place", entry_id=entry_id))
        except MilestakeError as error:
            form.show_error(error)
    view = _read(lambda session: waiting_queries.find(session, actor, entry_id))
    if view.entry.status not in waiting.ACTIVE or only_while not in (None, view.entry.status):
        return redirect(url_for(".place", entry_id=entry_id))
    return render_template(template, view=view, form=form), form.status


def _read(query: Callable[[Session], waiting_queries.WaitingView]) -> waiting_queries.WaitingView:
    with get_db().read() as session:
        return query(session)
