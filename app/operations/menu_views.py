"""The navigation beside operators' and supervisors' pages: who sees which places."""

from __future__ import annotations

from flask import url_for
from flask_babel import lazy_gettext as _l

from app import security

_BOTH = ("operator", "supervisor")

#: (roles, key, words, endpoint)
PLACES = (
    (("operator",), "console", _l("Health"), "console.index"),
    (("supervisor",), "records", _l("Overview"), "records.index"),
    (_BOTH, "offerings", _l("Offerings"), "reviews.index"),
    (_BOTH, "changes", _l("Changes"), "change_desk.index"),
    (("operator",), "people", _l("People"), "people.index"),
    (("operator",), "verifications", _l("Verification"), "verifications.index"),
    (_BOTH, "complaints", _l("Complaints"), "complaint_desk.index"),
    (("operator",), "work", _l("Jobs and outbox"), "console.work"),
    (("operator",), "payments", _l("Payments"), "console.payments"),
    (_BOTH, "ledger", _l("Ledger"), "books.accounts"),
    (_BOTH, "registers", _l("Registers"), "records.registers"),
    (_BOTH, "decisions", _l("Decisions"), "regime_decisions.index"),
    (_BOTH, "log", _l("Log"), "records.log"),
    (_BOTH, "check", _l("Check of the books"), "check.index"),
    (_BOTH, "schedule", _l("What will happen next"), "schedule.index"),
)


def side_items(here: str) -> list[tuple[str, str, bool]]:
    """Return the links that the signed-in person may follow, the present place marked."""
    roles = security.current_actor().roles
    return [
        (str(words), url_for(endpoint), key == here)
        for allowed, key, words, endpoint in PLACES
        if not roles.isdisjoint(allowed)
    ]
