"""Consent to get documents electronically: asked once, kept with the hash of its words, withdrawable (PPL-3).

Kept as acknowledgements, of which the latest counts. A withdrawal stops new commitments only: what an investor holds
stays as it is, and its notices still come by mail. Words that changed since are asked of everybody again.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.actor import Actor
from app.accounts.models import Party
from app.audit import service as audit
from app.errors import Conflict
from app.investors import queries, rules, service
from app.investors.models import Acknowledgement


def consent(session: Session, *, actor: Actor, party_id: int, wording_hash: str, now: dt.datetime) -> None:
    """Keep that an investor agrees; a second time changes nothing. Raises ``Conflict`` ``wording_changed``."""
    service.demand_investor(actor, party_id)
    if wording_hash != rules.DELIVERY_WORDING_HASH:
        raise Conflict("The statement that you agree to has changed. Read it again.", code="wording_changed")
    party = service.locked_party(session, party_id)
    if queries.standing(session, party_id).delivered_since is None:
        _keep(session, actor, party, rules.DELIVERY_AGREED, now)


def withdraw(session: Session, *, actor: Actor, party_id: int, now: dt.datetime) -> None:
    """Keep that an investor agrees no longer; where nothing was agreed to, nothing changes."""
    service.demand_investor(actor, party_id)
    party = service.locked_party(session, party_id)
    if queries.standing(session, party_id).delivered_since is not None:
        _keep(session, actor, party, rules.DELIVERY_WITHDRAWN, now)


def _keep(session: Session, actor: Actor, party: Party, kind: str, now: dt.datetime) -> None:
    earlier = session.scalar(
        sa.select(sa.func.count()).select_from(Acknowledgement).where(
            Acknowledgement.party_id == party.id, Acknowledgement.kind.in_(rules.DELIVERY_KINDS)
        )
    )
    service.acknowledge(
        session, actor=actor, party_id=party.id, kind=kind, about=f"{party.public_id}:delivery:{(earlier or 0) + 1}",
        wording_hash=rules.DELIVERY_WORDING_HASH, now=now,
    )
    session.flush()
    audit.record(
        session, actor=actor, action=f"investor.{kind}", object_id=party.public_id, now=now,
        after={"wording": rules.DELIVERY_WORDING_HASH},
    )
