"""A payment taken back beside everything else that moves its money: one order or the other, never both (WND-4, TIM-1).

Each pair starts at the same instant, in processes on PostgreSQL and in threads on SQLite. Which comes first is chance;
what each order comes to is exact, and others have the same in both.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

from app.db import Database
from app.demo.stage import Stage
from app.progress import polls
from tests.concurrency.racing import Act, at_once
from tests.factories import amendments as amend
from tests.factories import disputes
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional import figures
from tests.functional.payments.court import Court, running

SECOND = dt.timedelta(seconds=1)
HEARS = ("poll_rails", "refresh_operations")
#: 1,500.00 of somebody else, of which the closing tranche's 20 % are released.
OTHER = (120_000, 30_000, 600, 3_000)


def beside(life: Life, act: Callable[[Life], object]) -> Act:
    """Let ``act`` be done on the stage of whoever runs it; what it returns is told by its words."""
    return lambda own: str(act(dataclasses.replace(life, stage=own)))


def hears(life: Life) -> Act:
    """Hear what the rail has to tell, as one worker does."""
    return beside(life, lambda own: Court(own).work(*HEARS))


def works(own: Stage) -> int:
    """Do everything that is due, as another worker does."""
    return own.work()


def taken_by_the_rail(court: Court, number: int = 0) -> str:
    """Let a payer dispute at the rail, and nobody hear of it yet."""
    ref = court.rail.open_dispute(court.payment(court.life.commitments[number]).provider_ref or "", None)
    assert ref is not None
    court.skip(seconds=6)
    return ref


def test_wnd_4_a_dispute_against_a_release(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    life = court.life
    lives.reviewed(life, 1)
    life.stage.work()
    window = disputes.row(life).deadline_at
    assert window is not None
    lives.let_time_pass(life.stage, window)
    ref = taken_by_the_rail(court)
    at_once(life.stage, [hears(life), works])
    life.stage.work()
    mine, other = court.figures()
    assert mine in ((0, 20_000, 400, 400), (0, 60_000, 1_200, 1_200))
    assert other == (60_000, 90_000, 1_800, 3_000)
    court.decide(ref, "lost")
    assert court.split() == {"escrow": 100_000 - mine[1], "claim": mine[1]}
    assert court.figures() == [(0, 0, 0, 0), other]


def test_com_6_a_dispute_against_a_cancellation_frees_one_place_and_nothing_is_paid_twice(db: Database) -> None:
    court = Court(lives.live(db, investors=2))
    life = court.life
    for investor in life.investors:
        life.commitments.append(life.stage.invest(investor, life.offering_id, 100_000))
    ref = taken_by_the_rail(court)
    results = at_once(
        life.stage, [hears(life), beside(life, lambda own: own.stage.cancel(own.investors[0], own.commitments[0]))]
    )
    cancelled = results[1] == "None"
    assert court.commitment(life.commitments[0]).status == ("cancelled" if cancelled else "reversed")
    assert court.offering().committed_minor == 100_000
    life.stage.work()
    assert [each.status for each in court.refunds() if each.status != "done"] == []
    assert court.operations("refund") == [], "the rail has it, so we send nothing"
    court.decide(ref, "lost")
    assert court.balances() == {"cash:sandbox:O": 100_000, "escrow:O": 100_000}


def test_wnd_2_a_dispute_against_a_wind_down(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    life = court.life
    ref = taken_by_the_rail(court)
    at_once(life.stage, [hears(life), beside(life, figures.resign)])
    assert court.figures() == [(0, 20_000, 400, 400), (0, 30_000, 600, 600)]
    # In escrow, or on its way back: the 800.00 that were still theirs are what the rail holds.
    assert sum(row.escrow_minor + row.owed_minor for row in court.reversals()) == 80_000
    court.decide(ref, "lost")
    assert court.split().get("claim") == 20_000
    life.stage.work()
    assert [each.amount_minor for each in court.operations("refund")] == [120_000]
    assert (court.offering().state, court.figures()) == ("wound_down", [(0, 0, 0, 0), (0, 30_000, 600, 600)])


def test_mil_13_a_dispute_against_leaving(db: Database) -> None:
    court = running(db, 100_000, 150_000, 120_000)
    life = court.life
    life.stage.advance(days=2)
    amend.propose(life, amend.measure("m2", "1000"))
    amend.vote(life, "-yy")
    assert amend.count(life).state == "leaving"
    ref = taken_by_the_rail(court)
    results = at_once(life.stage, [hears(life), beside(life, lambda own: amend.leave(own, 0).amount_minor)])
    assert results[1] in ("80000", "nothing_left")
    assert court.figures() == [(0, 20_000, 400, 400), OTHER, (96_000, 24_000, 480, 2_400)]
    court.decide(ref, "lost")
    life.stage.work()
    # Who left first loses the refund on its way, not a second 800.00.
    assert court.split() == {"owed" if results[1] == "80000" else "escrow": 80_000, "claim": 20_000}
    assert court.operations("refund") == []
    assert court.figures() == [(0, 0, 0, 0), OTHER, (96_000, 24_000, 480, 2_400)]


def test_mil_13_a_vote_against_the_votes_end_counts_or_is_refused(db: Database) -> None:
    life = amend.running(db, amounts=(150_000, 90_000))
    amend.propose(life, amend.setting("m2", title="The second step"))
    poll = amend.poll(life)
    lives.let_time_pass(life.stage, poll.ends_at)

    def answer(own: Life) -> object:
        return own.stage.db.unit_of_work(
            lambda session: polls.answer(
                session, actor=own.investors[0], poll_id=poll.public_id, choice="yes", key="late",
                now=poll.ends_at - SECOND,
            )
        ).choice

    results = at_once(life.stage, [beside(life, answer), works])
    assert results[0] in ("yes", "poll_over")
    assert amend.amendment(life).state == ("effective" if results[0] == "yes" else "fell")
    assert amend.poll(life).yes_minor == (amend.poll(life).total_minor // 2 if results[0] == "yes" else 0)


def test_mil_10_a_challenge_against_the_windows_end_holds_all_of_it_or_is_refused(db: Database) -> None:
    life, _extra = disputes.running(db)
    lives.reviewed(life, 1)
    life.stage.work()
    window = disputes.row(life).deadline_at
    assert window is not None
    lives.let_time_pass(life.stage, window)
    results = at_once(
        life.stage, [beside(life, lambda own: disputes.challenge(own, 0, at=window - SECOND).public_id), works]
    )
    life.stage.work()
    milestone = disputes.row(life)
    held = str(results[0]).startswith("chl_")
    if held:
        assert (milestone.state, milestone.released_minor) == ("disputed", 0)
    else:
        assert milestone.state == "released"
        assert milestone.released_minor == milestone.tranche_minor == 450_000
