"""Let holders, panel members and founders of a life challenge, judge and appeal: through the services."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.accounts.models import Membership
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import Database
from app.offerings.models import Offering
from app.progress import appeals, challenges, panel_signing
from app.progress.dispute_models import Challenge, Dispute, DisputeSeat
from milestones.verdict import Finding
from tests.factories import life as lives
from tests.factories.life import Life

#: One holds two thirds, one 30 %, one 3.33 % of the money: the third alone is below the threshold.
AMOUNTS = (1_000_000, 450_000, 50_000)
RESULTS = {"met": 100, "not_met": 0, "cannot_tell": 0}


def running(
    db: Database, *, amounts: Sequence[int] = AMOUNTS, jurors: int = 3, **contract: Any
) -> tuple[Life, list[Actor]]:
    """Return an active offering with so many auditors beside its own two, independent of everybody."""
    life = lives.live(
        db, investors=len(amounts), auditors=2, fields={"maximum_minor": 2_000_000},
        contract={"approvals": 1, **contract},
    )
    extra = [
        life.stage.person("auditor", f"Juror {n}", email=f"juror.{life.stage.key()}@panel{n}.example")
        for n in range(1, jurors + 1)
    ]
    for investor, amount in zip(life.investors, amounts, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    life.stage.close(life.offering_id)
    return life, extra


def row(life: Life, ordinal: int = 1) -> Milestone:
    return life.stage.milestone(life.offering_id, ordinal)


def to_deadline(life: Life, ordinal: int = 1) -> Milestone:
    """Move the clock to the milestone's next deadline, let the worker act, and return it."""
    deadline = row(life, ordinal).deadline_at
    assert deadline is not None
    life.stage.advance_to(deadline)
    return row(life, ordinal)


def challenge(
    life: Life, number: int, *, ordinal: int = 1, criterion: str = "revenue", reason: str = "The statement is old.",
    by: Actor | None = None, key: str | None = None, at: dt.datetime | None = None,
) -> Challenge:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: challenges.open_challenge(
            session, actor=by or life.investors[number], milestone_id=row(life, ordinal).public_id,
            criterion_key=criterion, reason=reason, key=key or stage.key(), now=at or stage.now,
        )
    )


def join(life: Life, number: int, challenge_id: str, *, by: Actor | None = None) -> Challenge:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: challenges.join(
            session, actor=by or life.investors[number], challenge_id=challenge_id, key=stage.key(), now=stage.now
        )
    )


def leave(life: Life, number: int, challenge_id: str) -> Challenge:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: challenges.leave(
            session, actor=life.investors[number], challenge_id=challenge_id, key=stage.key(), now=stage.now
        )
    )


def appeal(life: Life, *, ordinal: int = 1, reason: str = "The auditor read the wrong month.") -> Dispute:
    stage = life.stage
    return stage.db.unit_of_work(
        lambda session: appeals.appeal(
            session, actor=life.founder, milestone_id=row(life, ordinal).public_id, reason=reason, key=stage.key(),
            now=stage.now,
        )
    )


def sign(life: Life, auditor: Actor, dispute_id: str, result: str = "met", *, share_pct: int | None = None) -> str:
    """Let a panel member sign the same finding for every criterion; return the finding's id."""
    stage = life.stage

    def act(session: Any) -> str:
        dispute = session.scalars(sa.select(Dispute).where(Dispute.public_id == dispute_id)).one()
        milestone = session.get_one(Milestone, dispute.milestone_id)
        offering = session.get_one(Offering, milestone.offering_id)
        terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
        share = RESULTS[result] if share_pct is None else share_pct
        findings = [Finding(each.key, result, share) for each in terms.milestone(milestone.ordinal).criteria]
        return panel_signing.sign(
            session, actor=auditor, dispute_id=dispute_id, findings=findings, key=stage.key(), now=stage.now
        ).public_id

    return stage.db.unit_of_work(act)


def newest(life: Life) -> Dispute:
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Dispute).order_by(Dispute.id.desc()).limit(1)).one()


def the_challenge(life: Life) -> Challenge:
    """Return the newest challenge."""
    with life.stage.db.read() as session:
        return session.scalars(sa.select(Challenge).order_by(Challenge.id.desc()).limit(1)).one()


def seated(life: Life, people: Sequence[Actor], dispute: Dispute) -> list[Actor]:
    """Return those of some people who sit on a dispute's panel now."""
    with life.stage.db.read() as session:
        parties = set(session.scalars(sa.select(DisputeSeat.party_id).where(
            DisputeSeat.dispute_id == dispute.id, DisputeSeat.state != "replaced"
        )))
    return [each for each in people if life.stage.party(each, "auditor") in parties]


def members(life: Life, dispute: Dispute) -> list[Actor]:
    """Return the members of a dispute's panel, whoever was drawn."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(DisputeSeat.party_id, Membership.user_id)
            .join(Membership, Membership.party_id == DisputeSeat.party_id)
            .where(DisputeSeat.dispute_id == dispute.id, DisputeSeat.state != "replaced", Membership.role == "auditor")
            .order_by(DisputeSeat.id)
        ).all()
    return [Actor(row.user_id, frozenset({(row.party_id, "auditor")}), second_factor=True) for row in rows]


def disputed(life: Life, *, number: int = 1, ordinal: int = 1) -> Dispute:
    """Bring an open milestone before a panel: found met, challenged by one investor, its window over."""
    lives.reviewed(life, ordinal)
    life.stage.work()
    challenge(life, number, ordinal=ordinal)
    assert to_deadline(life, ordinal).state == "disputed"
    return newest(life)
