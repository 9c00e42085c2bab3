"""Jobs of the close: deadline, decision, refunds of what failed or was withdrawn, and the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.closing import early_close, service
from app.commitments import reconfirm_rounds
from app.commitments.models import UNPAID, Commitment
from app.contracts.models import Milestone
from app.ledger import chart
from app.ledger import queries as ledger_queries
from app.offerings import halts, undecided
from app.offerings.models import Offering
from app.work import Job
from milestones import states


def _in_state(*wanted: str) -> sa.Select[tuple[int]]:
    return sa.select(Offering.id).where(Offering.state.in_(wanted)).order_by(Offering.step_due_at, Offering.id)


def _deadline_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    query = _in_state("live").where(
        Offering.deadline_at <= halts.clock_sql(now), halts.is_running(), sa.not_(undecided.waits())
    )
    found = session.execute(query).scalars().all()
    return [each for each in found if _may_end(session, each)][:limit]


def _may_end(session: Session, offering_id: int) -> bool:
    """Whether a deadline has its effect: nobody is still asked to reconfirm, and all money before it is heard.

    The latter counts for an announced deadline only. That no change waits for a decision is ``undecided.waits``.
    """
    if reconfirm_rounds.is_open(session, offering_id):
        return False
    if early_close.announced(session, offering_id) is None:
        return True
    return early_close.may_decide(session, session.get_one(Offering, offering_id))


def _deadline(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    if offering.state != "live" or offering.halted_since is not None or offering.deadline_at > now:
        return
    if undecided.is_held_open(session, offering):
        return
    notice = early_close.announced(session, offering_id)
    if notice is not None and not early_close.may_decide(session, offering):
        return
    if notice is None or early_close.decide(session, offering, notice, now=now):
        service.stop_commitments(session, offering, now=now)


def _settle_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    waiting = sa.exists().where(
        Commitment.offering_id == Offering.id,
        Commitment.status.in_(UNPAID),
    )
    query = _in_state("clearing").where(sa.or_(~waiting, Offering.step_due_at <= now))
    found = session.execute(query).scalars().all()
    return [
        each for each in found if service.may_settle(session, session.get_one(Offering, each), now=now)
    ][:limit]


def _settle(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    if offering.state == "clearing" and service.may_settle(session, offering, now=now):
        service.settle(session, offering, now=now)


def _give_back_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    found = session.execute(_in_state("failing", "withdrawing")).scalars().all()
    return [each for each in found if _holds_anything(session, each)][:limit]


def _holds_anything(session: Session, offering_id: int) -> bool:
    offering = session.get_one(Offering, offering_id)
    escrow = ledger_queries.balance(session, chart.escrow(offering.public_id, offering.currency))
    balances = ledger_queries.balances(session, offering_id=offering.id)
    reserved = sum(amount for account, amount in balances.items() if account.address.startswith("reserved:"))
    unpaid = session.execute(
        sa.select(sa.func.count()).select_from(Commitment).where(
            Commitment.offering_id == offering_id,
            Commitment.status.in_(UNPAID),
        )
    ).scalar_one()
    return bool(escrow or reserved or unpaid)


def _give_back(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    if offering.state in ("failing", "withdrawing"):
        early_close.drop(session, offering.id, now=now)
        service.lapse_unpaid(session, offering, now=now)
        service.give_everything_back(session, offering, now=now)


def _finish_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:
    unsettled = sa.exists().where(
        Milestone.offering_id == Offering.id, Milestone.state.not_in(sorted(states.MILESTONE_TERMINAL))
    )
    winding_down = sa.and_(Offering.state == "winding_down", ~unsettled)
    query = (
        sa.select(Offering.id)
        .where(sa.or_(Offering.state.in_(["failing", "withdrawing"]), winding_down))
        .order_by(Offering.id)
    )
    found = session.execute(query).scalars().all()
    return [
        each
        for each in found
        if not _holds_anything(session, each) and service.may_finish(session, session.get_one(Offering, each))
    ][:limit]


def _finish(session: Session, offering_id: int, now: dt.datetime) -> None:
    offering = _locked(session, offering_id)
    if offering.state in service.GIVING_BACK and service.may_finish(session, offering):
        service.finish(session, offering, now=now)


def _locked(session: Session, offering_id: int) -> Offering:
    return session.get_one(Offering, offering_id, with_for_update=True, populate_existing=True)


def _changed_due(session: Session, now: dt.datetime, limit: int) -> Sequence[int]:  # noqa: ARG001 - a job's signature
    return early_close.changed_offerings(session)[:limit]


def _void_early_close(session: Session, offering_id: int, now: dt.datetime) -> None:
    early_close.void_by_change(session, _locked(session, offering_id), now=now)


JOBS = (
    Job("void_early_close", _changed_due, _void_early_close),
    Job("reach_deadline", _deadline_due, _deadline),
    Job("settle_close", _settle_due, _settle),
    Job("give_back", _give_back_due, _give_back),
    Job("finish_offering", _finish_due, _finish),
)
