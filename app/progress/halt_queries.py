"""Read halts and polls for pages: what an offering's page says, what a halt would do, what an investor is asked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.closing import early_close
from app.closing.models import EarlyClose
from app.commitments.models import HOLDS_PLACE, UNPAID, Commitment, Refund
from app.commitments.waiting_models import WaitingEntry
from app.contracts.models import Milestone
from app.errors import NotFound
from app.next_step import NextStep, next_step
from app.offerings import awaited
from app.offerings.models import Offering
from app.payments.models import Operation, Payout
from app.payments.rules import UNDECIDED
from app.progress import halting, polls
from app.progress.halt_models import Halt, Poll, PollAnswer
from milestones import polls as poll_rules
from milestones import states

#: Kinds that are put in the words of another.
SAME_WORDS = {
    poll_rules.ADVERSE_AMENDMENT: poll_rules.AMENDMENT, poll_rules.WIND_DOWN_FOR_CAUSE: poll_rules.WIND_DOWN,
}


def page_of(poll: Poll) -> str:
    """Return the template, without its ending, that words this kind of question."""
    return f"polls/kinds/{SAME_WORDS.get(poll.kind, poll.kind)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """An open poll as everybody reads of it."""

    poll: Poll

    @property
    def page(self) -> str:
        """The template, without its ending, that words this kind of question."""
        return page_of(self.poll)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands over an offering now: a halt, an early close, questions to its investors."""

    halt: Halt | None
    early_close: EarlyClose | None
    polls: tuple[Poll, ...]
    deadline_at: dt.datetime | None = None
    late_change: NextStep | None = None

    @property
    def questions(self) -> tuple[Asked, ...]:
        """The open questions with the page that words each."""
        return tuple(Asked(each) for each in self.polls)

    @property
    def next(self) -> NextStep | None:
        """The step that comes before the offering's own: the end of a halt or an early close, a late change (TIM-5)."""
        if self.halt is None and self.late_change is not None:
            return self.late_change
        if self.halt is None:
            notice = self.early_close
            is_announced = notice is not None and notice.state == "announced"
            return next_step("early_close", "announced", self.deadline_at) if is_announced else None
        vote = next((each for each in self.polls if each.kind == polls.HALT), None)
        return next_step("halt", self.halt.state, vote.ends_at if vote is not None else self.halt.ends_at)


def standing(session: Session, offering: Offering, actor: Actor | None = None) -> Standing:
    """Return what stands over an offering; a void early close is told for as long as the offering is open."""
    notice = early_close.latest(session, offering.id) if offering.state == "live" else None
    asked = session.scalars(
        sa.select(Poll).where(Poll.offering_id == offering.id, Poll.state == "open").order_by(Poll.id)
    ).all()
    return Standing(
        halting.running(session, offering.id) if offering.halted_since is not None else None,
        notice if notice is not None and notice.state in ("announced", "void") else None, tuple(asked),
        offering.deadline_at, awaited.steps(session, [offering]).get(offering.id),
    )


def history(session: Session, offering_id: int) -> list[Halt]:
    """Return every halt of an offering, newest first."""
    return list(session.scalars(sa.select(Halt).where(Halt.offering_id == offering_id).order_by(Halt.id.desc())))


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a halt would stop and move, in numbers; minor units of the offering's currency."""

    places: int
    places_minor: int
    unpaid: int
    waiting: int
    approved: int
    approved_minor: int
    payouts: int
    payouts_minor: int
    under_way: int
    refunds: int
    milestones: int


def consequences(session: Session, offering: Offering) -> Consequences:
    """Count what a halt placed now would hold up, and what goes on all the same."""
    places, places_minor, unpaid = session.execute(
        sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(Commitment.amount_minor), 0),
            sa.func.coalesce(sa.func.sum(sa.case((Commitment.status.in_(UNPAID), 1), else_=0)), 0),
        ).where(Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE))
    ).one()
    approved, approved_minor = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Milestone.tranche_minor), 0)).where(
            Milestone.offering_id == offering.id, Milestone.state == "approved"
        )
    ).one()
    payouts, payouts_minor = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Payout.amount_minor - Payout.set_off_minor), 0)).where(
            Payout.offering_id == offering.id, Payout.status == "waiting"
        )
    ).one()

    def count(table: type, *where: sa.ColumnElement[bool]) -> int:
        return session.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0

    return Consequences(
        places=places, places_minor=int(places_minor), unpaid=int(unpaid),
        waiting=count(WaitingEntry, WaitingEntry.offering_id == offering.id,
                      WaitingEntry.status.in_(["waitlisted", "offered"])),
        approved=approved, approved_minor=int(approved_minor), payouts=payouts, payouts_minor=int(payouts_minor),
        under_way=count(Operation, Operation.offering_id == offering.id, Operation.state.in_(UNDECIDED),
                        Operation.state != "created"),
        refunds=count(Refund, Refund.offering_id == offering.id, Refund.status.in_(["open", "sending", "failed"])),
        milestones=count(Milestone, Milestone.offering_id == offering.id,
                         Milestone.state.not_in(sorted(states.MILESTONE_TERMINAL))),
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A poll as one of the investors that it asks sees it."""

    poll: Poll
    offering: Offering
    mine: PollAnswer
    halt: Halt | None

    def is_open(self, now: dt.datetime) -> bool:
        """Whether an answer still counts."""
        return self.poll.state == "open" and polls.clock(self.poll, self.offering, now) < self.poll.ends_at

    @property
    def page(self) -> str:
        """The template, without its ending, that words this kind of question."""
        return page_of(self.poll)

    @property
    def may_change(self) -> bool:
        """Whether another answer may be given."""
        return polls.may_change(self.poll, self.mine)


def question(session: Session, actor: Actor, poll_id: str) -> Question:
    """Return a poll that asks one of the actor's parties; raises ``NotFound`` for anybody else's."""
    row = session.execute(polls.own_answers(actor, poll_id).limit(1)).one_or_none()
    if row is None:
        raise NotFound("There is no such question for you.", code="poll_not_found")
    poll, mine = row
    offering = session.get_one(Offering, poll.offering_id)
    return Question(poll, offering, mine, session.get(Halt, poll.halt_id) if poll.halt_id else None)


def open_questions(session: Session, actor: Actor) -> list[Question]:
    """Return the open polls that ask the actor's parties, the nearest end first."""
    rows = session.execute(
        sa.select(Poll, Offering, PollAnswer)
        .join(Offering, Offering.id == Poll.offering_id)
        .join(PollAnswer, PollAnswer.poll_id == Poll.id)
        .where(Poll.state == "open", PollAnswer.party_id.in_(sorted(actor.parties("investor"))))
        .order_by(Poll.ends_at)
    )
    return [Question(poll, offering, mine, None) for poll, offering, mine in rows]


@dataclass(frozen=True, slots=True)
class Counted:
    """A decided poll with every weight and answer, under the ids that only their owners know: anybody can recount."""

    poll: Poll
    offering: Offering
    answers: tuple[PollAnswer, ...]
    level_minor: int | None
    tally: poll_rules.Tally
    carried: bool

    @property
    def is_right(self) -> bool:
        """Whether the recount gives what was written down when the poll was decided."""
        same = (self.tally.yes_minor, self.tally.no_minor) == (self.poll.yes_minor, self.poll.no_minor)
        return same and self.level_minor == self.poll.level_minor


def counted(session: Session, poll_id: str) -> Counted:
    """Recount a decided poll from its rows; ``NotFound`` before its end: nobody sees how others answered."""
    poll = session.scalars(sa.select(Poll).where(Poll.public_id == poll_id, Poll.state == "decided")).one_or_none()
    if poll is None:
        raise NotFound("There is no decided question with this id.", code="poll_not_found")
    rows = session.scalars(
        sa.select(PollAnswer).where(PollAnswer.poll_id == poll.id)
        .order_by(PollAnswer.weight_minor.desc(), PollAnswer.public_id)
    ).all()
    rule = poll_rules.RULES[poll.kind]
    weights = [row.unreleased_minor or row.weight_minor for row in rows]
    level = poll_rules.level(weights, rule.cap_bp) if poll.level_minor is not None else None
    tally = polls.tally(session, poll)
    offering = session.get_one(Offering, poll.offering_id)
    return Counted(poll, offering, tuple(rows), level, tally, poll_rules.carries(rule, tally))
