"""Say which verdict of a submission stands: the auditors' own, or what a panel or the investors made of it (MIL-10)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contracts.models import Milestone
from app.progress.dispute_models import Dispute
from app.progress.models import Submission
from milestones.disputes import APPEAL


def verdict_sql(*, by: dt.datetime | None = None) -> sa.ColumnElement[str | None]:
    """Return, in SQL beside ``submission``, the outcome of its last dispute, or the verdict where there was none.

    ``by``: only of disputes decided until then.
    """
    decided = Dispute.outcome.is_not(None) if by is None else Dispute.decided_at <= by
    last = (
        sa.select(Dispute.outcome)
        .where(Dispute.submission_id == Submission.id, decided)
        .order_by(Dispute.id.desc())
        .limit(1)
        .correlate(Submission)
        .scalar_subquery()
    )
    return sa.func.coalesce(last, Submission.verdict)


def may_appeal(session: Session, milestone: Milestone) -> bool:
    """Whether the milestone's one appeal is left; one that nobody decided was it too, so that appeals end."""
    return session.scalar(
        sa.select(Dispute.id).where(Dispute.milestone_id == milestone.id, Dispute.cause == APPEAL).limit(1)
    ) is None


def is_rejected(session: Session, milestone: Milestone) -> bool:
    """Whether the auditors' last verdict on the milestone is "not met", and no panel was asked about it."""
    latest = session.scalars(
        sa.select(Submission).where(Submission.milestone_id == milestone.id, Submission.received_at.is_not(None))
        .order_by(Submission.number.desc()).limit(1)
    ).one_or_none()
    return latest is not None and latest.verdict == "not_met"


def taken_since(session: Session, milestone: Milestone) -> dt.datetime | None:
    """Return since when others have had the milestone, for the time to give back; None when none is given (MIL-14).

    From the submission, or from an appeal that began after the founder had it again. An appeal that is lost gives
    nothing back: it is no way to a later long-stop.
    """
    received_at = session.scalar(
        sa.select(sa.func.max(Submission.received_at)).where(Submission.milestone_id == milestone.id)
    )
    appeal = session.scalars(
        sa.select(Dispute).where(Dispute.milestone_id == milestone.id, Dispute.cause == APPEAL)
        .order_by(Dispute.id.desc()).limit(1)
    ).one_or_none()
    if appeal is None or received_at is None or appeal.opened_at < received_at:
        return received_at
    if appeal.outcome == "not_met":
        return None
    return received_at if appeal.was_exhausted else appeal.opened_at
