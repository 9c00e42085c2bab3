"""Challenge a verdict "met" while its window runs: open, join, leave, and count when it is over (MIL-10).

Who stands behind a challenge is counted once, at the window's end, by the books of that moment: until then anybody may
join or leave. What a challenge that counts leads to is ``disputes``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import idempotency
from app.accounts import service as accounts
from app.accounts.actor import SYSTEM, Actor
from app.audit import service as audit
from app.commitments import escrow
from app.commitments.models import Commitment
from app.commitments.queries import has_vote
from app.contracts import queries as contract_queries
from app.contracts.models import Milestone
from app.db import public_id
from app.errors import Conflict, Forbidden, NotFound, Refused
from app.offerings import halts
from app.offerings.models import Offering
from app.outbox import service as outbox
from app.progress import retention
from app.progress.counting import findings_from
from app.progress.dispute_models import Challenge, ChallengeSupporter, Dispute
from app.progress.models import Submission
from app.progress.service import located, standing_of
from milestones.disputes import Support
from milestones.verdict import NOT_MET

OPEN, FALLEN, DISPUTED, DROPPED = "open", "fallen", "disputed", "dropped"
MAX_REASON_CHARACTERS = 2000


def weights(session: Session, offering: Offering) -> dict[int, int]:
    """Return the unreleased money of every party that has a voice here, at arm's length, minor units (COM-11)."""
    last = escrow.last_rows(offering.id)
    rows = session.execute(
        sa.select(last.c.party_id, sa.func.sum(last.c.unreleased_after_minor).label("minor"))
        .join(Commitment, Commitment.id == last.c.commitment_id)
        .where(last.c.unreleased_after_minor > 0, has_vote())
        .group_by(last.c.party_id)
    )
    return {row.party_id: int(row.minor) for row in rows}


def open_challenge(
    session: Session, *, actor: Actor, milestone_id: str, criterion_key: str, reason: str, key: str, now: dt.datetime
) -> Challenge:
    """Challenge a verdict: name the criterion and why; whoever opens it stands behind it.

    One for each submission, whoever opened it and whatever came of it. Raises ``Forbidden`` ``no_weight`` for who has
    no arm's-length money in escrow here, ``Conflict`` ``not_challengeable`` or ``challenged_already``, ``Refused``
    ``window_over``, ``criterion_unknown`` or ``reason_empty``.
    """
    accounts.demand(actor, "investor")
    fields = {"milestone": milestone_id, "criterion": criterion_key, "reason": reason}
    earlier = idempotency.claim(session, actor=actor, operation="challenge", key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    milestone, offering = located(session, milestone_id)
    own = _own_weights(session, actor, offering)
    submission = _demand_window(session, milestone, offering, now)
    if of_submission(session, submission.id) is not None:
        raise Conflict("This verdict is challenged already; you can join that challenge.", code="challenged_already")
    published = contract_queries.published_terms(session, offering.terms_version_id or 0)
    agreed = retention.judged(published.terms.milestone(milestone.ordinal), submission)
    if criterion_key not in [each.key for each in agreed.criteria]:
        raise Refused("Choose the criterion that you doubt.", code="criterion_unknown", field="criterion")
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON_CHARACTERS:
        raise Refused("Say in up to 2,000 characters why the criterion is not met.", code="reason_empty",
                      field="reason")
    challenge = Challenge(
        public_id=public_id("chl"), milestone_id=milestone.id, submission_id=submission.id, state=OPEN,
        criterion_key=criterion_key, reason=reason, opened_by=accounts.user_of(actor), party_id=min(own),
        opened_at=now, is_split=has_not_met(session, submission.id),
    )
    session.add(challenge)
    session.flush()
    audit.record(
        session, actor=actor, action="challenge.opened", object_id=challenge.public_id, now=now,
        after=told(session, challenge),
    )
    for party_id in sorted(own):
        _stand(session, actor, challenge, party_id, now)
    outbox.enqueue(session, "notice", {"kind": "challenge_opened", "challenge_id": challenge.id}, now=now,
                   key=f"notice:challenge_opened:{challenge.public_id}")
    idempotency.settle(session, actor=actor, operation="challenge", key=key, result_ref=challenge.public_id)
    return challenge


def join(session: Session, *, actor: Actor, challenge_id: str, key: str, now: dt.datetime) -> Challenge:
    """Stand behind a challenge, until the window ends; joining twice changes nothing.

    Raises as :func:`open_challenge`, and ``NotFound`` ``challenge_not_found``.
    """
    return _answer(session, actor=actor, challenge_id=challenge_id, verb="join", key=key, now=now)


def leave(session: Session, *, actor: Actor, challenge_id: str, key: str, now: dt.datetime) -> Challenge:
    """Stand behind a challenge no longer, until the window ends; the challenge itself stays."""
    return _answer(session, actor=actor, challenge_id=challenge_id, verb="leave", key=key, now=now)


def _answer(
    session: Session, *, actor: Actor, challenge_id: str, verb: str, key: str, now: dt.datetime
) -> Challenge:
    accounts.demand(actor, "investor")
    fields = {"challenge": challenge_id}
    operation = f"{verb}_challenge"
    earlier = idempotency.claim(session, actor=actor, operation=operation, key=key, fields=fields, now=now)
    if earlier is not None:
        return by_public_id(session, earlier)
    challenge = by_public_id(session, challenge_id)
    milestone, offering = located(session, session.get_one(Milestone, challenge.milestone_id).public_id)
    session.refresh(challenge)
    own = _own_weights(session, actor, offering) if verb == "join" else actor.parties("investor")
    _demand_window(session, milestone, offering, now)
    if challenge.state != OPEN:
        raise Conflict("This challenge is over.", code="challenge_over")
    for party_id in sorted(own):
        if verb == "join":
            _stand(session, actor, challenge, party_id, now)
        else:
            _withdraw(session, actor, challenge, party_id, now)
    idempotency.settle(session, actor=actor, operation=operation, key=key, result_ref=challenge.public_id)
    return challenge


def _demand_window(session: Session, milestone: Milestone, offering: Offering, now: dt.datetime) -> Submission:
    """Return the submission whose verdict can be challenged now."""
    if milestone.state != "challengeable" or milestone.deadline_at is None:
        raise Conflict("There is no verdict here that can be challenged now.", code="not_challengeable")
    if halts.clock(offering, now) >= milestone.deadline_at:
        raise Refused("The time to challenge this verdict is over.", code="window_over")
    return decided_submission(session, milestone.id)


def decided_submission(session: Session, milestone_id: int) -> Submission:
    """Return the submission that the milestone's last verdict is of."""
    return session.scalars(
        sa.select(Submission).where(Submission.milestone_id == milestone_id, Submission.status == "decided")
        .order_by(Submission.number.desc()).limit(1)
    ).one()


def has_not_met(session: Session, submission_id: int) -> bool:
    """Whether an auditor found any criterion of a submission not met: then one holder suffices (MIL-10)."""
    return any(
        finding.result == NOT_MET for each in standing_of(session, submission_id) for finding in findings_from(each)
    )


def _own_weights(session: Session, actor: Actor, offering: Offering) -> dict[int, int]:
    mine = actor.parties("investor")
    own = {party_id: minor for party_id, minor in weights(session, offering).items() if party_id in mine}
    if not own:
        raise Forbidden(
            "Only investors with money in escrow here can challenge, at arm's length from the company and from each "
            "other.", code="no_weight",
        )
    return own


def _stand(session: Session, actor: Actor, challenge: Challenge, party_id: int, now: dt.datetime) -> None:
    mine = _supporter(session, challenge, party_id)
    if mine is not None and mine.left_at is None:
        return
    if mine is None:
        mine = ChallengeSupporter(public_id=public_id("chs"), challenge_id=challenge.id, party_id=party_id,
                                  joined_by=0, joined_at=now)
        session.add(mine)
    mine.joined_by, mine.joined_at, mine.left_at = accounts.user_of(actor), now, None
    session.flush()
    audit.record(
        session, actor=actor, action="supporter.joined", object_id=mine.public_id, now=now,
        after=told_supporter(session, mine),
    )


def _withdraw(session: Session, actor: Actor, challenge: Challenge, party_id: int, now: dt.datetime) -> None:
    mine = _supporter(session, challenge, party_id)
    if mine is None or mine.left_at is not None:
        return
    mine.left_at = now
    session.flush()
    audit.record(
        session, actor=actor, action="supporter.left", object_id=mine.public_id, now=now,
        after=told_supporter(session, mine),
    )


def _supporter(session: Session, challenge: Challenge, party_id: int) -> ChallengeSupporter | None:
    return session.scalars(
        sa.select(ChallengeSupporter).where(
            ChallengeSupporter.challenge_id == challenge.id, ChallengeSupporter.party_id == party_id
        )
    ).one_or_none()


def supporters(session: Session, challenge: Challenge) -> list[ChallengeSupporter]:
    """Return who stands behind a challenge now, in the order of their first joining."""
    return list(
        session.scalars(
            sa.select(ChallengeSupporter)
            .where(ChallengeSupporter.challenge_id == challenge.id, ChallengeSupporter.left_at.is_(None))
            .order_by(ChallengeSupporter.id)
        )
    )


def support(session: Session, challenge: Challenge, offering: Offering) -> Support:
    """Say who stands behind a challenge now, of whom, by the books as they are."""
    return _support(session, challenge, offering, weights(session, offering))


def _support(session: Session, challenge: Challenge, offering: Offering, found: Mapping[int, int]) -> Support:
    behind = [each for each in supporters(session, challenge) if each.party_id in found]
    unspent = {each.party_id for each in behind} - _spent(session, offering, challenge)
    return Support(
        money_minor=sum(found[each.party_id] for each in behind),
        total_minor=sum(found.values()),
        # People count, not the companies one of them acts for.
        heads=len({each.joined_by for each in behind}),
        total_heads=len(found),
        one_suffices=challenge.is_split and bool(unspent),
    )


def _spent(session: Session, offering: Offering, challenge: Challenge) -> set[int]:
    """Return who has had the challenge that one holder suffices for, in vain: the panel found the milestone met.

    Else one holder could stop every milestone with a dissenting auditor; with others they still can.
    """
    lone = session.execute(
        sa.select(Challenge, ChallengeSupporter.party_id)
        .join(ChallengeSupporter, ChallengeSupporter.challenge_id == Challenge.id)
        .join(Milestone, Milestone.id == Challenge.milestone_id)
        .join(Dispute, Dispute.challenge_id == Challenge.id)
        .where(
            Milestone.offering_id == offering.id, Challenge.id != challenge.id, Dispute.outcome.in_(["met", "partly"]),
            ChallengeSupporter.weight_minor.is_not(None),
        )
    ).all()
    return {party_id for each, party_id in lone if not counted(each).counts}


def counted(challenge: Challenge) -> Support:
    """Return what was counted of a challenge that has ended, without the leave that one holder suffices."""
    return Support(
        challenge.money_minor or 0, challenge.total_minor or 0, challenge.heads or 0, challenge.total_heads or 0
    )


def count(session: Session, challenge: Challenge, offering: Offering, *, now: dt.datetime) -> bool:
    """Count a challenge at its window's end and write down what was counted; return whether it leads to a dispute."""
    found = weights(session, offering)
    now_counted = _support(session, challenge, offering, found)
    for each in supporters(session, challenge):
        each.weight_minor = found.get(each.party_id)
    challenge.money_minor, challenge.total_minor = now_counted.money_minor, now_counted.total_minor
    challenge.heads, challenge.total_heads = now_counted.heads, now_counted.total_heads
    _end(session, challenge, DISPUTED if now_counted.counts else FALLEN, now=now)
    return now_counted.counts


def drop(session: Session, milestone_id: int, *, now: dt.datetime) -> None:
    """End an open challenge uncounted: what it doubts is decided another way, or by nobody."""
    challenge = session.scalars(
        sa.select(Challenge).where(Challenge.milestone_id == milestone_id, Challenge.state == OPEN)
    ).one_or_none()
    if challenge is not None:
        _end(session, challenge, DROPPED, now=now)


def reopen(session: Session, submission_id: int, *, now: dt.datetime) -> None:
    """Let a challenge that was dropped stand again, with those behind it, because its verdict stands again (MIL-15).

    There is one for each submission: else an auditor who takes a finding back would take the challenge from holders.
    """
    challenge = of_submission(session, submission_id)
    if challenge is None or challenge.state != DROPPED:
        return
    challenge.state, challenge.ended_at = OPEN, None
    challenge.is_split = has_not_met(session, submission_id)
    session.flush()
    audit.record(
        session, actor=SYSTEM, action="challenge.reopened", object_id=challenge.public_id, now=now,
        before={"state": DROPPED}, after=told(session, challenge),
        reason="The verdict that it doubts was judged again, and stands.",
    )


def _end(session: Session, challenge: Challenge, state: str, *, now: dt.datetime) -> None:
    challenge.state, challenge.ended_at = state, now
    session.flush()
    audit.record(
        session, actor=SYSTEM, action=f"challenge.{state}", object_id=challenge.public_id, now=now,
        before={"state": OPEN}, after=told(session, challenge), count=challenge.heads,
    )
    if state == FALLEN:
        outbox.enqueue(session, "notice", {"kind": "challenge_fallen", "challenge_id": challenge.id}, now=now,
                       key=f"notice:challenge_fallen:{challenge.public_id}")


def told(session: Session, challenge: Challenge) -> dict[str, object]:
    """Return what the log keeps of a challenge; the self-check compares the row with the last of them."""
    names = ("state", "criterion_key", "party_id", "opened_at", "money_minor", "total_minor", "heads", "total_heads",
             "ended_at")
    return {name: getattr(challenge, name) for name in names} | {
        "milestone": session.get_one(Milestone, challenge.milestone_id).public_id,
        "submission": session.get_one(Submission, challenge.submission_id).public_id,
        "is_split": int(challenge.is_split),
    }


def told_supporter(session: Session, mine: ChallengeSupporter) -> dict[str, object]:
    """Return what the log keeps of who stands behind a challenge; what they weighed is worked out again."""
    return {
        "challenge": session.get_one(Challenge, mine.challenge_id).public_id, "party": mine.party_id,
        "joined_by": mine.joined_by, "joined_at": mine.joined_at, "left_at": mine.left_at,
    }


def of_submission(session: Session, submission_id: int) -> Challenge | None:
    """Return the one challenge of a submission, None when there is none."""
    return session.scalars(sa.select(Challenge).where(Challenge.submission_id == submission_id)).one_or_none()


def by_public_id(session: Session, challenge_id: str) -> Challenge:
    """Return a challenge; raises ``NotFound``."""
    challenge = session.scalars(sa.select(Challenge).where(Challenge.public_id == challenge_id)).one_or_none()
    if challenge is None:
        raise NotFound("There is no such challenge.", code="challenge_not_found")
    return challenge
