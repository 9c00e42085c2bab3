"""Change a live offering in tests, through the services: propose, decide, reconfirm."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.commitments import reconfirming
from app.commitments.models import Commitment
from app.commitments.reconfirm_models import Reconfirmation
from app.offerings import changes, updates, versions
from app.offerings import service as offerings
from app.offerings.change_models import OfferingChange
from app.offerings.changes import Proposed
from tests.factories import life as lives
from tests.factories.life import Life


def held(db: Any, *amounts: int, **options: Any) -> Life:
    """Return a live offering in which each amount is one investor's, paid in full."""
    life = lives.live(db, investors=len(amounts), **options)
    for investor, amount in zip(life.investors, amounts, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    life.stage.work()
    return life


def proposed(life: Life, *, contract: Mapping[str, Any] | None = None, rights: str | None = None,
             disclosures: Mapping[str, Any] | None = None, **fields: Any) -> Proposed:
    """Return a proposal that changes these fields of the offering as it stands."""
    with life.stage.db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        stands = offerings.fields_of(offering)
        told = versions.disclosures_of(offering)
    return Proposed(
        fields=dataclasses.replace(stands, **fields) if fields else None, rights=rights, document=contract,
        disclosures={**told, **disclosures} if disclosures else None,
    )


def propose(life: Life, *, reason: str = "We must.", key: str | None = None, actor: Actor | None = None,
            **changed: Any) -> str:
    """Propose a change and return its public id."""
    wanted = proposed(life, **changed)
    return life.stage.db.unit_of_work(
        lambda s: changes.propose(
            s, actor=actor or life.founder, offering_id=life.offering_id, reason=reason,
            patch=changes.patch_of(s, offerings.offering_by_id(s, life.offering_id), wanted),
            base_number=life.stage.offering(life.offering_id).version_number, key=key or life.stage.key(),
            now=life.stage.now,
        )
    ).public_id


def decide(life: Life, change_id: str, verdict: str = "material", *, reason: str = "It matters.",
           actor: Actor | None = None, work: bool = True) -> None:
    """Decide a change as the operator and let the worker deliver what follows."""
    life.stage.db.unit_of_work(
        lambda s: reconfirming.decide(
            s, actor=actor or life.operator, change_id=change_id, verdict=verdict, reason=reason, now=life.stage.now
        )
    )
    if work:
        life.stage.work()


def changed(life: Life, **fields: Any) -> str:
    """Propose a material change and let an operator decide it; return its public id."""
    change_id = propose(life, **fields)
    decide(life, change_id)
    return change_id


def reconfirm(life: Life, index: int, *, key: str | None = None, terms_hash: str | None = None,
              now: Any = None) -> None:
    """Let the index-th investor reconfirm."""
    terms = terms_hash or terms_of(life)
    life.stage.db.unit_of_work(
        lambda s: reconfirming.reconfirm(
            s, actor=life.investors[index], commitment_id=life.commitments[index], terms_hash=terms,
            key=key or life.stage.key(), now=now or life.stage.now,
        )
    )


def leave(life: Life, index: int, *, now: Any = None) -> None:
    """Let the index-th investor cancel instead of reconfirming."""
    life.stage.db.unit_of_work(
        lambda s: reconfirming.cancel(
            s, actor=life.investors[index], commitment_id=life.commitments[index], now=now or life.stage.now
        )
    )


def post(life: Life, kind: str = "progress", *, title: str = "News", text: str = "It works.") -> str:
    """Post an update as the founder and return its public id."""
    return life.stage.db.unit_of_work(
        lambda s: updates.post(
            s, actor=life.founder, offering_id=life.offering_id, kind=kind, title=title, text=text,
            key=life.stage.key(), now=life.stage.now,
        )
    ).public_id


def flag(life: Life, update_id: str, index: int = 0, *, reason: str = "It changes my mind.") -> None:
    """Let the index-th investor say that an update is material."""
    investor = life.investors[index]
    life.stage.db.unit_of_work(
        lambda s: updates.flag(
            s, actor=investor, update_id=update_id, party_id=life.stage.party(investor, "investor"), reason=reason,
            now=life.stage.now,
        )
    )


def terms_of(life: Life) -> str:
    """Return the hash that people commit to now."""
    with life.stage.db.read() as session:
        return versions.hash_of(session, offerings.offering_by_id(session, life.offering_id))


def change_row(life: Life, change_id: str) -> OfferingChange:
    """Return a change's row."""
    with life.stage.db.read() as session:
        return changes.change_by_id(session, change_id)


def commitment(life: Life, index: int) -> Commitment:
    """Return the index-th commitment's row."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Commitment).where(Commitment.public_id == life.commitments[index])).one()


def rounds(life: Life) -> Sequence[Reconfirmation]:
    """Return every row of every round, in order."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Reconfirmation).order_by(Reconfirmation.id)).all()
