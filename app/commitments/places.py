"""Count places under the maximum: what is free, what belongs to the waiting list, what nobody has paid.

OFF-5, COM-7 and COM-13. Whoever writes here holds the offering's row lock, so that what is read stays true; the CHECKs
of the offering stand behind every limit. Joining and offering is ``waiting``; who may commit is ``service``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.accounts.actor import Actor
from app.audit import service as audit
from app.commitments import rules
from app.commitments.models import Commitment, EscrowStatement
from app.commitments.reconfirm_models import Reconfirmation
from app.commitments.waiting_models import WaitingEntry
from app.errors import Conflict, Refused
from app.offerings import halts
from app.offerings.models import Offering
from milestones import money, states

#: Statuses in which a place is held that nobody has paid. A payment under way, or one of which a part arrived, is not
#: squatting: it has left this count.
NOT_PAID = ("awaiting_payment", "payment_failed")
WAITLISTED, OFFERED = "waitlisted", "offered"
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of an offering, minor units, as one investor sees it.

    ``free_minor`` is neither taken nor offered. ``direct_minor`` is what of it the waiting list cannot use: anybody may
    take it. ``offer`` is the place that this investor was offered and may still take.
    """

    free_minor: int
    direct_minor: int
    offer: WaitingEntry | None = None
    offer_ended_at: dt.datetime | None = None

    @property
    def mine_minor(self) -> int:
        """What this investor may take now."""
        return self.direct_minor if self.offer is None else self.offer.offered_minor


def least_minor(offering: Offering) -> int:
    """Return the smallest room that is a place: one token, and the minimum ticket (OFF-5)."""
    one = money.cost_minor(1, offering.price_micro, money.Asset.parse(offering.currency))
    return max(one, offering.minimum_ticket_minor)


def room_of(session: Session, offering: Offering, party_ids: frozenset[int], *, now: dt.datetime) -> Room:
    """Return the room that is left for these parties; two short queries, three while somebody waits."""
    offer = session.scalars(
        sa.select(WaitingEntry)
        .where(
            WaitingEntry.offering_id == offering.id, WaitingEntry.party_id.in_(sorted(party_ids)),
            WaitingEntry.status == OFFERED,
        )
        .order_by(WaitingEntry.position)
        .limit(1)
    ).one_or_none()
    direct = offering.free_minor - sum(usable for _entry, usable in in_line(session, offering))
    if offer is not None and offer.offer_until is not None and halts.clock(offering, now) >= offer.offer_until:
        return Room(offering.free_minor, direct, None, offer.offer_until)
    return Room(offering.free_minor, direct, offer)


def in_line(session: Session, offering: Offering) -> Iterator[tuple[WaitingEntry, int]]:
    """Yield who in line can use the free room, in the order of the list, and how much of it each.

    Whoever wants more than is left and takes nothing less is passed over and keeps the position; so is, with a very
    large place, whoever let an offer pass: counted nowhere, it could be kept from others again and again (COM-13).
    """
    free, least, after = offering.free_minor, least_minor(offering), 0
    asset = money.Asset.parse(offering.currency)
    one = money.cost_minor(1, offering.price_micro, asset)
    while free >= least:
        rows = session.execute(
            sa.select(WaitingEntry, _has_passed())
            .where(
                WaitingEntry.offering_id == offering.id, WaitingEntry.status == WAITLISTED,
                WaitingEntry.position > after,
                sa.or_(WaitingEntry.takes_less, WaitingEntry.amount_minor < free + one),
            )
            .order_by(WaitingEntry.position)
            .limit(_CHUNK)
        ).all()
        for entry, has_passed in rows:
            most = min(free, offering.unpaid_at_most_minor) if has_passed else free
            after, usable = entry.position, _usable(offering, asset, entry, most)
            if usable:
                yield entry, usable
                free -= usable
        if len(rows) < _CHUNK:
            return


def _has_passed() -> sa.ColumnElement[bool]:
    """Say in SQL that the investor in line let a place offered here pass, also before leaving and joining anew."""
    earlier = aliased(WaitingEntry)
    return sa.exists().where(
        earlier.offering_id == WaitingEntry.offering_id, earlier.party_id == WaitingEntry.party_id,
        earlier.offers > 0, earlier.status.in_([WAITLISTED, "left", "lapsed"]),
    )


def _usable(offering: Offering, asset: money.Asset, entry: WaitingEntry, free: int) -> int:
    """Return how much of the free room somebody in line can be offered: all that is wanted, or less if they agree."""
    charge = money.cost_minor(
        money.tokens_for(entry.amount_minor, offering.price_micro, asset), offering.price_micro, asset
    )
    fits = charge <= free or entry.takes_less
    room = min(entry.amount_minor, free)
    return room if fits and room >= least_minor(offering) else 0


# -- unpaid places (COM-13) -------------------------------------------------------------------------


def counts(offering: Offering, amount_minor: int) -> bool:
    """Say whether a place counts among the unpaid ones: the larger ones must be paid at once instead."""
    return amount_minor <= offering.unpaid_at_most_minor


def must_pay_at_once(session: Session, offering: Offering, party_id: int, amount_minor: int) -> bool:
    """Say whether a place is kept for minutes only: it is very large, or an earlier one was not paid."""
    return not counts(offering, amount_minor) or has_expired(session, offering, party_id)


def demand_large(
    session: Session, offering: Offering, party_id: int, amount_minor: int, offer: WaitingEntry | None = None
) -> None:
    """Refuse a very large place to whoever left one unpaid, and while another one waits to be paid (COM-13).

    Such a place is kept for minutes and binds nobody else, so it could be held again and again: by one investor, or by
    several in turn. One is open at a time, and an investor has one try in an offering. What the waiting list offered
    is taken as ever. Raises ``Refused`` ``large_place_once`` or ``large_place_open``.
    """
    if counts(offering, amount_minor) or offer is not None:
        return
    asset = money.Asset.parse(offering.currency)
    most = money.display_amount(offering.unpaid_at_most_minor, asset)
    large = sa.select(Commitment.id).where(
        Commitment.offering_id == offering.id, Commitment.amount_minor > offering.unpaid_at_most_minor
    )
    was_held = sa.exists().where(EscrowStatement.commitment_id == Commitment.id)
    left_unpaid = large.where(
        Commitment.party_id == party_id, Commitment.status.in_(["expired", "cancelled"]), ~was_held
    )
    if session.scalar(sa.select(left_unpaid.exists())):
        raise Refused(
            f"You had a place of more than {most} here and did not pay it. Commit at most {most} and pay it, then add "
            "to it; or join the waiting list.",
            code="large_place_once", field="amount", facts={"room_minor": offering.unpaid_at_most_minor},
        )
    if session.scalar(sa.select(large.where(Commitment.status.in_(NOT_PAID)).exists())):
        raise Refused(
            f"Somebody else is paying for a place of more than {most} just now. Commit at most {most}, or try again in "
            f"{rules.AT_ONCE_MINUTES} minutes. Nothing was charged.",
            code="large_place_open", field="amount", facts={"room_minor": offering.unpaid_at_most_minor},
        )


def has_expired(session: Session, offering: Offering, party_id: int) -> bool:
    """Say whether an investor has let a place in this offering expire, or gave one back unpaid (COM-13).

    Cancelling just before the end would keep a place for ever, a day at a time. What is given back within the minutes
    of a place that must be paid at once was only another mind.
    """
    was_asked = sa.exists().where(Reconfirmation.commitment_id == Commitment.id)
    was_held = sa.exists().where(EscrowStatement.commitment_id == Commitment.id)
    given_back = sa.and_(Commitment.status == "cancelled", ~was_held, ~was_asked)
    rows = session.execute(
        sa.select(Commitment.status, Commitment.created_at, Commitment.status_since).where(
            Commitment.offering_id == offering.id, Commitment.party_id == party_id,
            sa.or_(Commitment.status == "expired", given_back),
        )
    )
    soon = dt.timedelta(minutes=rules.AT_ONCE_MINUTES)
    return any(status == "expired" or until - since > soon for status, since, until in rows)


def count_unpaid(session: Session, commitment: Commitment, before: str, after: str) -> None:
    """Keep the count of unpaid places when a commitment's status changes."""
    difference = (after in NOT_PAID) - (before in NOT_PAID)
    offering = session.get_one(Offering, commitment.offering_id)
    if difference and counts(offering, commitment.amount_minor):
        _change(session, offering, unpaid=difference * commitment.amount_minor)


def may_stay_unpaid(session: Session, commitment: Commitment) -> bool:
    """Say whether a place whose payment failed can be kept within what unpaid places may hold."""
    offering = session.get_one(Offering, commitment.offering_id, with_for_update=True, populate_existing=True)
    if commitment.status in NOT_PAID or not counts(offering, commitment.amount_minor):
        return True
    return offering.unpaid_minor + commitment.amount_minor <= offering.unpaid_at_most_minor


# -- taking and freeing -----------------------------------------------------------------------------


def take(session: Session, offering: Offering, charge_minor: int, offer: WaitingEntry | None) -> int:
    """Count a charge under the maximum and return the commitment's ordinal; an offered place is used up by it.

    The caller has found room for it under the lock; the conditions are tested once more on the row, and the CHECKs
    stand behind them. Raises ``Refused`` ``not_open``, ``offering_full`` or ``unpaid_places_full`` (COM-13).
    """
    kept = 0 if offer is None else offer.offered_minor
    counted = charge_minor if counts(offering, charge_minor) else 0
    counted -= kept if counts(offering, kept) else 0
    ordinal = session.execute(
        sa.update(Offering)
        .where(
            Offering.id == offering.id,
            Offering.state == "live", halts.is_running(),
            Offering.committed_minor + Offering.offered_minor + (charge_minor - kept) <= Offering.accept_up_to_minor,
            Offering.unpaid_minor + counted <= offering.unpaid_at_most_minor,
        )
        .values(
            committed_minor=Offering.committed_minor + charge_minor,
            offered_minor=Offering.offered_minor - kept,
            unpaid_minor=Offering.unpaid_minor + counted,
            commitment_count=Offering.commitment_count + 1,
        )
        .returning(Offering.commitment_count)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    session.refresh(offering)
    if ordinal is None:
        halts.demand_running(offering)
        raise _why_not(offering, charge_minor - kept)
    return ordinal


def _why_not(offering: Offering, wanted_minor: int) -> Refused:
    if offering.state != "live":
        return Refused("This offering has just closed. Nothing was charged.", code="not_open", field="amount")
    if wanted_minor > offering.free_minor:
        return offering_full(offering)
    return unpaid_places_full(offering)


def offering_full(offering: Offering) -> Refused:
    """Return the refusal that says that every place is taken, and what to do (COM-7)."""
    return Refused(
        "This offering is full: every place is taken. Nothing was charged. Join the waiting list: it costs nothing, "
        "and free places are offered in the order of joining.",
        code="offering_full", field="amount", facts={"room_minor": max(0, offering.free_minor)},
    )


def unpaid_places_full(offering: Offering) -> Refused:
    """Return the refusal that says that too many places wait to be paid (COM-13)."""
    asset = money.Asset.parse(offering.currency)
    left = offering.unpaid_at_most_minor - offering.unpaid_minor
    return Refused(
        f"Places that are not paid yet may hold {money.display_amount(offering.unpaid_at_most_minor, asset)} in all, "
        f"and {money.display_amount(max(0, left), asset)} of that is left. Nothing was charged. Enter less, or join "
        "the waiting list: a place is offered as soon as others have paid or their time is over.",
        code="unpaid_places_full", field="amount", facts={"room_minor": max(0, left)},
    )


def free(session: Session, commitment: Commitment) -> None:
    """Give a commitment's amount back to the room under the maximum; the worker offers it to the waiting list."""
    _change(session, session.get_one(Offering, commitment.offering_id), committed=-commitment.amount_minor)


def shrink(session: Session, commitment: Commitment, amount_minor: int) -> None:
    """Give back the room by which a commitment becomes smaller; its row still has the amount before (COM-5).

    Raises ``Refused`` ``unpaid_places_full`` where it would be counted as unpaid only now and there is no room.
    """
    offering = session.get_one(Offering, commitment.offering_id)
    before, after = (each if counts(offering, each) else 0 for each in (commitment.amount_minor, amount_minor))
    unpaid = after - before if commitment.status in NOT_PAID else 0
    # A place that was too large to be counted is counted from now on.
    if unpaid > 0 and offering.unpaid_minor + unpaid > offering.unpaid_at_most_minor:
        raise Refused(
            "At the new figures your place would count among those that wait to be paid, and these are as many as "
            "there may be. Nothing changed. Pay it first, or answer again in a while.",
            code="unpaid_places_full",
        )
    _change(session, offering, committed=amount_minor - commitment.amount_minor, unpaid=unpaid)


def note_accepted(
    session: Session, entry: WaitingEntry, commitment: Commitment, *, actor: Actor, now: dt.datetime
) -> None:
    """Note that an offered place became this commitment; :func:`take` has used the room that was kept."""
    move(session, entry, "accept", "investor", actor=actor, now=now, commitment_id=commitment.id)


def move(
    session: Session, entry: WaitingEntry, event: str, who: str, *, actor: Actor, now: dt.datetime, **values: object
) -> None:
    """Change the status of a place on the waiting list by the one table, and log it; the caller keeps the counts."""
    try:
        after = states.next_state(states.WAITING_ENTRY_TRANSITIONS, entry.status, event, who)
    except states.TransitionError as error:
        raise Conflict(error.message, code=error.code) from error
    before, entry.status, entry.status_since = entry.status, after, now
    values = {"offered_minor": 0, "offer_until": None, **values}
    for name, value in values.items():
        setattr(entry, name, value)
    session.flush()
    audit.record(
        session, actor=actor, action=f"waiting.{event}", object_id=entry.public_id, now=now,
        before={"state": before}, after=told(session, entry),
    )


def told(session: Session, entry: WaitingEntry) -> dict[str, object]:
    """Return what the log keeps of a place on the list; the self-check compares the row with the last of them."""
    return {
        "offering": session.get_one(Offering, entry.offering_id).public_id,
        "state": entry.status, "position": entry.position, "amount_minor": entry.amount_minor,
        "takes_less": entry.takes_less, "offered_minor": entry.offered_minor, "offers": entry.offers,
    }


def keep_for(session: Session, offering: Offering, amount_minor: int) -> None:
    """Keep room for somebody on the waiting list; a negative amount gives it back."""
    sign = 1 if amount_minor >= 0 else -1
    unpaid = amount_minor if counts(offering, sign * amount_minor) else 0
    _change(session, offering, offered=amount_minor, unpaid=unpaid)


def _change(session: Session, offering: Offering, *, committed: int = 0, offered: int = 0, unpaid: int = 0) -> None:
    changed = {"committed_minor": committed, "offered_minor": offered, "unpaid_minor": unpaid}
    session.execute(
        sa.update(Offering)
        .where(Offering.id == offering.id)
        .values({name: getattr(Offering, name) + value for name, value in changed.items() if value})
        .execution_options(synchronize_session=False)
    )
    session.expire(offering, list(changed))


def recount(session: Session, offering: Offering) -> None:
    """Count unpaid places anew: when the maximum changed, or all of them ended at once."""
    offering.unpaid_minor = unpaid_under(session, offering, offering.maximum_minor)
    session.flush()


def unpaid_under(session: Session, offering: Offering, maximum_minor: int) -> int:
    """Return what the unpaid places would come to under another maximum, minor units.

    A higher one counts places that were too large to be counted before, so it can be more than its fifth.
    """
    most = maximum_minor // 5
    owed = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Commitment.amount_minor), 0)).where(
            Commitment.offering_id == offering.id, Commitment.status.in_(NOT_PAID), Commitment.amount_minor <= most
        )
    )
    kept = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(WaitingEntry.offered_minor), 0)).where(
            WaitingEntry.offering_id == offering.id, WaitingEntry.status == OFFERED,
            WaitingEntry.offered_minor <= most,
        )
    )
    return int(owed or 0) + int(kept or 0)
