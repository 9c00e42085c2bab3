"""What stands around every page: navigation by role, the demo clock, the count of notices.

The frame itself is ``templates/base.html``; only pages that exist are linked.
"""

from __future__ import annotations

import datetime as dt

from flask import Flask, current_app, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app import clock, formats, security
from app.accounts.queries import SignIn
from app.db import get_db
from app.next_step import NextStep
from app.notices import queries as notices
from milestones import states

#: (roles that see it, or None for everybody; words; endpoint)
NAVIGATION = (
    (None, _l("Offerings"), "offerings.index"),
    (None, _l("How it works"), "offerings.how"),
    (("investor",), _l("Portfolio"), "commitments.portfolio"),
    (("founder",), _l("My company"), "founder.index"),
    (("auditor",), _l("Reviews"), "auditor.queue"),
    (("operator",), _l("Console"), "console.index"),
    (("operator",), _l("People"), "people.index"),
    (("supervisor",), _l("Records"), "records.index"),
)

FOOTER = (
    (_l("How it works"), "offerings.how"),
    (_l("The risks"), "offerings.risk"),
    (_l("Verify a record"), "verify.index"),
    (_l("Complain"), "complaints.new"),
)


def furnish(app: Flask) -> None:
    """Give every template what the frame shows."""
    app.add_template_global(next_line, "next_line_of")
    app.context_processor(_frame)
    app.jinja_env.filters.update(formats.FILTERS)


def _frame() -> dict[str, object]:
    if security.is_bare():
        return {}
    who = security.signed_in()
    roles = frozenset(role for _party, role in who.memberships) if who else frozenset()
    offset = unread = 0
    if is_sandbox() or who:
        with get_db().read() as session:
            offset = clock.offset_seconds(session) if is_sandbox() else 0
            unread = notices.unread_count(session, who.user_id) if who else 0
    return {
        "nav_items": _links(NAVIGATION, roles),
        "footer_items": [(words, url) for words, url, _here in _links(tuple((None, *row) for row in FOOTER), roles)],
        "auth_links": [(_("Sign in"), url_for("accounts.sign_in")), (_("Sign up"), url_for("accounts.sign_up"))],
        "account": _account(who),
        "notices_url": url_for("notices.index") if who else None,
        "notices_count": unread,
        "demo_clock": _demo_clock(offset),
        "sandbox": is_sandbox(),
    }


def _links(table: tuple[tuple[object, ...], ...], roles: frozenset[str]) -> list[tuple[str, str, bool]]:
    shown = []
    for allowed, words, endpoint in table:
        if endpoint in current_app.view_functions and (allowed is None or not roles.isdisjoint(allowed)):
            shown.append((str(words), url_for(endpoint), request.endpoint == endpoint))
    return shown


def _account(who: SignIn | None) -> dict[str, object] | None:
    if who is None:
        return None
    return {
        "name": who.name,
        "initials": initials(who.name),
        "links": _account_links(who),
        "sign_out_url": url_for("accounts.sign_out"),
    }


def _account_links(who: SignIn) -> list[tuple[str, str]]:
    links = [(_("Your account"), url_for("accounts.account"))]
    if any(role == "investor" for _party, role in who.memberships):
        links.append((_("You as an investor"), url_for("investors.profile")))
    return links


def landing_url(roles: frozenset[str]) -> str:
    """Return the page that a person with these roles starts from."""
    own = [row for row in NAVIGATION if row[0] is not None]
    links = _links(tuple(own), roles)
    return links[0][1] if links else url_for("accounts.account")


def initials(name: str) -> str:
    """Return one or two letters for a person, upper case."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words[:1])).upper()


def _demo_clock(offset: int) -> dict[str, str | None] | None:
    if not is_sandbox():
        return None
    now = clock.system_now() + dt.timedelta(seconds=offset)
    endpoint = "demo_clock.show"
    return {
        "text": formats.instant_text(now),
        "iso": formats.instant_iso(now),
        "url": url_for(endpoint) if endpoint in current_app.view_functions else None,
    }


def next_line(
    step: NextStep | None, zone: str = "UTC", *, yours: bool = False, about: str = ""
) -> dict[str, object] | None:
    """Return what the macro ``next_line`` draws for a step of the table of states (TIM-5).

    ``about`` names the milestone that the step belongs to, where the page is of more than one.
    """
    if step is None:
        return None
    owners = {
        "founder": _("the founder"), "operator": _("an operator"), "worker": _("Milestake"),
        "rails": _("the payment rails"), "auditors": _("the auditors"), "holders": _("investors"),
        "a second operator": _("a second operator"), "auditor": _("the auditor"), "investor": _("the investor"),
        "rail": _("the payment provider"), "panel": _("the panel"), "investors": _("the investors"),
    }
    deadline = None
    if step.deadline_at is not None:
        deadline = {"text": formats.instant_text(step.deadline_at, zone), "iso": formats.instant_iso(step.deadline_at)}
    owner = _("you") if yours else owners.get(step.owner, step.owner)
    action = _("%(action)s for “%(title)s”", action=step.action, title=about) if about else step.action
    words = {"action": action, "default": step.default, "owner": owner}
    if deadline is not None and step.modal == states.MAY:
        sentence = _("%(owner)s may %(action)s until %(until)s; then %(default)s.", until=deadline["text"], **words)
        return {"owner": None, "sentence": sentence}
    if deadline is not None and step.modal == states.BY_CLOCK:
        sentence = _("it %(action)s until %(until)s; then %(default)s.", until=deadline["text"], **words)
        return {"owner": None, "sentence": sentence}
    return {"owner": owner, "action": action, "deadline": deadline, "default": step.default, "yours": yours}


def is_sandbox() -> bool:
    """Tell whether money here is pretend."""
    return current_app.extensions["milestake_settings"].sandbox
