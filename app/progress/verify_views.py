"""Verify a record: is it unchanged, and what that does and does not prove. Open to everybody."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from app.db import get_db
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
