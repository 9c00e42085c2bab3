"""Amendments beside what was signed, what is carried and what is disputed at a rail (MIL-13, COM-10, WND-4)."""

from __future__ import annotations

from app.db import Database
from tests.factories import amendments as amend
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.payments.court import Court, running
from tests.unchanged import refused

WEAKER = amend.measure("m2", "1000")


def test_mil_13_an_auditor_who_signed_not_met_is_dropped_and_what_was_signed_stands(db: Database) -> None:
    """The founder has the contradicting auditor voted out; the finding and its verdict stay, and the books agree."""
    story = amend.running(db, auditors=2)
    submission = lives.reviewed(story, 1, "not_met")
    story.stage.work()
    milestone = story.stage.milestone(story.offering_id, 1)
    assert (milestone.state, milestone.tries_left) == ("open", 0)
    keep = story.stage.party_public_id(story.auditors[0], "auditor")
    amend.propose(story, amend.setting("m1", auditors=[keep], quorum={"approvals": 1, "auditors": 1}))
    amend.vote(story, "nyyyyy")
    assert (amend.count(story).state, amend.amendment(story).is_adverse) == ("leaving", True)
    assert amend.take_effect(story).state == "effective"
    assert amend.terms(story).milestones[0].auditors == (keep,)
    # Neither the try comes back, nor does the verdict become another one.
    assert story.stage.milestone(story.offering_id, 1).tries_left == 0
    with refused(db, "submission_not_found"):
        story.stage.attest(story.auditors[1], submission, "met")


def leaving(db: Database, *, methods: tuple[str, ...] = ()) -> Court:
    """Return a plan of which an adverse change has passed; the first investor did not vote for it."""
    court = running(db, 100_000, 150_000, 120_000, methods=methods)
    court.life.stage.advance(days=2)
    return court


def passed(court: Court) -> None:
    amend.propose(court.life, WEAKER)
    amend.vote(court.life, "-yy")
    assert amend.count(court.life).state == "leaving"


def test_mil_13_who_leaves_while_a_part_is_disputed_gets_the_rest_and_what_is_won_later(db: Database) -> None:
    court = leaving(db)
    ref = court.dispute(0, 25_033)
    passed(court)
    left = amend.leave(court.life, 0)
    # 800.00 were unreleased; 250.33 of them stand apart with 501 tokens.
    assert (left.amount_minor, left.tokens_lapsed) == (54_967, 1_099)
    assert court.figures()[0] == (0, 20_000, 400, 400)
    others = court.figures()[1:]
    court.decide(ref, "won")
    # It is theirs, and the plan they left does not get it.
    assert [(each.amount_minor, each.reason) for each in court.refunds()] == [(54_967, "left"), (25_033, "dispute_won")]
    assert (court.figures()[0], court.figures()[1:]) == ((0, 20_000, 400, 400), others)
    assert "disputed:O" not in court.balances()
    court.life.stage.work()
    assert amend.take_effect(court.life).state == "effective"
    lives.released(court.life, 1)
    lives.released(court.life, 2)
    assert court.figures() == [(0, 20_000, 400, 400), (0, 150_000, 3_000, 3_000), (0, 120_000, 2_400, 2_400)]


def test_mil_13_who_left_and_loses_the_dispute_owes_nobody_elses_money(db: Database) -> None:
    court = leaving(db)
    ref = court.dispute(0)
    passed(court)
    with refused(db, "nothing_left"):
        amend.leave(court.life, 0)
    others = court.figures()[1:]
    court.decide(ref, "lost")
    assert court.split() == {"escrow": 80_000, "claim": 20_000}
    assert (court.figures()[0], court.figures()[1:]) == ((0, 0, 0, 0), others)


def test_com_10_who_leaves_takes_along_what_released_tranches_carry_and_a_disputed_part_comes_alone(
    db: Database,
) -> None:
    court = leaving(db, methods=("ach", "instant", "instant"))
    assert court.figures()[0] == (100_000, 0, 0, 2_000), "the closing tranche's 200.00 wait until they have seasoned"
    ref = court.dispute(0, 90_000)
    passed(court)
    left = amend.leave(court.life, 0)
    assert (left.amount_minor, left.tokens_lapsed) == (10_000, 200)
    court.life.stage.advance(days=61)
    assert court.figures()[0] == (0, 0, 0, 0), "seasoned shares of somebody who left are released to nobody"
    others = court.figures()[1:]
    court.decide(ref, "won")
    assert [(each.amount_minor, each.reason) for each in court.refunds()] == [(10_000, "left"), (90_000, "dispute_won")]
    assert (court.figures()[0], court.figures()[1:]) == ((0, 0, 0, 0), others)


def test_mil_13_what_counted_as_lost_and_is_won_after_leaving_restores_issued_tokens_only(db: Database) -> None:
    court = leaving(db)
    ref = court.dispute(0, 90_000)
    passed(court)
    with refused(db, "nothing_left"):
        amend.leave(court.life, 0)
    court.skip(days=106)
    court.work("end_disputes")
    assert court.split() == {"escrow": 80_000, "claim": 10_000}
    assert figures.offering(court.life).state == "active"
    # 100.00 of released money are left of it: 200 of 400 tokens.
    assert court.figures()[0] == (0, 10_000, 200, 200)
    court.decide(ref, "won")
    assert court.figures()[0] == (80_000, 20_000, 400, 2_000), "nobody left here, so the plan has it again"
