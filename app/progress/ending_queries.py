"""Read what a vote to end a plan needs and would mean, for its page (WND-6)."""

from __future__ import annotations

import datetime as dt
from dataclasses import astuple, dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.commitments.models import Commitment
from app.errors import NotFound
from app.offerings import halts
from app.offerings.models import Offering
from app.progress import ending, queries
from app.progress.ending_models import EndCall, EndCallSupport
from app.progress.halt_models import Poll
from app.progress.queries import IfStopped
from milestones.disputes import Support


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a vote to end a plan stands, for one investor. ``mine`` is what ending it now would do with theirs."""

    cause: str | None
    opens_at: dt.datetime
    may_call: bool
    call: EndCall | None
    support: Support | None
    has_joined: bool
    poll: Poll | None
    mine: IfStopped
    all: IfStopped | None


def ending_of(session: Session, actor: Actor, offering: Offering, now: dt.datetime) -> Ending:
    """Return it for somebody who invested here; raises ``NotFound`` for anybody else."""
    parties = sorted(actor.parties("investor"))
    ids = session.scalars(
        sa.select(Commitment.id).where(Commitment.offering_id == offering.id, Commitment.party_id.in_(parties))
    ).all()
    if not ids or offering.terms_version_id is None:
        raise NotFound("There is no such question for you.", code="no_vote_here")
    found, poll = ending.gathering(session, offering.id), ending.voting(session, offering.id)
    cause = ending.cause_of(session, offering, now) if offering.state == "active" else None
    opens_at = ending.opens_at(session, offering, cause)
    joined = found is not None and session.scalar(
        sa.select(EndCallSupport.id).where(EndCallSupport.call_id == found.id, EndCallSupport.party_id.in_(parties))
        .limit(1)
    ) is not None
    is_free = found is None and poll is None and offering.state == "active"
    return Ending(
        cause, opens_at, is_free and opens_at <= halts.clock(offering, now), found,
        ending.support_of(session, found) if found is not None else None, joined, poll,
        own_if_stopped(session, offering, ids), queries.if_stopped(session, offering),
    )


def own_if_stopped(session: Session, offering: Offering, commitment_ids: list[int]) -> IfStopped:
    """Return what a wind-down started now would do with some commitments together, to the cent (WND-2)."""
    each = queries.if_stopped_each(session, offering)
    rows = [astuple(each[commitment_id]) for commitment_id in commitment_ids if commitment_id in each]
    return IfStopped(*(sum(column) for column in zip(*rows, strict=True))) if rows else IfStopped(0, 0, 0, 0)
