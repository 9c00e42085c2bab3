"""The five steps of committing: risk, category, understanding, amount, check. Then the confirmation.

Every figure is the service's; nothing is stored before the order is given (COM-1).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import clock, security
from app.accounts import queries as accounts
from app.accounts.actor import Actor
from app.commitments import limits, places, prospects, queries, quotes, service, waiting
from app.commitments.forms import (
    AmountForm,
    Answers,
    CommitForm,
    InvestorForm,
    ThinkForm,
    UnderstoodForm,
    read_answers,
)
from app.commitments.models import Commitment
from app.commitments.prospects import Investable
from app.contracts import queries as contracts
from app.contracts.queries import Published
from app.db import get_db
from app.errors import Conflict, MilestakeError, Refused
from app.investors import cooling
from app.investors import queries as investors
from app.investors import rules as investor_rules
from app.offerings import figures, versions
from app.security import requires
from milestones import lint, money

blueprint = Blueprint("commit", __name__)

Answer = str | tuple[str, int] | Response


class _Place:
    """What every step reads first: the offering, its published terms, who asks, and when."""

    def __init__(self, session: Session, slug: str) -> None:
        self.actor = security.current_actor()
        self.now = clock.business_now(session)
        self.target: Investable = prospects.investable(session, slug)
        self.published: Published = contracts.published_terms(session, self.target.offering.terms_version_id or 0)
        parties = self.actor.parties("investor")
        self.terms_hash = versions.hash_of(session, self.target.offering)
        self.parties = accounts.party_names(session, parties)
        self.unpaid = prospects.unpaid_commitment(session, self.target.offering.id, sorted(parties))
        self.room = places.room_of(session, self.target.offering, parties, now=self.now)
        self.waiting = waiting.active_entry(session, self.target.offering.id, parties)
        for party_id in parties:
            service.demand_no_interest(session, self.target.offering, party_id)
        self.day = figures.day_of(self.target.offering, self.now)
        self._cooling = {each: cooling.standing(session, each, self.target.offering.regime) for each in parties}
        self._missing = {each: investors.missing(investors.standing(session, each), self.now) for each in parties}

    def missing(self, party_id: int, *steps: str) -> list[investors.Missing]:
        """Return what stands between a party and a commitment, in these steps or in all."""
        return [each for each in self._missing[party_id] if not steps or each.step in steps]

    @property
    def slug(self) -> str:
        return self.target.offering.slug

    def cooling(self) -> tuple[int, cooling.Standing, int] | None:
        """Return which of the investors must take time to think before a first offer, None when nobody must."""
        hours = cooling.hours(self.target.offering.regime, self.day)
        if not hours:
            return None
        open_ones = ((each, found) for each, found in sorted(self._cooling.items()) if found.chosen_at is None)
        return next(((each, found, hours) for each, found in open_ones), None)

    def barred(self) -> str | None:
        """Return the page that says why nobody can commit here now, None when one can."""
        if not self.target.is_open(self.now):
            return render_template("commitments/closed.html", place=self)
        if self.unpaid is not None:
            return render_template("commitments/unpaid.html", place=self, commitment=self.unpaid)
        if self.room.offer is None and self.room.mine_minor < places.least_minor(self.target.offering):
            return render_template("commitments/full.html", place=self)
        return None


def _place(slug: str) -> _Place:
    with get_db().read() as session:
        return _Place(session, slug)


# -- step 1: risk -----------------------------------------------------------------------------------


@blueprint.get("/offerings/<slug>/commit")
@requires("investor")
def risk(slug: str) -> Answer:
    place = _place(slug)
    return place.barred() or render_template(
        "commitments/risk.html", place=place, relaxed=lint.risk_line(place.published.terms)
    )


@blueprint.route("/offerings/<slug>/commit/think", methods=["GET", "POST"])
@requires("investor")
def think(slug: str) -> Answer:
    """Warn by name before a first offer under rules with time to think, and take the choice after it (COBS 4.12A)."""
    place = _place(slug)
    barred = place.barred()
    waiting = place.cooling()
    if barred or waiting is None:
        return barred or redirect(url_for(".category", slug=slug))
    party_id, found, hours = waiting
    form = ThinkForm(actor=place.actor)
    regime, wording = place.target.offering.regime, investor_rules.COOLING_WORDING_HASH
    may_choose = found.requested_at is not None and place.now >= found.requested_at + dt.timedelta(hours=hours)
    if form.validate_on_submit():
        def act(session: Session) -> None:
            now = clock.business_now(session)
            if may_choose:
                cooling.choose(session, actor=place.actor, party_id=party_id, regime=regime, day=place.day,
                               wording_hash=wording, now=now)
            else:
                cooling.request(session, actor=place.actor, party_id=party_id, regime=regime, wording_hash=wording,
                                now=now)

        try:
            get_db().unit_of_work(act)
            return redirect(url_for(".think", slug=slug))
        except MilestakeError as error:
            form.show_error(error)
    until = found.requested_at + dt.timedelta(hours=hours) if found.requested_at else None
    page = render_template(
        "commitments/think.html", place=place, form=form, party=place.parties[party_id], until=until, hours=hours,
        may_choose=may_choose, warning=investor_rules.COOLING_WORDING,
    )
    return page, form.status


# -- step 2: category -------------------------------------------------------------------------------

#: What has to be done before the questions are asked.
_BEFORE = ("verification", "declaration", "delivery")


@blueprint.route("/offerings/<slug>/commit/category", methods=["GET", "POST"])
@requires("investor")
def category(slug: str) -> Answer:
    """Show what is known of the investor, and lead to what is missing (PPL-3)."""
    place = _place(slug)
    barred = place.barred()
    if barred:
        return barred
    if place.cooling() is not None:
        return redirect(url_for(".think", slug=slug))
    form = InvestorForm(parties=place.parties)
    is_sent = form.validate_on_submit()
    party_id = form.party_id if is_sent else sorted(place.parties)[0]
    with get_db().read() as session:
        left, not_admitted = _admission(session, place, party_id)
        known = {
            "limit_left_minor": left, "not_admitted": not_admitted,
            "standing": investors.standing(session, party_id), "declaration": investors.declaration(session, party_id),
            "check": investors.latest_verification(session, party_id),
        }
    blocked = bool(place.missing(party_id, *_BEFORE)) or not_admitted is not None
    if is_sent and not blocked:
        answers = Answers(place.actor.user_id or 0, place.target.offering.public_id, party_id)
        return redirect(url_for(".understand", slug=slug, answers=answers.sign()))
    page = render_template(
        "commitments/category.html", place=place, form=form, missing=place.missing(party_id), blocked=blocked,
        category_words=investor_rules.CATEGORY_WORDS,
        here=url_for(".category", slug=slug), **known,
    )
    return page, form.status


def _admission(session: Session, place: _Place, party_id: int) -> tuple[int | None, str | None]:
    """Return what the regime's limit leaves this investor, or why it does not admit them at all (COM-9)."""
    if place.missing(party_id, "declaration"):
        return None, None
    try:
        return limits.demand_fits(session, place.target.offering, party_id, 0, now=place.now), None
    except Refused as error:
        return None, error.message


# -- step 3: understanding --------------------------------------------------------------------------


@blueprint.route("/offerings/<slug>/commit/understand", methods=["GET", "POST"])
@requires("investor")
def understand(slug: str) -> Answer:
    """Lead to the questions until they are answered rightly, then take the statements of this commitment."""
    place = _place(slug)
    answers = read_answers(request.args.get("answers"), place.actor, place.target.offering.public_id)
    barred = place.barred()
    if barred or answers is None:
        return barred or _start_again(slug)
    if place.missing(answers.party_id, *_BEFORE):
        return redirect(url_for(".category", slug=slug))
    if place.missing(answers.party_id, "understanding"):
        return redirect(url_for("investors.understanding", next=security.page_before()))
    form = UnderstoodForm()
    if form.validate_on_submit():
        confirmed = dataclasses.replace(answers, wording_hash=investor_rules.RISK_WORDING_HASH)
        return redirect(url_for(".amount", slug=slug, answers=confirmed.sign()))
    return render_template("commitments/understand.html", place=place, form=form), form.status


def _start_again(slug: str) -> Response:
    flash(_("Your answers are no longer at hand. Nothing was charged; start again."), "warning")
    return redirect(url_for(".category", slug=slug))


# -- step 4: amount ---------------------------------------------------------------------------------


@blueprint.route("/offerings/<slug>/commit/amount", methods=["GET", "POST"])
@requires("investor")
def amount(slug: str) -> Answer:
    place = _place(slug)
    answers = read_answers(request.args.get("answers"), place.actor, place.target.offering.public_id)
    barred = place.barred()
    if barred or answers is None or answers.wording_hash != investor_rules.RISK_WORDING_HASH:
        return barred or _start_again(slug)
    form = AmountForm(asset=place.target.asset)
    if not form.is_submitted():
        form.amount.data = answers.amount_minor or (place.room.offer and place.room.offer.offered_minor)
    if form.validate_on_submit():
        try:
            with get_db().read() as session:
                _quoted(session, place, form.amount.data, answers.party_id)
            answers = dataclasses.replace(
                answers, amount_minor=form.amount.data, terms_hash=place.terms_hash
            )
            return redirect(url_for(".check", slug=slug, answers=answers.sign()))
        except MilestakeError as error:
            form.show_error(error)
    return _amount_page(place, form, answers)


def _amount_page(place: _Place, form: AmountForm, answers: Answers) -> Answer:
    asked = form.amount.data or place.target.offering.minimum_ticket_minor
    page = render_template(
        "commitments/amount.html", place=place, form=form, token=answers.sign(),
        **_bought(place, asked, answers.party_id),
    )
    return page, form.status


@blueprint.get("/offerings/<slug>/commit/quote")
@requires("investor")
def quote(slug: str) -> Answer:
    """Answer with what an amount would buy, as a part of the amount page."""
    place = _place(slug)
    form = AmountForm(request.args, asset=place.target.asset, meta={"csrf": False})
    if not form.amount.validate(form):
        return render_template("commitments/_quote.html", place=place, trouble=form.amount.errors[0])
    answers = read_answers(request.args.get("answers"), place.actor, place.target.offering.public_id)
    party_id = answers.party_id if answers else min(place.parties)
    return render_template("commitments/_quote.html", place=place, **_bought(place, form.amount.data, party_id))


def _bought(place: _Place, amount_minor: int, party_id: int) -> dict[str, object]:
    """Return what a template needs to say what an amount buys, or why it cannot, and what the yearly limit leaves."""
    offering = place.target.offering
    with get_db().read() as session:
        left = limits.left(session, offering, party_id, now=place.now)
        try:
            quoted = _quoted(session, place, amount_minor, party_id)
        except Refused as error:
            return {"trouble": error.message, "limit_left_minor": left}
        share = prospects.share_of_company(session, place.target, quoted.tokens)
        at_once = places.must_pay_at_once(session, offering, party_id, quoted.charge_minor)
    fee_minor = quoted.charge_minor * offering.fee_bp // 10_000
    return {"quote": quoted, "share": share, "fee_minor": fee_minor, "limit_left_minor": left, "at_once": at_once}


def _quoted(session: Session, place: _Place, amount_minor: int, party_id: int) -> quotes.Quote:
    """Return what an amount buys; of room and yearly limit the narrower one is told, so that one answer is enough."""
    offering = place.target.offering
    try:
        quoted = quotes.quote(offering, amount_minor, place.room)
    except Refused as error:
        if error.code == "no_room":
            left = limits.left(session, offering, party_id, now=place.now)
            if left is not None and left < place.room.mine_minor:
                limits.demand_fits(session, offering, party_id, amount_minor, now=place.now)
        raise
    limits.demand_fits(session, offering, party_id, quoted.charge_minor, now=place.now)
    places.demand_large(session, offering, party_id, quoted.charge_minor, place.room.offer)
    return quoted


# -- step 5: check ----------------------------------------------------------------------------------


@blueprint.route("/offerings/<slug>/commit/check", methods=["GET", "POST"])
@requires("investor")
def check(slug: str) -> Answer:
    actor = security.current_actor()
    form = CommitForm(actor=actor)
    token = form.answers.data if form.is_submitted() else request.args.get("answers")
    with get_db().read() as session:
        target = prospects.investable(session, slug)
    answers = read_answers(token, actor, target.offering.public_id)
    if answers is None or answers.wording_hash != investor_rules.RISK_WORDING_HASH or not answers.amount_minor:
        return _start_again(slug)
    if form.validate_on_submit():
        try:
            security.limit_commits(actor)
            commitment = get_db().unit_of_work(_order(actor, answers, form.key))
            return redirect(url_for(".confirmed", commitment_id=commitment.public_id))
        except (Refused, Conflict) as error:
            return _refused(_place(slug), form, answers, error)
        except MilestakeError as error:
            form.show_error(error)
    return _check_page(_place(slug), form, answers)


def _order(actor: Actor, answers: Answers, key: str) -> Callable[[Session], Commitment]:
    return lambda session: service.accept_commitment(
        session, actor=actor, offering_id=answers.offering, party_id=answers.party_id,
        amount_minor=answers.amount_minor, terms_hash=answers.terms_hash, wording_hash=answers.wording_hash,
        key=key, now=clock.business_now(session),
    )


def _check_page(place: _Place, form: CommitForm, answers: Answers) -> Answer:
    offering = place.target.offering
    barred = place.barred() if not form.is_submitted() else None
    if barred:
        return barred
    if answers.terms_hash != place.terms_hash:
        return _changed_page(place, answers)
    form.answers.data = answers.sign()
    bought = _bought(place, answers.amount_minor, answers.party_id)
    if "trouble" in bought:
        return redirect(url_for(".amount", slug=offering.slug, answers=answers.sign()))
    page = render_template(
        "commitments/check.html", place=place, form=form, answers=answers, token=form.answers.data,
        party=place.parties[answers.party_id],
        failures=prospects.if_milestone_failed(place.target, place.published.terms, bought["quote"].charge_minor),
        **bought,
    )
    return page, form.status


def _refused(place: _Place, form: CommitForm, answers: Answers, error: MilestakeError) -> Answer:
    """Show what a refused order means: a page of its own where the offering changed under the investor."""
    if error.code == "terms_changed":
        return _changed_page(place, answers)
    pages = {"offering_full": "full", "queue_first": "full", "offer_over": "full", "not_open": "closed",
             "unpaid_commitment": "unpaid"}
    if error.code in pages:
        page = render_template(f"commitments/{pages[error.code]}.html", place=place, commitment=place.unpaid)
        return page, Conflict.status
    if error.facts.get("steps") or error.code == "wording_changed":
        flash(_("Nothing was charged. %(why)s", why=error.message), "warning")
        return redirect(url_for(".category", slug=place.slug))
    if error.field == "amount":
        again = AmountForm(asset=place.target.asset)
        again.amount.typed = money.format_amount(answers.amount_minor, place.target.asset)
        again.amount.errors = []
        again.show_error(error)
        return _amount_page(place, again, answers)
    form.show_error(error)
    return _check_page(place, form, answers)


def _changed_page(place: _Place, answers: Answers) -> Answer:
    with get_db().read() as session:
        offering = place.target.offering
        judged = prospects.what_changed(session, offering, answers.terms_hash)
        latest = versions.current(session, offering)
    lines = (judged, latest.document, offering.zone) if latest else None
    page = render_template("commitments/changed.html", place=place, lines=lines, token=answers.sign())
    return page, Conflict.status


# -- afterwards -------------------------------------------------------------------------------------


@blueprint.get("/commitments/<commitment_id>/confirmed")
@requires("investor")
def confirmed(commitment_id: str) -> Answer:
    with get_db().read() as session:
        view = queries.find_position(session, security.current_actor(), commitment_id)
        now: dt.datetime = clock.business_now(session)
    return render_template("commitments/confirmed.html", view=view, now=now)
