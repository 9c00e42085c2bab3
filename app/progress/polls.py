"""Ask the investors of an offering one question, and count their answers by their unreleased money (OFF-11, OFF-13).

Weights are those of the books when the question is put. What follows from the answers is ``outcomes``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.commitments.models import Commitment
from app.commitments.queries import is_linked
from app.db import public_id, random_public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress.halt_models import Poll, PollAnswer

HALT, SHORTFALL = "halt", "shortfall"
YES, NO = "yes", "no"
GOES_ON, WINDS_DOWN, DROPPED = "goes_on", "winds_down", "dropped"
QUORUM_PERCENT = 25
#: An answer may be changed once (OFF-13).
ANSWERS_AT_MOST = 2


@dataclass(frozen=True, slots=True)
class Tally:
    """What was answered, in unreleased money, minor units."""

    total_minor: int
    yes_minor: int
    no_minor: int

    @property
    def has_quorum(self) -> bool:
        """Whether a quarter of the weight, or more, was cast."""
        cast = self.yes_minor + self.no_minor
        return cast > 0 and cast * 100 >= self.total_minor * QUORUM_PERCENT

    @property
    def goes_on(self) -> bool:
        """Whether a vote after a halt lets the plan go on: a quorum, and more yes than no; a tie is no (OFF-13)."""
        return self.has_quorum and self.yes_minor > self.no_minor


def open_of(session: Session, offering_id: int, kind: str) -> Poll | None:
    """Return the open poll of a kind, None when there is none."""
    return session.scalars(
        sa.select(Poll).where(Poll.offering_id == offering_id, Poll.kind == kind, Poll.state == "open")
    ).one_or_none()


def open_poll(
    session: Session, offering: Offering, *, kind: str, ends_at: dt.datetime, halt_id: int | None = None,
    now: dt.datetime,
) -> Poll:
    """Put a question and write down everybody's weight, in one statement; tells everybody it asks.

    A vote counts arm's-length money only (COM-11); whether to stay is everybody's own question.
    """
    poll = Poll(
        public_id=public_id("pol"), offering_id=offering.id, kind=kind, halt_id=halt_id, state="open", opened_at=now,
        ends_at=ends_at, total_minor=0,
    )
    session.add(poll)
    session.flush()
    last = escrow.last_rows(offering.id)
    weights = (
        sa.select(
            random_public_id(sa.literal("ans")), sa.literal(poll.id), last.c.party_id,
            sa.cast(sa.func.sum(last.c.unreleased_after_minor), sa.BigInteger), sa.literal(0),
        )
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .where(last.c.unreleased_after_minor > 0, sa.not_(is_linked()) if kind == HALT else sa.true())
        .group_by(last.c.party_id)
    )
    session.execute(
        sa.insert(PollAnswer.__table__).from_select(
            ["public_id", "poll_id", "party_id", "weight_minor", "answers"], weights, include_defaults=False
        )
    )
    total, count = session.execute(
        sa.select(sa.func.coalesce(sa.func.sum(PollAnswer.weight_minor), 0), sa.func.count())
        .where(PollAnswer.poll_id == poll.id)
    ).one()
    poll.total_minor = int(total)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="poll.opened", object_id=poll.public_id, now=now, after=told(session, poll),
        count=int(count),
    )
    outbox.enqueue(
        session, "notice", {"kind": f"poll_opened:{kind}", "poll_id": poll.id}, now=now,
        key=f"notice:poll_opened:{poll.public_id}",
    )
    return poll


def answer(
    session: Session, *, actor: Actor, poll_id: str, choice: str, key: str, now: dt.datetime
) -> PollAnswer:
    """Answer a poll for one's own party; an answer may be changed once, until the end (OFF-11, OFF-13).

    ``poll_id`` may be the id of one answer, for who acts for several investors: the poll's own id means the first of
    them that has none.
    The same answer again changes nothing. Raises ``NotFound`` for who is not asked, ``Conflict`` ``poll_over``
    after the end, ``Refused`` ``answered_twice`` for a third answer.
    """
    accounts.demand(actor, "investor")
    if choice not in (YES, NO):
        raise Refused("Choose one of the two answers.", code="choice_unknown", field="choice")
    poll, offering, mine = _asked(session, actor, poll_id)
    fields = {"poll": poll_id, "choice": choice}
    earlier = idempotency.claim(session, actor=actor, operation="answer_poll", key=key, fields=fields, now=now)
    if earlier is not None:
        return session.scalars(sa.select(PollAnswer).where(PollAnswer.public_id == earlier)).one()
    if poll.state != "open" or clock(poll, offering, now) >= poll.ends_at:
        raise Conflict("The time to answer is over.", code="poll_over")
    if mine.choice != choice:
        if mine.answers >= ANSWERS_AT_MOST:
            raise Refused("You changed your answer once already, so it stands.", code="answered_twice", field="choice")
        before, mine.choice = mine.choice, choice
        mine.answers += 1
        mine.answered_by, mine.answered_at = accounts.user_of(actor), now
        session.flush()
        audit.record(
            session, actor=actor, action="poll.answered", object_id=mine.public_id, now=now,
            before={"choice": before}, after={"choice": choice, "answers": mine.answers, "poll": poll.public_id},
        )
    idempotency.settle(session, actor=actor, operation="answer_poll", key=key, result_ref=mine.public_id)
    return mine


def clock(poll: Poll, offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return the time that a poll's end is judged by: a vote on a halt runs while the offering is halted."""
    return now if poll.kind == HALT else halts.clock(offering, now)


def own_answers(actor: Actor, poll_id: str) -> sa.Select[tuple[Poll, PollAnswer]]:
    """Select a poll and the answers that are the actor's to give, those still missing first.

    ``poll_id`` is the poll's id, or that of one answer: who acts for several investors answers for each (OFF-11).
    """
    asked = Poll.public_id if poll_id.startswith("pol_") else PollAnswer.public_id
    return (
        sa.select(Poll, PollAnswer)
        .join(PollAnswer, PollAnswer.poll_id == Poll.id)
        .where(asked == poll_id, PollAnswer.party_id.in_(sorted(actor.parties("investor"))))
        .order_by(PollAnswer.choice.is_not(None), PollAnswer.id)
    )


def _asked(session: Session, actor: Actor, poll_id: str) -> tuple[Poll, Offering, PollAnswer]:
    found = session.execute(own_answers(actor, poll_id).limit(1)).one_or_none()
    if found is None:
        raise NotFound("There is no such question for you.", code="poll_not_found")
    poll, mine = found
    # The offering's lock comes first, as everywhere: an answer and the count never wait in a circle.
    offering = session.get_one(Offering, poll.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(poll)
    session.refresh(mine, with_for_update=True)
    return poll, offering, mine


def tally(session: Session, poll: Poll) -> Tally:
    """Count the answers now."""
    weight = PollAnswer.weight_minor

    def of(choice: str) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((PollAnswer.choice == choice, weight), else_=0)), 0)

    yes, no = session.execute(sa.select(of(YES), of(NO)).where(PollAnswer.poll_id == poll.id)).one()
    return Tally(poll.total_minor, int(yes), int(no))


def close(session: Session, poll: Poll, outcome: str, *, now: dt.datetime) -> None:
    """Write down what a poll came to."""
    counted = tally(session, poll)
    poll.yes_minor, poll.no_minor = counted.yes_minor, counted.no_minor
    poll.state, poll.outcome, poll.decided_at = "decided", outcome, now
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="poll.decided", object_id=poll.public_id, now=now, before={"state": "open"},
        after=told(session, poll),
    )
    if outcome != DROPPED:
        outbox.enqueue(
            session, "notice", {"kind": f"poll_decided:{poll.kind}:{outcome}", "poll_id": poll.id}, now=now,
            key=f"notice:poll_decided:{poll.public_id}",
        )


def move_end(session: Session, poll: Poll, step: dt.timedelta, *, now: dt.datetime) -> None:
    """Move a poll's end by the time of a halt (OFF-13)."""
    poll.ends_at += step
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="poll.moved", object_id=poll.public_id, now=now, after=told(session, poll)
    )


def told(session: Session, poll: Poll) -> dict[str, object]:
    """Return what the log keeps of a poll; the self-check compares the row with the last of them."""
    return {
        "state": poll.state, "offering": session.get_one(Offering, poll.offering_id).public_id, "kind": poll.kind,
        "halt": poll.halt_id, "opened_at": poll.opened_at, "ends_at": poll.ends_at, "total_minor": poll.total_minor,
        "yes_minor": poll.yes_minor, "no_minor": poll.no_minor, "outcome": poll.outcome,
        "decided_at": poll.decided_at,
    }
