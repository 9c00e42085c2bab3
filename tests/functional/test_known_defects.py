"""What older systems of this kind got wrong, and the ways known to cheat them: each has one test with its name.

Where another file tries it already as one of its rules, ``TRIED_ELSEWHERE`` names the test; the others are here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.db import Database
from app.offerings import fees
from app.offerings import service as offerings
from app.progress import service as progress
from app.progress import steps, tasks
from milestones import plan as engine
from milestones import polls
from tests.factories import amendments as amend
from tests.factories import disputes
from tests.factories import life as lives
from tests.functional import figures
from tests.unchanged import refused

TESTS = Path(__file__).resolve().parents[1]

TRIED_ELSEWHERE = {
    "a one-person jury decides at once": (
        "functional/progress/test_seats.py", "test_mil_9_a_one_person_jury_decides_nothing"
    ),
    "integer-percent refunds keep the remainder": (
        "unit/milestones/test_parts.py",
        "test_rel_2_refunds_by_whole_percents_would_keep_a_remainder_and_ours_keep_none",
    ),
    "closing one vote deletes another's expiry": (
        "functional/progress/test_disputes.py", "test_mil_10_closing_one_vote_leaves_the_end_of_another_alone"
    ),
    "a reviewer can delay for ever": (
        "functional/progress/test_seats.py", "test_mil_9_a_reviewer_cannot_delay_for_ever"
    ),
    "a finished plan can never close for a cent of dust": (
        "unit/milestones/test_parts.py", "test_mil_11_no_cent_is_lost_and_every_plan_can_close"
    ),
    "voting rights are bought with straw money": (
        "functional/progress/test_disputes.py",
        "test_com_11_straw_money_has_no_weight_in_a_challenge_or_in_the_vote_on_it",
    ),
    "straw money carries an amendment": (
        "functional/test_amendment_rules.py", "test_mil_13_straw_money_found_out_during_the_vote_is_struck"
    ),
    "a price so high that released money issues no token": (
        "functional/test_raising_rules.py", "test_off_10_a_price_too_coarse_for_the_smallest_tranche_is_refused"
    ),
    "a price so high that a part of a milestone issues no token": (
        "unit/milestones/test_parts.py", "test_off_10_a_price_so_high_that_parts_issue_no_token_is_refused"
    ),
    "partial verdicts are repeated until the escrow is empty": (
        "unit/milestones/test_parts.py", "test_mil_11_partial_verdicts_repeated_do_not_empty_the_escrow"
    ),
    "a plan is front-loaded": (
        "unit/milestones/test_parts.py", "test_mil_4_front_loaded_plans_and_unweighed_milestones_are_found"
    ),
    "a plan is front-loaded by amendments": (
        "functional/test_amendment_rules.py", "test_mil_13_small_amendments_do_not_add_up_to_a_front_loaded_plan"
    ),
    "junk is submitted in the last second": (
        "functional/test_lateness_rules.py",
        "test_mil_14_junk_in_the_last_minute_gains_the_minute_that_was_left_and_no_try",
    ),
    "a challenge is used as a veto": (
        "functional/progress/test_disputes.py",
        "test_mil_10_one_holder_suffices_after_a_not_met_but_cannot_stop_the_plan_again_and_again",
    ),
    "a recusal is forced to delay": (
        "functional/progress/test_seats.py", "test_mil_9_a_forced_recusal_delays_nothing"
    ),
    "a payee is changed after the gate": (
        "functional/payments/test_gates.py", "test_mil_12_a_payee_changed_after_the_gate_gets_nothing_for_seven_days"
    ),
}


@pytest.mark.parametrize("defect", TRIED_ELSEWHERE)
def test_each_known_defect_has_its_test(defect: str) -> None:
    path, name = TRIED_ELSEWHERE[defect]
    found = [
        node for node in ast.parse((TESTS / path).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    assert len(found) == 1, f"“{defect}” is tried nowhere any more"


# -- older systems ------------------------------------------------------------------------------------


def test_rel_1_a_rejected_milestone_is_not_payable(db: Database) -> None:
    """Older: whoever called "pay" got the tranche, because only the amount was looked up and not the verdict."""
    life = lives.active(db)
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    rejected = life.stage.milestone(life.offering_id, 1)
    assert (rejected.state, rejected.verdict_pct) == ("open", 0)
    for act in (engine.window_over, engine.release):
        with refused(db, "transition_refused"):
            db.unit_of_work(lambda session, act=act: steps.run(
                session, offerings.locked(session, life.offering_id), lambda plan: act(plan, 1), actor=life.operator,
                now=life.stage.now,
            ))
    life.stage.advance(days=20)
    assert [each[0] for each in figures.released(life)] == ["released"], "the closing tranche and nothing else"


def test_mil_1_terms_set_twice_never_make_140_or_200_percent(db: Database) -> None:
    """Older: a second call with more milestones added them to the first, and each had its share of all the money."""
    life = lives.active(db)
    before = [each.tranche_minor for each in life.stage.milestones(life.offering_id)]
    start = next(job for job in tasks.JOBS if job.name == "start_contract")
    db.unit_of_work(lambda session: start.act(session, life.stage.offering(life.offering_id).id, life.stage.now))
    assert [each.tranche_minor for each in life.stage.milestones(life.offering_id)] == before
    assert sum(before) == figures.offering(life).proceeds_minor
    life.stage.advance(days=2)
    for share in (7_000, 10_000):
        with refused(db, "contract_unreadable"):
            amend.propose(life, amend.shares(m1=share))


@pytest.mark.parametrize("kind", polls.RULES)
def test_mil_10_a_tie_never_favours_who_raises(kind: str) -> None:
    """Older: votes were counted as "not rejected". Here a tie says no, and no is never the answer that pays."""
    tie = polls.Tally(total_minor=1_000, yes_minor=500, no_minor=500, yes_heads=1, no_heads=1)
    assert not polls.carries(polls.RULES[kind], tie)


def test_rel_4_no_fee_is_charged_on_refunds(db: Database) -> None:
    """Older: the fee was taken off what came in, and so also off what went back."""
    life = lives.active(db, amounts=(100_001, 150_000, 133_333))
    unreleased = [figures.position(life, number)[0] for number in range(3)]
    fees_before = [fee for _kind, _amount, fee, _tokens in figures.released(life)]
    figures.resign(life)
    life.stage.work()
    assert [amount for _ordinal, amount, *_rest in figures.refunds(life)] == unreleased
    assert [fee for kind, _amount, fee, _tokens in figures.released(life) if kind == "returned"] == [0]
    assert [fee for kind, _amount, fee, _tokens in figures.released(life) if kind == "released"] == fees_before


def test_mil_13_nobody_lowers_a_payout_after_its_submission(db: Database) -> None:
    """Older: whoever owned the project could set the payout to nothing while the work was being judged."""
    life = amend.running(db)
    agreed = life.stage.milestone(life.offering_id, 1).tranche_minor
    amend.propose(life, amend.shares(m1=2_000, m2=4_000))
    lives.reviewed(life, 1)
    with refused(db, "not_in_review"):
        db.unit_of_work(lambda session: fees.agree(
            session, actor=life.operator, offering_id=life.offering_id, fee_bp=2_000, reason="More.",
            now=life.stage.now,
        ))
    amend.vote(life, "yyyyyy")
    amend.count(life)
    life.stage.advance(days=40)
    paid = life.stage.milestone(life.offering_id, 1)
    assert (paid.state, paid.released_minor) == ("released", agreed)
    assert figures.released(life)[-1][2] == agreed * 500 // 10_000


# -- ways to cheat ------------------------------------------------------------------------------------


def test_mil_6_a_swapped_file_does_not_reset_a_review(db: Database) -> None:
    """A founder who fears the verdict hands in another file, so that everybody has to sign again."""
    life = lives.active(db, auditors=2, contract={"approvals": 2, "auditors": 2})
    milestone = life.stage.milestone(life.offering_id, 1).public_id
    submission = life.stage.submit_evidence(life.founder, milestone)
    life.stage.attest(life.auditors[0], submission, "not_met")
    limit = life.stage.milestone(life.offering_id, 1).deadline_at
    with refused(db, "milestone_not_open"):
        life.stage.submit_evidence(life.founder, milestone)
    with refused(db, "submission_frozen"):
        db.unit_of_work(lambda session: progress.add_evidence(
            session, actor=life.founder, submission_id=submission, kind="bank_statement", filename="other.txt",
            media_type="text/plain", sha256="0" * 64, size_bytes=3, now=life.stage.now,
        ))
    assert life.stage.milestone(life.offering_id, 1).deadline_at == limit
    life.stage.attest(life.auditors[1], submission, "met")
    assert life.stage.milestone(life.offering_id, 1).state == "open", "one of two is not enough, and a try is used"


def test_mil_10_a_challenge_is_no_put(db: Database) -> None:
    """A holder who wants their money back challenges whatever is found met: it pays nobody, whoever wins it."""
    life, jurors = disputes.running(db)
    dispute = disputes.disputed(life)
    held = [figures.position(life, number) for number in range(3)]
    for juror in disputes.seated(life, jurors, dispute):
        disputes.sign(life, juror, dispute.public_id, "not_met")
    life.stage.work()
    assert (disputes.row(life).state, figures.refunds(life)) == ("open", [])
    assert [figures.position(life, number) for number in range(3)] == held
