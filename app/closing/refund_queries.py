"""Read what giving everything back would do to each investor, and how far refunds are (OFF-9). Nothing here writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import Party
from app.commitments import escrow
from app.commitments.models import UNPAID, Commitment, Refund
from app.offerings.models import Offering


@dataclass(frozen=True, slots=True)
class Preview:
    """What a withdrawal now would do: how much goes back to how many, and what lapses. Minor units."""

    commitments: int
    investors: int
    back_minor: int
    lapsing: int
    lapsing_minor: int


@dataclass(frozen=True, slots=True)
class Line:
    """What one commitment gets back."""

    ordinal: int
    commitment: str
    name: str
    amount_minor: int


def preview(session: Session, offering: Offering) -> Preview:
    """Return the sums of a withdrawal now, by the books; a refund carries no fee."""
    last = escrow.last_rows(offering.id)
    count, investors, back = session.execute(
        sa.select(
            sa.func.count(), sa.func.count(sa.distinct(last.c.party_id)),
            sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor), 0),
        ).where(last.c.unreleased_after_minor > 0)
    ).one()
    lapsing, lapsing_minor = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Commitment.amount_minor), 0)).where(
            Commitment.offering_id == offering.id, Commitment.status.in_(UNPAID)
        )
    ).one()
    return Preview(count, investors, int(back), lapsing, int(lapsing_minor))


def preview_lines(
    session: Session, offering: Offering, *, after: int = 0, limit: int | None = None
) -> list[Line]:
    """Return what each commitment would get back, in the order of their ordinals, one page by key."""
    last = escrow.last_rows(offering.id)
    rows = session.execute(
        sa.select(last.c.ordinal, Commitment.public_id, Party.name, last.c.unreleased_after_minor)
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .join(Party, Party.id == last.c.party_id)
        .where(last.c.unreleased_after_minor > 0, last.c.ordinal > after)
        .order_by(last.c.ordinal)
        .limit(limit)
    )
    return [Line(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the refunds of an offering are: status → (how many, minor units)."""

    by_status: dict[str, tuple[int, int]]
    due_at: dt.datetime | None

    @property
    def total(self) -> tuple[int, int]:
        return _sum(self.by_status.values())

    @property
    def done(self) -> tuple[int, int]:
        return self.by_status.get("done", (0, 0))

    @property
    def done_bp(self) -> int:
        """The share of the money that has arrived, in basis points."""
        return self.done[1] * 10_000 // self.total[1] if self.total[1] else 0


def _sum(rows: Iterable[tuple[int, int]]) -> tuple[int, int]:
    found = list(rows)
    return sum(count for count, _minor in found), sum(minor for _count, minor in found)


def progress(session: Session, offering: Offering) -> Progress:
    """Return how many refunds are in which state, and by when the last of the open ones must have left."""
    rows = session.execute(
        sa.select(Refund.status, sa.func.count(), sa.func.sum(Refund.amount_minor))
        .where(Refund.offering_id == offering.id)
        .group_by(Refund.status)
    ).all()
    due = session.scalar(
        sa.select(sa.func.max(Refund.due_at)).where(
            Refund.offering_id == offering.id, Refund.status.in_(["open", "sending", "failed"])
        )
    )
    return Progress({status: (count, int(minor)) for status, count, minor in rows}, due)


@dataclass(frozen=True, slots=True)
class RefundLine:
    """One refund with whom it goes to."""

    refund: Refund
    commitment: str
    name: str


def refund_lines(
    session: Session, offering: Offering, *, after: int = 0, limit: int | None = None
) -> list[RefundLine]:
    """Return an offering's refunds in the order in which they were owed, one page by key."""
    rows = session.execute(
        sa.select(Refund, Commitment.public_id, Party.name)
        .join(Commitment, Commitment.id == Refund.commitment_id)
        .join(Party, Party.id == Refund.party_id)
        .where(Refund.offering_id == offering.id, Refund.id > after)
        .order_by(Refund.id)
        .limit(limit)
    )
    return [RefundLine(*row) for row in rows]
