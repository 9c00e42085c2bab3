"""A contract in full: readable, as a file, in money at minimum and maximum, and what would happen if (MIL-1, MIL-5).

Drafting it is the founder's: ``app.offerings.editor_views``.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, render_template, request

from app import calendars, clock, security
from app.contracts import queries as contract_queries
from app.contracts.forms import Question, read_question
from app.contracts.importing import write_yaml
from app.db import get_db
from app.offerings import queries as offering_queries
from app.security import public
from milestones import document as documents
from milestones import lint, money
from milestones.apportion import tranche_amounts
from milestones.simulate import Simulation, simulate
from milestones.terms import Terms

blueprint = Blueprint("contracts", __name__)

Answer = str | tuple[str, int] | Response


@blueprint.get("/offerings/<slug>/contract")
@public
def show(slug: str) -> Answer:
    with get_db().read() as session:
        found = offering_queries.for_reader(session, slug, security.actor_or_none())
        agreed = offering_queries.agreed_terms(session, found.offering)
        panels = contract_queries.panels(session, found.offering.contract_id)
        now = clock.business_now(session)
    offering, terms = found.offering, agreed.terms
    asset = money.Asset.parse(offering.currency)
    question = read_question(request.args, terms, offering, asset)
    result = None if question.errors else _play(terms, offering, asset, question)
    bps = [tranche.bp for tranche in terms.tranches]
    at_minimum = tranche_amounts(offering.minimum_minor, bps)
    at_maximum = tranche_amounts(offering.maximum_minor, bps)
    titles = {0: None, **{number: each.title for number, each in enumerate(terms.milestones, start=1)}}
    page = render_template(
        "contracts/show.html", found=found, offering=offering, agreed=agreed, terms=terms, panels=panels, asset=asset,
        tranches=list(zip(terms.tranches, at_minimum, at_maximum, strict=True)), titles=titles, question=question,
        result=result, risk_extra=" ".join(lint.risk_line(terms)), has_errors=bool(question.errors), now=now,
        most_month=max((month.total_minor for month in result.cash_by_month), default=0) if result else 0,
    )
    return page, 422 if question.errors else 200


@blueprint.get("/offerings/<slug>/contract.json")
@public
def download_json(slug: str) -> Answer:
    terms = _terms(slug)
    return _file(documents.canonical_bytes(terms), "application/json", f"{slug}-contract.json")


@blueprint.get("/offerings/<slug>/contract.yaml")
@public
def download_yaml(slug: str) -> Answer:
    return _file(write_yaml(_terms(slug)).encode(), "application/yaml", f"{slug}-contract.yaml")


def _terms(slug: str) -> Terms:
    with get_db().read() as session:
        found = offering_queries.for_reader(session, slug, security.actor_or_none())
        return offering_queries.agreed_terms(session, found.offering).terms


def _file(body: bytes, media_type: str, name: str) -> Response:
    answer = Response(body, mimetype=media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _play(terms: Terms, offering: offering_queries.Offering, asset: money.Asset, question: Question) -> Simulation:
    """Play the contract for the asked amount: the reader is the first of two investors."""
    holidays: frozenset[dt.date] = frozenset()
    if terms.calendar in calendars.CALENDARS:
        holidays = calendars.holidays_between(terms.calendar, offering.deadline_at.year, terms.long_stop.year + 2)
    return simulate(
        terms, proceeds_minor=question.raised_minor,
        holders=[question.own_minor, question.raised_minor - question.own_minor],
        price_micro=offering.price_micro, asset=asset, fee_bp=offering.fee_bp, scenario=question.scenario,
        closes_on=offering.deadline_at.astimezone(ZoneInfo(terms.zone)).date(), holidays=holidays,
    )
