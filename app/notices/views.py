"""A person's own notices, and which of them are mailed."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app import clock, security
from app.db import Session, get_db
from app.notices import queries, service, wording
from app.notices.forms import MailsForm, ReadForm
from app.security import requires

blueprint = Blueprint("notices", __name__, url_prefix="/notices")

Answer = str | tuple[str, int] | Response
PAGE_SIZE = 20


@blueprint.get("")
@requires()
def index() -> Answer:
    """Show the newest notices, or those before the one that ``before`` names."""
    user_id = security.current_actor().user_id or 0
    with get_db().read() as session:
        before = queries.notice_of(session, user_id, request.args.get("before", ""))
        found = list(
            queries.notices_of(session, user_id, before_id=before.id if before else None, limit=PAGE_SIZE + 1)
        )
        shown = found[:PAGE_SIZE]
        words = wording.words_of(session, shown)
        unread = queries.unread_count(session, user_id)
        mails = MailsForm(optional_mails=queries.wants_optional_mails(session, user_id))
    older = url_for(".index", before=shown[-1].public_id) if len(found) > PAGE_SIZE else None
    return render_template(
        "notices/index.html", notices=[(notice, words[notice.id]) for notice in shown], unread=unread,
        older_url=older, newer_url=url_for(".index") if before else None, press=ReadForm(), mails=mails,
    )


@blueprint.post("/<notice_id>/read")
@requires()
def read(notice_id: str) -> Answer:
    """Mark one notice read and go on to what it is about."""
    user_id = security.current_actor().user_id or 0

    def mark(session: Session) -> str:
        service.mark_read(session, user_id=user_id, notice_id=notice_id, now=clock.business_now(session))
        return wording.path_of(session, queries.notice_of(session, user_id, notice_id))

    return redirect(get_db().unit_of_work(mark))


@blueprint.post("/<notice_id>/read-all")
@requires()
def read_all(notice_id: str) -> Answer:
    """Mark a notice and everything before it read: what the person could see, not what came since."""
    user_id = security.current_actor().user_id or 0
    get_db().unit_of_work(
        lambda session: service.mark_read(
            session, user_id=user_id, notice_id=notice_id, and_older=True, now=clock.business_now(session)
        )
    )
    return redirect(url_for(".index"))


@blueprint.post("/mails")
@requires()
def mails() -> Answer:
    """Keep which mails the person wants."""
    user_id = security.current_actor().user_id or 0
    form = MailsForm()
    if form.validate_on_submit():
        wanted = bool(form.optional_mails.data)
        get_db().unit_of_work(
            lambda session: service.choose_mails(session, user_id=user_id, optional_mails=wanted)
        )
        flash(_("Your choice is kept."), "success")
    return redirect(url_for(".index"))
