"""Play the disputes over a verdict: an investor's doubt about a split panel, the founder's appeal, three others' word.

Records know evaluators who disagreed and rejections, not what came of them here: who doubts is made up; the panel finds
what the record says became of the milestone (MIL-10).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.contracts.models import Milestone
from app.demo.stage import Stage
from app.errors import MilestakeError
from app.offerings.models import Offering
from app.progress import appeals, challenges, disputes, panel_signing
from app.progress.dispute_models import Dispute
from app.replay.fates import Round
from milestones.verdict import Finding


def is_split(round_: Round) -> bool:
    """Whether evaluators of one submission found different things."""
    return len({each.is_met for each in round_.findings}) > 1


def challenge(stage: Stage, milestone: Milestone, investors: list[Actor], counts: Counter[str]) -> None:
    """Let the first investor who may doubt a verdict."""
    with stage.db.read() as session:
        offering = session.get_one(Offering, milestone.offering_id)
        weights = challenges.weights(session, offering)
    holder = next((each for each in investors if stage.party(each, "investor") in weights), None)
    if holder is None:
        counts["challenge: nobody may"] += 1
        return
    stage.db.unit_of_work(
        lambda session: challenges.open_challenge(
            session, actor=holder, milestone_id=milestone.public_id, criterion_key="work",
            reason="The evaluators disagree.", key=stage.key(), now=stage.business_now(session),
        )
    )


def appeal(stage: Stage, milestone: Milestone, founder: Actor, counts: Counter[str]) -> None:
    """Let the founder ask for other auditors."""
    try:
        stage.db.unit_of_work(
            lambda session: appeals.appeal(
                session, actor=founder, milestone_id=milestone.public_id, reason="We delivered what was agreed.",
                key=stage.key(), now=stage.business_now(session),
            )
        )
    except MilestakeError as error:
        counts[f"appeal refused: {error.code}"] += 1


def judge(stage: Stage, milestone: Milestone, auditors: Mapping[str, Actor], *, is_met: bool) -> None:
    """Let every member of the panel find what the record says became of the milestone."""
    people = {stage.party(each, "auditor"): each for each in auditors.values()}
    finding = ("met", 100) if is_met else ("not_met", 0)
    findings = [Finding(key, *finding) for key in ("groundwork", "work")]
    with stage.db.read() as session:
        dispute = session.scalars(
            sa.select(Dispute).where(Dispute.milestone_id == milestone.id, Dispute.state == disputes.PANEL)
        ).one_or_none()
        seats = [] if dispute is None else disputes.seats_of(session, dispute)
    for seat in seats:
        if dispute is not None and seat.state not in (disputes.SIGNED, disputes.REPLACED):
            stage.db.unit_of_work(
                lambda session, party_id=seat.party_id: panel_signing.sign(
                    session, actor=people[party_id], dispute_id=dispute.public_id, findings=findings, key=stage.key(),
                    now=stage.business_now(session),
                )
            )

