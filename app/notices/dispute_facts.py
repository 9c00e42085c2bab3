"""Figures of challenges, disputes and appeals for notices (MIL-10), and by which way a milestone became open."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit.models import LogEntry
from app.contracts.models import Milestone
from app.offerings.models import Offering
from app.progress import appeals, challenges
from app.progress.dispute_models import Challenge, Dispute
from app.progress.models import Submission

Params = dict[str, Any]


def instant_text(instant: dt.datetime | None) -> str | None:
    """Return an instant as a notice keeps it."""
    return None if instant is None else instant.isoformat()


def of_challenge(session: Session, challenge: Challenge, offering: Offering, milestone: Milestone) -> Params:
    """Return what a notice says of a challenge: what it needs now, and what was counted when it ended."""
    support = challenges.support(session, challenge, offering)
    return {
        "challenge": challenge.public_id, "challenge_row": challenge.id, "is_split": challenge.is_split,
        "due_at": instant_text(milestone.deadline_at), "needs_minor": support.needs_minor,
        "needs_heads": support.needs_heads, "money_minor": challenge.money_minor or 0,
        "all_minor": challenge.total_minor or 0, "heads": challenge.heads or 0,
    }


def of_dispute(dispute: Dispute, milestone: Milestone) -> Params:
    """Return what a notice says of a dispute: where it stands, and what became of the disputed sum."""
    return {
        "dispute": dispute.public_id, "cause": dispute.cause, "round": dispute.round, "stage": dispute.state,
        "outcome": dispute.outcome or "", "share_pct": dispute.share_pct or 0, "sum_minor": dispute.sum_minor or 0,
        "to_release_minor": dispute.to_release_minor or 0, "back_minor": dispute.returned_minor or 0,
        "stays_minor": dispute.stays_minor or 0, "by_vote": dispute.poll_id is not None,
        "due_at": instant_text(milestone.deadline_at),
    }


def last_of(session: Session, milestone: Milestone) -> Dispute:
    """Return the milestone's newest dispute."""
    return session.scalars(
        sa.select(Dispute).where(Dispute.milestone_id == milestone.id).order_by(Dispute.id.desc()).limit(1)
    ).one()


def came_back(session: Session, event: str, milestone: Milestone) -> bool:
    """Whether a part was released before and the milestone is back there because a review gave nothing."""
    if event not in ("milestone_partly_released", "milestone_retained"):
        return False
    last = session.scalar(
        sa.select(LogEntry.before)
        .where(LogEntry.object_id == milestone.public_id, LogEntry.action == f"milestone.{milestone.state}")
        .order_by(LogEntry.id.desc())
        .limit(1)
    )
    return last is None or '"approved"' not in last


def of_open(session: Session, offering: Offering, milestone: Milestone, at: dt.datetime) -> tuple[str, Params]:
    """Say by which way a milestone became open, as a suffix of the event, and until when its verdict may be appealed.

    Opened, not met, reviewed in vain, suspended for too long, by a dispute, or by a vote.
    """
    params = {"appeal_by": instant_text(appeals.until(session, offering, milestone, at))}
    latest = session.scalars(
        sa.select(Submission).where(Submission.milestone_id == milestone.id, Submission.received_at.is_not(None))
        .order_by(Submission.number.desc()).limit(1)
    ).one_or_none()
    asked_at = milestone.asked_at
    if asked_at is not None and (latest is None or (latest.decided_at or asked_at) <= asked_at):
        return ":go_on", params
    if latest is None:
        return "", params
    if session.scalar(
        sa.select(Dispute.id).where(Dispute.milestone_id == milestone.id, Dispute.decided_at == at).limit(1)
    ):
        return ":dispute", params
    if latest.status == "discarded":
        return ":review_abandoned", params
    return (":not_met" if latest.verdict == "not_met" else ":suspension_over"), params
