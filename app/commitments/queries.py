"""Read commitments: what was raised, and an investor's positions and totals.

Nothing here writes. Before committing, ``prospects``; the lines of a statement, ``statements``. What is
held of tokens is ``register``'s, what the rail does is ``payments``'.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import Actor
from app.commitments import carrying, rules
from app.commitments.models import HOLDS_PLACE, Commitment, EscrowStatement, Refund
from app.commitments.rules import Position
from app.commitments.waiting_models import WaitingEntry
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.contracts.queries import Published
from app.errors import NotFound
from app.offerings import figures
from app.offerings.models import Issuer, Offering, TokenClass
from milestones import money, states

# -- what was raised --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Raised:
    """What an offering has raised, minor units. ``investors`` counts parties whose money cleared (OFF-12).

    ``linked_minor`` is the part of the cleared money that reaches no minimum (COM-11).
    """

    cleared_minor: int = 0
    pending_minor: int = 0
    committed_minor: int = 0
    investors: int = 0
    linked_minor: int = 0

    @property
    def counting_minor(self) -> int:
        """Cleared money at arm's length: only of it "minimum reached" is said."""
        return self.cleared_minor - self.linked_minor


def raised(session: Session, offerings: Sequence[Offering]) -> dict[int, Raised]:
    """Return what each offering has raised, by its id, in one query, two after a cut.

    Cleared is money that arrived and was not taken back before the close; it stays the figure of an
    offering that failed or was wound down (OFF-9). Pending is promised and not yet there.
    """
    ids = [offering.id for offering in offerings]
    found = {offering_id: Raised() for offering_id in ids}
    is_held = is_cleared()
    rows = session.execute(
        sa.select(
            Commitment.offering_id,
            sa.func.sum(sa.case((is_held, Commitment.amount_minor), else_=0)).label("cleared"),
            sa.func.sum(Commitment.amount_minor).label("committed"),
            sa.func.count(sa.distinct(sa.case((is_held, Commitment.party_id)))).label("investors"),
            sa.func.sum(sa.case((sa.and_(is_held, is_linked()), Commitment.amount_minor), else_=0)).label("linked"),
        )
        .where(Commitment.offering_id.in_(ids), Commitment.status.in_(HOLDS_PLACE))
        .group_by(Commitment.offering_id)
    )
    divided = [each.id for each in offerings if each.allotment == "pro_rata" and each.closed_at]
    cuts = _cuts_of(session, divided)
    for row in rows:
        # What was cut off at the close was never raised (OFF-7).
        cut_others, cut_linked = cuts.get(row.offering_id, (0, 0))
        cleared, committed = (int(total) - cut_others - cut_linked for total in (row.cleared, row.committed))
        found[row.offering_id] = Raised(
            cleared, committed - cleared, committed, row.investors, int(row.linked) - cut_linked
        )
    return found


def _cuts_of(session: Session, offering_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return what was cut off the orders of oversubscribed offerings (OFF-7), by their ids: at arm's length, linked."""
    if not offering_ids:
        return {}
    cut, linked = -EscrowStatement.amount_minor, is_linked()
    rows = session.execute(
        sa.select(
            EscrowStatement.offering_id,
            sa.func.sum(sa.case((linked, 0), else_=cut)), sa.func.sum(sa.case((linked, cut), else_=0)),
        )
        .join(Commitment, Commitment.id == EscrowStatement.commitment_id)
        .where(
            EscrowStatement.offering_id.in_(list(offering_ids)), EscrowStatement.kind == "cut", is_cleared(),
        )
        .group_by(EscrowStatement.offering_id)
    )
    return {offering_id: (int(others), int(of_linked)) for offering_id, others, of_linked in rows}


@dataclass(frozen=True, slots=True)
class Sums:
    """What an offering's bar is made of, minor units; only ``cleared_minor`` reaches a minimum (OFF-12).

    ``cleared_minor`` is at arm's length; ``linked_minor`` cleared too, of investors linked to the issuer or to
    each other (COM-11); ``pending_minor`` is promised and not yet there; ``waiting_minor`` stands on the list.
    """

    cleared_minor: int = 0
    linked_minor: int = 0
    pending_minor: int = 0
    waiting_minor: int = 0


def is_linked() -> sa.ColumnElement[bool]:
    """Say in SQL whether a commitment counts as linked (COM-11)."""
    return Commitment.is_linked


def has_vote() -> sa.ColumnElement[bool]:
    """Say in SQL whether a commitment's money has a vote: at arm's length and not disputed (COM-11, WND-4)."""
    return sa.and_(sa.not_(is_linked()), Commitment.disputed_minor == 0)


def is_cleared() -> sa.ColumnElement[bool]:
    """Say in SQL whether a commitment's money cleared, and nobody has to decide whether its bank took it back."""
    return sa.and_(Commitment.status == "held", sa.not_(Commitment.is_contested))


def public_ids(session: Session, commitment_ids: Sequence[int]) -> dict[int, str]:
    """Return the public ids of commitments by their ids."""
    rows = session.execute(sa.select(Commitment.id, Commitment.public_id).where(Commitment.id.in_(commitment_ids)))
    return {row.id: row.public_id for row in rows}


def raised_sums(session: Session, offering_ids: Sequence[int]) -> dict[int, Sums]:
    """Return what each offering's commitments come to now, by its id, in three queries (OFF-5, OFF-6, OFF-12).

    After the close what was cut off is left out, as in :func:`raised`.
    """
    found = {offering_id: Sums() for offering_id in offering_ids}
    is_held, linked = is_cleared(), is_linked()

    def total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.sum(sa.case((condition, Commitment.amount_minor), else_=0))

    rows = session.execute(
        sa.select(
            Commitment.offering_id,
            total(sa.and_(is_held, sa.not_(linked))).label("cleared"),
            total(sa.and_(is_held, linked)).label("linked"),
            total(sa.not_(is_held)).label("pending"),
        )
        .where(Commitment.offering_id.in_(list(offering_ids)), Commitment.status.in_(HOLDS_PLACE))
        .group_by(Commitment.offering_id)
    )
    cuts = _cuts_of(session, offering_ids)
    for row in rows:
        cut_others, cut_linked = cuts.get(row.offering_id, (0, 0))
        found[row.offering_id] = Sums(int(row.cleared) - cut_others, int(row.linked) - cut_linked, int(row.pending))
    waiting = session.execute(
        sa.select(WaitingEntry.offering_id, sa.func.sum(WaitingEntry.amount_minor))
        .where(WaitingEntry.offering_id.in_(list(offering_ids)), WaitingEntry.status.in_(["waitlisted", "offered"]))
        .group_by(WaitingEntry.offering_id)
    )
    for offering_id, total in waiting:
        found[offering_id] = dataclasses.replace(found[offering_id], waiting_minor=int(total))
    return found


def carried(session: Session, offering_id: int) -> dict[int, carrying.Carried]:
    """Return what of an offering's released tranches waits until it has seasoned, by milestone (COM-10)."""
    return {each.milestone_id: each for each in carrying.carried_of(session, [offering_id])}


# -- positions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PositionView:
    """One commitment with everything its line in the portfolio says. Money in ``offering.currency``."""

    commitment: Commitment
    offering: Offering
    issuer: Issuer
    token_class: TokenClass
    position: Position
    refunds: tuple[Refund, ...]
    milestones: tuple[Milestone, ...]

    @property
    def asset(self) -> money.Asset:
        return money.Asset.parse(self.offering.currency)

    @property
    def status(self) -> str:
        """The status people see, from facts, offering and statement."""
        return rules.display_status(
            self.commitment.status, self.offering.state, self.position,
            refund_statuses=frozenset(
                refund.status for refund in self.refunds
                if self.commitment.status != "held" or not self._is_aside(refund)
            ),
            is_disputed=self.commitment.disputed_minor > 0,
        )

    def _is_aside(self, refund: Refund) -> bool:
        """Say whether a refund leaves the commitment as it is: over-paid money, or a cut that left a part (OFF-7)."""
        is_cut = refund.reason == rules.OVERSUBSCRIBED and self.position.entitled_tokens > 0
        return refund.reason in rules.ASIDE or is_cut

    @property
    def back_minor(self) -> int:
        """What went back, or is on its way."""
        return sum(refund.amount_minor for refund in self.refunds)

    @property
    def next_milestone(self) -> Milestone | None:
        """The milestone that comes next: one that moves, else the first that is locked."""
        waiting = [row for row in self.milestones if not states.is_terminal("milestone", row.state)]
        moving = [row for row in waiting if row.state != "locked"]
        return (moving or waiting or [None])[0]

    def may_cancel(self, now: dt.datetime) -> bool:
        """Whether cancelling is still free (COM-6)."""
        return self.commitment.status in HOLDS_PLACE and figures.may_cancel(
            self.offering, self.commitment.created_at, now
        )

    @property
    def cancel_until(self) -> dt.datetime:
        """The last moment to cancel (COM-6)."""
        return figures.cancel_until(self.offering, self.commitment.created_at)

    @property
    def deadline_at(self) -> dt.datetime | None:
        """When silence has its effect in the present status (TIM-5)."""
        return deadline_of(self)


def deadline_of(view: PositionView) -> dt.datetime | None:
    """Return the instant that the status of a position waits for; None where no clock runs."""
    status, offering = view.status, view.offering
    if status in ("awaiting_payment", "underpaid", "payment_failed"):
        return view.commitment.pay_by
    if status == "held":
        return offering.deadline_at if offering.state == "live" else offering.step_due_at
    if status == "clearing":
        if offering.state == "clearing":
            return offering.step_due_at
        return calendars.add_business_days(
            offering.deadline_at, figures.of(offering).clearing_bd, code=offering.calendar, zone=offering.zone
        )
    if status == "allotted":
        return offering.long_stop_at
    if status == "refunding":
        return min((each.due_at for each in view.refunds if each.status != "done"), default=offering.step_due_at)
    return None


def find_position(session: Session, actor: Actor, commitment_id: str) -> PositionView:
    """Return one of the actor's own commitments by its public id; raises ``NotFound`` for anybody else's."""
    parties = actor.parties("investor")
    found = _positions(session, sa.and_(Commitment.public_id == commitment_id, Commitment.party_id.in_(parties)), 1)
    if not found:
        raise NotFound("There is no such commitment.", code="commitment_not_found")
    return found[0]


def positions_of(
    session: Session, party_ids: Sequence[int] | frozenset[int], *, before_id: int | None = None, limit: int = 50
) -> list[PositionView]:
    """Return the commitments of parties, newest first, one page by key; four queries whatever their number."""
    where = Commitment.party_id.in_(list(party_ids))
    if before_id is not None:
        where = sa.and_(where, Commitment.id < before_id)
    return _positions(session, where, limit)


def needing_payment(session: Session, party_ids: Sequence[int] | frozenset[int]) -> list[PositionView]:
    """Return the commitments that their investor must pay, the most urgent first."""
    where = sa.and_(
        Commitment.party_id.in_(list(party_ids)),
        Commitment.status.in_(["awaiting_payment", "underpaid", "payment_failed"]),
    )
    return sorted(_positions(session, where, 50), key=lambda view: view.commitment.pay_by)


def terms_of(session: Session, view: PositionView) -> Published:
    """Return the terms that a commitment was made under."""
    return contract_queries.published_terms(session, view.commitment.terms_version_id)


def _positions(session: Session, where: sa.ColumnElement[bool], limit: int) -> list[PositionView]:
    rows = session.execute(
        sa.select(Commitment, Offering, Issuer, TokenClass)
        .join(Offering, Offering.id == Commitment.offering_id)
        .join(Issuer, Issuer.id == Offering.issuer_id)
        .join(TokenClass, TokenClass.id == Offering.token_class_id)
        .where(where)
        .order_by(Commitment.id.desc())
        .limit(limit)
    ).all()
    commitment_ids = [row[0].id for row in rows]
    at = _last_positions(session, commitment_ids)
    refunds: dict[int, list[Refund]] = {each: [] for each in commitment_ids}
    for refund in session.scalars(
        sa.select(Refund).where(Refund.commitment_id.in_(commitment_ids)).order_by(Refund.id)
    ):
        refunds[refund.commitment_id].append(refund)
    milestones: dict[int, list[Milestone]] = {}
    for milestone in session.scalars(
        sa.select(Milestone)
        .where(Milestone.contract_id.in_({row[1].contract_id for row in rows}))
        .order_by(Milestone.contract_id, Milestone.ordinal)
    ):
        milestones.setdefault(milestone.contract_id, []).append(milestone)
    return [
        PositionView(
            commitment, offering, issuer, token_class, at.get(commitment.id, Position()),
            tuple(refunds[commitment.id]), tuple(milestones.get(offering.contract_id, ())),
        )
        for commitment, offering, issuer, token_class in rows
    ]


def _last_positions(session: Session, commitment_ids: Sequence[int]) -> dict[int, Position]:
    rows = session.execute(_last_rows(EscrowStatement.commitment_id.in_(commitment_ids)))
    return {
        row.commitment_id: Position(
            row.unreleased_after_minor, row.released_after_minor, row.issued_after_tokens, row.entitled_after_tokens
        )
        for row in rows.scalars()
    }


def _last_rows(where: sa.ColumnElement[bool]) -> sa.Select[tuple[EscrowStatement]]:
    newest = (
        sa.select(EscrowStatement.commitment_id, sa.func.max(EscrowStatement.seq).label("seq"))
        .where(where)
        .group_by(EscrowStatement.commitment_id)
        .subquery("newest")
    )
    return sa.select(EscrowStatement).join(
        newest, sa.and_(newest.c.commitment_id == EscrowStatement.commitment_id, newest.c.seq == EscrowStatement.seq)
    )
