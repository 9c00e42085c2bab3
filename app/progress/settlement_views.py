"""The statement of a plan that ended: each investor's own page and file, and the file of all for operators (WND-2)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from app import security
from app.commitments import queries as commitments
from app.commitments.queries import PositionView
from app.db import Session, get_db
from app.errors import NotFound
from app.offerings import service as offerings
from app.progress import settlement_queries as queries
from app.progress.settlement_queries import Settlement
from app.security import requires
from milestones import money

blueprint = Blueprint("settlements", __name__)


@blueprint.get("/commitments/<commitment_id>/settlement")
@requires("investor")
def own(commitment_id: str) -> str:
    """Show what became of the money of one's own commitment."""
    with get_db().read() as session:
        view, found = _own(session, commitment_id)
    return render_template("progress/settlement.html", view=view, offering=view.offering, asset=view.asset, s=found)


@blueprint.get("/commitments/<commitment_id>/settlement.csv")
@requires("investor")
def own_csv(commitment_id: str) -> Response:
    with get_db().read() as session:
        view, found = _own(session, commitment_id)
    return _csv([found], view.asset, f"milestake-settlement-{found.commitment}.csv")


@blueprint.get("/operator/offerings/<offering_id>/settlement.csv")
@requires("operator", "supervisor")
def every_csv(offering_id: str) -> Response:
    """Give the statements of all commitments of a plan that ended, by public ids, in the order of their ordinals."""
    with get_db().read() as session:
        offering = offerings.offering_by_id(session, offering_id)
        found = queries.settlements(session, offering)
    if not found:
        raise NotFound("The plan has not ended, so there is no statement of it.", code="not_ended")
    return _csv(found.values(), money.Asset.parse(offering.currency), f"settlement-{offering.public_id}.csv")


def _own(session: Session, commitment_id: str) -> tuple[PositionView, Settlement]:
    """Return one's own commitment and its statement; raises ``NotFound`` before the plan has ended."""
    view = commitments.find_position(session, security.current_actor(), commitment_id)
    found = queries.settlements(session, view.offering, view.commitment.id).get(view.commitment.id)
    if found is None:
        raise NotFound("The plan has not ended, so there is no statement of it.", code="not_ended")
    return view, found


def _csv(rows: Iterable[Settlement], asset: money.Asset, name: str) -> Response:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(queries.COLUMNS)
    writer.writerows(each.fields(asset) for each in rows)
    return Response(
        file.getvalue(), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
