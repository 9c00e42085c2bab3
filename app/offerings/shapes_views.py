"""Shape an offering's facts into what the macros draw: tags, bars, segments, the next line.

Everything here is a pure reading of values; nothing asks the database and no rule is decided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from app import formats, shell
from app.commitments.queries import Raised
from app.contracts.models import Milestone
from app.next_step import NextStep, next_step
from app.offerings.models import Issuer, Offering
from milestones import money
from milestones.apportion import apportion, tranche_amounts
from milestones.terms import Terms

WHOLE_BP = 10_000
_REVIEW = ("submitted", "challengeable", "suspended", "disputed", "appealable", "approved")
_GONE = ("failed", "lapsed")
_NEVER_STARTED = ("failing", "failed", "withdrawing", "withdrawn")


@dataclass(frozen=True, slots=True)
class Part:
    """A tranche as pages show it, with money where it is known. ``amount_minor`` is what it is or would be."""

    ordinal: int
    title: str
    bp: int
    state: str
    amount_minor: int


def offering_next(
    offering: Offering, milestones: Sequence[Milestone], *, is_own: bool = False, late: NextStep | None = None
) -> dict[str, object] | None:
    """Return the offering's next line; while its contract runs that is the first unsettled milestone's (TIM-5).

    ``late`` is what its deadline waits for (``awaited.steps``).
    """
    if late is not None:
        return shell.next_line(late, offering.zone)
    if offering.state == "active":
        # A retained part waits beside the milestone that is open now, not before it.
        waiting = sorted((row for row in milestones if row.settled_at is None), key=lambda row: row.share_pct == 100)
        current = next((row for row in waiting if row.state != "locked"), None) or (waiting[0] if waiting else None)
        if current is not None:
            step = next_step("milestone", current.state, current.deadline_at)
            yours = is_own and step is not None and step.owner == "founder"
            return shell.next_line(step, offering.zone, about=current.title, yours=yours)
    step = next_step("offering", offering.state, offering.step_due_at)
    yours = is_own and step is not None and step.owner == "founder"
    return shell.next_line(step, offering.zone, yours=yours)


def tag_of(offering: Offering, raised: Raised) -> str:
    """Return the state as people know it: an open offering may have reached its minimum or be full."""
    if offering.halted_since is not None:
        return "offering.halted"
    if offering.state != "live":
        return f"offering.{offering.state}"
    one = money.cost_minor(1, offering.price_micro, asset_of(offering))
    if offering.free_minor < max(one, offering.minimum_ticket_minor):
        return "offering.full"
    return "offering.minimum_reached" if raised.counting_minor >= offering.minimum_minor else "offering.live"


def asset_of(offering: Offering) -> money.Asset:
    return money.Asset.parse(offering.currency)


def parts_of(offering: Offering, milestones: Sequence[Milestone], terms: Terms | None = None) -> list[Part]:
    """Return the tranches in order; before the close their money is what the target would give."""
    if not milestones and terms is not None:
        planned = tranche_amounts(offering.target_minor, [tranche.bp for tranche in terms.tranches])
        return [
            Part(each.ordinal, terms.milestone(each.ordinal).title if each.ordinal else _("Closing"), each.bp,
                 "locked", amount)
            for each, amount in zip(terms.tranches, planned, strict=True)
        ]
    planned = tranche_amounts(offering.target_minor, [row.tranche_bp for row in milestones])
    return [
        Part(row.ordinal, row.title if row.ordinal else _("Closing"), row.tranche_bp, row.state,
             amount if row.tranche_minor is None else row.tranche_minor)
        for row, amount in zip(milestones, planned, strict=True)
    ]


def segments(offering: Offering, parts: Sequence[Part]) -> list[dict[str, object]]:
    """Return the tranche bar's segments; the amounts are shown where they are known or planned."""
    return [
        {
            "key": str(part.ordinal), "label": f"{part.ordinal}. {part.title}" if part.ordinal else part.title,
            "share_bp": part.bp, "state": _escrow_state(offering.state, part.state),
            "amount": formats.money_text(part.amount_minor, asset_of(offering)),
        }
        for part in parts
    ]


def _escrow_state(offering_state: str, state: str) -> str:
    if offering_state in _NEVER_STARTED or state in _GONE:
        return "refunded"
    if state in _REVIEW:
        return "under_review"
    return "released" if state in ("released", "retained", "report_due") else "locked"


@dataclass(frozen=True, slots=True)
class Escrow:
    """Where an offering's money is, from the ledger. The four sum to what cleared."""

    released_minor: int
    under_review_minor: int
    locked_minor: int
    refunded_minor: int

    @property
    def in_escrow_minor(self) -> int:
        return self.under_review_minor + self.locked_minor

    @property
    def total_minor(self) -> int:
        return self.released_minor + self.in_escrow_minor + self.refunded_minor


def escrow_of(moves: Mapping[str, int], milestones: Sequence[Milestone]) -> Escrow:
    """Return where the money is, out of what each kind of journal moved on the escrow account."""
    in_escrow = -sum(moves.values())
    reviewing = sum(row.tranche_minor or 0 for row in milestones if row.state in _REVIEW)
    under_review = min(in_escrow, reviewing)
    return Escrow(
        released_minor=moves.get("released", 0), under_review_minor=under_review,
        locked_minor=in_escrow - under_review,
        refunded_minor=sum(moves.get(kind, 0) for kind in ("returned", "given_back", "left")),
    )


def escrow_segments(escrow: Escrow, asset: money.Asset) -> list[dict[str, object]]:
    """Return the donut's segments; their shares sum to the whole."""
    amounts = {
        "released": escrow.released_minor, "under_review": escrow.under_review_minor,
        "locked": escrow.locked_minor, "refunded": escrow.refunded_minor,
    }
    if not escrow.total_minor:
        return []
    labels = {
        "released": _("To the company"), "under_review": _("Waits for auditors"),
        "locked": _("Waits for milestones"), "refunded": _("Back to investors"),
    }
    # Weights in larger units than the shares, so that a few cents can be divided too.
    shares = apportion(WHOLE_BP, [amount * WHOLE_BP for amount in amounts.values()])
    return [
        {"key": key, "label": labels[key], "state": key, "share_bp": share, "amount": formats.money_text(amount, asset)}
        for (key, amount), share in zip(amounts.items(), shares, strict=True)
    ]


def raise_bar(offering: Offering, raised: Raised, waiting_minor: int = 0) -> dict[str, object]:
    """Return the arguments of the raise bar: shares of the maximum, amounts as text (OFF-12).

    Cleared money at arm's length comes first; linked, pending and waiting are lighter and named.
    """
    def share(minor: int) -> int:
        return min(WHOLE_BP, minor * WHOLE_BP // offering.maximum_minor)

    asset = asset_of(offering)
    counted = share(raised.counting_minor)
    cleared, shown = share(raised.cleared_minor), share(raised.cleared_minor + raised.pending_minor)
    return {
        "cleared_bp": counted, "linked_bp": cleared - counted, "pending_bp": shown - cleared,
        "minimum_bp": share(offering.minimum_minor),
        "target_bp": share(offering.target_minor), "cleared_label": formats.money_text(raised.counting_minor, asset),
        "linked_label": formats.money_text(raised.linked_minor, asset) if raised.linked_minor else None,
        "waiting_label": formats.money_text(waiting_minor, asset) if waiting_minor else None,
        "pending_label": formats.money_text(raised.pending_minor, asset) if raised.pending_minor else None,
        "minimum_label": short_money(offering.minimum_minor, asset),
        "target_label": short_money(offering.target_minor, asset),
        "maximum_label": short_money(offering.maximum_minor, asset),
    }


def short_money(minor: int, asset: money.Asset) -> str:
    """Return an amount without its decimals where they are zero: ``$250,000``."""
    text = formats.money_text(minor, asset)
    return text.removesuffix("." + "0" * asset.scale) if asset.scale and minor % asset.unit == 0 else text


def days_left(offering: Offering, now: dt.datetime) -> str | None:
    """Return how long an open offering stays open, in words."""
    if offering.state != "live" or offering.halted_since is not None or offering.deadline_at <= now:
        return None
    left = offering.deadline_at - now
    if left.days:
        return ngettext("%(num)s day left", "%(num)s days left", left.days)
    return ngettext("%(num)s hour left", "%(num)s hours left", max(1, left.seconds // 3600))


def card(
    offering: Offering, issuer: Issuer, raised: Raised, milestones: Sequence[Milestone], *, url: str, now: dt.datetime
) -> dict[str, object]:
    """Return what an offering's card shows; the template adds the two bars."""
    asset = asset_of(offering)
    return {
        "name": offering.name, "url": url, "pitch": offering.pitch, "state": tag_of(offering, raised),
        "meta_text": " · ".join(text for text in (issuer.place, offering.sector) if text),
        "raised": short_money(raised.cleared_minor, asset), "target": short_money(offering.target_minor, asset),
        "investors": ngettext("%(num)s investor", "%(num)s investors", raised.investors),
        "days_left": days_left(offering, now), "min_ticket": short_money(offering.minimum_ticket_minor, asset),
        "segments": segments(offering, parts_of(offering, milestones)), "raise_bar": raise_bar(offering, raised),
    }
