"""An officer signs at the close that no commitment was funded, lent or promised back by the company (COM-11).

Until then nothing is released: :func:`waits_for` is one of the gates of ``progress.releases``.
"""

from __future__ import annotations

import datetime as dt
import hashlib

from sqlalchemy.orm import Session

from app import calendars
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.commitments import rules
from app.errors import Conflict, NotFound
from app.offerings import service as offerings
from app.offerings.models import Issuer, Offering

#: What is signed, word for word; its hash stands in the log.
STATEMENT = (
    "I state on behalf of the company that none of the commitments to this offering was funded or lent by the company, "
    "its officers or anybody acting for them, and that no investor was promised their money back outside the terms."
)
STATEMENT_HASH = hashlib.sha256(STATEMENT.encode()).hexdigest()


def state_funding(session: Session, *, actor: Actor, offering_id: str, now: dt.datetime) -> Offering:
    """Sign :data:`STATEMENT` for the company, with a second factor; a second signature changes nothing.

    Raises ``NotFound`` for somebody else's offering and ``Conflict`` ``not_closed`` before the close succeeded: what is
    signed speaks of all commitments.
    """
    accounts.demand(actor, "founder", second_factor=True)
    found = offerings.offering_by_id(session, offering_id)
    offering = session.get_one(Offering, found.id, with_for_update=True, populate_existing=True)
    issuer = session.get_one(Issuer, offering.issuer_id)
    if not actor.acts_for(issuer.party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
    if offering.funding_stated_at is not None:
        return offering
    if offering.proceeds_minor is None:
        raise Conflict(
            "This can be signed once the offering has closed and reached its minimum: it speaks of every commitment.",
            code="not_closed",
        )
    offering.funding_stated_by, offering.funding_stated_at = accounts.user_of(actor), now
    session.flush()
    audit.record(
        session, actor=actor, action="offering.funding_stated", object_id=offering.public_id, now=now,
        after={"statement": STATEMENT_HASH},
    )
    return offering


def due_at(offering: Offering) -> dt.datetime | None:
    """Return by when the statement should be signed: ten business days after the close; None before it."""
    if offering.closed_at is None:
        return None
    return calendars.add_business_days(
        offering.closed_at, rules.FUNDING_STATEMENT_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone
    )


def given_up_at(offering: Offering) -> dt.datetime | None:
    """Return when a plan ends whose statement nobody signs: 180 days after the close; None before it (states.md)."""
    return None if offering.closed_at is None else offering.closed_at + dt.timedelta(days=rules.FUNDING_GIVEN_UP_DAYS)


def is_missing(offering: Offering) -> bool:
    """Whether the offering runs and the statement is not signed."""
    return offering.proceeds_minor is not None and offering.funding_stated_at is None


def waits_for(offering: Offering) -> str | None:
    """Return what releases wait for because of the statement, in words; None once it is signed."""
    if not is_missing(offering):
        return None
    return (
        "the founder, who must sign that no commitment was funded, lent or promised back by the company; nothing is "
        "released before that"
    )
