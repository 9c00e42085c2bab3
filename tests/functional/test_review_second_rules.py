"""What a hostile review found where features meet: appeals, amendments, votes, wind-downs (MIL-10, MIL-13, WND-2)."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from app.accounts.actor import Actor
from app.db import Database
from app.progress import ending, interventions, polls
from app.progress.halt_models import Poll
from tests.factories import amendments as amend
from tests.factories import disputes as acts
from tests.factories import life as lives
from tests.functional import test_parts_rules as parts
from tests.functional.payments import court as courts

DAY = dt.timedelta(days=1)


def test_wnd_2_a_vote_on_a_verdict_is_not_cut_short_by_a_wind_down(db: Database) -> None:
    life, _jurors = acts.running(db, jurors=0)
    dispute, stage = acts.disputed(life), life.stage
    assert dispute.state == "vote"
    with db.read() as session:
        poll = session.scalars(sa.select(Poll).where(Poll.kind == "dispute")).one()

    def vote(number: int, choice: str) -> None:
        db.unit_of_work(
            lambda session: polls.answer(
                session, actor=life.investors[number], poll_id=poll.public_id, choice=choice, key=stage.key(),
                now=stage.now,
            )
        )

    vote(1, "yes")  # 30 % of the money is a quorum, and would release the tranche
    db.unit_of_work(
        lambda session: interventions.wind_down(
            session, actor=life.founder, offering_id=life.offering_id, trigger="resigned", reason="We give up.",
            now=stage.now,
        )
    )
    stage.work()
    assert (acts.newest(life).state, acts.row(life).state, acts.row(life).released_minor) == ("vote", "disputed", 0)
    vote(0, "no")
    stage.advance_to(poll.ends_at)
    row = acts.row(life)
    assert (acts.newest(life).outcome, row.state, row.released_minor, row.returned_minor) == (
        "not_met", "failed", 0, 450_000
    )
    assert stage.offering(life.offering_id).state == "wound_down"


def test_mil_13_what_can_still_be_appealed_keeps_the_terms_it_was_submitted_under(db: Database) -> None:
    life = amend.running(db, contract={"resubmissions": 2})
    stage = life.stage
    for number in range(1, 5):
        stage.person("auditor", f"Juror {number}", email=f"juror.{stage.key()}@panel{number}.example")
    amend.propose(life, amend.measure("m1", "1000"), amend.measure("m2", "1000"))
    amend.vote(life, "yyyyyy")
    assert amend.count(life).state == "leaving"
    until = amend.amendment(life).leave_until
    assert until is not None
    lives.let_time_pass(stage, until - 3 * DAY)
    lives.reviewed(life, 1, "not_met")
    stage.work()
    assert amend.take_effect(life).state == "effective"
    asked = {each.key: each.criteria[0].measure.value for each in amend.terms(life).milestones}
    assert (asked["m1"], asked["m2"]) == ("50000", "1000")
    dispute = acts.appeal(life)
    for member in acts.members(life, dispute):
        acts.sign(life, member, dispute.public_id)
    stage.work()
    assert acts.row(life).state == "released"


def test_mil_10_an_appeal_that_is_won_gives_the_try_back_that_the_verdict_used_up(db: Database) -> None:
    life, _jurors = acts.running(db, jurors=4)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    assert (acts.row(life).state, acts.row(life).tries_left) == ("open", 0)
    dispute = acts.appeal(life)
    for member in acts.members(life, dispute):
        acts.sign(life, member, dispute.public_id)
    life.stage.work()
    # The books are recounted after the test: no submission was found "not met" in the end.
    assert (acts.row(life).state, acts.row(life).tries_left) == ("released", 1)


def test_mil_1_a_part_keeps_its_share_when_a_reversal_is_followed_by_an_amendment(db: Database) -> None:
    document = parts.agreed(partial_releases=2)
    for name in ("retainage", "reporting_retainage_bp"):
        del document["milestones"][0][name]
    life = lives.active(db, amounts=amend.AMOUNTS, document=document)
    court = courts.Court(life)
    court.fund(500_000)
    life.stage.advance(days=2)
    parts.judge(life, 40)  # 70 % in all
    left = [(each.tranche_minor or 0) - each.decided_minor for each in life.stage.milestones(life.offering_id)]
    assert left == [0, 35_100, 117_000, 97_500]
    court.dispute(0)  # 64,000 of 249,600 stand apart
    amend.propose(life, amend.setting("m3", title="Other words"))
    amend.vote(life, "-yyyyy")
    assert amend.count(life).state == "effective"
    left = [(each.tranche_minor or 0) - each.decided_minor for each in life.stage.milestones(life.offering_id)]
    assert left == [0, 26_100, 87_000, 72_500]



def test_wnd_4_what_is_left_of_a_carried_share_does_not_stay_in_escrow_for_ever(db: Database) -> None:
    court = courts.running(db, 100_000, 150_000, methods=("ach", "instant"))
    life = court.life
    lives.ordered_down(life)
    assert court.figures() == [(20_000, 0, 0, 400), (0, 30_000, 600, 600)]  # carried until it has seasoned
    ref = court.dispute(0, 5_000)
    life.stage.work()
    assert court.figures()[0] == (15_000, 0, 0, 300), "while it is disputed, nothing moves"
    court.decide(ref, "lost")
    life.stage.work()
    assert court.figures() == [(0, 0, 0, 0), (0, 30_000, 600, 600)]
    assert [(each.amount_minor, each.reason) for each in court.refunds()][-1] == (15_000, "other_part_taken_back")
    life.stage.work()
    assert court.offering().state == "wound_down"


def test_wnd_6_one_person_who_acts_for_five_investors_is_one_head_behind_a_call(db: Database) -> None:
    life = lives.long_running(
        db, amounts=(5_500_000, *[50_000] * 5), fields={"minimum_minor": 200_000, "maximum_minor": 6_000_000}
    )
    stage, one = life.stage, life.investors[1]
    closed = stage.offering(life.offering_id).closed_at
    assert closed is not None
    stage.advance_to(closed + 90 * DAY)
    memberships = frozenset().union(*(each.memberships for each in life.investors[1:]))
    many = Actor(one.user_id, memberships, second_factor=True, name="One of five")
    call = db.unit_of_work(
        lambda session: ending.call(
            session, actor=many, offering_id=life.offering_id, reason="We lost trust.", key=stage.key(), now=stage.now
        )
    )
    with db.read() as session:
        support = ending.support_of(session, ending.by_public_id(session, call.public_id))
    assert (call.state, support.heads, support.total_heads, support.money_minor) == ("gathering", 1, 6, 212_500)
