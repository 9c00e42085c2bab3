"""The decisions of regimes as a supervisor reads them: about one commitment or offering, or the latest of all."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from app.db import get_db
from app.errors import NotFound
from app.operations.menu_views import side_items
from app.operations.tables_views import text_arg
from app.regimes import queries
from app.security import requires

blueprint = Blueprint("regime_decisions", __name__, url_prefix="/operator/decisions")

Answer = str | tuple[str, int] | Response
READERS = ("operator", "supervisor")
LATEST = 40


@blueprint.get("")
@requires(*READERS)
def index() -> Answer:
    subject_id = text_arg("subject", 60).strip()
    with get_db().read() as session:
        rows = queries.latest(session, subject_id=subject_id or None, limit=LATEST)
    return render_template(
        "operator/decisions.html", rows=rows, subject_id=subject_id, side_items=side_items("decisions")
    )


@blueprint.get("/<subject_id>")
@requires(*READERS)
def show(subject_id: str) -> Answer:
    with get_db().read() as session:
        found = queries.decisions_of(session, subject_id)
    if not found:
        raise NotFound("No decision is stored about this.", code="decision_not_found")
    return render_template(
        "operator/decision.html", decisions=found, subject_id=subject_id, side_items=side_items("decisions")
    )
