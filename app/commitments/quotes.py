"""Say what an amount buys in an offering, or why it does not fit (OFF-5, COM-3).

Pure: the room was found by ``places``. Nothing is written, and an amount is never cut to fit.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.commitments import places
from app.errors import Refused
from app.offerings.models import Offering
from milestones import money


@dataclass(frozen=True, slots=True)
class Quote:
    """What an amount buys: whole tokens, and what is charged for exactly those (COM-3)."""

    asked_minor: int
    tokens: int
    charge_minor: int
    room_minor: int


def quote(offering: Offering, amount_minor: int, room: places.Room | None = None) -> Quote:
    """Round an amount down to whole tokens and say what is charged.

    ``room`` is what :func:`places.room_of` found for the investor; without it only the offering is asked. Raises
    ``Refused`` (``below_ticket``, ``no_room`` with the room shown, ``offering_full``, ``queue_first`` while the rest
    belongs to the waiting list): a commitment is never cut to fit (OFF-5).
    """
    asset = money.Asset.parse(offering.currency)
    left = offering.free_minor if room is None else room.mine_minor
    if amount_minor < offering.minimum_ticket_minor:
        raise Refused(
            f"Enter {money.display_amount(offering.minimum_ticket_minor, asset)} or more: that is the smallest "
            "commitment here.",
            code="below_ticket",
            field="amount",
        )
    tokens = money.tokens_for(amount_minor, offering.price_micro, asset)
    charge = money.cost_minor(tokens, offering.price_micro, asset)
    if charge > left:
        raise _no_room(offering, left, room)
    return Quote(amount_minor, tokens, charge, left)


def is_full(offering: Offering) -> bool:
    """Whether the room left is below the smallest commitment (OFF-5)."""
    return offering.free_minor < places.least_minor(offering)


def _no_room(offering: Offering, left: int, room: places.Room | None) -> Refused:
    asset = money.Asset.parse(offering.currency)
    if room is not None and room.offer_ended_at is not None:
        return Refused(
            f"The place was kept for you until {room.offer_ended_at:%d %B %Y %H:%M} UTC. It goes to the next in line, "
            "and yours is the last place on the waiting list now. Nothing was charged.", code="offer_over",
            field="amount",
        )
    if room is not None and room.offer is not None:
        return Refused(
            f"Enter {money.display_amount(left, asset)} or less: that is the place that is kept for you.",
            code="no_room", field="amount", facts={"room_minor": left},
        )
    if is_full(offering):
        return places.offering_full(offering)
    if left < places.least_minor(offering):
        return Refused(
            "The room that is left belongs to those on the waiting list. Nothing was charged. Join the list: it costs "
            "nothing, and free places are offered in the order of joining.",
            code="queue_first", field="amount", facts={"room_minor": left},
        )
    return Refused(
        f"Enter {money.display_amount(left, asset)} or less: that is the room left under the maximum. Or join the "
        "waiting list for more.",
        code="no_room", field="amount", facts={"room_minor": left},
    )
