"""Rules between close and the end of the contract, through the services, on both databases."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from app import clock
from app.commitments.models import Commitment
from app.contracts.models import Milestone
from app.db import Database
from app.offerings.models import Issuer
from app.payments.models import Payout
from app.progress import interventions, service
from app.progress.models import Submission
from milestones import money
from milestones.verdict import Finding
from tests.factories import life
from tests.unchanged import refused

USD = money.Asset("USD", 2)


def test_mil_1_tranches_become_money_at_close_and_sum_to_the_proceeds(db: Database) -> None:
    story = life.active(db, amounts=(100_003, 100_050, 133_333))
    rows = story.stage.milestones(story.offering_id)
    proceeds = story.stage.offering(story.offering_id).proceeds_minor
    assert proceeds == 333_350
    assert [row.tranche_minor for row in rows] == [50_002, 100_005, 100_005, 83_338]
    assert sum(row.tranche_minor or 0 for row in rows) == proceeds


def test_mil_1_a_return_before_release_shrinks_every_unsettled_tranche(db: Database) -> None:
    story = life.live(db, contract={"closing_bp": 0, "tranches": (3000, 3000, 4000)})
    stage = story.stage
    stage.invest(story.investors[0], story.offering_id, 300_000)
    stage.invest(story.investors[1], story.offering_id, 100_000)
    stage.advance_to(stage.offering(story.offering_id).deadline_at - dt.timedelta(days=2))
    returned = stage.invest(story.investors[2], story.offering_id, 50_000, method="returned_5d")
    stage.close(story.offering_id)
    assert [row.tranche_minor for row in stage.milestones(story.offering_id)] == [135_000, 135_000, 180_000]
    stage.advance(days=6)
    with db.read() as session:
        assert session.execute(
            sa.select(Commitment.status).where(Commitment.public_id == returned)
        ).scalar_one() == "reversed"
    life.released(story, 1)
    assert [row.tranche_minor for row in stage.milestones(story.offering_id)] == [120_000, 120_000, 160_000]
    assert stage.milestone(story.offering_id, 1).released_minor == 120_000


def test_mil_6_only_an_open_milestone_takes_a_submission(db: Database) -> None:
    story = life.active(db)
    locked = story.stage.milestone(story.offering_id, 2)
    assert locked.state == "locked"
    with refused(db, "milestone_not_open"):
        story.stage.submit_evidence(story.founder, locked.public_id)


def test_mil_6_a_submission_without_its_evidence_is_refused(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    draft = db.unit_of_work(
        lambda s: service.draft_submission(
            s, actor=story.founder, milestone_id=milestone.public_id, now=story.stage.now
        )
    )
    with refused(db, "evidence_missing"):
        db.unit_of_work(
            lambda s: service.submit(
                s, actor=story.founder, submission_id=draft.public_id, statement="Done.", key="k", now=story.stage.now
            )
        )


def test_mil_6_nothing_is_added_after_submission(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    with refused(db, "submission_frozen"):
        db.unit_of_work(
            lambda s: service.add_evidence(
                s, actor=story.founder, submission_id=submission, kind="test_report", filename="x.txt",
                media_type="text/plain", sha256="0" * 64, size_bytes=3, now=story.stage.now,
            )
        )


@pytest.mark.tampers
def test_mil_6_a_changed_manifest_refuses_the_release(db: Database) -> None:
    story = life.active(db)
    submission = life.reviewed(story, 1)
    db.unit_of_work(
        lambda s: s.execute(
            sa.update(Submission).where(Submission.public_id == submission).values(manifest_hash="0" * 64)
        )
    )
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    story.stage.advance_to(window)
    row = story.stage.milestone(story.offering_id, 1)
    assert (row.state, row.released_minor) == ("approved", 0)


def test_mil_7_k_of_n_decides_when_all_are_in(db: Database) -> None:
    story = life.active(db, auditors=3, contract={"approvals": 2, "auditors": 3})
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    story.stage.attest(story.auditors[0], submission, "met")
    story.stage.attest(story.auditors[1], submission, "not_met")
    assert story.stage.milestone(story.offering_id, 1).state == "submitted"
    story.stage.attest(story.auditors[2], submission, "met")
    assert story.stage.milestone(story.offering_id, 1).state == "challengeable"


def test_mil_7_partly_counts_as_not_met_for_now(db: Database) -> None:
    story = life.active(db)
    life.reviewed(story, 1, "partly")
    row = story.stage.milestone(story.offering_id, 1)
    assert (row.state, row.tries_left) == ("open", 0)


def test_mil_7_at_the_time_limit_k_findings_decide_and_fewer_wait(db: Database) -> None:
    story = life.active(db, auditors=3, contract={"approvals": 2, "auditors": 3})
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    story.stage.attest(story.auditors[0], submission, "met")
    limit = story.stage.milestone(story.offering_id, 1).deadline_at
    assert limit is not None
    story.stage.advance_to(limit)
    assert story.stage.milestone(story.offering_id, 1).state == "submitted"
    story.stage.attest(story.auditors[1], submission, "met")
    story.stage.work()
    assert story.stage.milestone(story.offering_id, 1).state == "challengeable"


def test_mil_7_an_auditor_signs_once_and_only_with_a_seat(db: Database) -> None:
    story = life.active(db, auditors=2, contract={"approvals": 1, "auditors": 2})
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    story.stage.attest(story.auditors[0], submission)
    with refused(db, "attested_already"):
        story.stage.attest(story.auditors[0], submission)
    stranger = story.stage.person("auditor", "Stranger")
    with refused(db, "submission_not_found"):
        story.stage.attest(stranger, submission)


def test_mil_7_every_criterion_must_be_answered(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    with refused(db, "finding_missing"):
        db.unit_of_work(
            lambda s: service.attest(
                s, actor=story.auditors[0], submission_id=submission, findings=[Finding("revenue", "met", 100)],
                key="k", now=story.stage.now,
            )
        )


def test_mil_8_an_auditor_who_became_part_of_the_team_cannot_sign(db: Database) -> None:
    from app.accounts import service as accounts

    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    auditor = story.auditors[0]

    def join(session):
        issuer = session.execute(sa.select(Issuer)).scalar_one()
        accounts.add_member(session, user_id=auditor.user_id or 0, party_id=issuer.party_id, role="founder",
                            now=clock.system_now())

    db.unit_of_work(join)
    with refused(db, "auditor_not_independent"):
        story.stage.attest(auditor, submission)


def test_mil_12_the_window_is_never_under_seven_days_and_releases_after_it(db: Database) -> None:
    story = life.active(db)
    life.reviewed(story, 1)
    row = story.stage.milestone(story.offering_id, 1)
    assert row.deadline_at is not None
    assert row.deadline_at - row.state_since >= dt.timedelta(days=7)
    story.stage.advance_to(row.deadline_at - dt.timedelta(minutes=5))
    assert story.stage.milestone(story.offering_id, 1).state == "challengeable"
    story.stage.advance_to(row.deadline_at)
    assert story.stage.milestone(story.offering_id, 1).state == "released"


def test_mil_12_a_changed_payee_waits_seven_days_for_the_payout_not_the_release(db: Database) -> None:
    from app.offerings import issuers

    story = life.active(db)
    life.reviewed(story, 1)
    window = story.stage.milestone(story.offering_id, 1).deadline_at
    assert window is not None
    story.stage.advance_to(window - dt.timedelta(days=1))
    db.unit_of_work(
        lambda s: issuers.change_payee(
            s, actor=story.founder, issuer_id=story.issuer_id, payee_ref="sbx_acct_ok", now=story.stage.now
        )
    )
    story.stage.advance_to(window)
    assert story.stage.milestone(story.offering_id, 1).state == "released"
    with db.read() as session:
        payouts = session.execute(sa.select(Payout.status).order_by(Payout.id)).scalars().all()
    assert list(payouts) == ["paid", "waiting"]
    story.stage.advance(days=7)
    with db.read() as session:
        assert set(session.execute(sa.select(Payout.status)).scalars()) == {"paid"}


def test_a_long_stop_is_met_by_a_complete_submission_received_before_it(db: Database) -> None:
    story = life.active(db)
    stop = story.stage.milestone(story.offering_id, 1).long_stop_at
    assert stop is not None
    story.stage.advance_to(stop - dt.timedelta(hours=1))
    milestone = story.stage.milestone(story.offering_id, 1)
    assert (milestone.state, milestone.is_late) == ("open", True)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    story.stage.advance(days=2)
    story.stage.attest(story.auditors[0], submission, "not_met")
    story.stage.work()
    again = story.stage.milestone(story.offering_id, 1)
    assert again.state == "open"
    assert again.long_stop_at is not None
    assert again.long_stop_at > stop + dt.timedelta(days=1)


def test_ppl_2_suspending_never_brings_a_release_forward_and_silence_opens_again(db: Database) -> None:
    story = life.active(db)
    life.reviewed(story, 1)
    milestone = story.stage.milestone(story.offering_id, 1)
    with db.read() as session:
        tries = session.execute(sa.select(Milestone.tries_left).where(Milestone.ordinal == 1)).scalar_one()

    def suspend(reason: str) -> None:
        db.unit_of_work(
            lambda s: interventions.suspend(
                s, actor=story.operator, milestone_id=milestone.public_id, reason=reason, now=story.stage.now
            )
        )

    with refused(db, "reason_empty"):
        suspend(" ")
    suspend("A photograph looks older than it says.")
    with refused(db, "four_eyes"):
        db.unit_of_work(
            lambda s: interventions.resume(
                s, actor=story.operator, milestone_id=milestone.public_id, reason="Fine.", now=story.stage.now
            )
        )
    end = story.stage.milestone(story.offering_id, 1).deadline_at
    assert end is not None
    story.stage.advance_to(end)
    row = story.stage.milestone(story.offering_id, 1)
    assert (row.state, row.tries_left, row.released_minor) == ("open", tries, 0)


def test_ppl_2_a_lifted_suspension_starts_the_whole_window_again(db: Database) -> None:
    story = life.active(db)
    life.reviewed(story, 1)
    milestone = story.stage.milestone(story.offering_id, 1)
    second = story.stage.person("operator", "Second Operator")
    db.unit_of_work(
        lambda s: interventions.suspend(
            s, actor=story.operator, milestone_id=milestone.public_id, reason="To be looked at.", now=story.stage.now
        )
    )
    story.stage.advance(days=3)
    db.unit_of_work(
        lambda s: interventions.resume(
            s, actor=second, milestone_id=milestone.public_id, reason="The files are right.", now=story.stage.now
        )
    )
    row = story.stage.milestone(story.offering_id, 1)
    assert row.state == "challengeable"
    assert row.deadline_at is not None
    assert milestone.deadline_at is not None
    assert row.deadline_at >= milestone.deadline_at + dt.timedelta(days=3)


def test_ppl_1_binding_acts_need_a_fresh_second_factor(db: Database) -> None:
    story = life.active(db)
    milestone = story.stage.milestone(story.offering_id, 1)
    submission = story.stage.submit_evidence(story.founder, milestone.public_id)
    stale = dataclasses.replace(story.auditors[0], second_factor=False)
    with refused(db, "second_factor_needed"):
        story.stage.attest(stale, submission)
    founder = dataclasses.replace(story.founder, second_factor=False)
    with refused(db, "second_factor_needed"):
        db.unit_of_work(
            lambda s: interventions.wind_down(
                s, actor=founder, offering_id=story.offering_id, trigger="founder_resigned", reason="x",
                now=story.stage.now,
            )
        )
