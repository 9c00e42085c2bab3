"""Ask the investors of an offering one question, and count their answers by their unreleased money.

How each kind is weighed and counted is ``milestones.polls``; what follows from the answers is ``outcomes``. Used for
OFF-11, OFF-13 and MIL-13.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars, idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.commitments.models import Commitment, EscrowStatement
from app.commitments.queries import has_vote
from app.db import public_id, random_public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress.halt_models import Poll, PollAnswer
from milestones import polls as rules
from milestones.apportion import WHOLE_BP

HALT, SHORTFALL = rules.HALT, rules.SHORTFALL
YES, NO = rules.YES, rules.NO
GOES_ON, WINDS_DOWN, DROPPED = "goes_on", "winds_down", "dropped"
VOTE_BUSINESS_DAYS = 10
VOTE_CALENDAR_DAYS = 7


def vote_end(offering: Offering, now: dt.datetime) -> dt.datetime:
    """Return when a vote that begins now ends: ten business days, never under seven calendar days (TIM-1)."""
    return calendars.window_end(
        now, VOTE_BUSINESS_DAYS, code=offering.calendar, zone=offering.zone, min_calendar_days=VOTE_CALENDAR_DAYS
    )


def open_of(session: Session, offering_id: int, kind: str, subject: str = "") -> Poll | None:
    """Return the open poll of a kind on a subject, None when there is none."""
    return session.scalars(
        sa.select(Poll).where(
            Poll.offering_id == offering_id, Poll.kind == kind, Poll.subject == subject, Poll.state == "open"
        )
    ).one_or_none()


def all_open(session: Session, offering_id: int) -> list[Poll]:
    """Return every open poll of an offering."""
    return list(
        session.scalars(
            sa.select(Poll).where(Poll.offering_id == offering_id, Poll.state == "open").order_by(Poll.id)
        )
    )


def open_poll(
    session: Session, offering: Offering, *, kind: str, ends_at: dt.datetime, subject: str = "",
    halt_id: int | None = None, weighed_at: dt.datetime | None = None, now: dt.datetime,
) -> Poll:
    """Put a question and write down everybody's weight; tells everybody it asks.

    ``kind`` is one of ``milestones.polls.RULES``. With ``weighed_at``, an instant before now, nobody weighs more than
    they had then, so that nothing acquired since counts (MIL-13). A vote counts arm's-length money only (COM-11);
    whether to stay is everybody's own question.
    """
    rule = rules.RULES[kind]
    poll = Poll(
        public_id=public_id("pol"), offering_id=offering.id, kind=kind, subject=subject, halt_id=halt_id,
        state="open", opened_at=now, weighed_at=weighed_at, ends_at=ends_at, total_minor=0,
    )
    session.add(poll)
    session.flush()
    _weigh(session, poll, rule)
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


def _weigh(session: Session, poll: Poll, rule: rules.Rule) -> None:
    """Write one row for each investor who is asked, then cut what is above the cap."""
    last = escrow.last_rows(poll.offering_id)
    unreleased: sa.ColumnElement[int] = last.c.unreleased_after_minor
    source: sa.FromClause = last.join(Commitment.__table__, Commitment.id == last.c.commitment_id)
    if poll.weighed_at is not None:
        then = (
            sa.select(EscrowStatement.commitment_id, sa.func.sum(EscrowStatement.amount_minor).label("minor"))
            .where(EscrowStatement.offering_id == poll.offering_id, EscrowStatement.occurred_at <= poll.weighed_at)
            .group_by(EscrowStatement.commitment_id)
            .subquery("then")
        )
        source = source.join(then, then.c.commitment_id == last.c.commitment_id)
        unreleased = sa.case((then.c.minor < unreleased, then.c.minor), else_=unreleased)
    weight = sa.cast(sa.func.sum(unreleased), sa.BigInteger)
    rows = (
        sa.select(
            random_public_id(sa.literal("ans")), sa.literal(poll.id), last.c.party_id, weight, weight, sa.literal(0)
        )
        .select_from(source)
        .where(unreleased > 0, has_vote() if rule.arms_length else sa.true())
        .group_by(last.c.party_id)
    )
    names = ["public_id", "poll_id", "party_id", "weight_minor", "unreleased_minor", "answers"]
    session.execute(sa.insert(PollAnswer.__table__).from_select(names, rows, include_defaults=False))
    if rule.cap_bp < WHOLE_BP:
        of_poll = PollAnswer.poll_id == poll.id
        weights = session.scalars(sa.select(PollAnswer.weight_minor).where(of_poll)).all()
        poll.level_minor = rules.level(weights, rule.cap_bp)
        session.execute(
            sa.update(PollAnswer).where(of_poll, PollAnswer.weight_minor > poll.level_minor)
            .values(weight_minor=poll.level_minor)
        )


def answer(
    session: Session, *, actor: Actor, poll_id: str, choice: str, key: str, now: dt.datetime
) -> PollAnswer:
    """Answer a poll for one's own party; an answer may be changed until the end, as often as the kind allows.

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
        if not may_change(poll, mine):
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
    return halts.clock(offering, now) if rules.RULES[poll.kind].tolled else now


def may_change(poll: Poll, mine: PollAnswer) -> bool:
    """Whether another answer may be given: one change after a halt or a shortfall (OFF-13), else until the end."""
    most = rules.RULES[poll.kind].answers_at_most
    return most is None or mine.answers < most


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


def tally(session: Session, poll: Poll) -> rules.Tally:
    """Count the answers now, without those struck."""

    def of(choice: str, value: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((PollAnswer.choice == choice, value), else_=0)), 0)

    weight, one = PollAnswer.weight_minor, sa.literal(1)
    counted = session.execute(
        sa.select(sa.func.coalesce(sa.func.sum(weight), 0), of(YES, weight), of(NO, weight), of(YES, one), of(NO, one))
        .where(PollAnswer.poll_id == poll.id, PollAnswer.struck_at.is_(None))
    ).one()
    return rules.Tally(*(int(each) for each in counted))


def carries(session: Session, poll: Poll) -> bool:
    """Whether a poll says yes by its kind's rule; a tie is a no (OFF-13, MIL-13)."""
    return rules.carries(rules.RULES[poll.kind], tally(session, poll))


def strike(session: Session, poll: Poll, *, now: dt.datetime) -> None:
    """Strike the answers of those who have lost their vote since, before they are counted (COM-11).

    Whose every commitment was found to be linked or taken back meanwhile counts neither for nor against, nor toward
    the quorum.
    """
    if not rules.RULES[poll.kind].arms_length:
        return
    voting = sa.select(Commitment.party_id).where(
        Commitment.offering_id == poll.offering_id, Commitment.status == "held", has_vote()
    )
    lost = session.scalars(
        sa.select(PollAnswer).where(
            PollAnswer.poll_id == poll.id, PollAnswer.struck_at.is_(None), PollAnswer.party_id.not_in(voting)
        ).order_by(PollAnswer.id)
    ).all()
    for each in lost:
        each.struck_at = now
        audit.record(
            session, actor=SYSTEM, action="vote.struck", object_id=each.public_id, now=now,
            after={"poll": poll.public_id, "weight_minor": each.weight_minor},
            reason="The investor's money is not at arm's length any more.",
        )
    session.flush()


def close(session: Session, poll: Poll, outcome: str, *, now: dt.datetime) -> None:
    """Write down what a poll came to."""
    counted = tally(session, poll)
    poll.yes_minor, poll.no_minor = counted.yes_minor, counted.no_minor
    if rules.RULES[poll.kind].heads:
        poll.yes_heads, poll.no_heads = counted.yes_heads, counted.no_heads
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
    kept: dict[str, object] = {
        "state": poll.state, "offering": session.get_one(Offering, poll.offering_id).public_id, "kind": poll.kind,
        "halt": poll.halt_id, "opened_at": poll.opened_at, "ends_at": poll.ends_at, "total_minor": poll.total_minor,
        "yes_minor": poll.yes_minor, "no_minor": poll.no_minor, "outcome": poll.outcome,
        "decided_at": poll.decided_at,
    }
    # The first two kinds were told before there were others; their entries keep their form.
    if poll.kind not in (HALT, SHORTFALL):
        kept |= {
            "subject": poll.subject, "weighed_at": poll.weighed_at, "level_minor": poll.level_minor,
            "yes_heads": poll.yes_heads, "no_heads": poll.no_heads,
        }
    return kept
