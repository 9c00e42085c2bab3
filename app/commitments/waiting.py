"""The waiting list of a full offering: join, be offered a place, refuse, leave, lapse (OFF-5, COM-7).

Nothing is charged and no right to tokens arises. A free place is offered in the order of the list and kept for 72
hours, never beyond the deadline; taking it is an ordinary commitment (``service.accept_commitment``), at the price
and terms of that moment. Silence or a refusal leads to the bottom of the list. Whose room is whose is ``places``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import places, quotes, rules, service
from app.commitments.models import Commitment
from app.commitments.waiting_models import WaitingEntry
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.investors import service as investors
from app.offerings import figures, halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from milestones import money

ACTIVE = ("waitlisted", "offered")
#: Offers made in one transaction; the job comes again for the rest.
OFFERS_TOGETHER = 50


def join(
    session: Session, *, actor: Actor, offering_id: str, party_id: int, amount_minor: int, takes_less: bool, key: str,
    now: dt.datetime,
) -> WaitingEntry:
    """Join the waiting list with an amount; nothing is charged (OFF-5). The same ``key`` gives the first place back.

    ``takes_less``: a smaller place is offered too, never below the minimum ticket. Raises ``Refused`` ``room_left``
    while the amount can be committed directly, ``below_ticket``, ``above_maximum``, ``not_open``; ``Conflict``
    ``on_the_list`` for a second place; and whatever a commitment would raise for this investor (PPL-3, COM-11).
    """
    accounts.demand(actor, "investor")
    if not actor.acts_for(party_id, "investor"):
        raise NotFound("There is no such investor.", code="party_not_found")
    fields = {"offering": offering_id, "party": party_id, "amount": amount_minor, "takes_less": takes_less}
    earlier = idempotency.claim(session, actor=actor, operation="join_waiting_list", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    offering = offerings.locked(session, offering_id)
    service.demand_open(offering, now)
    service.demand_no_interest(session, offering, party_id)
    investors.demand_may_commit(session, party_id, now=now)
    _demand_amount(offering, amount_minor)
    _demand_not_listed(session, offering, party_id)
    _demand_no_room(session, offering, party_id, amount_minor, now)
    entry = WaitingEntry(
        public_id=public_id("wtl"), offering_id=offering.id, party_id=party_id, user_id=accounts.user_of(actor),
        position=_bottom(session, offering), amount_minor=amount_minor, takes_less=takes_less, status="waitlisted",
        status_since=now, joined_at=now, offered_minor=0, offers=0,
    )
    session.add(entry)
    session.flush()
    idempotency.settle(session, actor=actor, operation="join_waiting_list", key=key, result_ref=entry.public_id)
    audit.record(
        session, actor=actor, action="waiting.joined", object_id=entry.public_id, now=now,
        after=places.told(session, entry),
    )
    _tell(session, "waiting_joined", entry, now)
    return entry


def _demand_amount(offering: Offering, amount_minor: int) -> None:
    asset = money.Asset.parse(offering.currency)
    if amount_minor < offering.minimum_ticket_minor:
        raise Refused(
            f"Enter {money.display_amount(offering.minimum_ticket_minor, asset)} or more: that is the smallest "
            "commitment here.",
            code="below_ticket", field="amount",
        )
    if amount_minor > offering.maximum_minor:
        raise Refused(
            f"Enter {money.display_amount(offering.maximum_minor, asset)} or less: that is the offering's maximum.",
            code="above_maximum", field="amount",
        )


def _demand_not_listed(session: Session, offering: Offering, party_id: int) -> None:
    listed = active_entry(session, offering.id, frozenset({party_id}))
    if listed is not None:
        raise Conflict(
            "You are on this waiting list already. Leave it first if you want another amount.",
            code="on_the_list", facts={"entry": listed.public_id},
        )


def _demand_no_room(
    session: Session, offering: Offering, party_id: int, amount_minor: int, now: dt.datetime
) -> None:
    """Refuse whoever could commit directly: the list is for those who cannot (COM-13)."""
    room = places.room_of(session, offering, frozenset({party_id}), now=now)
    try:
        charge = quotes.quote(offering, amount_minor, room).charge_minor
    except Refused:
        return
    unpaid_room = offering.unpaid_at_most_minor - offering.unpaid_minor
    if places.counts(offering, charge) and charge > unpaid_room:
        return
    if places.has_expired(session, offering, party_id):
        return
    raise Refused("There is room for this amount: commit now instead of waiting.", code="room_left", field="amount")


def offer(session: Session, offering: Offering, *, now: dt.datetime) -> int:
    """Offer free places in the order of the list and return how many were offered; the offering's row is locked.

    Each place is for what the investor asked for, or for less where they agreed; it is never cut silently. An offered
    place is an unpaid one: nobody further back is served before there is unpaid room for the first (COM-13).
    """
    found = next_offers(session, offering, now=now)
    for entry, amount_minor in found:
        places.keep_for(session, offering, amount_minor)
        places.move(
            session, entry, "offer", "worker", actor=SYSTEM, now=now, offered_minor=amount_minor,
            offer_until=rules.offer_until(now, offering.deadline_at, figures.of(offering).waiting_offer_hours),
            offers=entry.offers + 1,
        )
        _tell(session, "place_offered", entry, now)
    return len(found)


def next_offers(session: Session, offering: Offering, *, now: dt.datetime) -> list[tuple[WaitingEntry, int]]:
    """Return who is to be offered a place now, and how much; nobody while halted or after the deadline."""
    if offering.state != "live" or now >= offering.deadline_at or offering.halted_since is not None:
        return []
    unpaid_room = offering.unpaid_at_most_minor - offering.unpaid_minor
    found: list[tuple[WaitingEntry, int]] = []
    for entry, usable in places.in_line(session, offering):
        if places.counts(offering, usable):
            unpaid_room -= usable
        if unpaid_room < 0 or len(found) == OFFERS_TOGETHER:
            break
        found.append((entry, usable))
    return found


def refuse(session: Session, *, actor: Actor, entry_id: str, now: dt.datetime) -> WaitingEntry:
    """Refuse an offered place: it goes to the next in line, and one's own position is the last. Twice does nothing."""
    offering, entry = _own(session, actor, entry_id)
    if entry.status == "waitlisted":
        return entry
    _to_the_bottom(session, offering, entry, "refuse", "investor", actor=actor, now=now)
    return entry


def end_offer(session: Session, offering: Offering, entry: WaitingEntry, *, now: dt.datetime) -> None:
    """Let an offer pass that nobody answered in time: the bottom of the list (OFF-5)."""
    _to_the_bottom(session, offering, entry, "offer_over", "clock", actor=SYSTEM, now=now)
    _tell(session, "place_passed", entry, now)


def _to_the_bottom(
    session: Session, offering: Offering, entry: WaitingEntry, event: str, who: str, *, actor: Actor, now: dt.datetime
) -> None:
    kept = entry.offered_minor
    places.move(session, entry, event, who, actor=actor, now=now, position=_bottom(session, offering))
    places.keep_for(session, offering, -kept)


def leave(session: Session, *, actor: Actor, entry_id: str, now: dt.datetime) -> WaitingEntry:
    """Leave the list; a place that was offered goes to the next in line. Leaving twice does nothing."""
    offering, entry = _own(session, actor, entry_id)
    if entry.status == "left":
        return entry
    kept = entry.offered_minor
    places.move(session, entry, "leave", "investor", actor=actor, now=now)
    if kept:
        places.keep_for(session, offering, -kept)
    return entry


def end_offers_by(session: Session, offering: Offering, instant: dt.datetime) -> int:
    """Let no offered place be kept beyond an instant, because the deadline came nearer; return how many were."""
    return session.execute(
        sa.update(WaitingEntry)
        .where(
            WaitingEntry.offering_id == offering.id, WaitingEntry.status == "offered",
            WaitingEntry.offer_until > instant,
        )
        .values(offer_until=instant)
        .execution_options(synchronize_session=False)
    ).rowcount


def lapse_all(session: Session, offering: Offering, *, now: dt.datetime) -> int:
    """End the waiting list of an offering that takes nothing more; nobody was charged. Return how many waited.

    Set-based: one UPDATE, one log entry with its count, one message from which each is told (PPL-5).
    """
    lapsed = session.execute(
        sa.update(WaitingEntry)
        .where(WaitingEntry.offering_id == offering.id, WaitingEntry.status.in_(ACTIVE))
        .values(status="lapsed", status_since=now, offered_minor=0, offer_until=None)
        .execution_options(synchronize_session=False)
    ).rowcount
    if lapsed:
        offering.offered_minor = 0
        places.recount(session, offering)
        audit.record(
            session, actor=SYSTEM, action="waiting.lapsed", object_id=offering.public_id, now=now,
            reason="the offering takes no more commitments", count=lapsed,
        )
        outbox.enqueue(session, "notice", {"kind": "waiting_lapsed", "offering_id": offering.id}, now=now)
    return lapsed


# -- reading ----------------------------------------------------------------------------------------


def by_public_id(session: Session, entry_id: str) -> WaitingEntry:
    """Return a place on a list; raises ``NotFound``."""
    entry = session.scalars(sa.select(WaitingEntry).where(WaitingEntry.public_id == entry_id)).one_or_none()
    if entry is None:
        raise NotFound("There is no such place on a waiting list.", code="waiting_entry_not_found")
    return entry


def active_entry(session: Session, offering_id: int, party_ids: frozenset[int]) -> WaitingEntry | None:
    """Return the place that one of these parties has on an offering's list, None when they have none."""
    return session.scalars(
        sa.select(WaitingEntry)
        .where(
            WaitingEntry.offering_id == offering_id, WaitingEntry.party_id.in_(sorted(party_ids)),
            WaitingEntry.status.in_(ACTIVE),
        )
        .order_by(WaitingEntry.position)
        .limit(1)
    ).one_or_none()


def _own(session: Session, actor: Actor, entry_id: str) -> tuple[Offering, WaitingEntry]:
    """Return one's own place with the offering locked before it; raises ``NotFound`` for anybody else's."""
    entry = by_public_id(session, entry_id)
    if not actor.acts_for(entry.party_id, "investor"):
        raise NotFound("There is no such place on a waiting list.", code="waiting_entry_not_found")
    return locked(session, entry)


def locked(session: Session, entry: WaitingEntry) -> tuple[Offering, WaitingEntry]:
    """Lock the offering, then the place on its list, as everywhere: no circles."""
    offering = session.get_one(Offering, entry.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(entry, with_for_update=True)
    return offering, entry


def _bottom(session: Session, offering: Offering) -> int:
    last = session.scalar(
        sa.select(sa.func.max(WaitingEntry.position)).where(WaitingEntry.offering_id == offering.id)
    )
    return (last or 0) + 1


def is_over(offering: Offering, entry: WaitingEntry, now: dt.datetime) -> bool:
    """Say whether an offered place is no longer kept; a halt stops this clock (OFF-13)."""
    return entry.offer_until is not None and entry.offer_until <= halts.clock(offering, now)


def commitment_of(session: Session, entry: WaitingEntry) -> Commitment | None:
    """Return what an accepted offer became."""
    return None if entry.commitment_id is None else session.get(Commitment, entry.commitment_id)


def _tell(session: Session, kind: str, entry: WaitingEntry, now: dt.datetime) -> None:
    outbox.enqueue(session, "notice", {"kind": kind, "waiting_id": entry.id}, now=now)
