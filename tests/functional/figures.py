"""Read where a life's money and tokens are, and let its people end it: what the tests of whole lives share."""

from __future__ import annotations

import sqlalchemy as sa

from app.commitments import escrow
from app.commitments.models import Commitment, Refund
from app.db import Database
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import service as offerings
from app.offerings.models import Offering, TokenClass
from app.outbox.models import JobFailure, OutboxMessage
from app.payments.models import Operation, Payout
from app.progress.models import Release
from tests.factories.life import Life


def balances(life: Life) -> dict[str, int]:
    """Return the offering's accounts that hold something, by the first part of their address."""
    with life.stage.db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        found = ledger.balances(session, offering_id=offering.id)
        token_class = session.get_one(TokenClass, offering.token_class_id)
        for account in (
            chart.outstanding(token_class.public_id, token_class.asset),
            chart.unissued(token_class.public_id, token_class.asset),
        ):
            found[account] = ledger.balance(session, account)
    return {account.address.split(":")[0]: amount for account, amount in found.items() if amount}


def commitment(life: Life, number: int) -> Commitment:
    with life.stage.db.read() as session:
        return session.execute(
            sa.select(Commitment).where(Commitment.public_id == life.commitments[number])
        ).scalar_one()


def position(life: Life, number: int) -> tuple[int, int, int, int]:
    """Return (unreleased, released, issued, entitled) of the life's commitment."""
    row = commitment(life, number)
    with life.stage.db.read() as session:
        found = escrow.position(session, row.id)
    return found.unreleased_minor, found.released_minor, found.issued_tokens, found.entitled_tokens


def refunds(life: Life) -> list[tuple[int, int, str, str]]:
    """Return (commitment's ordinal, minor units, reason, status) of every refund."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(Commitment.ordinal, Refund.amount_minor, Refund.reason, Refund.status)
            .join(Commitment, Commitment.id == Refund.commitment_id)
            .order_by(Refund.id)
        ).all()
    return [tuple(row) for row in rows]


def released(life: Life) -> list[tuple[str, int, int, int]]:
    """Return (kind, amount, fee, tokens) of everything that left escrow after the close."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(Release.kind, Release.amount_minor, Release.fee_minor, Release.tokens).order_by(Release.id)
        ).all()
    return [tuple(row) for row in rows]


def payouts(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(Payout.amount_minor, Payout.status).order_by(Payout.id)).all()
    return [tuple(row) for row in rows]


def states(life: Life) -> list[str]:
    return [milestone.state for milestone in life.stage.milestones(life.offering_id)]


def offering(life: Life) -> Offering:
    return life.stage.offering(life.offering_id)


def no_work_is_left(db: Database) -> None:
    """Nothing failed in the worker, and every operation has its end."""
    with db.read() as session:
        assert session.execute(sa.select(JobFailure.job, JobFailure.last_error)).all() == []
        assert session.execute(sa.select(OutboxMessage.last_error).where(OutboxMessage.done_at.is_(None))).all() == []
        decided = ("succeeded", "failed", "cancelled")
        assert session.execute(sa.select(Operation.state).where(Operation.state.not_in(decided))).all() == []


def withdraw(life: Life) -> None:
    life.stage.withdraw(life.founder, life.offering_id, reason="The plan changed.")


def resign(life: Life) -> None:
    life.stage.resign(life.founder, life.offering_id, reason="We cannot go on.")


def stop_releases(life: Life, why: str | None) -> None:
    """Hold back releases, as a payment that was taken back after one does, or let them go on."""

    def act(session: sa.orm.Session) -> None:
        offerings.locked(session, life.offering_id).releases_stopped = why

    life.stage.db.unit_of_work(act)
