"""Whole lives of offerings through the services and the worker, with exact figures, on both databases.

Every end of an offering is here once: completed, minimum missed, withdrawn, milestone failed. What the pages show of it
is tested in the browser.
"""

from __future__ import annotations

from app import clock
from app.db import Database
from app.ledger import chart
from app.ledger import queries as ledger
from app.progress import interventions
from app.register import queries as register
from tests.factories import life as lives
from tests.functional.figures import (
    balances,
    commitment,
    no_work_is_left,
    offering,
    payouts,
    position,
    refunds,
    released,
    states,
    withdraw,
)

# -- completed ----------------------------------------------------------------------------------------


def test_rel_1_rel_2_rel_3_a_whole_life_is_completed_with_every_cent_and_token_in_its_place(db: Database) -> None:
    life = lives.active(db)

    # 1,000.01, 1,500.00 and 1,333.33 buy 2,000, 3,000 and 2,666 tokens at 0.50; nothing else is charged (COM-3).
    assert (offering(life).state, offering(life).proceeds_minor) == ("active", 383_300)
    assert states(life) == ["released", "open", "locked", "locked"]
    assert released(life) == [("released", 57_495, 2_874, 1_149)]
    assert [position(life, n) for n in range(3)] == [
        (85_000, 15_000, 300, 2_000), (127_500, 22_500, 450, 3_000), (113_305, 19_995, 399, 2_666),
    ]
    assert balances(life) == {
        "cash": 325_805, "escrow": 325_805, "reserved": 6_517, "outstanding": 1_149, "unissued": 992_334,
    }

    for ordinal in (1, 2, 3):
        lives.released(life, ordinal)

    assert (offering(life).state, states(life)) == ("completed", ["released"] * 4)
    assert released(life) == [
        ("released", 57_495, 2_874, 1_149),
        ("released", 114_990, 5_749, 2_300),
        ("released", 114_990, 5_749, 2_300),
        ("released", 95_825, 4_791, 1_917),
    ]
    assert payouts(life) == [(54_621, "paid"), (109_241, "paid"), (109_241, "paid"), (91_034, "paid")]
    assert [position(life, n) for n in range(3)] == [
        (0, 100_000, 2_000, 2_000), (0, 150_000, 3_000, 3_000), (0, 133_300, 2_666, 2_666),
    ]
    assert balances(life) == {"outstanding": 7_666, "unissued": 992_334}
    with db.read() as session:
        held = register.holdings(session, offering(life).token_class_id)
        fees = ledger.balance(session, chart.platform_cash("sandbox", "USD/2"))
    assert [each.quantity for each in held] == [3_000, 2_666, 2_000]
    assert fees == 2_874 + 5_749 + 5_749 + 4_791
    assert refunds(life) == []
    no_work_is_left(db)


def test_off_5_exactly_the_minimum_succeeds(db: Database) -> None:
    life = lives.active(db, amounts=(100_000, 100_000))
    assert (offering(life).state, offering(life).proceeds_minor) == ("active", 200_000)


def test_mil_6_not_met_opens_again_and_the_second_submission_is_released(db: Database) -> None:
    life = lives.active(db)
    lives.reviewed(life, 1, "not_met")
    assert (life.stage.milestone(life.offering_id, 1).state, life.stage.milestone(life.offering_id, 1).tries_left) == (
        "open", 0,
    )
    lives.released(life, 1)
    assert states(life) == ["released", "released", "open", "locked"]
    assert released(life)[-1] == ("released", 114_990, 5_749, 2_300)
    no_work_is_left(db)


def test_mil_10_an_operator_suspends_within_the_window_and_silence_opens_it_again(db: Database) -> None:
    life = lives.active(db)
    lives.reviewed(life, 1)
    milestone = life.stage.milestone(life.offering_id, 1)
    db.unit_of_work(
        lambda session: interventions.suspend(
            session, actor=life.operator, milestone_id=milestone.public_id, reason="A file looks altered.",
            now=clock.business_now(session),
        )
    )
    life.stage.advance(days=8)
    assert released(life) == [("released", 57_495, 2_874, 1_149)]
    life.stage.advance(days=20)
    assert states(life) == ["released", "open", "locked", "locked"]
    assert life.stage.milestone(life.offering_id, 1).tries_left == 1
    lives.released(life, 1)
    assert states(life) == ["released", "released", "open", "locked"]


# -- the other ends -----------------------------------------------------------------------------------


def test_off_9_the_minimum_is_missed_and_everybody_is_refunded_in_full(db: Database) -> None:
    life = lives.active(db, amounts=(100_001, 99_900))

    assert (offering(life).state, offering(life).end_trigger) == ("failed", "minimum_missed")
    assert refunds(life) == [(1, 100_000, "minimum_missed", "done"), (2, 99_900, "minimum_missed", "done")]
    assert [position(life, n) for n in range(2)] == [(0, 0, 0, 0)] * 2
    assert balances(life) == {"unissued": 1_000_000}
    assert released(life) == payouts(life) == []
    no_work_is_left(db)


def test_off_9_a_withdrawn_offering_gives_everything_back(db: Database) -> None:
    life = lives.live(db)
    life.commitments = [
        life.stage.invest(life.investors[0], life.offering_id, 100_000),
        life.stage.invest(life.investors[1], life.offering_id, 75_000, "fee_card"),
        life.stage.commit(life.investors[2], life.offering_id, 50_000),
    ]
    life.stage.fund_float(life.operator, 5_000, "USD/2")
    withdraw(life)
    life.stage.work()

    assert (offering(life).state, offering(life).end_reason) == ("withdrawn", "The plan changed.")
    # The provider's fee, 21.75 + 0.30, is ours: nobody gets less back (OFF-9).
    assert refunds(life) == [(1, 100_000, "withdrawn", "done"), (2, 75_000, "withdrawn", "done")]
    assert commitment(life, 2).status == "lapsed"
    assert balances(life) == {"expense": 2_205, "unissued": 1_000_000}
    no_work_is_left(db)


def test_wnd_1_wnd_2_the_last_milestone_passes_its_long_stop_and_the_rest_goes_back(db: Database) -> None:
    life = lives.active(db)
    lives.released(life, 1)
    lives.released(life, 2)
    last = life.stage.milestone(life.offering_id, 3)
    assert last.long_stop_at is not None
    life.stage.advance_to(last.long_stop_at)

    assert (offering(life).state, offering(life).end_trigger) == ("wound_down", "milestone_failed")
    assert states(life) == ["released", "released", "released", "failed"]
    assert released(life)[-1] == ("returned", 95_825, 0, 0)
    assert refunds(life) == [
        (1, 25_000, "long_stop", "done"), (2, 37_500, "long_stop", "done"), (3, 33_325, "long_stop", "done"),
    ]
    # Issued tokens remain, entitlement to the rest has lapsed (WND-3).
    assert [position(life, n) for n in range(3)] == [
        (0, 75_000, 1_500, 1_500), (0, 112_500, 2_250, 2_250), (0, 99_975, 1_999, 1_999),
    ]
    assert balances(life) == {"outstanding": 5_749, "unissued": 994_251}
    no_work_is_left(db)


def test_mil_6_wnd_2_not_met_twice_fails_the_milestone_and_winds_down(db: Database) -> None:
    life = lives.active(db)
    lives.reviewed(life, 1, "not_met")
    lives.reviewed(life, 1, "not_met")
    life.stage.work()
    # Until the time to appeal is over it has not failed (MIL-10).
    assert (offering(life).state, states(life)) == ("active", ["released", "appealable", "locked", "locked"])
    life.stage.advance(days=8)

    assert offering(life).state == "wound_down"
    assert states(life) == ["released", "failed", "lapsed", "lapsed"]
    assert refunds(life) == [
        (1, 85_000, "not_met", "done"), (2, 127_500, "not_met", "done"), (3, 113_305, "not_met", "done"),
    ]
    assert balances(life) == {"outstanding": 1_149, "unissued": 998_851}
    no_work_is_left(db)


def test_wnd_2_return_tranche_sends_back_one_parallel_tranche_and_the_others_go_on(db: Database) -> None:
    life = lives.active(db, contract={"order": "parallel", "on_failure": "return_tranche", "resubmissions": 0})
    assert states(life) == ["released", "open", "open", "open"]
    lives.reviewed(life, 2, "not_met")
    life.stage.advance(days=8)
    assert released(life)[-1] == ("returned", 114_990, 0, 0)
    lives.released(life, 1)
    lives.released(life, 3)

    assert offering(life).state == "completed"
    assert states(life) == ["released", "released", "failed", "released"]
    assert refunds(life) == [
        (1, 30_000, "not_met", "done"), (2, 45_000, "not_met", "done"), (3, 39_990, "not_met", "done"),
    ]
    # 700.00, 1,050.00 and 933.10 stayed: they bought 1,400, 2,100 and 1,866 tokens.
    assert [position(life, n) for n in range(3)] == [
        (0, 70_000, 1_400, 1_400), (0, 105_000, 2_100, 2_100), (0, 93_310, 1_866, 1_866),
    ]
    assert balances(life) == {"outstanding": 5_366, "unissued": 994_634}
    no_work_is_left(db)
