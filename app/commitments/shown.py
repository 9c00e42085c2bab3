"""Shape positions for charts and lists: the plan as segments, months as columns, lots by class.

Lengths are whole basis points. Nothing here reads the database or decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.commitments.queries import PositionView
from app.commitments.statements import Month
from milestones import money

if TYPE_CHECKING:
    from app.contracts.models import Milestone
    from app.offerings.models import Offering

WHOLE_BP = 10_000
GONE_BACK = ("failing", "failed", "withdrawing", "withdrawn")
_UNDER_REVIEW = ("submitted", "challengeable", "suspended", "disputed", "appealable", "approved")


def escrow_word(milestone: Milestone, offering: Offering) -> str:
    """Return where a tranche is: released, under_review, locked or refunded."""
    if milestone.state in ("released", "retained", "report_due"):
        return "released"
    if milestone.state in ("failed", "lapsed") or offering.state in GONE_BACK:
        return "refunded"
    return "under_review" if milestone.state in _UNDER_REVIEW and offering.proceeds_minor else "locked"


def plan_segments(view: PositionView) -> list[dict[str, object]]:
    """Return an offering's plan as the segments of its tranche bar; shares sum to 10,000."""
    return [
        {"key": row.key, "label": row.title, "share_bp": row.tranche_bp, "amount": None,
         "state": escrow_word(row, view.offering)}
        for row in view.milestones if row.tranche_bp
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """One month of the chart: heights of both parts, of 10,000, and whether its name is written."""

    month: Month
    x_bp: int
    width_bp: int
    escrow_bp: int
    released_bp: int
    is_named: bool


@dataclass(frozen=True, slots=True)
class MonthChart:
    """The columns of one currency; ``top_minor`` is the height of the whole chart."""

    currency: str
    top_minor: int
    columns: tuple[Column, ...]


def month_chart(months: Sequence[Month], currency: str) -> MonthChart:
    """Return the columns of at most the last 24 months."""
    months = list(months)[-24:]
    top = _round_up(max((each.escrow_minor + each.released_minor for each in months), default=0))
    step = WHOLE_BP // max(len(months), 6)
    every = -(-len(months) // 4)
    return MonthChart(currency, top, tuple(
        Column(
            each, number * step + step // 6, step * 2 // 3, each.escrow_minor * WHOLE_BP // top,
            each.released_minor * WHOLE_BP // top, number % every == 0,
        )
        for number, each in enumerate(months)
    ) if top else ())


def _round_up(minor: int) -> int:
    """Return the next 1, 2 or 5 followed by zeros, so that the axis carries round figures."""
    unit = 10 ** max(0, len(str(minor)) - 1)
    return next((unit * each for each in (1, 2, 5, 10) if unit * each >= minor), 0) if minor > 0 else 0


@dataclass(slots=True)
class ClassHolding:
    """Tokens of one class, with the lots they came in."""

    token_class: Any
    tokens: int = 0
    lots: list[Any] = field(default_factory=list)


def holdings(lots: Sequence[Any]) -> list[ClassHolding]:
    """Group ``register``'s lots by class, in the order they come."""
    found: dict[int, ClassHolding] = {}
    for lot in lots:
        holding = found.setdefault(lot.token_class.id, ClassHolding(lot.token_class))
        holding.tokens += lot.entry.quantity
        holding.lots.append(lot)
    return list(found.values())


def share_text(millionths: int) -> str:
    """Return a share of the company as a percentage with four decimals, rounded down: ``0.0125 %``."""
    return f"{millionths // 10_000}.{millionths % 10_000:04d} %"


def sign_of(asset: money.Asset) -> str | None:
    """Return the sign that stands before an amount of this currency, None where it has none."""
    text = money.display_amount(0, asset)
    return text[0] if not text[0].isdigit() else None
