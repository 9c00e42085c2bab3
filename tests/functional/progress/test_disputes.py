"""Challenge, dispute and appeal through the services, on both databases (MIL-10), and who tries to cheat with them."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.commitments import links
from app.contracts.models import Milestone
from app.db import Database
from app.errors import MilestakeError
from app.offerings.models import Offering
from app.progress import disputes as service
from app.progress import interventions
from app.progress.dispute_models import ChallengeSupporter, DisputeFinding
from app.progress.halt_models import Poll
from app.progress.models import Submission
from milestones import disputes as rules
from tests.factories import disputes as acts
from tests.factories import halts
from tests.factories import life as lives
from tests.unchanged import refused

DAY = dt.timedelta(days=1)


def test_mil_10_a_challenge_is_joined_and_left_until_the_window_ends_and_counted_once(db: Database) -> None:
    life, _jurors = acts.running(db)
    with refused(db, "not_challengeable"):
        acts.challenge(life, 2)
    lives.reviewed(life, 1)
    life.stage.work()
    stranger = life.stage.person("investor", "Stranger")
    with refused(db, "no_weight"):
        acts.challenge(life, 0, by=stranger)
    with refused(db, "criterion_unknown"):
        acts.challenge(life, 2, criterion="weather")
    with refused(db, "reason_empty"):
        acts.challenge(life, 2, reason="  ")
    opened = acts.challenge(life, 2, key="once")
    assert acts.challenge(life, 2, key="once").public_id == opened.public_id
    with refused(db, "challenged_already"):
        acts.challenge(life, 1)
    acts.join(life, 1, opened.public_id)
    acts.leave(life, 1, opened.public_id)
    window = acts.row(life).deadline_at
    with refused(db, "window_over"):
        acts.challenge(life, 1, at=window)
    milestone = acts.to_deadline(life)
    # 42,500 of 1,275,000 unreleased is 3.33 %: too little, so the verdict stands and the money is released.
    counted = acts.the_challenge(life)
    assert (counted.state, counted.money_minor, counted.total_minor, counted.heads, counted.total_heads) == (
        "fallen", 42_500, 1_275_000, 1, 3
    )
    assert (milestone.state, milestone.released_minor) == ("released", 450_000)
    with refused(db, "not_challengeable"):
        acts.join(life, 1, opened.public_id)


def test_mil_10_the_window_counts_from_the_delivery_of_the_notice(db: Database) -> None:
    life, _jurors = acts.running(db)
    lives.reviewed(life, 1)
    before = acts.row(life)
    assert before.notified_at is None
    # The worker stood still for ten days: the window has not begun, so it does not end either.
    lives.let_time_pass(life.stage, life.stage.now + 10 * DAY)
    life.stage.work()
    told = acts.row(life)
    assert told.state == "challengeable" and told.notified_at is not None and told.deadline_at is not None
    assert told.notified_at - before.state_since >= 10 * DAY
    assert told.deadline_at - told.notified_at >= 7 * DAY
    acts.challenge(life, 1)
    assert acts.to_deadline(life).state == "disputed"


def test_mil_10_a_panel_finds_not_met_and_then_met_and_every_cent_is_accounted_for(db: Database) -> None:
    life, jurors = acts.running(db, jurors=6)
    dispute = acts.disputed(life)
    panel = acts.seated(life, jurors, dispute)
    assert (dispute.state, dispute.cause, len(panel)) == ("panel", "challenge", 3)
    assert acts.seated(life, life.auditors, dispute) == []
    milestone = acts.row(life)
    assert milestone.deadline_at is not None and milestone.deadline_at - life.stage.now >= 21 * DAY
    with refused(db, "dispute_not_found"):
        acts.sign(life, life.auditors[0], dispute.public_id)
    acts.sign(life, panel[0], dispute.public_id, "not_met")
    with refused(db, "attested_already"):
        acts.sign(life, panel[0], dispute.public_id, "met")
    acts.sign(life, panel[1], dispute.public_id, "met")
    assert acts.row(life).state == "disputed"
    acts.sign(life, panel[2], dispute.public_id, "not_met")
    milestone, dispute = acts.row(life), acts.newest(life)
    assert (milestone.state, milestone.tries_left, milestone.released_minor) == ("open", 0, 0)
    assert (dispute.outcome, dispute.sum_minor, dispute.to_release_minor, dispute.returned_minor,
            dispute.stays_minor) == ("not_met", 450_000, 0, 0, 450_000)
    # What a panel decided is not appealed.
    with refused(db, "not_appealable"):
        acts.appeal(life)
    # New evidence is a new version, which may be challenged once; found met, it is released without another window.
    second = acts.disputed(life)
    for juror in acts.seated(life, jurors, second):
        acts.sign(life, juror, second.public_id)
    life.stage.work()
    second = acts.newest(life)
    assert (second.outcome, second.to_release_minor, second.stays_minor) == ("met", 450_000, 0)
    assert (acts.row(life).state, acts.row(life).released_minor) == ("released", 450_000)
    assert acts.row(life, 2).state == "open"


def test_mil_10_silent_panels_are_replaced_once_then_investors_decide_and_without_a_quorum_nothing_is_used_up(
    db: Database,
) -> None:
    life, jurors = acts.running(db, jurors=6)
    agreed = acts.row(life).long_stop_at
    submitted_at = life.stage.now
    dispute = acts.disputed(life)
    first = acts.seated(life, jurors, dispute)
    # A one-person jury decides nothing, neither at once nor at the limit.
    acts.sign(life, first[0], dispute.public_id, "met")
    assert acts.to_deadline(life).state == "disputed"
    second = acts.seated(life, jurors, dispute)
    assert (acts.newest(life).round, len(second), set(map(id, first)) & set(map(id, second))) == (2, 3, {id(first[0])})
    with refused(db, "dispute_over"):
        acts.sign(life, first[1], dispute.public_id, "met")
    acts.to_deadline(life)
    dispute = acts.newest(life)
    assert (dispute.state, halts.poll(life).kind, acts.row(life).deadline_at) == (
        "vote", "dispute", halts.poll(life).ends_at
    )
    with refused(db, "dispute_over"):
        acts.sign(life, second[1], dispute.public_id, "met")
    halts.answer(life, 2, "yes")  # 3.33 % of the money: no quorum
    milestone = acts.to_deadline(life)
    dispute = acts.newest(life)
    assert (milestone.state, milestone.tries_left, dispute.outcome, dispute.stays_minor) == (
        "open", 1, "undecided", 450_000
    )
    # The time that others took is given back, at most 60 days (MIL-14).
    assert agreed is not None and milestone.long_stop_at is not None
    assert milestone.long_stop_at - agreed == min(life.stage.now - submitted_at, 60 * DAY)
    assert milestone.released_minor == 0


def test_mil_10_without_three_others_the_investors_decide_and_a_tie_favours_nobody_who_raises(db: Database) -> None:
    life, _jurors = acts.running(db, amounts=(500_000, 500_000), jurors=2, resubmissions=0)
    dispute = acts.disputed(life)
    assert (dispute.state, dispute.round) == ("vote", 0)
    halts.answer(life, 0, "yes")
    halts.answer(life, 1, "no")
    milestone = acts.to_deadline(life)
    assert acts.newest(life).outcome == "not_met"
    assert (milestone.state, milestone.released_minor) == ("failed", 0)
    life.stage.advance(days=8)
    assert life.stage.offering(life.offering_id).state == "wound_down"


def test_mil_10_the_investors_vote_releases_what_they_find_met(db: Database) -> None:
    life, _jurors = acts.running(db, jurors=0)
    acts.disputed(life)
    halts.answer(life, 0, "yes")
    halts.answer(life, 1, "no")
    assert acts.to_deadline(life).state == "released"
    assert (acts.newest(life).outcome, halts.poll(life).yes_minor, halts.poll(life).no_minor) == (
        "met", 850_000, 382_500
    )


def test_mil_10_a_founder_appeals_once_and_no_milestone_fails_before(db: Database) -> None:
    life, jurors = acts.running(db, resubmissions=0)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    assert acts.row(life).state == "appealable"
    with refused(db, "reason_empty"):
        acts.appeal(life, reason=" ")
    dispute = acts.appeal(life)
    assert (dispute.cause, dispute.was_exhausted, acts.row(life).state) == ("appeal", True, "disputed")
    with refused(db, "not_appealable"):
        acts.appeal(life)
    for juror, result in zip(acts.seated(life, jurors, dispute), ("met", "met", "not_met"), strict=True):
        acts.sign(life, juror, dispute.public_id, result)
    life.stage.work()
    assert (acts.newest(life).outcome, acts.row(life).state, acts.row(life).released_minor) == (
        "met", "released", 450_000
    )


def test_mil_10_a_lost_appeal_stretches_no_long_stop_and_is_the_last(db: Database) -> None:
    life, jurors = acts.running(db, jurors=6)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    before = acts.row(life)
    dispute = acts.appeal(life)
    life.stage.advance(days=4)
    for juror in acts.seated(life, jurors, dispute):
        acts.sign(life, juror, dispute.public_id, "not_met")
    after = acts.row(life)
    assert (after.state, after.tries_left, after.long_stop_at) == ("open", before.tries_left, before.long_stop_at)
    # The next "not met" has no appeal left: it fails by the next pass of the worker, and the plan with it.
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    assert acts.row(life).state == "failed"
    with refused(db, "not_appealable"):
        acts.appeal(life)


def test_mil_10_no_milestone_fails_at_its_long_stop_while_its_verdict_may_be_appealed(db: Database) -> None:
    life, _jurors = acts.running(db)
    milestone = acts.row(life)
    assert milestone.long_stop_at is not None
    life.stage.advance_to(milestone.long_stop_at - 2 * DAY)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    milestone = acts.row(life)
    assert milestone.long_stop_at is not None and milestone.deadline_at is not None
    assert milestone.deadline_at > milestone.long_stop_at
    life.stage.advance_to(milestone.long_stop_at)
    assert acts.row(life).state == "open"
    with pytest.raises(MilestakeError) as late:
        life.stage.submit_evidence(life.founder, milestone.public_id)
    assert late.value.code == "milestone_long_stop"
    assert acts.to_deadline(life).state == "failed"


def test_mil_10_one_holder_suffices_after_a_not_met_but_cannot_stop_the_plan_again_and_again(db: Database) -> None:
    """The cheat: 3.33 % of the money, a dissenting auditor in every review, and a veto on every milestone."""
    life, jurors = acts.running(db, order="parallel")
    for ordinal in (1, 2):
        submission = life.stage.submit_evidence(life.founder, acts.row(life, ordinal).public_id)
        life.stage.attest(life.auditors[0], submission, "met")
        life.stage.attest(life.auditors[1], submission, "not_met")
    life.stage.work()
    acts.challenge(life, 2, ordinal=1)
    assert acts.to_deadline(life, 1).state == "disputed"
    # Nothing of it stops the other milestone of a parallel plan.
    assert acts.row(life, 2).state == "released"
    dispute = acts.newest(life)
    for juror in acts.seated(life, jurors, dispute):
        acts.sign(life, juror, dispute.public_id)
    life.stage.work()
    assert acts.row(life, 1).state == "released"
    submission = life.stage.submit_evidence(life.founder, acts.row(life, 3).public_id)
    life.stage.attest(life.auditors[0], submission, "met")
    life.stage.attest(life.auditors[1], submission, "not_met")
    life.stage.work()
    acts.challenge(life, 2, ordinal=3)
    assert acts.to_deadline(life, 3).state == "released"
    assert acts.the_challenge(life).state == "fallen"


def test_com_11_straw_money_has_no_weight_in_a_challenge_or_in_the_vote_on_it(db: Database) -> None:
    """The cheat: the company's friends buy a third of the offering, to challenge or to carry the vote."""
    life, _jurors = acts.running(db, jurors=0)
    lives.reviewed(life, 1)
    life.stage.work()
    opened = acts.challenge(life, 1)
    acts.join(life, 2, opened.public_id)
    _link(db, life, 0)
    _link(db, life, 1)
    with refused(db, "no_weight"):
        acts.join(life, 0, opened.public_id)
    acts.to_deadline(life)
    # The linked third of it counts on neither side: what is left is all of the arm's-length money.
    counted = acts.the_challenge(life)
    assert (counted.state, counted.money_minor, counted.total_minor) == ("disputed", 42_500, 42_500)
    with db.read() as session:
        assert session.scalars(sa.select(ChallengeSupporter.weight_minor).order_by(ChallengeSupporter.id)).all() == [
            None, 42_500
        ]
    assert (halts.poll(life).kind, halts.poll(life).total_minor) == ("dispute", 42_500)


def test_mil_10_closing_one_vote_leaves_the_end_of_another_alone(db: Database) -> None:
    life, _jurors = acts.running(db, jurors=0, order="parallel")
    acts.disputed(life, ordinal=1)
    acts.disputed(life, ordinal=2)
    other = halts.poll(life)
    assert acts.to_deadline(life, 1).state == "open"
    with db.read() as session:
        states = session.execute(sa.select(Poll.state, Poll.outcome).order_by(Poll.id)).all()
        assert [tuple(each) for each in states] == [("decided", "undecided"), ("open", None)]
    assert (acts.row(life, 2).state, acts.row(life, 2).deadline_at) == ("disputed", other.ends_at)
    assert acts.to_deadline(life, 2).state == "open"


def test_wnd_2_a_disputed_sum_is_set_aside_in_a_wind_down_and_its_dispute_runs_on(db: Database) -> None:
    life, jurors = acts.running(db)
    dispute = acts.disputed(life)
    life.stage.resign(life.founder, life.offering_id, reason="We give up.")
    assert life.stage.offering(life.offering_id).state == "winding_down"
    assert [each.state for each in life.stage.milestones(life.offering_id)] == [
        "released", "disputed", "lapsed", "lapsed"
    ]
    for juror in acts.seated(life, jurors, dispute):
        acts.sign(life, juror, dispute.public_id, "not_met")
    life.stage.work()
    assert (acts.newest(life).returned_minor, acts.row(life).returned_minor) == (450_000, 450_000)
    assert life.stage.offering(life.offering_id).state == "wound_down"


def test_off_13_a_halt_tolls_the_panel_and_the_window(db: Database) -> None:
    life, jurors = acts.running(db)
    lives.reviewed(life, 1)
    life.stage.work()
    window = acts.row(life).deadline_at
    placed = halts.place(life, days=9)
    life.stage.advance(days=3)
    acts.challenge(life, 1)  # also while halted: it costs nobody anything
    halts.lift(life, placed)
    halted = dt.timedelta(seconds=halts.halt(life).seconds)
    assert halted >= 3 * DAY
    assert window is not None and acts.row(life).deadline_at == window + halted
    assert acts.to_deadline(life).state == "disputed"
    due = acts.row(life).deadline_at
    placed = halts.place(life, days=9)
    life.stage.advance(days=2)
    halts.lift(life, placed)
    assert due is not None
    assert acts.row(life).deadline_at == due + dt.timedelta(seconds=halts.halt(life).seconds)
    assert len(acts.seated(life, jurors, acts.newest(life))) == 3


def test_mil_15_auditors_who_contradict_each_other_lead_to_a_dispute_until_the_release_posts(db: Database) -> None:
    life, jurors = acts.running(db)
    lives.reviewed(life, 1)
    life.stage.work()
    acts.challenge(life, 2)

    def second_review(session) -> str:  # type: ignore[no-untyped-def]
        milestone = session.scalars(sa.select(Milestone).where(Milestone.public_id == acts.row(life).public_id)).one()
        return service.open_dispute(
            session, milestone, cause=rules.SECOND_REVIEW, reason="A second review found it not met.",
            now=life.stage.now,
        ).public_id

    dispute_id = db.unit_of_work(second_review)
    assert db.unit_of_work(second_review) == dispute_id
    assert (acts.row(life).state, acts.the_challenge(life).state) == ("disputed", "dropped")
    dispute = acts.newest(life)
    for juror in acts.seated(life, jurors, dispute):
        acts.sign(life, juror, dispute.public_id)
    life.stage.work()
    assert acts.row(life).state == "released"
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(DisputeFinding)) == 3
        assert session.scalar(sa.select(Submission.verdict)) == "met"
    with refused(db, "transition_refused"):
        db.unit_of_work(second_review)


def test_ppl_2_an_operators_suspension_keeps_the_challenge_and_drops_it_when_it_runs_out(db: Database) -> None:
    life, _jurors = acts.running(db)
    lives.reviewed(life, 1)
    life.stage.work()
    acts.challenge(life, 1)
    milestone_id = acts.row(life).public_id
    db.unit_of_work(lambda s: interventions.suspend(
        s, actor=life.operator, milestone_id=milestone_id, reason="A bank asked.", now=life.stage.now
    ))
    assert (acts.row(life).state, acts.the_challenge(life).state) == ("suspended", "open")
    assert acts.to_deadline(life).state == "open"
    assert acts.the_challenge(life).state == "dropped"


def _link(db: Database, life: lives.Life, number: int) -> None:
    """Let an investor turn out to be family of the founder (COM-11)."""
    parties = (life.stage.party(life.investors[number], "investor"), _founder_party(db, life))

    def declare(session: Session) -> None:
        links.declare_family(session, *parties, now=life.stage.now)
        offering = session.scalars(sa.select(Offering).where(Offering.public_id == life.offering_id)).one()
        links.find(session, offering, now=life.stage.now)

    db.unit_of_work(declare)


def _founder_party(db: Database, life: lives.Life) -> int:
    with db.read() as session:
        return session.get_one(User, life.founder.user_id).party_id
