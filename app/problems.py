"""Answer what goes wrong with a page in plain words and a reference for the log.

Errors that belong to a form are shown by the view that has the form; this is for all others.
"""

from __future__ import annotations

from flask import Flask, flash, g, redirect, render_template, request
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, SecurityError
from werkzeug.wrappers import Response

from app import security
from app.errors import InvariantBroken, MilestakeError, SecondFactorNeeded
from app.logging import get_logger, request_reference

logger = get_logger("app.problems")

#: status → page that is shown for it; every other client error uses the page of 400.
PAGES = {400: 400, 403: 403, 404: 404, 405: 404, 409: 422, 410: 410, 413: 413, 422: 422, 429: 429}


def answer_errors(app: Flask) -> None:
    """Register what answers each kind of error."""
    app.register_error_handler(SecondFactorNeeded, _ask_for_code)
    app.register_error_handler(MilestakeError, _refuse)
    app.register_error_handler(CSRFError, _stale_page)
    app.register_error_handler(SecurityError, _unknown_host)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _server_error)


def _ask_for_code(error: SecondFactorNeeded) -> Response:
    if request.method not in ("GET", "HEAD"):
        flash(error.message, "warning")
    return redirect(security.second_factor_url(security.page_before()))


def _refuse(error: MilestakeError) -> tuple[str, int] | tuple[str, int, dict[str, str]]:
    if isinstance(error, InvariantBroken):
        return _server_error(error)
    logger.info("refused", code=error.code, status=error.status)
    headers = {}
    if "retry_after_seconds" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_seconds"])
    return _page(error.status, error.message), error.status, headers


def _stale_page(error: CSRFError) -> tuple[str, int]:
    logger.info("form_token_refused", why=error.description)
    words = _(
        "This page was open for too long, or you signed in or out in another tab meanwhile. "
        "Nothing was done. Go back, load the page again and send it once more."
    )
    return _page(400, words), 400


def _unknown_host(_error: SecurityError) -> tuple[str, int, dict[str, str]]:
    # No address can be built for a host that is not ours, so this answer has no page around it.
    return "This site is not served under this name.\n", 400, {"Content-Type": "text/plain; charset=utf-8"}


def _http_error(error: HTTPException) -> tuple[str, int] | tuple[str, int, dict[str, str]] | HTTPException:
    status = error.code or 500
    if status < 400:
        return error
    if status >= 500:
        return _server_error(error)
    headers = {"Allow": ", ".join(error.valid_methods)} if getattr(error, "valid_methods", None) else {}
    return _page(status, None), status, headers


def _server_error(error: Exception) -> tuple[str, int]:
    # A fault of ours: whatever was being done is rolled back, the log has the trace.
    cause = error.original_exception if isinstance(error, InternalServerError) else error
    logger.error("server_error", exc_info=cause or error)
    g.bare = True
    return render_template("errors/500.html", error_ref=request_reference()), 500


def _page(status: int, message: str | None) -> str:
    return render_template(f"errors/{PAGES.get(status, 400)}.html", message=message, error_ref=request_reference())
