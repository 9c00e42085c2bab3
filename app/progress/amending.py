"""Propose an amendment of a running contract, withdraw it, comment on it, accept a seat that it gives (MIL-13).

What may be proposed and what is adverse is ``milestones.amend``; the vote is a poll; what follows is
``amendment_effects``.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.contracts import amended
from app.contracts.models import Appointment, TermsVersion
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import halts
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import amendment_checks, polls
from app.progress.amendment_models import OPEN, Amendment, AmendmentComment, AmendmentSeat
from app.progress.service import demand_founder
from milestones import document as documents
from milestones import polls as poll_rules

#: Weights are of so long before the publication: nobody comes in between who knows of it.
SNAPSHOT = dt.timedelta(hours=24)
MAX_TEXT_CHARACTERS = 4_000


def propose(
    session: Session, *, actor: Actor, offering_id: str, document: Mapping[str, Any], reason: str, key: str,
    now: dt.datetime,
) -> Amendment:
    """Put new terms to the investors' vote, ten business days; needs a fresh second factor.

    Raises ``Conflict`` ``amendment_open``, ``not_active``; ``Refused`` ``reason_empty``, ``halted``,
    ``amendment_day_one`` within a day of the close, and every code of ``amendment_checks.examine``'s objections.
    """
    accounts.demand(actor, "founder", second_factor=True)
    fields = {"offering": offering_id, "reason": reason, "document": json.dumps(document, sort_keys=True, default=str)}
    earlier = idempotency.claim(session, actor=actor, operation="propose_amendment", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    offering = offerings.locked(session, offering_id)
    demand_founder(session, actor, offering)
    _demand_time(session, offering, now)
    if not reason.strip():
        raise Refused("Say why the plan should change; every investor reads it.", code="reason_empty", field="reason")
    found = amendment_checks.examine(session, offering, document, now=now)
    if found.objections:
        first = found.objections[0]
        raise Refused(first.message, code=first.code, field="document")
    number = session.scalar(
        sa.select(sa.func.count()).select_from(Amendment).where(Amendment.offering_id == offering.id)
    ) or 0
    amendment = Amendment(
        public_id=public_id("amd"), offering_id=offering.id, number=number + 1, state="voting",
        base_version_id=found.current.id, document=documents.canonical_bytes(found.terms).decode(),
        content_hash=documents.contract_hash(found.terms), reason=reason.strip()[:MAX_TEXT_CHARACTERS],
        is_adverse=found.judged.is_adverse, subjects=json.dumps(list(found.judged.subjects)),
        grounds=json.dumps([[each.code, each.path] for each in found.judged.grounds]),
        proposed_by=accounts.user_of(actor), proposed_at=now,
    )
    session.add(amendment)
    session.flush()
    _ask_seats(session, offering, amendment, found, now=now)
    log(session, amendment, "proposed", actor=actor, now=now)
    polls.open_poll(
        session, offering, kind=kind_of(amendment), subject=amendment.public_id, ends_at=polls.vote_end(offering, now),
        weighed_at=now - SNAPSHOT, now=now,
    )
    idempotency.settle(session, actor=actor, operation="propose_amendment", key=key, result_ref=amendment.public_id)
    return amendment


def _demand_time(session: Session, offering: Offering, now: dt.datetime) -> None:
    if offering.state != "active":
        raise Conflict("Only a running plan can be amended.", code="not_active")
    halts.demand_running(offering)
    if open_of(session, offering.id) is not None:
        raise Conflict("One proposal is open already. Wait until it is decided, or withdraw it.", code="amendment_open")
    if offering.closed_at is None or offering.closed_at + SNAPSHOT > now:
        raise Refused("A plan can be amended from one day after the close.", code="amendment_day_one")


def _ask_seats(
    session: Session, offering: Offering, amendment: Amendment, found: amendment_checks.Proposal, *, now: dt.datetime
) -> None:
    missing = amended.missing_seats(session, offering.contract_id, found.current.terms, found.terms)
    for key, party_id in missing:
        seat = AmendmentSeat(
            public_id=public_id("ast"), amendment_id=amendment.id, milestone_key=key, party_id=party_id, state="asked"
        )
        session.add(seat)
        session.flush()
        audit.record(
            session, actor=SYSTEM, action="proposal.seat_asked", object_id=seat.public_id, now=now,
            after={"amendment": amendment.public_id, "state": seat.state},
        )
        outbox.enqueue(
            session, "notice", {"kind": "amendment_seat", "amendment_id": amendment.id, "party_id": party_id}, now=now,
            key=f"notice:amendment_seat:{seat.public_id}",
        )


def withdraw(session: Session, *, actor: Actor, amendment_id: str, now: dt.datetime) -> Amendment:
    """Take one's own proposal back before its vote ends; for the 60 days it counts as a no."""
    accounts.demand(actor, "founder", second_factor=True)
    offering, amendment = locked(session, amendment_id)
    demand_founder(session, actor, offering)
    if amendment.state == "withdrawn":
        return amendment
    if amendment.state != "voting":
        raise Conflict("Only a proposal that is being voted on can be withdrawn.", code="amendment_decided")
    poll = poll_of(session, amendment)
    if halts.clock(offering, now) >= poll.ends_at:
        raise Conflict("The vote is over and is being counted.", code="poll_over")
    polls.close(session, poll, polls.DROPPED, now=now)
    end(session, amendment, "withdrawn", "The company took it back.", actor=actor, now=now)
    return amendment


def comment(session: Session, *, actor: Actor, amendment_id: str, text: str, key: str, now: dt.datetime) -> None:
    """Say as an auditor of this contract, or of a seat that it adds, what one thinks; everybody reads it."""
    accounts.demand(actor, "auditor")
    fields = {"amendment": amendment_id, "text": text}
    if idempotency.claim(session, actor=actor, operation="comment_amendment", key=key, fields=fields, now=now):
        return
    offering, amendment = locked(session, amendment_id)
    party_id = _auditor_party(session, actor, offering, amendment)
    if not text.strip():
        raise Refused("Write what investors should know.", code="comment_empty", field="text")
    if amendment.state != "voting" or halts.clock(offering, now) >= poll_of(session, amendment).ends_at:
        raise Conflict("The vote is over.", code="poll_over")
    said = AmendmentComment(
        public_id=public_id("acm"), amendment_id=amendment.id, party_id=party_id, user_id=accounts.user_of(actor),
        text=text.strip()[:MAX_TEXT_CHARACTERS], said_at=now,
    )
    session.add(said)
    session.flush()
    audit.record(
        session, actor=actor, action="proposal.commented", object_id=said.public_id, now=now,
        after={"amendment": amendment.public_id, "party_id": party_id},
    )
    idempotency.settle(session, actor=actor, operation="comment_amendment", key=key, result_ref=said.public_id)


def _auditor_party(session: Session, actor: Actor, offering: Offering, amendment: Amendment) -> int:
    mine = actor.parties("auditor")
    seated = session.scalars(
        sa.select(Appointment.party_id).where(
            Appointment.contract_id == offering.contract_id, Appointment.state == "accepted",
            Appointment.party_id.in_(sorted(mine)),
        )
    ).first()
    asked = session.scalars(
        sa.select(AmendmentSeat.party_id).where(
            AmendmentSeat.amendment_id == amendment.id, AmendmentSeat.party_id.in_(sorted(mine))
        )
    ).first()
    if seated is None and asked is None:
        raise NotFound("There is no such proposal for you.", code="amendment_not_found")
    return seated or asked or 0


def answer_seat(
    session: Session, *, actor: Actor, amendment_id: str, accept: bool, now: dt.datetime
) -> list[AmendmentSeat]:
    """Accept or decline the seats that a proposal gives to oneself, until its vote ends (MIL-9)."""
    accounts.demand(actor, "auditor", second_factor=True)
    offering, amendment = locked(session, amendment_id)
    seats = list(
        session.scalars(
            sa.select(AmendmentSeat).where(
                AmendmentSeat.amendment_id == amendment.id,
                AmendmentSeat.party_id.in_(sorted(actor.parties("auditor"))),
            ).order_by(AmendmentSeat.id)
        )
    )
    if not seats:
        raise NotFound("There is no such proposal for you.", code="amendment_not_found")
    wanted = "accepted" if accept else "declined"
    if all(each.state == wanted for each in seats):
        return seats
    if amendment.state != "voting" or halts.clock(offering, now) >= poll_of(session, amendment).ends_at:
        raise Conflict("The vote is over.", code="poll_over")
    for seat in seats:
        before, seat.state, seat.answered_at = seat.state, wanted, now
        audit.record(
            session, actor=actor, action="proposal.seat_answered", object_id=seat.public_id, now=now,
            before={"state": before}, after={"amendment": amendment.public_id, "state": wanted},
        )
    return seats


# -- reading, locking, ending -------------------------------------------------------------------------


def kind_of(amendment: Amendment) -> str:
    """Return the kind of poll that decides it."""
    return poll_rules.ADVERSE_AMENDMENT if amendment.is_adverse else poll_rules.AMENDMENT


def open_of(session: Session, offering_id: int) -> Amendment | None:
    """Return the proposal that is open, None when there is none."""
    query = sa.select(Amendment).where(Amendment.offering_id == offering_id, Amendment.state.in_(OPEN))
    return session.scalars(query).one_or_none()


def poll_of(session: Session, amendment: Amendment) -> polls.Poll:
    """Return the poll that decides a proposal, or decided it."""
    return session.scalars(
        sa.select(polls.Poll).where(
            polls.Poll.offering_id == amendment.offering_id, polls.Poll.subject == amendment.public_id
        )
    ).one()


def by_public_id(session: Session, amendment_id: str) -> Amendment:
    """Return a proposal; raises ``NotFound``."""
    found = session.scalars(sa.select(Amendment).where(Amendment.public_id == amendment_id)).one_or_none()
    if found is None:
        raise NotFound("There is no such proposal.", code="amendment_not_found")
    return found


def locked(session: Session, amendment_id: str) -> tuple[Offering, Amendment]:
    """Return a proposal and its offering, the offering locked first."""
    amendment = by_public_id(session, amendment_id)
    offering = session.get_one(Offering, amendment.offering_id, with_for_update=True, populate_existing=True)
    session.refresh(amendment)
    return offering, amendment


def end(
    session: Session, amendment: Amendment, state: str, reason: str, *, actor: Actor = SYSTEM, now: dt.datetime
) -> None:
    """End a proposal that changes nothing: it fell, was taken back, or is void; tells whoever was asked."""
    before, amendment.state = amendment.state, state
    amendment.ended_at, amendment.outcome_reason = now, reason
    log(session, amendment, state, actor=actor, now=now, before=before, reason=reason)
    outbox.enqueue(
        session, "notice", {"kind": f"amendment_{state}", "amendment_id": amendment.id}, now=now,
        key=f"notice:amendment_{state}:{amendment.public_id}",
    )


def told(session: Session, amendment: Amendment) -> dict[str, object]:
    """Return what the log keeps of a proposal; the self-check compares the row. The end of leaving moves with halts."""
    names = (
        "state", "number", "content_hash", "is_adverse", "subjects", "grounds", "proposed_by", "proposed_at",
        "passed_at", "ended_at",
    )
    kept: dict[str, object] = {name: getattr(amendment, name) for name in names}
    versions = {"base": amendment.base_version_id, "effective": amendment.effective_version_id}
    for name, version_id in versions.items():
        kept[name] = session.get_one(TermsVersion, version_id).public_id if version_id else None
    offering = session.get_one(Offering, amendment.offering_id)
    return kept | {"offering": offering.public_id, "is_adverse": int(amendment.is_adverse)}


def log(
    session: Session, amendment: Amendment, verb: str, *, actor: Actor = SYSTEM, now: dt.datetime,
    before: str | None = None, reason: str | None = None,
) -> None:
    """Leave the log entry of a change of a proposal's state (PPL-5)."""
    session.flush()
    audit.record(
        session, actor=actor, action=f"amendment.{verb}", object_id=amendment.public_id, now=now, reason=reason,
        before={"state": before} if before else None, after=told(session, amendment),
    )
