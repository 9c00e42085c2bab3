"""Name the thing that a job acts on: what kind it is, its public id, and the offering it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.models import metadata

#: job → (the table its ids are of, what it does in words). A test compares it with the table of jobs.
JOBS: Mapping[str, tuple[str, str]] = {
    "send_operations": ("operation", "sends money, or asks what became of it"),
    "poll_rails": ("", "asks the rail for news"),
    "refresh_operations": ("operation", "books what the rail reported"),
    "look_again": ("operation", "asks the rail again"),
    "cancel_abandoned": ("operation", "cancels a payment that nobody wants"),
    "escalate_unknown": ("operation", "hands an unknown outcome to an operator"),
    "ask_unknown": ("operation", "asks once more about an unknown outcome"),
    "cover_fees": ("offering", "covers the provider's fees"),
    "return_receipts": ("receipt", "sends a late payment back"),
    "start_refunds": ("refund", "starts a refund"),
    "reserve_payouts": ("payout", "starts a payout, or says what it waits for"),
    "sweep_fees": ("offering", "takes our earned fee"),
    "expire_commitment": ("commitment", "ends an unpaid commitment and frees its place"),
    "lapse_offering": ("offering", "ends a draft or an approval that was not used"),
    "reach_deadline": ("offering", "ends the raise"),
    "settle_close": ("offering", "decides the close on cleared money"),
    "give_back": ("offering", "owes every investor their money back"),
    "finish_offering": ("offering", "ends an offering that gave everything back"),
    "start_contract": ("offering", "starts the milestone contract"),
    "decide_review": ("milestone", "decides a review at its limit"),
    "end_window": ("milestone", "ends the challenge window"),
    "end_suspension": ("milestone", "ends a suspension"),
    "release_tranche": ("milestone", "releases a tranche"),
    "fail_milestone": ("milestone", "fails a milestone at its long-stop"),
    "flag_late": ("milestone", "flags a milestone as late"),
    "reach_long_stop": ("offering", "winds down at the offering's long-stop"),
    "complete_offering": ("offering", "completes an offering"),
    "send_mails": ("", "sends mails"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A thing with its offering; empty texts where there is none. ``number`` is a milestone's in its contract."""

    kind: str
    public_id: str
    offering_id: str
    offering: str
    zone: str
    number: int | None = None


NOTHING = Subject("", "", "", "", "UTC")


@dataclass(slots=True)
class Subjects:
    """What was looked up before is not looked up again: none of it changes."""

    _known: dict[tuple[str, int], Subject] = field(default_factory=dict)

    def of(self, session: Session, job: str, object_id: int) -> Subject:
        """Return what a job acts on."""
        table = JOBS.get(job, ("", ""))[0]
        if not table:
            return NOTHING
        found = self._known.get((table, object_id))
        if found is None:
            found = self._known[table, object_id] = _look_up(session, table, object_id)
        return found


def _look_up(session: Session, name: str, object_id: int) -> Subject:
    table, offering = metadata.tables[name], metadata.tables["offering"]
    belongs_to = table.c.id if name == "offering" else table.c.offering_id
    number = table.c.ordinal if name == "milestone" else sa.null()
    target = offering if name == "offering" else table.join(offering, offering.c.id == belongs_to)
    row = session.execute(
        sa.select(
            table.c.public_id, offering.c.public_id.label("offering_id"), offering.c.name, offering.c.zone,
            number.label("number"),
        )
        .select_from(target)
        .where(table.c.id == object_id)
    ).one_or_none()
    if row is None:
        return NOTHING
    return Subject(name, row.public_id, row.offering_id, row.name, row.zone, row.number)
