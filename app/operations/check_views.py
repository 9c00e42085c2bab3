"""The check of the books as a page: everything recomputed from entries, and what contradicts itself."""

from __future__ import annotations

from flask import Blueprint, render_template
from werkzeug.wrappers import Response

from app import clock, selfcheck
from app.db import get_db
from app.operations.menu_views import side_items
from app.security import requires

blueprint = Blueprint("check", __name__, url_prefix="/operator/check")

Answer = str | tuple[str, int] | Response


@blueprint.get("")
@requires("operator", "supervisor")
def index() -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        problems = selfcheck.run(session)
    return render_template("operator/check.html", problems=problems, now=now, side_items=side_items("check"))
