"""An investor's own pages: the portfolio, one commitment with its statement, cancelling, files.

Committing is ``commit_views``; paying is ``app.payments.views``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app import clock, security
from app.commitments import (
    carrying,
    links,
    prospects,
    queries,
    reconfirm_queries,
    rules,
    service,
    shown,
    statements,
    waiting_queries,
)
from app.commitments.forms import CancelForm
from app.commitments.queries import PositionView
from app.commitments.reconfirm_queries import Asked
from app.commitments.statements import StatementLine
from app.commitments.totals import totals_of
from app.commitments.waiting_queries import WaitingView
from app.db import Session, get_db
from app.errors import MilestakeError
from app.next_step import NextStep, next_step
from app.payments import queries as payments
from app.payments import reversal_queries as reversals
from app.progress import halt_queries as halts
from app.progress import queries as progress
from app.regimes import queries as regimes
from app.register import queries as register
from app.security import requires
from milestones import money

blueprint = Blueprint("commitments", __name__)

Answer = str | tuple[str, int] | Response
PAGE = 25

blueprint.add_app_template_filter(shown.share_text, "share")
blueprint.add_app_template_filter(shown.sign_of, "currency_sign")


def next_of(view: PositionView) -> NextStep | None:
    """Return what a position waits for (TIM-5)."""
    return next_step("commitment", view.status, view.deadline_at)


def waiting_next(view: WaitingView) -> NextStep | None:
    """Return what a place on a waiting list waits for (TIM-5)."""
    return next_step("waiting_entry", view.entry.status, view.deadline_at)


# -- portfolio --------------------------------------------------------------------------------------


@blueprint.get("/portfolio")
@requires("investor")
def portfolio() -> Answer:
    parties = security.current_actor().parties("investor")
    before = request.args.get("before", type=int)
    with get_db().read() as session:
        now = clock.business_now(session)
        positions = queries.positions_of(session, parties, before_id=before, limit=PAGE + 1)
        page = {
            "totals": totals_of(session, parties),
            "needs": [] if before else queries.needing_payment(session, parties),
            "waits": [] if before else waiting_queries.waiting_of(session, parties),
            "asked": [] if before else reconfirm_queries.asked_of(session, parties),
            "lines": statements.lines_of(session, parties),
            "lots": register.lots_of_parties(session, parties),
            "questions": [] if before else halts.open_questions(session, security.current_actor()),
        }
    more = len(positions) > PAGE
    positions = positions[:PAGE]
    return render_template(
        "portfolio/index.html", now=now, positions=positions, next_of=next_of, plan_of=shown.plan_segments,
        charts_of=[shown.month_chart(statements.by_month(page["lines"], each.currency, now), each.currency)
                   for each in page["totals"]],
        holdings=shown.holdings(page["lots"]), totals=page["totals"], needs=page["needs"], questions=page["questions"],
        asked=page["asked"], waits=page["waits"], waiting_next=waiting_next,
        older=url_for(".portfolio", before=positions[-1].commitment.id) if more else None,
        newer=url_for(".portfolio") if before else None,
    )


@blueprint.get("/portfolio/statement.csv")
@requires("investor")
def portfolio_csv() -> Answer:
    with get_db().read() as session:
        lines = statements.lines_of(session, security.current_actor().parties("investor"))
    return _csv(lines, "milestake-statement.csv")


# -- one commitment ---------------------------------------------------------------------------------


@blueprint.get("/commitments/<commitment_id>")
@requires("investor")
def commitment(commitment_id: str) -> Answer:
    with get_db().read() as session:
        now = clock.business_now(session)
        view = queries.find_position(session, security.current_actor(), commitment_id)
        page = {
            "lines": _lines(session, view),
            "operations": payments.operations_of(session, view.commitment.id),
            "tracks": payments.refund_tracks(session, view.commitment.id),
            "carried": carrying.shares_of(session, view.commitment.id),
            "reversals": reversals.of_commitment(session, view.commitment.id),
            "links": links.links_of(session, [view.commitment.id])[view.commitment.id],
            "missing_minor": payments.missing_minor(session, view.commitment),
            "stopped": progress.if_stopped_for(session, view.offering, view.commitment.id, view.position),
            "terms": queries.terms_of(session, view),
            "kept": prospects.kept_if_closed_now(session, view),
            "asked": _asked(session, view),
            "decisions": regimes.decisions_of(session, view.commitment.public_id),
        }
    return render_template(
        "commitments/commitment.html", view=view, now=now, step=next_of(view),
        segments=shown.plan_segments(view), remainder=_remainder(view), link_words=rules.LINK_WORDS,
        refund_sums=payments.refund_sums(page["tracks"]), **page,
    )


def _asked(session: Session, view: PositionView) -> Asked | None:
    """Return what the commitment must answer after a change, None when nothing (OFF-8)."""
    found = reconfirm_queries.asked_of(session, [view.commitment.party_id], offering_id=view.offering.id)
    return next((each for each in found if each.commitment.id == view.commitment.id), None)


def _remainder(view: PositionView) -> int:
    """Return released money that is less than one token once a plan has ended (REL-6), minor units."""
    if view.offering.state not in ("wound_down", "completed") or view.position.unreleased_minor:
        return 0
    cost = money.cost_minor(view.position.issued_tokens, view.commitment.price_micro, view.asset)
    return max(0, view.position.released_minor - cost)


@blueprint.get("/commitments/<commitment_id>/statement.csv")
@requires("investor")
def commitment_csv(commitment_id: str) -> Answer:
    with get_db().read() as session:
        view = queries.find_position(session, security.current_actor(), commitment_id)
        lines = _lines(session, view)
    return _csv(lines, f"milestake-{view.commitment.public_id}.csv")


def _lines(session: Session, view: PositionView) -> list[StatementLine]:
    return statements.lines_of(session, [view.commitment.party_id], commitment_id=view.commitment.id)


def _csv(lines: Sequence[StatementLine], filename: str) -> Response:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(statements.COLUMNS)
    writer.writerows(line.fields() for line in lines)
    return Response(
        file.getvalue(), mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


# -- cancelling -------------------------------------------------------------------------------------


@blueprint.route("/commitments/<commitment_id>/cancel", methods=["GET", "POST"])
@requires("investor")
def cancel(commitment_id: str) -> Answer:
    actor = security.current_actor()
    form = CancelForm(actor=actor)
    if form.validate_on_submit():
        try:
            get_db().unit_of_work(
                lambda session: service.cancel(
                    session, actor=actor, commitment_id=commitment_id, now=clock.business_now(session)
                )
            )
            return redirect(url_for(".cancelled", commitment_id=commitment_id))
        except MilestakeError as error:
            form.show_error(error)
    with get_db().read() as session:
        view = queries.find_position(session, actor, commitment_id)
        now = clock.business_now(session)
        refund_due = service.refund_due(view.offering, now)
    page = render_template("commitments/cancel.html", view=view, form=form, now=now, refund_due=refund_due)
    return page, form.status


@blueprint.get("/commitments/<commitment_id>/cancelled")
@requires("investor")
def cancelled(commitment_id: str) -> Answer:
    with get_db().read() as session:
        view = queries.find_position(session, security.current_actor(), commitment_id)
    if view.commitment.status != "cancelled":
        return redirect(url_for(".commitment", commitment_id=commitment_id))
    return render_template("commitments/cancelled.html", view=view)
