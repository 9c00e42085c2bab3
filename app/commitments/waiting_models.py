"""Those who wait for a place in a full offering, and what they were offered (OFF-5)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK

_ACTIVE = "status IN ('waitlisted', 'offered')"


class WaitingEntry(Base):
    """One investor's place on an offering's waiting list; nothing is charged for it.

    ``position`` is the order in which places are offered; whoever lets an offer pass gets a new one, the last.
    ``amount_minor`` is what is wanted at most; with ``takes_less`` a smaller place is offered too, never below the
    minimum ticket. ``offered_minor`` is the room kept for them until ``offer_until``; it is counted in the
    offering's ``offered_minor``. ``commitment_id`` is what an accepted offer became.
    """

    __tablename__ = "waiting_entry"
    __table_args__ = (
        sa.ForeignKeyConstraint(["offering_id"], ["offering.id"]),
        sa.ForeignKeyConstraint(["party_id"], ["party.id"]),
        sa.ForeignKeyConstraint(["commitment_id"], ["commitment.id"]),
        sa.UniqueConstraint("public_id"),
        sa.UniqueConstraint("offering_id", "position"),
        sa.UniqueConstraint("commitment_id"),
        sa.CheckConstraint("amount_minor > 0 AND position > 0 AND offers >= 0", name="above_zero"),
        sa.CheckConstraint("status IN ('waitlisted', 'offered', 'accepted', 'left', 'lapsed')", name="status"),
        sa.CheckConstraint("(status = 'offered') = (offer_until IS NOT NULL)", name="offer_has_its_end"),
        sa.CheckConstraint("(offered_minor = 0) = (status <> 'offered') AND offered_minor <= amount_minor",
                           name="offered_minor"),
        sa.CheckConstraint("(status = 'accepted') = (commitment_id IS NOT NULL)", name="accepted_is_a_commitment"),
        sa.Index("ix_waiting_entry_offering_id_status_position", "offering_id", "status", "position"),
        sa.Index("ix_waiting_entry_party_id", "party_id"),
        sa.Index("ix_waiting_entry_offer_until", "offer_until", sqlite_where=sa.text("status = 'offered'"),
                 postgresql_where=sa.text("status = 'offered'")),
        # One place on the list per investor and offering.
        sa.Index("uq_waiting_entry_active", "offering_id", "party_id", unique=True,
                 sqlite_where=sa.text(_ACTIVE), postgresql_where=sa.text(_ACTIVE)),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    public_id: Mapped[str]
    offering_id: Mapped[int]
    party_id: Mapped[int]
    user_id: Mapped[int]
    position: Mapped[int]
    amount_minor: Mapped[int]
    takes_less: Mapped[bool]
    status: Mapped[str]
    status_since: Mapped[dt.datetime]
    offered_minor: Mapped[int] = mapped_column(default=0)
    offer_until: Mapped[dt.datetime | None]
    offers: Mapped[int] = mapped_column(default=0)
    commitment_id: Mapped[int | None]
    joined_at: Mapped[dt.datetime]
