"""The register of holders: one row for each change of a holding."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, BigIntPK


class RegisterEntry(Base):
    """One change of one holding, by lot. Append-only, so that any past moment can be replayed (TOK-3).

    A lot is what one release issued to one commitment; ``acquired_at`` starts its lock-up.
    Σ quantity of a class = ``outstanding:{class}``.
    """

    __tablename__ = "register_entry"
    __table_args__ = (
        sa.UniqueConstraint("journal_id", "commitment_id"),
        sa.CheckConstraint("quantity <> 0", name="quantity_not_zero"),
        sa.Index("ix_register_entry_token_class_id_party_id", "token_class_id", "party_id"),
        sa.Index("ix_register_entry_party_id", "party_id"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    token_class_id: Mapped[int]
    party_id: Mapped[int]
    commitment_id: Mapped[int]
    kind: Mapped[str]
    quantity: Mapped[int]
    journal_id: Mapped[int]
    acquired_at: Mapped[dt.datetime]
    occurred_at: Mapped[dt.datetime]
