"""Gather everything that one offering's page shows, in a constant number of queries.

How it looks is the templates'; the figures come from the ledger, the contract and the engine.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app import shell
from app.accounts.actor import Actor
from app.commitments import queries as commitment_queries
from app.commitments import reconfirm_queries, waiting_queries
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.contracts.queries import Panellist
from app.db import Session
from app.ledger import queries as ledger
from app.offerings import figures, queries, shapes_views, updates, versions
from app.offerings.models import Offering
from app.offerings.queries import Agreed, Found
from app.offerings.shapes_views import Part
from app.progress import halt_queries as halts
from app.progress import queries as progress
from app.progress.queries import IfStopped, MilestoneView, ReleaseView, Signed
from app.register import queries as register
from app.register.queries import CapRow
from milestones import allot, lint, money
from milestones.terms import MilestoneTerms


@dataclass(frozen=True, slots=True)
class MilestonePage:
    """One tranche on the offering's page. ``terms`` and ``view`` are None where there is nothing of the kind."""

    part: Part
    terms: MilestoneTerms | None
    row: Milestone | None
    view: MilestoneView | None
    panel: tuple[Panellist, ...]
    signed: Mapping[int, Sequence[Signed]]
    signed_counts: Mapping[int, int]
    next: dict[str, object] | None
    release: ReleaseView | None
    #: The last day on which evidence may still be handed in, with what reviews have tolled; None without evidence.
    latest: dt.date | None


def offering_context(session: Session, found: Found, actor: Actor | None, *, now: dt.datetime) -> dict[str, object]:
    """Return the context of ``offerings/show.html``."""
    offering, asset = found.offering, shapes_views.asset_of(found.offering)
    agreed = queries.agreed_terms(session, offering)
    views = progress.milestones_of(session, offering)
    rows = [view.row for view in views]
    raised = commitment_queries.raised(session, [offering])[offering.id]
    releases = progress.releases_of(session, offering.id)
    parts = shapes_views.parts_of(offering, rows, agreed.terms)
    own = queries.is_own(found, actor)
    standing = halts.standing(session, offering, actor)
    escrow = shapes_views.escrow_of(ledger.moves_by_kind(session, "escrow", [offering.id])[offering.id], rows)
    planned = [(part.ordinal, part.amount_minor) for part in _at_maximum(offering, parts)]
    cap_rows = register.cap_table(session, offering, found.token_class, planned)
    return {
        "offering": offering, "issuer": found.issuer, "token_class": found.token_class, "asset": asset, "now": now,
        "agreed": agreed, "own": own, "raised": raised, "escrow": escrow, "releases": releases, "parts": parts,
        "tag": shapes_views.tag_of(offering, raised), "bar": shapes_views.raise_bar(
            offering, raised, commitment_queries.raised_sums(session, [offering.id])[offering.id].waiting_minor
        ),
        "days_left": shapes_views.days_left(offering, now),
        "segments": shapes_views.segments(offering, parts),
        "escrow_segments": shapes_views.escrow_segments(escrow, asset),
        "next": _next(offering, rows, standing, is_own=own), "standing": standing,
        "milestones": _milestones(session, offering, agreed, views, parts, releases),
        "cap_rows": cap_rows, "valuation": _valuation(found, cap_rows),
        "risk_extra": " ".join(lint.risk_line(agreed.terms)),
        "stopped": _stopped(session, offering, raised.cleared_minor),
        "titles": {part.ordinal: part.title for part in parts},
        "figures": figures.of(offering, now),
        "changes": _changes(session, offering),
        "may_invest": actor is None or actor.has_role("investor"),
        "carried": commitment_queries.carried(session, offering.id),
        "waiting_count": waiting_queries.length(session, offering.id), "division": _division(offering),
    }


def _next(
    offering: Offering, rows: Sequence[Milestone], standing: halts.Standing, *, is_own: bool
) -> dict[str, object] | None:
    """Return the next line: while the offering is halted everything waits for the end of that."""
    if standing.next is not None:
        return shell.next_line(standing.next, offering.zone)
    return shapes_views.offering_next(offering, rows, is_own=is_own)


def _milestones(
    session: Session, offering: Offering, agreed: Agreed, views: Sequence[MilestoneView], parts: Sequence[Part],
    releases: Sequence[ReleaseView],
) -> list[MilestonePage]:
    panels = contract_queries.panels(session, offering.contract_id)
    submissions = [submission for view in views for submission in view.submissions]
    signed = progress.signed_findings(session, submissions)
    counted = progress.signed_counts(session, submissions)
    by_ordinal = {view.row.ordinal: view for view in views}
    by_milestone = {each.record.milestone_id: each for each in releases}
    pages = []
    for part in parts:
        view = by_ordinal.get(part.ordinal)
        terms = agreed.terms.milestone(part.ordinal) if part.ordinal else None
        pages.append(
            MilestonePage(
                part=part, terms=terms, row=view.row if view else None, view=view,
                panel=tuple(panels.get(terms.key, ())) if terms else (), signed=signed, signed_counts=counted,
                next=shell.next_line(view.next, offering.zone) if view else None,
                release=by_milestone.get(view.row.id) if view else None,
                latest=_last_day(terms, view.row if view else None, agreed.terms.zone),
            )
        )
    return pages


def _last_day(terms: MilestoneTerms | None, row: Milestone | None, zone: str) -> dt.date | None:
    """Return the day that ends at the long-stop, which is the first instant after it (TIM-1)."""
    if terms is None or row is None or row.long_stop_at is None:
        return terms.long_stop if terms else None
    return (row.long_stop_at - dt.timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()


def _at_maximum(offering: Offering, parts: Sequence[Part]) -> list[Part]:
    """Return the tranches as the maximum would make them, until the close has made them real."""
    if offering.proceeds_minor is not None:
        return [part for part in parts if part.state not in ("failed", "lapsed")]
    amounts = money_at(offering.maximum_minor, parts)
    return [
        Part(part.ordinal, part.title, part.bp, part.state, amount)
        for part, amount in zip(parts, amounts, strict=True)
    ]


def money_at(proceeds_minor: int, parts: Sequence[Part]) -> tuple[int, ...]:
    """Return the tranches in money when this much is raised (MIL-1)."""
    return shapes_views.tranche_amounts(proceeds_minor, [part.bp for part in parts])


def _division(offering: Offering) -> dict[str, int] | None:
    """Return the example of how places are divided when more is paid than the maximum: three round orders (OFF-7)."""
    if offering.allotment != "pro_rata":
        return None
    asset = shapes_views.asset_of(offering)
    orders = [offering.accept_up_to_minor // 2, offering.accept_up_to_minor // 4, offering.accept_up_to_minor // 4]
    tokens = [money.tokens_for(each, offering.price_micro, asset) for each in orders]
    cut = allot.allot(
        [allot.Paid(each, number) for number, each in enumerate(tokens)], maximum_minor=offering.maximum_minor,
        ticket_minor=offering.minimum_ticket_minor, price_micro=offering.price_micro, asset=asset,
    )
    paid = money.cost_minor(tokens[0], offering.price_micro, asset)
    return {"paid_minor": paid, "kept_minor": cut.cost_minor[0], "back_minor": paid - cut.cost_minor[0]}


def _valuation(found: Found, cap_rows: Sequence[CapRow]) -> dict[str, object]:
    """Return what the price says about the whole company, and the share that the whole offering sells."""
    offering, asset = found.offering, shapes_views.asset_of(found.offering)
    before = cap_rows[0].existing
    return {
        "before": shapes_views.short_money(money.cost_minor(before, offering.price_micro, asset), asset)
        if before else None,
        "equity_bp": max(row.share_bp for row in cap_rows),
    }


def _changes(session: Session, offering: Offering) -> dict[str, object]:
    """Return what waits about the offering's terms, and its newest updates."""
    seen = reconfirm_queries.changes_of(session, offering) if offering.version_number else []
    return {
        "waiting": [each for each in seen if each.change.state == "proposed"],
        "running": [each for each in seen if each.counts.waiting and offering.state == "live"],
        "updates": updates.posted(session, offering, limit=3), "versions": offering.version_number,
        "disclosures": versions.disclosures_of(offering),
    }


def _stopped(session: Session, offering: Offering, cleared_minor: int) -> IfStopped | None:
    """Return what stopping now would mean for all investors together; before the close everything goes back."""
    if offering.state in ("live", "clearing"):
        return IfStopped(cleared_minor, 0, 0, 0)
    return progress.if_stopped(session, offering)

