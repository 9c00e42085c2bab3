"""Money that leaves a raise on its own: cancelled, late, unpaid, lost on the way, taken back by its bank."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.db import Database
from app.errors import Refused
from app.payments.models import Operation
from tests.factories import life as lives
from tests.functional.figures import (
    balances,
    commitment,
    no_work_is_left,
    offering,
    position,
    refunds,
    released,
    states,
)

DAY = dt.timedelta(days=1)


# -- commitments that leave on their own --------------------------------------------------------------


def test_com_6_cancelled_money_goes_back_and_the_place_is_free(db: Database) -> None:
    life = lives.live(db, fields={"maximum_minor": 500_000})
    life.commitments = [life.stage.invest(life.investors[0], life.offering_id, 500_000)]
    with pytest.raises(Refused) as full:
        life.stage.commit(life.investors[1], life.offering_id, 50_000)
    assert full.value.code == "offering_full"

    life.stage.cancel(life.investors[0], life.commitments[0])
    life.stage.work()
    assert refunds(life) == [(1, 500_000, "cancelled", "done")]
    assert offering(life).committed_minor == 0
    life.commitments.append(life.stage.invest(life.investors[1], life.offering_id, 250_000))

    life.stage.advance_to(offering(life).cancel_until)
    with pytest.raises(Refused) as late:
        life.stage.cancel(life.investors[1], life.commitments[1])
    assert late.value.code == "too_late_to_cancel"
    assert position(life, 1) == (250_000, 0, 0, 5_000)
    assert life.stage.close(life.offering_id) == "active"
    assert offering(life).proceeds_minor == 250_000
    no_work_is_left(db)


def test_com_4_money_that_arrives_after_the_commitment_ended_goes_back_by_itself(db: Database) -> None:
    life = lives.live(db)
    life.commitments = [life.stage.invest(life.investors[0], life.offering_id, 100_000, "bank_2d")]
    assert commitment(life, 0).status == "clearing"
    life.stage.cancel(life.investors[0], life.commitments[0])
    life.stage.advance(days=3)

    assert commitment(life, 0).status == "cancelled"
    assert refunds(life) == [(1, 100_000, "late_payment", "done")]
    assert offering(life).committed_minor == 0
    assert balances(life) == {"reserved": 20_000, "unissued": 980_000}
    no_work_is_left(db)


def test_com_4_unpaid_declined_and_failed_payments_expire_and_free_their_places(db: Database) -> None:
    life = lives.live(db, fields={"maximum_minor": 2_000_000})
    life.commitments = [
        life.stage.commit(life.investors[0], life.offering_id, 100_000),
        life.stage.invest(life.investors[1], life.offering_id, 100_000, "declined"),
        life.stage.invest(life.investors[2], life.offering_id, 100_000, "fails_late"),
    ]
    assert [commitment(life, n).status for n in range(3)] == ["awaiting_payment", "payment_failed", "clearing"]
    life.stage.advance(days=4)
    assert [commitment(life, n).status for n in range(3)] == ["expired", "payment_failed", "payment_failed"]
    life.stage.advance(days=8)
    assert [commitment(life, n).status for n in range(3)] == ["expired"] * 3
    assert offering(life).committed_minor == 0
    assert refunds(life) == []
    no_work_is_left(db)


def test_com_8_lost_answers_and_lost_requests_end_in_one_charge_each(db: Database) -> None:
    life = lives.live(db, fields={"maximum_minor": 2_000_000})
    life.commitments = [
        life.stage.invest(life.investors[0], life.offering_id, 100_000, "times_out"),
        life.stage.invest(life.investors[1], life.offering_id, 150_000, "lost"),
    ]
    life.stage.work()
    assert [commitment(life, n).status for n in range(2)] == ["held", "held"]
    assert balances(life) == {"cash": 250_000, "escrow": 250_000, "reserved": 40_000, "unissued": 960_000}


# -- payments that their bank takes back --------------------------------------------------------------


def test_wnd_4_a_payment_returned_before_the_close_frees_its_place(db: Database) -> None:
    life = lives.live(db)
    life.commitments = [life.stage.invest(life.investors[0], life.offering_id, 100_000, "returned_5d")]
    assert offering(life).committed_minor == 100_000
    life.stage.advance(days=6)
    assert commitment(life, 0).status == "reversed"
    assert (offering(life).committed_minor, refunds(life)) == (0, [])
    assert balances(life) == {"reserved": 20_000, "unissued": 980_000}


def test_mil_1_wnd_4_a_payment_returned_before_any_release_shrinks_the_tranches(db: Database) -> None:
    life = lives.live(db, contract={"closing_bp": 0, "tranches": (3_333, 3_333, 3_334)})
    life.commitments = [
        life.stage.invest(life.investors[0], life.offering_id, 100_001),
        life.stage.invest(life.investors[1], life.offering_id, 150_000),
    ]
    life.stage.advance_to(offering(life).deadline_at - 2 * DAY)
    life.commitments.append(life.stage.invest(life.investors[2], life.offering_id, 133_333, "returned_5d"))
    assert life.stage.close(life.offering_id) == "active"
    assert [each.tranche_minor for each in life.stage.milestones(life.offering_id)] == [127_753, 127_754, 127_793]

    life.stage.advance(days=4)
    assert commitment(life, 2).status == "reversed"
    assert balances(life) == {"cash": 250_000, "escrow": 250_000, "reserved": 5_000, "unissued": 995_000}
    lives.released(life, 1)
    # floor(2,500.00 × 3,333 ÷ 10,000) now, and the rest of what is there later.
    assert released(life) == [("released", 83_325, 4_166, 1_665)]
    lives.released(life, 2)
    lives.released(life, 3)
    assert offering(life).state == "completed"
    assert sum(amount for _kind, amount, _fee, _tokens in released(life)) == 250_000
    assert [position(life, n) for n in range(3)] == [
        (0, 100_000, 2_000, 2_000), (0, 150_000, 3_000, 3_000), (0, 0, 0, 0),
    ]
    assert balances(life) == {"outstanding": 5_000, "unissued": 995_000}
    no_work_is_left(db)


def test_wnd_4_a_payment_returned_after_a_release_costs_its_own_investor_and_the_plan_goes_on(db: Database) -> None:
    life = lives.live(db, fields={"minimum_minor": 150_000})
    life.stage.fund_float(life.operator, 50_000, "USD/2")
    life.commitments = [life.stage.invest(life.investors[0], life.offering_id, 150_000)]
    life.stage.advance_to(offering(life).deadline_at - 2 * DAY)
    life.commitments.append(life.stage.invest(life.investors[1], life.offering_id, 100_000, "returned_5d"))
    life.stage.close(life.offering_id)
    before = [position(life, n) for n in range(2)]
    life.stage.advance(days=4)

    assert before == [(127_500, 22_500, 450, 3_000), (85_000, 15_000, 300, 2_000)]
    assert [position(life, n) for n in range(2)] == [before[0], (0, 0, 0, 0)]
    assert offering(life).releases_stopped is None
    with db.read() as session:
        assert session.execute(sa.select(Operation.kind).where(Operation.state == "needs_operator")).all() == []
    lives.released(life, 1)
    assert states(life) == ["released", "released", "open", "locked"]
    # 30 of 85 of the 1,275.00 that are left: nobody else's share became smaller or larger by it.
    assert [each[1] for each in released(life)] == [37_500, 45_000]
