"""Serve one file of evidence, shut in: nothing in it can run, frame others or reach our pages (MIL-6)."""

from __future__ import annotations

from flask import Blueprint, current_app, request, send_file
from werkzeug.wrappers import Response

from app import security
from app.blobs import DirectoryBlobs
from app.db import get_db
from app.errors import InvariantBroken
from app.progress import desk, rules
from app.security import requires

blueprint = Blueprint("evidence", __name__)


@blueprint.get("/evidence/<evidence_id>")
@requires()
def show(evidence_id: str) -> Response:
    """Send the file: shown in the browser where that is harmless, else (or with ``download``) saved."""
    actor = security.current_actor()
    with get_db().read() as session:
        evidence = desk.evidence_for_reader(session, actor, evidence_id)
    try:
        stream = DirectoryBlobs(current_app.extensions["milestake_settings"].data_dir).open(evidence.sha256)
    except KeyError:
        raise InvariantBroken(f"the bytes of {evidence.public_id} are not in the store", code="blob_missing") from None
    shown_as = rules.SHOWN_AS.get(evidence.media_type)
    is_saved = shown_as is None or "download" in request.args
    response = send_file(
        stream, mimetype=evidence.media_type if is_saved else shown_as, as_attachment=is_saved,
        download_name=evidence.filename, etag=evidence.sha256, conditional=True, max_age=None,
    )
    return security.shut_in(response)
