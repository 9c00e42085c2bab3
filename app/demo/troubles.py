"""What goes wrong in the demo, and what its people do about it: doubt, judge, change, lengthen, dispute, end.

Each is one act through the same services as the web; when they happen is the story's, in ``loading``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import clock
from app.accounts.actor import Actor
from app.accounts.models import Membership
from app.commitments.models import Commitment
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.demo.stage import Stage
from app.offerings import service as offerings
from app.offerings.models import Offering
from app.payments.models import Operation
from app.payments.sandbox import SandboxRail
from app.progress import amending, challenges, ending, extending, panel_signing, polls
from app.progress.dispute_models import Dispute, DisputeSeat
from milestones import document as documents
from milestones.verdict import Finding


def challenge(stage: Stage, investor: Actor, offering_id: str, ordinal: int, *, criterion: str, reason: str) -> None:
    """Let an investor doubt a criterion that auditors found met."""
    milestone_id = stage.milestone(offering_id, ordinal).public_id
    stage.db.unit_of_work(
        lambda session: challenges.open_challenge(
            session, actor=investor, milestone_id=milestone_id, criterion_key=criterion, reason=reason,
            key=stage.key(), now=clock.business_now(session),
        )
    )


def judge_one(stage: Stage, offering_id: str, ordinal: int, *, note: str) -> None:
    """Let the first member of a dispute's panel, whoever was drawn, find nothing met; the others have yet to sign."""
    milestone_id = stage.milestone(offering_id, ordinal).id

    def sign(session: Session) -> None:
        milestone = session.get_one(Milestone, milestone_id)
        offering = session.get_one(Offering, milestone.offering_id)
        dispute_id, user_id, party_id = session.execute(
            sa.select(Dispute.public_id, Membership.user_id, DisputeSeat.party_id)
            .join(DisputeSeat, DisputeSeat.dispute_id == Dispute.id)
            .join(Membership, Membership.party_id == DisputeSeat.party_id)
            .where(Dispute.milestone_id == milestone_id, Membership.role == "auditor")
            .order_by(DisputeSeat.id)
            .limit(1)
        ).one()
        terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
        panel_signing.sign(
            session, actor=Actor(user_id, frozenset({(party_id, "auditor")}), second_factor=True),
            dispute_id=dispute_id, key=stage.key(), now=clock.business_now(session),
            findings=[Finding(each.key, "not_met", 0, note) for each in terms.milestone(milestone.ordinal).criteria],
        )

    stage.db.unit_of_work(sign)


def amend(
    stage: Stage, founder: Actor, offering_id: str, *, milestone_key: str, days: int, reason: str,
    answers: Mapping[str, tuple[Actor, str]],
) -> None:
    """Propose to move a milestone's dates by so many days, and let some investors answer."""

    def propose(session: Session) -> str:
        offering = offerings.offering_by_id(session, offering_id)
        terms = contract_queries.published_terms(session, offering.terms_version_id or 0).terms
        document: dict[str, Any] = dict(documents.to_document(terms))
        moved = next(each for each in document["milestones"] if each["key"] == milestone_key)
        for name in ("target_date", "long_stop"):
            moved[name] = (dt.date.fromisoformat(moved[name]) + dt.timedelta(days=days)).isoformat()
        amendment = amending.propose(
            session, actor=founder, offering_id=offering_id, document=document, reason=reason, key=stage.key(),
            now=clock.business_now(session),
        )
        return amending.poll_of(session, amendment).public_id

    poll_id = stage.db.unit_of_work(propose)
    for investor, choice in answers.values():
        stage.db.unit_of_work(
            lambda session, investor=investor, choice=choice: polls.answer(
                session, actor=investor, poll_id=poll_id, choice=choice, key=stage.key(),
                now=clock.business_now(session),
            )
        )


def extend(stage: Stage, founder: Actor, offering_id: str, ordinal: int, *, reason: str) -> None:
    """Let a founder take the one extension that a milestone has."""
    milestone_id = stage.milestone(offering_id, ordinal).public_id
    stage.db.unit_of_work(
        lambda session: extending.extend(
            session, actor=founder, milestone_id=milestone_id, reason=reason, key=stage.key(),
            now=clock.business_now(session),
        )
    )


def call_end(stage: Stage, investor: Actor, offering_id: str, *, reason: str) -> None:
    """Let an investor call for a vote to end a plan."""
    stage.db.unit_of_work(
        lambda session: ending.call(
            session, actor=investor, offering_id=offering_id, reason=reason, key=stage.key(),
            now=clock.business_now(session),
        )
    )


def dispute_payment(stage: Stage, commitment_id: str, *, outcome: str | None = None) -> None:
    """Let a payer's bank take a card payment back, and decide on it where an outcome is given."""
    rail = cast(SandboxRail, stage.rails["sandbox"])
    with stage.db.read() as session:
        provider_ref = session.scalars(
            sa.select(Operation.provider_ref)
            .join(Commitment, Commitment.id == Operation.commitment_id)
            .where(Commitment.public_id == commitment_id, Operation.provider_ref.is_not(None))
            .order_by(Operation.id)
            .limit(1)
        ).one()
    dispute = rail.open_dispute(provider_ref or "")
    stage.advance(minutes=1)
    if dispute is not None and outcome is not None:
        rail.decide_dispute(dispute, outcome)
        stage.advance(minutes=1)
