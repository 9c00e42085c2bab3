"""Serve the document of an authority's order to operators and supervisors, shut in (OFF-13, PPL-4)."""

from __future__ import annotations

from flask import Blueprint, current_app, send_file
from werkzeug.wrappers import Response

from app import security
from app.blobs import DirectoryBlobs
from app.db import get_db
from app.errors import InvariantBroken
from app.investors.rules import SHOWN_TYPES
from app.progress import authority
from app.security import requires

blueprint = Blueprint("authority_orders", __name__, url_prefix="/operator/authority-orders")


def blobs() -> DirectoryBlobs:
    """Return where documents are kept."""
    return DirectoryBlobs(current_app.extensions["milestake_settings"].data_dir)


@blueprint.get("/<order_id>")
@requires(*authority.READERS)
def show(order_id: str) -> Response:
    """Send the document; nothing in it can run or reach our pages."""
    with get_db().read() as session:
        found = authority.for_reader(session, security.current_actor(), order_id)
    try:
        stream = blobs().open(found.sha256)
    except KeyError:
        raise InvariantBroken(f"the bytes of {found.public_id} are not in the store", code="blob_missing") from None
    response = send_file(
        stream, mimetype=found.media_type, as_attachment=found.media_type not in SHOWN_TYPES,
        download_name=found.filename, etag=found.sha256, max_age=None,
    )
    return security.shut_in(response)
