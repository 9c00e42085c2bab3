"""Put amended terms in force: the next frozen version, and the milestones and seats that follow it (MIL-13).

What may be amended, and what each tranche is worth then, was decided before: ``milestones.amend``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts import queries as people
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import service as contracts
from app.contracts.models import Appointment, Contract, Milestone, TermsVersion
from app.db import public_id
from milestones.amend import AMENDABLE
from milestones.terms import CLOSING_ORDINAL, SEQUENTIAL, MilestoneTerms, Terms

_ASIDE = 1_000


def first_version(session: Session, contract_id: int, closed_at: dt.datetime) -> TermsVersion:
    """Return the version that the plan began with: the last one published before the close."""
    return session.scalars(
        sa.select(TermsVersion)
        .where(TermsVersion.contract_id == contract_id, TermsVersion.published_at <= closed_at)
        .order_by(TermsVersion.number.desc())
        .limit(1)
    ).one()


def publish_amended(
    session: Session,
    *,
    contract: Contract,
    offering_id: int,
    before: Terms,
    terms: Terms,
    tranches_minor: Mapping[str, int],
    actor: Actor,
    object_id: str,
    now: dt.datetime,
) -> TermsVersion:
    """Freeze amended ``terms`` as the next version and let the milestones not yet submitted follow them.

    ``tranches_minor`` is what each of these is worth then, minor units by key. Dates are the agreed ones plus what
    reviews, halts and extensions gave before. The caller holds the offering's lock and the milestones'.
    """
    version = contracts.freeze(session, contract=contract, terms=terms, actor=actor, now=now)
    rows = {
        row.key: row for row in session.scalars(sa.select(Milestone).where(Milestone.contract_id == contract.id))
    }
    agreed_before = {each.key: each for each in before.milestones}
    for row in rows.values():
        row.ordinal += _ASIDE  # so that two that change places never have one number at a time
    session.flush()
    earlier_seconds = 0
    for tranche in terms.tranches:
        agreed = None if tranche.ordinal == CLOSING_ORDINAL else terms.milestone(tranche.ordinal)
        row = rows.get(tranche.key) or Milestone(
            public_id=public_id("mst"), contract_id=contract.id, offering_id=offering_id, key=tranche.key,
            state="locked", state_since=now, tolled_seconds=0, halted_seconds=0, extended_seconds=0, released_minor=0,
            returned_minor=0,
            moved_seconds=earlier_seconds if terms.order == SEQUENTIAL else 0,
        )
        row.ordinal = tranche.ordinal
        if agreed is not None and row.state in AMENDABLE:
            _follow(row, agreed, agreed_before.get(row.key), tranches_minor[row.key], terms.zone, now)
        earlier_seconds += row.tolled_seconds
        session.add(row)
    session.flush()
    _reseat(session, contract, before, terms, actor=actor, object_id=object_id, now=now)
    return version


def _follow(
    row: Milestone, agreed: MilestoneTerms, before: MilestoneTerms | None, tranche_minor: int, zone: str,
    now: dt.datetime,
) -> None:
    """Give a milestone its amended figures; tries already used stay used."""
    moved = dt.timedelta(seconds=row.moved_seconds + row.halted_seconds + row.extended_seconds)
    row.title, row.tranche_bp, row.tranche_minor = agreed.title, agreed.tranche_bp, tranche_minor
    row.target_at = agreed.target_at(zone) + moved
    beyond = row.deadline_at if row.deadline_at and row.long_stop_at and row.deadline_at > row.long_stop_at else None
    row.long_stop_at = agreed.long_stop_at(zone) + moved + dt.timedelta(seconds=row.tolled_seconds)
    # The time to appeal a "not met" may end after the long-stop; no milestone fails before it does (MIL-10).
    row.deadline_at = max(row.long_stop_at, beyond or row.long_stop_at)
    used = 0 if before is None else before.resubmissions - row.tries_left
    row.tries_left = max(0, agreed.resubmissions - used)
    row.is_late = bool(row.is_late) and row.target_at <= now
    if not row.is_late:
        row.past_grace_at = None


def missing_seats(session: Session, contract_id: int, current: Terms, terms: Terms) -> list[tuple[str, int]]:
    """Return the seats that terms give to auditors who have not accepted them: milestone's key and party id."""
    parties = {auditor.public_id: auditor.party_id for auditor in people.auditors(session)}
    accepted = {
        (each.milestone_key, each.party_id)
        for each in contracts.appointments(session, contract_id) if each.state == "accepted"
    }
    before = {each.key: set(each.auditors) for each in current.milestones}
    return [
        (milestone.key, parties[auditor])
        for milestone in terms.milestones
        for auditor in milestone.auditors
        if auditor not in before.get(milestone.key, ()) and auditor in parties
        and (milestone.key, parties[auditor]) not in accepted
    ]


def _reseat(
    session: Session, contract: Contract, before: Terms, terms: Terms, *, actor: Actor, object_id: str,
    now: dt.datetime,
) -> None:
    """Seat the auditors that amended milestones name, who have accepted, and release those they leave out."""
    parties = {auditor.public_id: auditor.party_id for auditor in people.auditors(session)}
    named = {each.key: each.auditors for each in before.milestones}
    seated = {(each.milestone_key, each.party_id): each for each in contracts.appointments(session, contract.id)}
    for milestone in terms.milestones:
        if named.get(milestone.key) == milestone.auditors:
            continue
        wanted = [parties[each] for each in milestone.auditors if each in parties]
        _release_seats(session, milestone.key, wanted, seated, now)
        for party_id in wanted:
            seat = seated.get((milestone.key, party_id))
            if seat is not None and seat.state == "accepted":
                continue
            before = seat.state if seat is not None else None
            seat = seat or Appointment(
                public_id=public_id("apt"), contract_id=contract.id, milestone_key=milestone.key, party_id=party_id,
                appointed_by=actor.user_id or 0, appointed_at=now, answer_by=now,
            )
            seat.state, seat.answered_at, seat.ended_at, seat.retry_at = "accepted", now, None, None
            session.add(seat)
            _log_seat(session, seat, before, now)
        audit.record(
            session, actor=actor, action="auditors.appointed", object_id=object_id, now=now,
            after={"milestone": milestone.key, "auditors": sorted(milestone.auditors)},
        )
    session.flush()


def _log_seat(session: Session, seat: Appointment, before: str | None, now: dt.datetime) -> None:
    session.flush()
    audit.record(
        session, actor=SYSTEM, action=f"appointment.{seat.state}", object_id=seat.public_id, now=now,
        before={"state": before} if before else None, after={"state": seat.state}, reason="The terms were amended.",
    )


def _release_seats(
    session: Session, key: str, wanted: Sequence[int], seated: Mapping[tuple[str, int], Appointment],
    now: dt.datetime,
) -> None:
    for (milestone_key, party_id), appointment in seated.items():
        if milestone_key == key and party_id not in wanted and appointment.state == "accepted":
            # The seat stays as history: what was signed from it was signed by somebody who had it.
            appointment.state, appointment.ended_at = "declined", now
            _log_seat(session, appointment, "accepted", now)
