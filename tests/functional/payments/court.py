"""Disputes at the pretend rail: open them, let them be decided, and read what is where afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from app.commitments import escrow
from app.db import Database
from app.ledger import chart
from app.ledger import queries as ledger
from app.payments.reversal_models import IssuerClaim, Reversal
from app.register.models import RegisterEntry
from tests.factories import life as lives
from tests.functional.payments.conftest import Till

#: (unreleased, released, issued, entitled) of one commitment
Figures = tuple[int, int, int, int]


@dataclasses.dataclass
class Court(Till):
    """A till whose payers dispute."""

    def hear(self) -> None:
        """Let the program hear what the rail has to tell."""
        self.skip(seconds=6)
        self.work("poll_rails", "refresh_operations")

    def dispute(self, number: int, amount_minor: int | None = None) -> str:
        """Let an investor dispute their latest payment, or a part of it; return the rail's reference."""
        operation = self.payment(self.life.commitments[number])
        ref = self.rail.open_dispute(operation.provider_ref or "", amount_minor)
        assert ref is not None
        self.hear()
        return ref

    def decide(self, ref: str, outcome: str) -> None:
        assert self.rail.decide_dispute(ref, outcome)
        self.hear()

    # -- figures ------------------------------------------------------------------------------------

    def figures(self) -> list[Figures]:
        """Return where everybody's money and tokens are, in the order of their ordinals."""
        found = self.read(lambda session: escrow.positions(session, self.offering().id))
        return [
            (each.unreleased_minor, each.released_minor, each.issued_tokens, each.entitled_tokens)
            for each in found.values()
        ]

    def reversals(self) -> Sequence[Reversal]:
        return self.read(lambda session: session.scalars(sa.select(Reversal).order_by(Reversal.id)).all())

    def split(self, number: int = 0) -> dict[str, int]:
        """Return where the amount of a reversal came from, without zeros."""
        row = self.reversals()[number]
        names = ("escrow", "owed", "set_off", "claim", "loss")
        return {name: getattr(row, f"{name}_minor") for name in names if getattr(row, f"{name}_minor")}

    def claims(self) -> Sequence[IssuerClaim]:
        return self.read(lambda session: session.scalars(sa.select(IssuerClaim).order_by(IssuerClaim.id)).all())

    def register(self, number: int) -> list[tuple[str, int]]:
        commitment = self.commitment(self.life.commitments[number])
        rows = self.read(
            lambda session: session.scalars(
                sa.select(RegisterEntry).where(RegisterEntry.commitment_id == commitment.id).order_by(RegisterEntry.id)
            ).all()
        )
        return [(row.kind, row.quantity) for row in rows]

    def ours(self) -> int:
        """Return what the float holds."""
        return self.read(lambda session: ledger.balance(session, chart.platform_cash("sandbox", "USD/2")))


def running(db: Database, *amounts: int, methods: Sequence[str] = (), float_minor: int = 500_000, **options) -> Court:  # type: ignore[no-untyped-def]
    """Return a running offering at 0.50 a token whose closing tranche of 20 % is released; 40 % and 40 % follow."""
    options.setdefault("fields", {"minimum_minor": 150_000})
    options.setdefault("contract", {"tranches": (4000, 4000), "closing_bp": 2000})
    life = lives.live(db, investors=len(amounts), **options)
    court = Court(life)
    if float_minor:
        court.fund(float_minor)
    methods = methods or ["instant"] * len(amounts)
    for investor, amount, method in zip(life.investors, amounts, methods, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount, method))
    life.stage.close(life.offering_id)
    return court
