"""Read amendments for pages: one proposal with its vote, comments and seats, and what it means for one's own money."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import Actor
from app.contracts import queries as contract_queries
from app.offerings.models import Issuer, Offering
from app.progress import amending, amendment_effects
from app.progress.amendment_models import Amendment, AmendmentComment, AmendmentSeat
from app.progress.halt_models import Poll
from milestones import diff
from milestones import document as documents
from milestones.terms import Terms


@dataclass(frozen=True, slots=True)
class Mine:
    """What one of the reader's investors has at stake, minor units, and whether they may leave with it."""

    party_id: int
    unreleased_minor: int
    tokens: int
    may_leave: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A proposal as its page shows it; ``grounds`` say why it is adverse, by code and place.

    ``is_own`` says that the reader acts for the company whose plan it is.
    """

    amendment: Amendment
    offering: Offering
    poll: Poll
    before: Terms
    after: Terms
    grounds: list[list[str]]
    mine: list[Mine]
    comments: list[tuple[str, str, dt.datetime]]
    seats: list[tuple[str, str, str]]
    history: list[Amendment]
    is_own: bool

    @property
    def changes(self) -> tuple[diff.Change, ...]:
        """What differs, in the order of the document."""
        return diff.diff(self.before, self.after)


def seen(session: Session, actor: Actor | None, amendment_id: str) -> Seen:
    """Return a proposal with everything that its page says; ``NotFound`` for none."""
    amendment = amending.by_public_id(session, amendment_id)
    offering = session.get_one(Offering, amendment.offering_id)
    comments = session.execute(
        sa.select(AmendmentComment.party_id, AmendmentComment.text, AmendmentComment.said_at)
        .where(AmendmentComment.amendment_id == amendment.id).order_by(AmendmentComment.id)
    ).all()
    seats = session.execute(
        sa.select(AmendmentSeat.party_id, AmendmentSeat.milestone_key, AmendmentSeat.state)
        .where(AmendmentSeat.amendment_id == amendment.id).order_by(AmendmentSeat.id)
    ).all()
    names = people.party_names(session, {row.party_id for row in (*comments, *seats)})
    return Seen(
        amendment, offering, amending.poll_of(session, amendment),
        contract_queries.published_terms(session, amendment.base_version_id).terms,
        documents.parse_document(json.loads(amendment.document)), json.loads(amendment.grounds),
        _mine(session, actor, amendment, offering),
        [(names[row.party_id], row.text, row.said_at) for row in comments],
        [(names[row.party_id], row.milestone_key, row.state) for row in seats],
        list(session.scalars(
            sa.select(Amendment).where(Amendment.offering_id == offering.id).order_by(Amendment.number)
        )),
        actor is not None and session.get_one(Issuer, offering.issuer_id).party_id in actor.parties("founder"),
    )


def _mine(session: Session, actor: Actor | None, amendment: Amendment, offering: Offering) -> list[Mine]:
    parties = sorted(actor.parties("investor")) if actor is not None else []
    leavers = amendment_effects.may_leave(session, amendment, parties)
    figures = [(each, amendment_effects.unreleased_of(session, offering, each)) for each in parties]
    return [Mine(each, money, tokens, each in leavers) for each, (money, tokens) in figures if money or tokens]
