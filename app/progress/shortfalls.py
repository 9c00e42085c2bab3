"""Ask investors whether they stay when payments taken back leave less than the minimum (OFF-11)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import escrow
from app.commitments.models import Commitment
from app.commitments.queries import is_linked
from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.payments.reversal_models import Reversal
from app.progress import leaving, polls
from app.progress.halt_models import Poll, PollAnswer


def reason_to_wait(session: Session, offering: Offering) -> str | None:
    """Return what stops releases before the first milestone's, in words, or None (OFF-11)."""
    if offering.state != "active" or not has_reversal(session, offering.id):
        return None
    if is_past_first_release(session, offering.id):
        return None
    if polls.open_of(session, offering.id, polls.SHORTFALL) is not None or is_short(session, offering):
        return "the investors, who are asked whether they stay with less than the minimum"
    if proceeds_left(session, offering.id) < offering.minimum_minor:
        return "the rails, which decide disputes without whose money less than the minimum is left"
    return None


def has_reversal(session: Session, offering_id: int) -> bool:
    """Whether a payment was taken back at all: almost never, so nothing more is asked of the books."""
    return session.scalar(sa.select(Reversal.id).where(Reversal.offering_id == offering_id).limit(1)) is not None


def is_past_first_release(session: Session, offering_id: int) -> bool:
    """Whether a milestone was released; the closing tranche is none."""
    return session.scalar(
        sa.select(Milestone.id)
        .where(Milestone.offering_id == offering_id, Milestone.ordinal > 0, Milestone.released_minor > 0)
        .limit(1)
    ) is not None


def is_short(session: Session, offering: Offering) -> bool:
    """Whether what is left of the cleared arm's-length money is below the minimum.

    What is disputed is not taken back yet: nothing is released without it, but nobody is asked before it is decided.
    """
    return proceeds_left(session, offering.id) + disputed_minor(session, offering.id) < offering.minimum_minor


def proceeds_left(session: Session, offering_id: int, party_ids: sa.Select[tuple[int]] | None = None) -> int:
    """Return unreleased and released arm's-length money, of everybody or of some parties, minor units."""
    last = escrow.last_rows(offering_id)
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor + last.c.released_after_minor), 0))
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .where(sa.not_(is_linked()))
    )
    if party_ids is not None:
        query = query.where(last.c.party_id.in_(party_ids))
    return int(session.scalar(query) or 0)


def disputed_minor(session: Session, offering_id: int) -> int:
    """Return the arm's-length money in escrow that stands apart while rails decide, minor units (WND-4)."""
    total = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Reversal.escrow_minor), 0))
        .join(Commitment, Commitment.id == Reversal.commitment_id)
        .where(Reversal.offering_id == offering_id, Reversal.state == "open", sa.not_(is_linked()))
    )
    return int(total or 0)


def ask(session: Session, offering: Offering, *, now: dt.datetime) -> Poll:
    """Ask each investor to stay within ten business days; silence refunds."""
    return polls.open_poll(
        session, offering, kind=polls.SHORTFALL, ends_at=polls.vote_end(offering, now), now=now
    )


def staying(poll: Poll) -> sa.Select[tuple[int]]:
    """Return the query of the parties that stay."""
    return sa.select(PollAnswer.party_id).where(PollAnswer.poll_id == poll.id, PollAnswer.choice == polls.YES)


def enough_stay(session: Session, offering: Offering, poll: Poll) -> bool:
    """Whether those who stay reach the minimum; exactly the minimum does."""
    return proceeds_left(session, offering.id, staying(poll)) >= offering.minimum_minor


def let_others_leave(session: Session, offering: Offering, poll: Poll, *, now: dt.datetime) -> int:
    """Owe everybody who does not stay all of their unreleased money; return how many refunds it makes."""
    left = leaving.give_back(
        session, offering, lambda last: last.c.party_id.not_in(staying(poll)), key=f"poll:{poll.public_id}:left",
        cause=poll.public_id, reason="They did not stay with less than the minimum.", now=now,
    )
    return left.refunds
