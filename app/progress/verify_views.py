"""Verify a record: is it unchanged, and what that does and does not prove. Open to everybody."""

from __future__ import annotations

from flask import Blueprint, jsonify, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.db import get_db
from app.errors import NotFound
from app.offerings import lot_queries
from app.progress import records
from app.security import public

blueprint = Blueprint("verify", __name__)

Answer = str | tuple[str, int] | Response
MAX_CHARACTERS = 100


@blueprint.get("/verify")
@public
def index() -> Answer:
    asked = request.args.get("id", "").strip()[:MAX_CHARACTERS]
    found, files = None, []
    if asked:
        with get_db().read() as session:
            found = records.find(session, asked)
            files = records.files_with(session, asked) if found is None else []
    page = render_template("progress/verify.html", asked=asked, found=found, files=files)
    return page, 404 if asked and found is None and not files else 200


@blueprint.get("/verify/draws/<draw_id>")
@public
def draw(draw_id: str) -> Answer:
    """Show a whole draw by lot: seed, commitment, every rank, whoever was left out and why (MIL-9)."""
    with get_db().read() as session:
        found = lot_queries.shown(session, draw_id)
    if found is None:
        raise NotFound(_("There is no such draw."), code="draw_not_found")
    return render_template("progress/draw.html", found=found, because=lot_queries.EXCLUDED, told=lot_queries.told)


@blueprint.get("/verify/draws/<draw_id>.json")
@public
def draw_document(draw_id: str) -> Answer:
    """Return the draw as a document that any program can recompute."""
    with get_db().read() as session:
        found = lot_queries.shown(session, draw_id)
    if found is None:
        raise NotFound(_("There is no such draw."), code="draw_not_found")
    answer = jsonify(lot_queries.document(found))
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.draw.public_id}.json"'
    return answer
