"""What investors do on a stage: commit, pay, cancel, wait for a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app import clock
from app.commitments import service as commitments
from app.commitments import waiting
from app.investors import rules as investor_rules
from app.offerings import service as offerings
from app.offerings import versions
from app.payments import gateway
from app.payments import service as payments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from app.accounts.actor import Actor
    from app.commitments.models import Commitment
    from app.commitments.waiting_models import WaitingEntry
    from app.db import Database
    from app.payments.ports import PaymentRail


class Investing:
    """The acts of investors; the stage that inherits them has the database, the rails and the keys."""

    db: Database
    rails: Mapping[str, PaymentRail]

    if TYPE_CHECKING:

        def key(self) -> str: ...

    def commit(self, investor: Actor, offering_id: str, amount_minor: int, *, key: str | None = None) -> str:
        """Commit for an investor and return the commitment's public id; no money moves yet."""

        def accept(session: Session) -> Commitment:
            offering = offerings.offering_by_id(session, offering_id)
            terms_hash = versions.hash_of(session, offering)
            return commitments.accept_commitment(
                session, actor=investor, offering_id=offering_id, party_id=min(investor.parties("investor")),
                amount_minor=amount_minor, terms_hash=terms_hash, wording_hash=investor_rules.RISK_WORDING_HASH,
                key=key or self.key(), now=clock.business_now(session),
            )

        return self.db.unit_of_work(accept).public_id

    def pay(self, investor: Actor, commitment_id: str, method: str = "instant") -> str:
        """Pay a commitment on the sandbox rail and return the operation's public id."""
        operation = self.db.unit_of_work(
            lambda session: payments.start_collection(
                session, actor=investor, commitment_public_id=commitment_id, method=method, key=self.key(),
                now=clock.business_now(session),
            )
        )
        gateway.run_operation(self.db, self.rails, operation.id)
        return operation.public_id

    def invest(self, investor: Actor, offering_id: str, amount_minor: int, method: str = "instant") -> str:
        """Commit and pay at once; return the commitment's public id."""
        commitment_id = self.commit(investor, offering_id, amount_minor)
        self.pay(investor, commitment_id, method)
        return commitment_id

    def cancel(self, investor: Actor, commitment_id: str) -> None:
        """Cancel a commitment."""
        self.db.unit_of_work(
            lambda session: commitments.cancel(
                session, actor=investor, commitment_id=commitment_id, now=clock.business_now(session)
            )
        )

    # -- waiting for a place --------------------------------------------------------------------------

    def wait(
        self, investor: Actor, offering_id: str, amount_minor: int, *, takes_less: bool = False, key: str | None = None
    ) -> str:
        """Join the waiting list and return the public id of the place on it."""
        return self.db.unit_of_work(
            lambda session: waiting.join(
                session, actor=investor, offering_id=offering_id, party_id=min(investor.parties("investor")),
                amount_minor=amount_minor, takes_less=takes_less, key=key or self.key(),
                now=clock.business_now(session),
            )
        ).public_id

    def refuse_place(self, investor: Actor, entry_id: str) -> None:
        """Refuse a place that the waiting list offered."""
        self.db.unit_of_work(
            lambda session: waiting.refuse(session, actor=investor, entry_id=entry_id, now=clock.business_now(session))
        )

    def leave_list(self, investor: Actor, entry_id: str) -> None:
        """Leave the waiting list."""
        self.db.unit_of_work(
            lambda session: waiting.leave(session, actor=investor, entry_id=entry_id, now=clock.business_now(session))
        )

    def waiting_entry(self, entry_id: str) -> WaitingEntry:
        """Return a place on a waiting list as it is now."""
        with self.db.read() as session:
            return waiting.by_public_id(session, entry_id)
