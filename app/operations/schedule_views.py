"""The page of what will happen next (TIM-4): the rehearsal that ``flask schedule`` prints, for operators to look at."""

from __future__ import annotations

import threading

from flask import Blueprint, current_app, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import forecast
from app.db import get_db
from app.errors import TooMany
from app.forecast import told
from app.operations.menu_views import side_items
from app.security import requires

blueprint = Blueprint("schedule", __name__, url_prefix="/operator/schedule")

Answer = str | tuple[str, int] | Response

#: The windows that a page offers, in days; the command takes any.
WINDOWS = (7, 30)
#: A rehearsal copies the database and takes seconds, so each process does one at a time.
_one_at_a_time = threading.Lock()


@blueprint.get("")
@requires("operator", "supervisor")
def index() -> Answer:
    days = request.args.get("days", "", type=str)
    window = int(days) if days in map(str, WINDOWS) else None
    if window is None:
        return render_template("operator/schedule.html", windows=WINDOWS, side_items=side_items("schedule"))
    if not _one_at_a_time.acquire(blocking=False):
        raise TooMany(_("Somebody else is looking ahead just now. Ask again in a few seconds."), code="rehearsing")
    try:
        found = forecast.forecast(get_db(), current_app.extensions["milestake_settings"], days=window)
    finally:
        _one_at_a_time.release()
    return render_template(
        "operator/schedule.html", windows=WINDOWS, window=window, found=found, lines=told.lines(found.acts), told=told,
        side_items=side_items("schedule"),
    )
