"""Let founders tell everybody what happens, and investors say that it is material (OFF-8)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import Actor
from app.audit import service as audit
from app.db import public_id
from app.errors import Conflict, NotFound, Refused
from app.offerings import changes, versions
from app.offerings import service as offerings
from app.offerings.change_models import OfferingChange, OfferingUpdate, UpdateFlag
from app.offerings.models import Issuer, Offering
from app.outbox import service as outbox

KINDS = ("progress", "money", "material")
OPEN_FOR_UPDATES = ("live", "clearing", "active")
MOST_TITLE, MOST_TEXT = 120, 10_000


@dataclass(frozen=True, slots=True)
class Posted:
    """An update with what became of it: how many flagged it, and the change it is part of, if any."""

    update: OfferingUpdate
    flags: int
    change: OfferingChange | None


def post(
    session: Session, *, actor: Actor, offering_id: str, kind: str, title: str, text: str, key: str, now: dt.datetime
) -> OfferingUpdate:
    """Post an update; it is never edited. A ``material`` one of an open offering goes to an operator at once.

    Raises ``Refused`` ``not_running``, ``update_empty``, ``kind_unknown`` or, for a third material change,
    ``changes_used_up``.
    """
    accounts.demand(actor, "founder")
    fields = {"offering": offering_id, "kind": kind, "title": title, "text": text}
    earlier = idempotency.claim(session, actor=actor, operation="post_update", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_id(session, earlier)
    offering = offerings.locked(session, offering_id)
    if not actor.acts_for(session.get_one(Issuer, offering.issuer_id).party_id, "founder"):
        raise NotFound("There is no such offering.", code="offering_not_found")
    if offering.state not in OPEN_FOR_UPDATES:
        raise Refused("Updates are posted while an offering is open or its plan runs.", code="not_running")
    if kind not in KINDS:
        raise Refused("Choose what kind of update it is.", code="kind_unknown", field="kind")
    if not (title.strip() and text.strip()):
        raise Refused("Write a title and what happened.", code="update_empty", field="text")
    highest = session.scalar(
        sa.select(sa.func.max(OfferingUpdate.number)).where(OfferingUpdate.offering_id == offering.id)
    )
    update = OfferingUpdate(
        public_id=public_id("upd"), offering_id=offering.id, number=(highest or 0) + 1, kind=kind, title=title.strip(),
        text=text.strip(), posted_by=accounts.user_of(actor), posted_at=now,
    )
    session.add(update)
    session.flush()
    audit.record(session, actor=actor, action="update.posted", object_id=update.public_id, now=now, after=told(update))
    outbox.enqueue(session, "notice", {"kind": "update_posted", "update_id": update.id}, now=now,
                   key=f"notice:update_posted:{update.public_id}")
    if kind == "material" and offering.state == "live":
        _to_operator(session, offering, update, actor=actor, reason=update.title, by_table=True, now=now)
    idempotency.settle(session, actor=actor, operation="post_update", key=key, result_ref=update.public_id)
    return update


def flag(
    session: Session, *, actor: Actor, update_id: str, party_id: int, reason: str, now: dt.datetime
) -> UpdateFlag:
    """Say that an update is material; the first flag starts the operator's two business days (OFF-8).

    Only whoever has money in the open offering may, once each: a place that is not paid costs nothing. Raises
    ``Refused`` ``not_committed``, ``not_open`` or ``reason_empty``; ``Conflict`` ``update_decided``.
    """
    accounts.demand(actor, "investor")
    update = by_id(session, update_id)
    offering = session.get_one(Offering, update.offering_id, with_for_update=True, populate_existing=True)
    if not actor.acts_for(party_id, "investor") or not holds_money(session, offering.id, party_id):
        raise Refused("Only investors whose money is held here can say that an update is material.",
                      code="not_committed")
    earlier = session.scalars(
        sa.select(UpdateFlag).where(UpdateFlag.update_id == update.id, UpdateFlag.party_id == party_id)
    ).one_or_none()
    if earlier is not None:
        return earlier
    changes.demand_live(offering, now)
    if not reason.strip():
        raise Refused("Say what in it matters to you.", code="reason_empty", field="reason")
    change = change_of(session, update)
    if change is not None and change.state != "proposed":
        raise Conflict("An operator has decided about this update already.", code="update_decided")
    found = UpdateFlag(
        public_id=public_id("flg"), update_id=update.id, party_id=party_id, reason=reason.strip(),
        flagged_by=accounts.user_of(actor), flagged_at=now,
    )
    session.add(found)
    session.flush()
    audit.record(
        session, actor=actor, action="update.flagged", object_id=found.public_id, now=now,
        after={"update": update.public_id, "party_id": party_id},
    )
    if change is None:
        _to_operator(session, offering, update, actor=actor, reason=reason, by_table=False, now=now)
    return found


def _to_operator(
    session: Session, offering: Offering, update: OfferingUpdate, *, actor: Actor, reason: str, by_table: bool,
    now: dt.datetime,
) -> None:
    """Propose the update as a change: it becomes part of the next version when it is found material."""
    entry = {"key": update.public_id, "title": update.title, "text": update.text}
    changes.draft(
        session, offering, actor=actor, patch={"updates": [entry]}, reason=reason, now=now, update_id=update.id,
        by_table=by_table,
    )


def told(update: OfferingUpdate) -> dict[str, object]:
    """Return what the log keeps of an update; its words are hashed (PPL-6)."""
    return {
        "offering_id": update.offering_id, "number": update.number, "kind": update.kind,
        "sha256": versions.content_hash(f"{update.title}\n{update.text}"),
    }


def holds_money(session: Session, offering_id: int, party_id: int) -> bool:
    """Whether a party has a commitment in the offering that is paid; read by name, commitments come later."""
    commitment = sa.table("commitment", sa.column("party_id"), sa.column("offering_id"), sa.column("status"))
    query = sa.select(commitment.c.party_id).where(
        commitment.c.offering_id == offering_id, commitment.c.party_id == party_id,
        commitment.c.status == "held",
    )
    return session.scalar(sa.select(query.exists())) is True


def by_id(session: Session, update_id: str) -> OfferingUpdate:
    """Return an update by its public id; raises ``NotFound``."""
    update = session.scalars(sa.select(OfferingUpdate).where(OfferingUpdate.public_id == update_id)).one_or_none()
    if update is None:
        raise NotFound("There is no such update.", code="update_not_found")
    return update


def change_of(session: Session, update: OfferingUpdate) -> OfferingChange | None:
    """Return the change that an update is decided by, None while nobody calls it material."""
    return session.scalars(sa.select(OfferingChange).where(OfferingChange.update_id == update.id)).one_or_none()


def posted(session: Session, offering: Offering, *, limit: int = 20) -> list[Posted]:
    """Return an offering's updates, the newest first, with their flags; two queries."""
    flags = (
        sa.select(UpdateFlag.update_id, sa.func.count().label("flags")).group_by(UpdateFlag.update_id).subquery("flags")
    )
    rows = session.execute(
        sa.select(OfferingUpdate, flags.c.flags, OfferingChange)
        .outerjoin(flags, flags.c.update_id == OfferingUpdate.id)
        .outerjoin(OfferingChange, OfferingChange.update_id == OfferingUpdate.id)
        .where(OfferingUpdate.offering_id == offering.id)
        .order_by(OfferingUpdate.number.desc())
        .limit(limit)
    )
    return [Posted(update, int(count or 0), change) for update, count, change in rows]


def flagged_by(session: Session, offering: Offering, party_id: int) -> dict[int, bool]:
    """Return the ids of an offering's updates that a party has flagged."""
    rows = session.scalars(
        sa.select(UpdateFlag.update_id)
        .join(OfferingUpdate, OfferingUpdate.id == UpdateFlag.update_id)
        .where(OfferingUpdate.offering_id == offering.id, UpdateFlag.party_id == party_id)
    )
    return dict.fromkeys(rows, True)


def flags_of(session: Session, update_id: int) -> list[UpdateFlag]:
    """Return the flags of an update, the first one first."""
    return list(
        session.scalars(sa.select(UpdateFlag).where(UpdateFlag.update_id == update_id).order_by(UpdateFlag.id))
    )
