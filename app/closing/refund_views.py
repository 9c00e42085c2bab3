"""Pages of a mass refund: what a withdrawal would send to whom, and how far the refunds are (OFF-9).

Founders see commitments without names; operators and supervisors see both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from flask import Blueprint, render_template, request, url_for
from werkzeug.wrappers import Response

from app import security
from app.closing import refund_queries
from app.db import Session, get_db
from app.offerings import queries
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.security import requires
from milestones import money

blueprint = Blueprint("refunds", __name__)

Answer = str | tuple[str, int] | Response
PAGE = 50


def _own(session: Session, offering_id: str) -> Offering:
    return queries.own_offering(session, security.current_actor(), offering_id).offering


@blueprint.get("/founder/offerings/<offering_id>/refunds")
@requires("founder")
def founder(offering_id: str) -> Answer:
    with get_db().read() as session:
        return _page(session, _own(session, offering_id), names=False)


@blueprint.get("/operator/offerings/<offering_id>/refunds")
@requires("operator", "supervisor")
def operator(offering_id: str) -> Answer:
    with get_db().read() as session:
        return _page(session, offerings.offering_by_id(session, offering_id), names=True)


@blueprint.get("/founder/offerings/<offering_id>/refunds.csv")
@requires("founder")
def founder_csv(offering_id: str) -> Answer:
    with get_db().read() as session:
        return _csv(session, _own(session, offering_id), names=False)


@blueprint.get("/operator/offerings/<offering_id>/refunds.csv")
@requires("operator", "supervisor")
def operator_csv(offering_id: str) -> Answer:
    with get_db().read() as session:
        return _csv(session, offerings.offering_by_id(session, offering_id), names=True)


def _page(session: Session, offering: Offering, *, names: bool) -> str:
    after = request.args.get("after", type=int) or 0
    would = request.args.get("show") != "sent" and _may_withdraw(offering)
    context = {
        "preview": refund_queries.preview(session, offering), "progress": refund_queries.progress(session, offering),
        "lines": refund_queries.preview_lines(session, offering, after=after, limit=PAGE + 1) if would else [],
        "refunds": [] if would else refund_queries.refund_lines(session, offering, after=after, limit=PAGE + 1),
    }
    rows = context["lines"] or context["refunds"]
    more = len(rows) > PAGE
    context["lines"], context["refunds"] = context["lines"][:PAGE], context["refunds"][:PAGE]
    last = (context["lines"][-1].ordinal if would else context["refunds"][-1].refund.id) if more else 0
    endpoint, show = ".operator" if names else ".founder", request.args.get("show")
    here = {"offering_id": offering.public_id}
    return render_template(
        "refunds/show.html", offering=offering, asset=money.Asset.parse(offering.currency), names=names, would=would,
        may_withdraw=_may_withdraw(offering),
        older_url=url_for(endpoint, **here, show=show, after=last) if more else None,
        newer_url=url_for(endpoint, **here, show=show) if after else None,
        would_url=url_for(endpoint, **here), sent_url=url_for(endpoint, **here, show="sent"),
        csv_url=url_for(f"{endpoint}_csv", **here, show=None if would else "sent"),
        back_url=url_for("reviews.show" if names else "founder.offering", **here), **context,
    )


def _may_withdraw(offering: Offering) -> bool:
    return offering.state in ("live", "clearing")


def _csv(session: Session, offering: Offering, *, names: bool) -> Response:
    asset = money.Asset.parse(offering.currency)
    if request.args.get("show") != "sent" and _may_withdraw(offering):
        header = ("ordinal", "commitment", "investor", "would_go_back", "currency")
        rows: Iterable[tuple[object, ...]] = (
            (each.ordinal, each.commitment, _as_text(each.name) if names else "",
             money.format_amount(each.amount_minor, asset), asset.code)
            for each in refund_queries.preview_lines(session, offering)
        )
    else:
        header = ("refund", "commitment", "investor", "amount", "currency", "status", "due_at_utc", "done_at_utc")
        rows = (
            (each.refund.public_id, each.commitment, _as_text(each.name) if names else "",
             money.format_amount(each.refund.amount_minor, asset), asset.code, each.refund.status,
             each.refund.due_at.isoformat(), each.refund.done_at.isoformat() if each.refund.done_at else "")
            for each in refund_queries.refund_lines(session, offering)
        )
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    name = f"refunds-{offering.public_id}.csv"
    return Response(
        file.getvalue(), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _as_text(text: str) -> str:
    """Return a name so that a spreadsheet does not take it for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
