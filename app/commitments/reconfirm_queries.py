"""Read changes of offerings with their rounds, and what one investor is asked (OFF-8). Nothing here writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import repricing
from app.commitments.models import HOLDS_PLACE, Commitment
from app.commitments.reconfirm_models import Reconfirmation
from app.next_step import NextStep, next_step
from app.offerings import awaited, changes, rules, versions
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from milestones import offer


@dataclass(frozen=True, slots=True)
class Counts:
    """How many commitments a round asked, by what became of it."""

    asked: int = 0
    waiting: int = 0
    confirmed: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A change as pages show it: the row, every difference judged, its round and until when that runs."""

    change: OfferingChange
    judged: tuple[offer.Judged, ...]
    counts: Counts
    due_at: dt.datetime | None
    is_before_first: bool
    is_third: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What one commitment is asked: the change, until when, and what reconfirming would make of it.

    ``tokens``, ``amount_minor`` and ``rest_minor`` are those at the present price; ``judged`` compares the version
    that the commitment is bound to with the present one.
    """

    commitment: Commitment
    offering: Offering
    change: OfferingChange
    due_at: dt.datetime | None
    judged: tuple[offer.Judged, ...]
    version: versions.Version
    tokens: int
    amount_minor: int

    @property
    def rest_minor(self) -> int:
        return self.commitment.amount_minor - self.amount_minor


def changes_of(session: Session, offering: Offering) -> list[Seen]:
    """Return an offering's changes with their rounds, the newest first; queries constant in the investors."""
    rows = session.scalars(
        sa.select(OfferingChange).where(OfferingChange.offering_id == offering.id).order_by(
            OfferingChange.number.desc())
    ).all()
    return [seen(session, offering, row) for row in rows]


def seen(session: Session, offering: Offering, change: OfferingChange) -> Seen:
    """Return one change with what it alters, or altered, and its round."""
    base = versions.numbered(session, offering.id, change.base_number)
    if change.version_number is not None:
        before = versions.numbered(session, offering.id, change.version_number - 1)
        judged = offer.judge(before.document, versions.numbered(session, offering.id, change.version_number).document)
    else:
        judged = offer.judge(base.document, offer.merge(base.document, changes.patch_in(change)))
    counts, due_at = _round(session, change)
    is_third = changes.material_count(session, offering) >= rules.MATERIAL_CHANGES_AT_MOST
    return Seen(
        change, judged, counts, due_at, change.is_material is None and changes.is_before_first(offering), is_third
    )


def _round(session: Session, change: OfferingChange) -> tuple[Counts, dt.datetime | None]:
    row = session.execute(
        sa.select(
            sa.func.count().label("asked"),
            sa.func.count(sa.case((Reconfirmation.answer.is_(None), 1))).label("waiting"),
            sa.func.count(sa.case((Reconfirmation.answer == "confirmed", 1))).label("confirmed"),
            sa.func.count(sa.case((Reconfirmation.answer.in_(["silent", "cancelled"]), 1))).label("left"),
            sa.func.max(Reconfirmation.due_at).label("due_at"),
        ).where(Reconfirmation.change_id == change.id)
    ).one()
    return Counts(row.asked, row.waiting, row.confirmed, row.left), row.due_at


def step_of(seen: Seen, offering: Offering) -> NextStep | None:
    """Return what a change waits for: an operator's decision, or the answers of those who were asked (TIM-5)."""
    if seen.change.state == "proposed":
        row = awaited.subject_of(seen.change, is_first=seen.is_before_first, is_third=seen.is_third)
        return next_step(*row, seen.change.decide_by)
    if seen.counts.waiting and offering.state == "live":
        return next_step("reconfirmation", "open", seen.due_at)
    return None


def would_be_asked(session: Session, offering: Offering) -> int:
    """Return how many commitments a material change would ask now."""
    return session.scalar(
        sa.select(sa.func.count()).select_from(Commitment).where(
            Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE)
        )
    ) or 0


def asked_of(session: Session, party_ids: Collection[int], *, offering_id: int | None = None) -> list[Asked]:
    """Return what these parties are asked and have not answered, the most urgent first."""
    query = (
        sa.select(Reconfirmation, Commitment, OfferingChange, Offering)
        .join(Commitment, Commitment.id == Reconfirmation.commitment_id)
        .join(OfferingChange, OfferingChange.id == Reconfirmation.change_id)
        .join(Offering, Offering.id == OfferingChange.offering_id)
        .where(
            Reconfirmation.answer.is_(None), Commitment.status.in_(HOLDS_PLACE), Offering.state == "live",
            Commitment.party_id.in_(list(party_ids)),
        )
        .order_by(Reconfirmation.due_at, Reconfirmation.id)
    )
    if offering_id is not None:
        query = query.where(Offering.id == offering_id)
    return [_asked(session, *row) for row in session.execute(query.limit(50))]


def _asked(
    session: Session, row: Reconfirmation, commitment: Commitment, change: OfferingChange, offering: Offering
) -> Asked:
    version = versions.current(session, offering)
    assert version is not None
    judged = versions.between(session, offering, commitment.version_number)
    tokens, amount = (
        (commitment.tokens, commitment.amount_minor) if commitment.price_micro == offering.price_micro
        else repricing.at_price(offering, commitment.amount_minor)
    )
    return Asked(commitment, offering, change, row.due_at, judged, version, tokens, amount)


def answer_of(session: Session, commitment_id: int) -> Reconfirmation | None:
    """Return what became of a commitment's newest round, None when it never was asked."""
    return session.scalars(
        sa.select(Reconfirmation).where(Reconfirmation.commitment_id == commitment_id)
        .order_by(Reconfirmation.id.desc()).limit(1)
    ).one_or_none()
