"""Public pages: home, how it works, the risks, the list of offerings, and one offering.

A founder's own pages are ``founder_views``; the contract in full is ``app.contracts.views``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from flask import Blueprint, render_template, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from app import clock, security
from app.commitments import queries as commitment_queries
from app.contracts import queries as contract_queries
from app.db import Session, get_db
from app.ledger import queries as ledger
from app.offerings import page_views, queries, rules, shapes_views
from app.offerings.queries import Found
from app.security import public
from milestones import money

blueprint = Blueprint("offerings", __name__)

Answer = str | tuple[str, int] | Response
HOME_OPEN, HOME_OUTCOMES, MAX_SEARCH_CHARACTERS = 6, 50, 80


@blueprint.get("/")
@public
def home() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        open_ones = _cards(session, queries.listing(session, group="open", limit=HOME_OPEN), now)
        outcomes = _outcomes(session)
        figures = _figures(session)
    return render_template("home/index.html", cards=open_ones, outcomes=outcomes, figures=figures)


@blueprint.get("/how-it-works")
@public
def how() -> Answer:
    return render_template("home/how.html")


@blueprint.get("/risk")
@public
def risk() -> Answer:
    return render_template("home/risk.html")


@blueprint.get("/offerings")
@public
def index() -> Answer:
    group = request.args.get("state", "open")
    group = group if group in queries.GROUPS else None
    search = request.args.get("q", "")[:MAX_SEARCH_CHARACTERS].strip()
    after = request.args.get("after")
    with get_db().read() as session:
        now = clock.business_now(session)
        found = queries.listing(session, group=group, search=search, after=after, limit=queries.PAGE_SIZE + 1)
        cards = _cards(session, found[: queries.PAGE_SIZE], now)
        figures = _figures(session)
    asked = {"state": group or "all", "q": search or None}
    more = len(found) > queries.PAGE_SIZE
    last = found[queries.PAGE_SIZE - 1].offering.public_id if more else None
    return render_template(
        "offerings/index.html", cards=cards, figures=figures, group=group, search=search,
        older_url=url_for(".index", **asked, after=last) if more else None,
        newer_url=url_for(".index", **asked) if after else None,
    )


@blueprint.get("/offerings/<slug>")
@public
def show(slug: str) -> Answer:
    actor = security.actor_or_none()
    with get_db().read() as session:
        found = queries.for_reader(session, slug, actor)
        context = page_views.offering_context(session, found, actor, now=clock.business_now(session))
    return render_template("offerings/show.html", **context)


def _cards(session: Session, found: Sequence[Found], now: dt.datetime) -> list[dict[str, object]]:
    raised = commitment_queries.raised(session, [each.offering for each in found])
    milestones = contract_queries.milestones_of_contracts(session, [each.offering.contract_id for each in found])
    return [
        shapes_views.card(
            each.offering, each.issuer, raised[each.offering.id], milestones.get(each.offering.contract_id, []),
            url=url_for("offerings.show", slug=each.offering.slug), now=now,
        )
        for each in found
    ]


def _figures(session: Session) -> dict[str, object]:
    """Return the count of each group and the money in escrow, by currency."""
    in_escrow: dict[str, int] = {}
    for each in ledger.accounts_not_empty(session, ["escrow"]):
        in_escrow[each.account.asset] = in_escrow.get(each.account.asset, 0) + each.balance
    amounts = [shapes_views.short_money(minor, money.Asset.parse(asset)) for asset, minor in sorted(in_escrow.items())]
    return {"counts": queries.counts(session), "in_escrow": amounts}


def _outcomes(session: Session) -> list[dict[str, object]]:
    """Return what became of every finished offering, the bad ones too: figures from the ledger."""
    found = queries.listing(session, group="finished", limit=HOME_OUTCOMES)
    raised = commitment_queries.raised(session, [each.offering for each in found])
    moves = ledger.moves_by_kind(session, "escrow", [each.offering.id for each in found])
    rows = []
    for each in found:
        offering, asset = each.offering, shapes_views.asset_of(each.offering)
        moved = moves[offering.id]
        rows.append(
            {
                "name": offering.name, "url": url_for("offerings.show", slug=offering.slug),
                "state": f"offering.{offering.state}",
                "cleared": shapes_views.short_money(raised[offering.id].cleared_minor, asset),
                "released": shapes_views.short_money(moved.get("released", 0), asset),
                "returned": shapes_views.short_money(moved.get("returned", 0) + moved.get("given_back", 0), asset),
                "ended_at": offering.ended_at,
            }
        )
    return rows


@blueprint.app_template_filter("paragraphs")
def paragraphs(text: str) -> Markup:
    """Return plain text as paragraphs: an empty line ends one; everything in it is escaped."""
    parts = [part.strip() for part in text.replace("\r\n", "\n").split("\n\n")]
    return Markup("").join(
        Markup("<p>{}</p>").format(Markup("<br>").join(part.split("\n"))) for part in parts if part
    )


@blueprint.app_template_filter("price_in")
def price_in(price_micro: int, asset: money.Asset | str) -> str:
    """Return a price per token with its currency: ``$1.25``."""
    symbol = money.Asset.parse(asset).code if isinstance(asset, str) else asset.code
    return money.display_amount(0, money.Asset(symbol, 0)).replace("0", money.format_price(price_micro), 1)


@blueprint.app_template_filter("percent")
def percent(bp: int) -> str:
    """Return basis points as ``12.5 %``."""
    return rules.percent_text(bp)
