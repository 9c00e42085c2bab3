"""The escrow statement: one row for each movement of a commitment, and the set-based division of what leaves.

Division is REL-2 and REL-3 in one statement on the database; ``milestones.apportion`` is the same rule
in Python, used where products could pass 64 bits, and by the tests as the judge of this one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.commitments import division
from app.commitments.models import CarriedShare, EscrowStatement, Refund
from app.commitments.rules import Position
from app.db import UTCDateTime, random_public_id
from app.errors import InvariantBroken
from app.offerings.models import Offering
from milestones import apportion, money

RELEASED, RETURNED = "released", "returned"
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Divided:
    """What a division wrote: rows, and the totals the journal needs."""

    rows: int
    amount_minor: int
    tokens_issued: int
    entitlement_lapsed: int


def last_rows(offering_id: int) -> sa.Subquery:
    """Return each commitment's last statement row in an offering, as a subquery."""
    statement = EscrowStatement.__table__
    newest = (
        sa.select(statement.c.commitment_id, sa.func.max(statement.c.seq).label("seq"))
        .where(statement.c.offering_id == offering_id)
        .group_by(statement.c.commitment_id)
        .subquery("newest")
    )
    return (
        sa.select(statement)
        .join(newest, sa.and_(newest.c.commitment_id == statement.c.commitment_id, newest.c.seq == statement.c.seq))
        .subquery("last")
    )


def position(session: Session, commitment_id: int) -> Position:
    """Return where one commitment's money and tokens are."""
    row = _last_row(session, commitment_id)
    return Position() if row is None else _position(row)


def _position(row: EscrowStatement | sa.Row[Any], carried_minor: int = 0) -> Position:
    return Position(
        row.unreleased_after_minor, row.released_after_minor, row.issued_after_tokens, row.entitled_after_tokens,
        carried_minor,
    )


def _last_row(session: Session, commitment_id: int) -> EscrowStatement | None:
    return session.execute(
        sa.select(EscrowStatement)
        .where(EscrowStatement.commitment_id == commitment_id)
        .order_by(EscrowStatement.seq.desc())
        .limit(1)
    ).scalar_one_or_none()


def append(
    session: Session,
    *,
    offering_id: int,
    commitment_id: int,
    party_id: int,
    ordinal: int,
    kind: str,
    amount_minor: int,
    entitled_tokens: int,
    journal_id: int,
    now: dt.datetime,
) -> None:
    """Write one movement of one commitment: ``amount_minor`` above zero when paid, below when it leaves.

    The caller holds the commitment's lock and posts the journal in the same transaction.
    """
    last = _last_row(session, commitment_id)
    before = Position() if last is None else _position(last)
    session.add(
        EscrowStatement(
            offering_id=offering_id, commitment_id=commitment_id, party_id=party_id, ordinal=ordinal,
            seq=1 if last is None else last.seq + 1, kind=kind, amount_minor=amount_minor, tokens_issued=0,
            unreleased_after_minor=before.unreleased_minor + amount_minor,
            released_after_minor=before.released_minor, issued_after_tokens=before.issued_tokens,
            entitled_after_tokens=entitled_tokens, journal_id=journal_id, occurred_at=now,
        )
    )
    session.flush()


def divide(
    session: Session,
    *,
    offering: Offering,
    amount_minor: int,
    kind: str,
    milestone_id: int | None,
    journal_id: int,
    now: dt.datetime,
    part: int = 0,
) -> Divided:
    """Take ``amount_minor`` out of escrow over all investors by largest remainder (REL-2), in one statement.

    ``released`` issues tokens by REL-3; ``returned`` lowers entitlements to what the money kept can buy.
    Investors whose share is zero get no row. What earlier releases carry is no weight, and who carries a share of this
    ``part`` of the milestone (``carrying``) gets no row now (COM-10). Raises ``InvariantBroken`` when the amount is
    more than there is.
    """
    own = (milestone_id or 0, part) if kind == RELEASED else (0, 0)
    total, largest = weights(session, offering.id, but=own)
    if not 0 < amount_minor <= total:
        raise InvariantBroken(f"{amount_minor} of {total} unreleased in {offering.public_id}", code="escrow_short")
    price = price_of(offering)
    last = last_rows(offering.id)
    largest_paid = session.scalar(
        sa.select(
            sa.func.coalesce(sa.func.max(last.c.unreleased_after_minor + last.c.released_after_minor), 0)
        )
    )
    fits = largest * amount_minor <= INT64_MAX and int(largest_paid or 0) * price["den"] <= INT64_MAX
    values = {
        "offering": offering.id, "amount": amount_minor, "total": total, "kind": kind, **price,
        "milestone": milestone_id, "journal": journal_id, "now": now,
        "carrying": own[0], "part": own[1],
    }
    if fits:
        session.execute(division.RELEASE_ALL if kind == RELEASED else division.RETURN_ALL, values)
    else:
        _divide_exactly(session, offering, values)
    return written(session, journal_id)


def price_of(offering: Offering) -> dict[str, int]:
    """Return the price as the statements of ``division`` take it: tokens = money × den ÷ num."""
    numerator, denominator = money.price_ratio(offering.price_micro, money.Asset.parse(offering.currency))
    return {"num": numerator, "den": denominator}


def weights(session: Session, offering_id: int, *, but: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Return the sum of what counts when an amount is divided, and no less than the largest of it; minor units."""
    last = last_rows(offering_id)
    row = session.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(last.c.unreleased_after_minor), 0).label("total"),
            sa.func.coalesce(sa.func.max(last.c.unreleased_after_minor), 0).label("largest"),
        )
    ).one()
    return int(row.total) - carried_minor(session, offering_id, but=but), int(row.largest)


def carried_minor(session: Session, offering_id: int, *, but: tuple[int, int] = (0, 0)) -> int:
    """Return what of an offering's escrow belongs to released tranches and waits until it has seasoned (COM-10)."""
    return sum(_carried_of(session, offering_id, but=but).values())


def _carried_of(session: Session, offering_id: int, *, but: tuple[int, int] = (0, 0)) -> dict[int, int]:
    rows = session.execute(
        sa.select(CarriedShare.commitment_id, sa.func.sum(CarriedShare.amount_minor))
        .where(
            CarriedShare.offering_id == offering_id, CarriedShare.status == "carried",
            sa.or_(CarriedShare.milestone_id != but[0], CarriedShare.part != but[1]),
        )
        .group_by(CarriedShare.commitment_id)
    )
    return {commitment_id: int(amount) for commitment_id, amount in rows}


def _divide_exactly(session: Session, offering: Offering, values: Mapping[str, object]) -> None:
    """Do in Python what ``_DIVIDE`` does, for products past 64 bits."""
    last = last_rows(offering.id)
    rows = session.execute(
        sa.select(last).where(last.c.unreleased_after_minor > 0).order_by(last.c.ordinal)
    ).all()
    carried = _carried_of(session, offering.id, but=(int(str(values["carrying"])), int(str(values["part"]))))
    set_aside = set(
        session.scalars(
            sa.select(CarriedShare.commitment_id).where(
                CarriedShare.milestone_id == values["carrying"], CarriedShare.part == values["part"]
            )
        )
    )
    before = [_position(row, carried.get(row.commitment_id, 0)) for row in rows]
    found = after(offering, before, int(str(values["amount"])), str(values["kind"]))
    written = [
        _moved(row, old, new, values)
        for row, old, new in zip(rows, before, found, strict=True)
        if old.unreleased_minor != new.unreleased_minor and row.commitment_id not in set_aside
    ]
    if written:
        session.execute(sa.insert(EscrowStatement), written)


def _moved(row: sa.Row[Any], old: Position, new: Position, values: Mapping[str, object]) -> dict[str, object]:
    """Return the statement row that brings a commitment from one position to the next."""
    return {
        "offering_id": values["offering"], "commitment_id": row.commitment_id, "party_id": row.party_id,
        "ordinal": row.ordinal, "seq": row.seq + 1, "kind": values["kind"],
        "amount_minor": new.unreleased_minor - old.unreleased_minor,
        "tokens_issued": new.issued_tokens - old.issued_tokens,
        "unreleased_after_minor": new.unreleased_minor, "released_after_minor": new.released_minor,
        "issued_after_tokens": new.issued_tokens, "entitled_after_tokens": new.entitled_tokens,
        "milestone_id": values["milestone"], "journal_id": values["journal"], "occurred_at": values["now"],
    }


def after(offering: Offering, before: Sequence[Position], amount_minor: int, kind: str) -> list[Position]:
    """Return where everybody stands once ``amount_minor`` has left escrow; writes nothing (REL-2, REL-3, WND-3).

    ``before`` is in the order of the commitments' ordinals; ``kind`` is ``released`` or ``returned``. It is the
    same rule as the database's division, for products past 64 bits and for what would happen.
    """
    asset = money.Asset.parse(offering.currency)
    shares = apportion.apportion(amount_minor, [each.weight_minor for each in before])
    found = []
    for each, share in zip(before, shares, strict=True):
        unreleased, released = each.unreleased_minor - share, each.released_minor
        issued, entitled = each.issued_tokens, each.entitled_tokens
        if share and kind == RELEASED:
            released += share
            issued = entitled if unreleased == 0 else min(
                entitled, money.tokens_for(released, offering.price_micro, asset)
            )
        elif share:
            affordable = money.tokens_for(released + unreleased, offering.price_micro, asset)
            entitled = max(issued, min(entitled, affordable))
        found.append(Position(unreleased, released, issued, entitled, each.carried_minor))
    return found


def after_carried(offering: Offering, before: Sequence[Position]) -> list[Position]:
    """Return where everybody stands once what is carried has been released, too (COM-10); writes nothing."""
    asset = money.Asset.parse(offering.currency)
    found = []
    for each in before:
        unreleased, released = each.unreleased_minor - each.carried_minor, each.released_minor + each.carried_minor
        issued = each.issued_tokens
        if each.carried_minor:
            bought = money.tokens_for(released, offering.price_micro, asset)
            issued = each.entitled_tokens if unreleased == 0 else min(each.entitled_tokens, bought)
        found.append(Position(unreleased, released, issued, each.entitled_tokens))
    return found


def written(session: Session, journal_id: int) -> Divided:
    """Return what a journal's division wrote."""
    statement = EscrowStatement
    before = sa.orm.aliased(EscrowStatement)
    row = session.execute(
        sa.select(
            sa.func.count().label("rows"),
            sa.func.coalesce(sa.func.sum(-statement.amount_minor), 0).label("amount"),
            sa.func.coalesce(sa.func.sum(statement.tokens_issued), 0).label("issued"),
            sa.func.coalesce(
                sa.func.sum(before.entitled_after_tokens - statement.entitled_after_tokens), 0
            ).label("lapsed"),
        )
        .join(before, sa.and_(before.commitment_id == statement.commitment_id, before.seq == statement.seq - 1))
        .where(statement.journal_id == journal_id)
    ).one()
    return Divided(int(row.rows), int(row.amount), int(row.issued), int(row.lapsed))


def owe_refunds(session: Session, *, journal_id: int, reason: str, due_at: dt.datetime, now: dt.datetime) -> int:
    """Write one refund for each statement row of a journal and return how many."""
    statement = EscrowStatement.__table__
    rows = sa.select(
        random_public_id(sa.literal("rfd")), statement.c.offering_id, statement.c.commitment_id, statement.c.party_id,
        -statement.c.amount_minor, sa.literal(reason), sa.literal("open"), sa.literal(0), statement.c.journal_id,
        sa.literal(now, UTCDateTime), sa.literal(due_at, UTCDateTime), sa.literal(1),
    ).where(statement.c.journal_id == journal_id, statement.c.amount_minor < 0)
    columns = ["public_id", "offering_id", "commitment_id", "party_id", "amount_minor", "reason", "status", "failures",
               "journal_id", "created_at", "due_at", "part"]
    result = session.execute(
        sa.insert(Refund.__table__).from_select(columns, rows), execution_options={"preserve_rowcount": True}
    )
    return result.rowcount


def positions(session: Session, offering_id: int) -> dict[int, Position]:
    """Return the position of every commitment that was ever paid, by its id, in the order of their ordinals."""
    last = last_rows(offering_id)
    rows = session.execute(sa.select(last).order_by(last.c.ordinal)).all()
    carried = _carried_of(session, offering_id)
    return {row.commitment_id: _position(row, carried.get(row.commitment_id, 0)) for row in rows}
