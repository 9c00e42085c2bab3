"""Shares of released tranches that wait until their payments can no longer be taken back (COM-10).

A tranche is divided once, over everybody (REL-2). What belongs to unseasoned payments is set aside here, stays in
escrow without tokens, and is released when it has seasoned, exactly as it was divided. What covers it meanwhile is
``payments.reserve``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import division, escrow
from app.commitments.models import CarriedShare, Commitment, EscrowStatement
from app.errors import InvariantBroken
from app.offerings.models import Offering

#: What the log calls it when a wind-down returns what was carried, so that the self-check can tell why it is void.
DROPPED = "escrow.carried_dropped"


@dataclass(frozen=True, slots=True)
class Carried:
    """What of a milestone's tranche waits, minor units: how many shares, and when the first and the last may move."""

    milestone_id: int
    amount_minor: int
    shares: int
    first_at: dt.datetime
    last_at: dt.datetime


def set_aside(
    session: Session, *, offering: Offering, amount_minor: int, milestone_id: int, part: int, now: dt.datetime
) -> int:
    """Set aside the shares of a release whose payments can still be taken back; return their sum, minor units.

    The caller divides the same ``part`` right after this, in one transaction; whoever is set aside gets none of it.
    """
    last = escrow.last_rows(offering.id)
    unseasoned = sa.select(
        sa.exists().where(
            last.c.commitment_id == Commitment.id, last.c.unreleased_after_minor > 0, Commitment.seasons_at > now,
            Commitment.offering_id == offering.id,
        )
    )
    if not session.scalar(unseasoned):
        return 0
    total, largest = escrow.weights(session, offering.id)
    if not 0 < amount_minor <= total:
        raise InvariantBroken(f"{amount_minor} of {total} unreleased in {offering.public_id}", code="escrow_short")
    if largest * amount_minor <= escrow.INT64_MAX:
        session.execute(
            division.SET_ASIDE,
            {"offering": offering.id, "amount": amount_minor, "total": total, "carrying": milestone_id, "part": part,
             "now": now},
        )
    else:
        _set_aside_exactly(session, offering, amount_minor, milestone_id, part, now)
    own = CarriedShare.milestone_id == milestone_id, CarriedShare.part == part
    return sum(session.scalars(sa.select(CarriedShare.amount_minor).where(*own)))


def _set_aside_exactly(
    session: Session, offering: Offering, amount_minor: int, milestone_id: int, part: int, now: dt.datetime
) -> None:
    """Do in Python what ``division.SET_ASIDE`` does, for products past 64 bits."""
    before = escrow.positions(session, offering.id)
    then = escrow.after(offering, list(before.values()), amount_minor, escrow.RELEASED)
    seasons = dict(
        session.execute(
            sa.select(Commitment.id, Commitment.seasons_at).where(
                Commitment.offering_id == offering.id, Commitment.seasons_at > now
            )
        ).all()
    )
    for (commitment_id, old), new in zip(before.items(), then, strict=True):
        share = old.unreleased_minor - new.unreleased_minor
        if share and commitment_id in seasons:
            session.add(
                CarriedShare(
                    offering_id=offering.id, milestone_id=milestone_id, commitment_id=commitment_id,
                    amount_minor=share, releases_at=seasons[commitment_id], status="carried", carried_at=now, part=part,
                )
            )
    session.flush()


def release_part(
    session: Session, *, offering: Offering, milestone_id: int, journal_id: int, covered: bool, now: dt.datetime
) -> escrow.Divided:
    """Write the statement rows of what has seasoned of a tranche, or of all of it where a reserve covers it.

    Each is the share that was set aside, of all parts together; tokens follow from the money (REL-3).
    """
    values = {
        "offering": offering.id, "milestone": milestone_id, "journal": journal_id, "covered": int(covered),
        "now": now, "kind": escrow.RELEASED, **escrow.price_of(offering),
    }
    session.execute(division.RELEASE_PART, values)
    moved = sa.select(EscrowStatement.commitment_id).where(EscrowStatement.journal_id == journal_id)
    session.execute(
        sa.update(CarriedShare)
        .where(
            CarriedShare.milestone_id == milestone_id, CarriedShare.status == "carried",
            CarriedShare.commitment_id.in_(moved), sa.or_(CarriedShare.releases_at <= now, sa.literal(covered)),
        )
        .values(status="released", journal_id=journal_id)
        .execution_options(synchronize_session=False)
    )
    return escrow.written(session, journal_id)


def void(session: Session, commitment_ids: Sequence[int] | sa.Select[tuple[int]]) -> None:
    """Let commitments' shares be carried no longer, because all their unreleased money is gone from escrow."""
    session.execute(
        sa.update(CarriedShare)
        .where(CarriedShare.commitment_id.in_(commitment_ids), CarriedShare.status == "carried")
        .values(status="void")
        .execution_options(synchronize_session=False)
    )


def drop(session: Session, offering_id: int) -> int:
    """Let nothing of an offering be carried any more, because all that is in escrow returns; return it, minor units."""
    waiting = CarriedShare.offering_id == offering_id, CarriedShare.status == "carried"
    amount = session.scalar(sa.select(sa.func.coalesce(sa.func.sum(CarriedShare.amount_minor), 0)).where(*waiting))
    session.execute(
        sa.update(CarriedShare).where(*waiting).values(status="void").execution_options(synchronize_session=False)
    )
    return int(amount or 0)


def next_part(session: Session, milestone_id: int) -> int:
    """Return the number of a milestone's next division: one more than any that set shares aside."""
    highest = sa.select(sa.func.max(CarriedShare.part)).where(CarriedShare.milestone_id == milestone_id)
    return 1 + (session.scalar(highest) or 0)


def take_back(session: Session, milestone_id: int, part: int) -> None:
    """Forget what :func:`set_aside` wrote in the same transaction, because a reserve covers all of it."""
    session.execute(
        sa.delete(CarriedShare)
        .where(CarriedShare.milestone_id == milestone_id, CarriedShare.part == part)
        .execution_options(synchronize_session=False)
    )


# -- reading ----------------------------------------------------------------------------------------


def due(now: dt.datetime) -> sa.Select[tuple[int]]:
    """Select the milestones of which a share has seasoned, by their ids."""
    return (
        sa.select(CarriedShare.milestone_id)
        .where(CarriedShare.status == "carried", CarriedShare.releases_at <= now)
        .group_by(CarriedShare.milestone_id)
        .order_by(sa.func.min(CarriedShare.releases_at), CarriedShare.milestone_id)
    )


def carried_of(session: Session, offering_ids: Sequence[int]) -> list[Carried]:
    """Return what waits of each released tranche of these offerings, in the order of their milestones; one query."""
    rows = session.execute(
        sa.select(
            CarriedShare.milestone_id, sa.func.sum(CarriedShare.amount_minor), sa.func.count(),
            sa.func.min(CarriedShare.releases_at), sa.func.max(CarriedShare.releases_at),
        )
        .where(CarriedShare.offering_id.in_(list(offering_ids)), CarriedShare.status == "carried")
        .group_by(CarriedShare.milestone_id)
        .order_by(CarriedShare.milestone_id)
    )
    return [Carried(milestone, int(amount), count, first, last) for milestone, amount, count, first, last in rows]


def carried_of_milestone(
    session: Session, milestone_id: int, *, until: dt.datetime | None = None
) -> Sequence[CarriedShare]:
    """Return the shares of a milestone that wait, or those of them that have seasoned by an instant."""
    query = sa.select(CarriedShare).where(CarriedShare.milestone_id == milestone_id, CarriedShare.status == "carried")
    if until is not None:
        query = query.where(CarriedShare.releases_at <= until)
    return session.scalars(query).all()


def shares_of(session: Session, commitment_id: int) -> list[CarriedShare]:
    """Return a commitment's own shares that wait, the one due first first."""
    return list(
        session.scalars(
            sa.select(CarriedShare)
            .where(CarriedShare.commitment_id == commitment_id, CarriedShare.status == "carried")
            .order_by(CarriedShare.releases_at, CarriedShare.id)
        )
    )
