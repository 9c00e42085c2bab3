"""Attestations taken back before their release, and corrected in public after (MIL-15)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.accounts.actor import Actor
from app.contracts.models import Appointment
from app.db import Database
from app.progress import ending, interventions, withdrawals
from app.progress.models import Attestation, AttestationWithdrawal, Submission
from milestones import ending as rules
from tests.factories import disputes as acts
from tests.factories import life as lives
from tests.factories.life import Life
from tests.unchanged import refused

TWO_OF_THREE = {"approvals": 2, "auditors": 3}


def handed_in(db: Database, *results: str, **options: object) -> tuple[Life, str]:
    life = lives.active(db, auditors=3, contract=TWO_OF_THREE, **options)  # type: ignore[arg-type]
    submission = life.stage.submit_evidence(life.founder, life.stage.milestone(life.offering_id, 1).public_id)
    for auditor, result in zip(life.auditors, results, strict=False):
        life.stage.attest(auditor, submission, result)
    return life, submission


def withdraw(life: Life, auditor: Actor, submission: str, *, key: str = "once", reason: str = "A wrong file.") -> str:
    with life.stage.db.read() as session:
        signed = session.scalars(
            sa.select(Attestation).join(Submission, Submission.id == Attestation.submission_id)
            .where(Submission.public_id == submission, Attestation.party_id == life.stage.party(auditor, "auditor"))
        ).one()
    return life.stage.db.unit_of_work(
        lambda s: withdrawals.withdraw(
            s, actor=auditor, attestation_id=signed.public_id, reason=reason, key=key, now=life.stage.now
        )
    ).kind


def judged(life: Life, submission: str) -> tuple[str, str | None, str]:
    with life.stage.db.read() as session:
        row = session.scalars(sa.select(Submission).filter_by(public_id=submission)).one()
    return row.status, row.verdict, life.stage.milestone(life.offering_id, 1).state


def test_mil_15_what_stands_is_judged_again_and_the_window_starts_anew(db: Database) -> None:
    life, submission = handed_in(db, "met", "met", "met")
    life.stage.work()
    before = life.stage.milestone(life.offering_id, 1)
    life.stage.advance(days=2)
    with refused(db, "reason_empty"):
        withdraw(life, life.auditors[2], submission, reason="  ", key="empty")
    assert withdraw(life, life.auditors[2], submission) == "withdrawn"
    after = life.stage.milestone(life.offering_id, 1)
    assert judged(life, submission) == ("decided", "met", "challengeable")
    assert before.deadline_at is not None
    assert after.deadline_at is not None
    assert after.deadline_at >= before.deadline_at + dt.timedelta(days=2)
    assert withdraw(life, life.auditors[2], submission) == "withdrawn"  # the same request, once
    with refused(db, "withdrawn_already"):
        withdraw(life, life.auditors[2], submission, key="again")
    life.stage.advance_to(after.deadline_at + dt.timedelta(days=1))
    assert life.stage.milestone(life.offering_id, 1).state == "released"
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(AttestationWithdrawal)) == 1


def test_mil_15_a_withdrawal_turns_the_verdict_and_a_challenge_falls_with_it(db: Database) -> None:
    life, submission = handed_in(db, "met", "met", "not_met")
    life.stage.work()
    acts.challenge(life, 0)
    tries = life.stage.milestone(life.offering_id, 1).tries_left
    assert withdraw(life, life.auditors[0], submission) == "withdrawn"
    assert judged(life, submission) == ("decided", "not_met", "open")
    row = life.stage.milestone(life.offering_id, 1)
    assert (row.tries_left, row.released_minor, row.verdict_pct) == (tries - 1, 0, 0)
    assert acts.the_challenge(life).state == "dropped"
    with refused(db, "attestation_not_found"):
        life.stage.db.unit_of_work(
            lambda s: withdrawals.withdraw(
                s, actor=life.auditors[1], reason="Not mine.", key="other", now=life.stage.now,
                attestation_id=s.scalars(sa.select(Attestation).order_by(Attestation.id)).first().public_id,
            )
        )


def test_mil_15_a_withdrawal_takes_no_challenge_from_holders_where_the_verdict_stands(db: Database) -> None:
    life, submission = handed_in(db, "met", "met", "met")
    life.stage.work()
    acts.challenge(life, 0)
    assert withdraw(life, life.auditors[2], submission) == "withdrawn"
    assert judged(life, submission) == ("decided", "met", "challengeable")
    life.stage.work()
    assert acts.the_challenge(life).state == "open"
    assert acts.to_deadline(life).released_minor == 0
    assert acts.the_challenge(life).state == "disputed"


def test_mil_15_with_too_few_left_the_next_by_lot_reviews_the_same_files(db: Database) -> None:
    life, submission = handed_in(db, "met", "met")
    for number in range(2):
        life.stage.person("auditor", f"Reserve {number}", email=f"reserve@next{number}.example")
    due = life.stage.milestone(life.offering_id, 1).deadline_at
    assert due is not None
    life.stage.advance_to(due)
    assert judged(life, submission) == ("decided", "met", "challengeable")
    assert withdraw(life, life.auditors[0], submission) == "withdrawn"
    assert judged(life, submission) == ("received", None, "submitted")
    with refused(db, "submission_not_found"):
        life.stage.attest(life.auditors[0], submission, "met")
    with db.read() as session:
        seats = session.scalars(
            sa.select(Appointment.state).where(Appointment.milestone_key == "m1").order_by(Appointment.id)
        ).all()
    assert sorted(seats) == ["accepted", "accepted", "appointed", "replaced"]
    life.stage.attest(life.auditors[2], submission, "met")
    again = life.stage.milestone(life.offering_id, 1).deadline_at
    assert again is not None
    life.stage.advance_to(again)
    assert judged(life, submission) == ("decided", "met", "challengeable")


@pytest.mark.parametrize(("state", "kind"), [("submitted", "withdrawn"), ("open", "noted"), ("suspended", None)])
def test_mil_15_what_nothing_depends_on_is_only_noted(db: Database, state: str, kind: str | None) -> None:
    results = {"submitted": ["met"], "open": ["not_met"] * 3, "suspended": ["met"] * 3}[state]
    life, submission = handed_in(db, *results)
    if kind is None:
        milestone_id = life.stage.milestone(life.offering_id, 1).public_id
        db.unit_of_work(lambda s: interventions.suspend(
            s, actor=life.operator, milestone_id=milestone_id, reason="A bank asked.", now=life.stage.now
        ))
        with refused(db, "release_suspended"):
            withdraw(life, life.auditors[0], submission)
    else:
        assert withdraw(life, life.auditors[0], submission) == kind
    assert life.stage.milestone(life.offering_id, 1).state == state


def test_wnd_6_a_correction_after_the_release_is_a_cause_to_end_it(db: Database) -> None:
    life, submission = handed_in(db, "met", "met", "not_met")
    life.stage.advance(days=15)
    before = life.stage.milestone(life.offering_id, 1)
    assert before.state == "released"

    def cause() -> str | None:
        with db.read() as session:
            return ending.cause_of(session, life.stage.offering(life.offering_id), life.stage.now)

    assert withdraw(life, life.auditors[2], submission) == "corrected"
    assert cause() is None  # who found it not met takes back no release
    assert withdraw(life, life.auditors[0], submission) == "corrected"
    assert cause() == rules.BREACH
    after = life.stage.milestone(life.offering_id, 1)
    assert (after.state, after.released_minor) == ("released", before.released_minor)
    assert judged(life, submission) == ("decided", "met", "released")
