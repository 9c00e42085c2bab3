"""Run a round of reconfirmations: ask everybody, note when they heard of it, and let silence end it (OFF-8).

Everything here is set-based: one statement for N investors. One investor's answer is ``reconfirming``.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import calendars
from app.accounts.actor import SYSTEM
from app.audit import service as audit
from app.commitments import escrow, places
from app.commitments import service as commitments
from app.commitments.models import HOLDS_PLACE, Commitment, EscrowStatement
from app.commitments.reconfirm_models import Reconfirmation
from app.db import UTCDateTime
from app.ledger import chart
from app.ledger import service as ledger
from app.offerings import deadlines, figures, halts
from app.offerings.change_models import OfferingChange
from app.offerings.models import Offering
from app.outbox import service as outbox

NOT_RECONFIRMED = "not_reconfirmed"
ASKED = "reconfirmation_asked"

#: What a round must know of notices, a later feature: when they were recorded for their readers.
_notice = sa.table("notice", sa.column("kind"), sa.column("object_id"), sa.column("created_at", UTCDateTime()))


def begin(session: Session, offering: Offering, change: OfferingChange, *, now: dt.datetime) -> int:
    """Ask everybody who holds a place to reconfirm, and return how many; what was still open starts anew.

    The days count from the notice's delivery, which :func:`note_delivery` writes.
    """
    placed = Reconfirmation.commitment_id.in_(_placed(offering))
    _answer(session, sa.and_(_open_of(offering), sa.not_(placed)), "ended", now)
    _answer(session, _open_of(offering), "superseded", now)
    asked = sa.select(
        sa.literal(change.id, sa.BigInteger), Commitment.id, Commitment.version_number,
        sa.literal(now, UTCDateTime()),
    ).where(Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE))
    columns = ["change_id", "commitment_id", "from_number", "asked_at"]
    count = session.execute(
        sa.insert(Reconfirmation.__table__).from_select(columns, asked),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    audit.record(
        session, actor=SYSTEM, action="reconfirmation.asked", object_id=change.public_id, now=now, count=count
    )
    if count:
        outbox.enqueue(session, "notice", {"kind": "reconfirmation_asked", "change_id": change.id}, now=now,
                       key=f"notice:{ASKED}:{change.public_id}")
    return count


def is_open(session: Session, offering_id: int) -> bool:
    """Whether somebody in an offering is still asked to reconfirm: until then it does not close."""
    query = sa.select(Reconfirmation.id).join(OfferingChange, OfferingChange.id == Reconfirmation.change_id)
    waiting = query.where(OfferingChange.offering_id == offering_id, Reconfirmation.answer.is_(None))
    return session.scalar(sa.select(waiting.exists())) is True


def delivered_at(session: Session, change: OfferingChange) -> dt.datetime | None:
    """Return when the round's notices were recorded for their readers, all in one statement; None before that."""
    return session.scalar(
        sa.select(sa.func.min(_notice.c.created_at)).where(
            _notice.c.kind == ASKED, _notice.c.object_id == change.public_id
        )
    )


def note_delivery(session: Session, change_id: int, *, now: dt.datetime) -> None:
    """Start the clock of a round whose notices were delivered, and move a deadline that leaves too few days."""
    change = session.get_one(OfferingChange, change_id)
    offering = session.get_one(Offering, change.offering_id, with_for_update=True, populate_existing=True)
    delivered = delivered_at(session, change)
    if delivered is None:
        return
    due = calendars.add_business_days(
        delivered, figures.of(offering).reconfirm_bd, code=offering.calendar, zone=offering.zone
    )
    session.execute(
        sa.update(Reconfirmation)
        .where(
            Reconfirmation.change_id == change_id, Reconfirmation.delivered_at.is_(None),
            Reconfirmation.answer.is_(None),
        )
        .values(delivered_at=delivered, due_at=due)
        .execution_options(synchronize_session=False)
    )
    audit.record(
        session, actor=SYSTEM, action="reconfirmation.delivered", object_id=change.public_id, now=now,
        after={"delivered_at": delivered, "due_at": due},
    )
    if offering.state == "live" and offering.deadline_at < due:
        at = deadlines.same_time_after(offering, due)
        deadlines.move(
            session, offering, deadline_at=at, cancel_until=deadlines.cut_off(offering, at), now=now,
            reason="Everybody has five business days to reconfirm.",
        )


def let_silence_end(session: Session, change_id: int, *, now: dt.datetime) -> int:
    """Cancel and refund everybody who did not answer in time, in one journal; return how many (OFF-8).

    What ended otherwise meanwhile, or whose offering did, is only noted.
    """
    change = session.get_one(OfferingChange, change_id)
    offering = session.get_one(Offering, change.offering_id, with_for_update=True, populate_existing=True)
    open_rows = Reconfirmation.change_id == change_id, Reconfirmation.answer.is_(None)
    due = Reconfirmation.due_at <= halts.clock(offering, now)
    placed = Reconfirmation.commitment_id.in_(_placed(offering))
    if offering.state != "live":
        _answer(session, sa.and_(*open_rows), "ended", now)
        return 0
    _answer(session, sa.and_(*open_rows, due, sa.not_(placed)), "ended", now)
    count = _answer(session, sa.and_(*open_rows, due), "silent", now)
    if count:
        _cancel_silent(session, offering, change, count, now)
    return count


def _cancel_silent(
    session: Session, offering: Offering, change: OfferingChange, count: int, now: dt.datetime
) -> None:
    silent = sa.select(Reconfirmation.commitment_id).where(
        Reconfirmation.change_id == change.id, Reconfirmation.answer == "silent", Reconfirmation.answered_at == now
    )
    chosen = Commitment.id.in_(silent), Commitment.status.in_(HOLDS_PLACE)
    total = int(session.scalar(sa.select(sa.func.sum(Commitment.amount_minor)).where(*chosen)) or 0)
    held = int(
        session.scalar(sa.select(sa.func.sum(Commitment.amount_minor)).where(*chosen, Commitment.status == "held")) or 0
    )
    if held:
        _give_back(session, offering, change, silent, held, now)
    session.execute(
        sa.update(Commitment).where(*chosen).values(status="cancelled", status_since=now)
        .execution_options(synchronize_session=False)
    )
    offering.committed_minor -= total
    session.flush()
    places.recount(session, offering)
    audit.record(
        session, actor=SYSTEM, action="commitments.not_reconfirmed", object_id=change.public_id, now=now, count=count,
        after={"amount_minor": total, "refunded_minor": held},
    )
    outbox.enqueue(
        session, "notice", {"kind": "not_reconfirmed", "change_id": change.id}, now=now,
        key=f"notice:{NOT_RECONFIRMED}:{change.public_id}:{now.isoformat()}",
    )


def _give_back(
    session: Session, offering: Offering, change: OfferingChange, silent: sa.Select[tuple[int]], held: int,
    now: dt.datetime,
) -> None:
    """D escrow / C refunds for all of them at once, with a statement row and a refund each."""
    last = escrow.last_rows(offering.id)

    def lines(journal_id: int) -> list[ledger.Line]:
        rows = sa.select(
            last.c.offering_id, last.c.commitment_id, last.c.party_id, last.c.ordinal, last.c.seq + 1,
            sa.literal("cancelled"), -last.c.unreleased_after_minor, sa.literal(0, sa.BigInteger),
            sa.literal(0, sa.BigInteger), last.c.released_after_minor, last.c.issued_after_tokens,
            sa.literal(0, sa.BigInteger), sa.literal(journal_id, sa.BigInteger), sa.literal(now, UTCDateTime()),
        ).where(last.c.commitment_id.in_(silent), last.c.unreleased_after_minor > 0)
        columns = [
            "offering_id", "commitment_id", "party_id", "ordinal", "seq", "kind", "amount_minor", "tokens_issued",
            "unreleased_after_minor", "released_after_minor", "issued_after_tokens", "entitled_after_tokens",
            "journal_id", "occurred_at",
        ]
        session.execute(sa.insert(EscrowStatement.__table__).from_select(columns, rows))
        return [
            ledger.debit(chart.escrow(offering.public_id, offering.currency), held),
            ledger.credit(chart.refunds(offering.public_id, offering.currency), held),
        ]

    posted = ledger.post(
        session, kind="cancelled", key=f"change:{change.public_id}:silent:{now.isoformat()}", cause=change.public_id,
        offering_id=offering.id, occurred_at=now, lines=lines,
    )
    escrow.owe_refunds(
        session, journal_id=posted.journal_id, reason=NOT_RECONFIRMED,
        due_at=commitments.refund_due(offering, now), now=now,
    )


def _placed(offering: Offering) -> sa.Select[tuple[int]]:
    return sa.select(Commitment.id).where(
        Commitment.offering_id == offering.id, Commitment.status.in_(HOLDS_PLACE)
    )


def _open_of(offering: Offering) -> sa.ColumnElement[bool]:
    of_offering = sa.select(OfferingChange.id).where(OfferingChange.offering_id == offering.id)
    return sa.and_(Reconfirmation.change_id.in_(of_offering), Reconfirmation.answer.is_(None))


def _answer(session: Session, where: sa.ColumnElement[bool], answer: str, now: dt.datetime) -> int:
    """Close open rows with an answer that nobody gave; return how many."""
    return session.execute(
        sa.update(Reconfirmation).where(where).values(answer=answer, answered_at=now)
        .execution_options(synchronize_session=False)
    ).rowcount
