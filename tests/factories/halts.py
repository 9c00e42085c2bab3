"""Let operators, founders and investors of a life halt it, close it early, and answer: through the services."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.closing import early_close
from app.closing.models import EarlyClose
from app.offerings.models import Offering
from app.progress import authority, halting, polls
from app.progress.halt_models import Halt, Poll, PollAnswer
from tests.factories.life import Life

DAY = dt.timedelta(days=1)
ORDER = authority.Document("AZ 3/26", "order.pdf", "application/pdf", "a" * 64, 2_048)
PUBLIC_TEXT = "We are looking into a question about the bank statements."


def place(life: Life, *, days: int = 5, by: Actor | None = None, is_secret: bool = False) -> str:
    """Halt a life's offering for so many days and return the halt's public id."""
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: halting.place(
            session, actor=by or life.operator, offering_id=life.offering_id, reason="A bank asked about a payment.",
            public_text=PUBLIC_TEXT, is_secret=is_secret, ends_at=stage.now + days * DAY, key=stage.key(),
            now=stage.now,
        )
    ).public_id


def extend(
    life: Life, halt_id: str, ends_at: dt.datetime, *, by: Actor, document: authority.Document | None = None
) -> Halt:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: halting.extend(
            session, actor=by, halt_id=halt_id, ends_at=ends_at, reason="The bank needs longer.",
            document=document, key=stage.key(), now=stage.now,
        )
    )


def lift(life: Life, halt_id: str, *, by: Actor | None = None) -> Halt:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: halting.lift(
            session, actor=by or life.operator, halt_id=halt_id, reason="The bank has answered.", now=stage.now
        )
    )


def halt(life: Life) -> Halt:
    """Return the newest halt."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Halt).order_by(Halt.id.desc()).limit(1)).one()


def announce(life: Life, deadline_at: dt.datetime, *, by: Actor | None = None) -> str:
    """Announce an early close and return its public id."""
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: early_close.announce(
            session, actor=by or life.founder, offering_id=life.offering_id, deadline_at=deadline_at, key=stage.key(),
            now=stage.now,
        )
    ).public_id


def notice(life: Life) -> EarlyClose:
    """Return the newest early close."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(EarlyClose).order_by(EarlyClose.id.desc()).limit(1)).one()


def poll(life: Life) -> Poll:
    """Return the newest poll of the life's offering."""
    of_it = sa.select(Poll).join(Offering, Offering.id == Poll.offering_id)
    with life.stage.db.read() as session:
        return session.scalars(
            of_it.where(Offering.public_id == life.offering_id).order_by(Poll.id.desc()).limit(1)
        ).one()


def answer(life: Life, number: int, choice: str) -> PollAnswer:
    """Let the life's investor answer the offering's newest poll."""
    stage, poll_id = life.stage, poll(life).public_id
    return stage.db.unit_of_work(
        lambda session: polls.answer(
            session, actor=life.investors[number], poll_id=poll_id, choice=choice, key=stage.key(), now=stage.now
        )
    )
