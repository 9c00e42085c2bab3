"""Whole lives of offerings through the services and the worker, with exact figures, on both databases.

Every end of an offering is here once: completed, minimum missed, milestone failed, withdrawn; and the ways a
commitment leaves on its own. What the pages show of it is tested in the browser.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest
import sqlalchemy as sa

from app import clock
from app.commitments import escrow
from app.commitments.models import Commitment, Refund
from app.commitments.rules import Position
from app.db import Database
from app.errors import Refused
from app.ledger import chart
from app.ledger import queries as ledger
from app.offerings import service as offerings
from app.offerings.models import Offering, TokenClass
from app.outbox.models import JobFailure, OutboxMessage
from app.payments import treasury
from app.payments.models import Operation, Payout
from app.progress import interventions
from app.progress import queries as progress
from app.progress.models import Release
from app.register import queries as register
from tests.factories import life as lives
from tests.factories.life import Life

DAY = dt.timedelta(days=1)


def balances(life: Life) -> dict[str, int]:
    """Return the offering's accounts that hold something, by the first part of their address."""
    with life.stage.db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        found = ledger.balances(session, offering_id=offering.id)
        token_class = session.get_one(TokenClass, offering.token_class_id)
        for account in (
            chart.outstanding(token_class.public_id, token_class.asset),
            chart.unissued(token_class.public_id, token_class.asset),
        ):
            found[account] = ledger.balance(session, account)
    return {account.address.split(":")[0]: amount for account, amount in found.items() if amount}


def commitment(life: Life, number: int) -> Commitment:
    with life.stage.db.read() as session:
        return session.execute(
            sa.select(Commitment).where(Commitment.public_id == life.commitments[number])
        ).scalar_one()


def position(life: Life, number: int) -> tuple[int, int, int, int]:
    """Return (unreleased, released, issued, entitled) of the life's commitment."""
    row = commitment(life, number)
    with life.stage.db.read() as session:
        found = escrow.position(session, row.id)
    return found.unreleased_minor, found.released_minor, found.issued_tokens, found.entitled_tokens


def refunds(life: Life) -> list[tuple[int, int, str, str]]:
    """Return (commitment's ordinal, minor units, reason, status) of every refund."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(Commitment.ordinal, Refund.amount_minor, Refund.reason, Refund.status)
            .join(Commitment, Commitment.id == Refund.commitment_id)
            .order_by(Refund.id)
        ).all()
    return [tuple(row) for row in rows]


def released(life: Life) -> list[tuple[str, int, int, int]]:
    """Return (kind, amount, fee, tokens) of everything that left escrow after the close."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(Release.kind, Release.amount_minor, Release.fee_minor, Release.tokens).order_by(Release.id)
        ).all()
    return [tuple(row) for row in rows]


def payouts(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(Payout.amount_minor, Payout.status).order_by(Payout.id)).all()
    return [tuple(row) for row in rows]


def states(life: Life) -> list[str]:
    return [milestone.state for milestone in life.stage.milestones(life.offering_id)]


def offering(life: Life) -> Offering:
    return life.stage.offering(life.offering_id)


def no_work_is_left(db: Database) -> None:
    """Nothing failed in the worker, and every operation has its end."""
    with db.read() as session:
        assert session.execute(sa.select(JobFailure.job, JobFailure.last_error)).all() == []
        assert session.execute(sa.select(OutboxMessage.last_error).where(OutboxMessage.done_at.is_(None))).all() == []
        decided = ("succeeded", "failed", "cancelled")
        assert session.execute(sa.select(Operation.state).where(Operation.state.not_in(decided))).all() == []


def withdraw(life: Life) -> None:
    life.stage.db.unit_of_work(
        lambda session: offerings.withdraw(
            session, actor=life.founder, offering_id=life.offering_id, reason="The plan changed.",
            now=clock.business_now(session),
        )
    )


def resign(life: Life) -> None:
    life.stage.db.unit_of_work(
        lambda session: interventions.wind_down(
            session, actor=life.founder, offering_id=life.offering_id, trigger="founder_resigned",
            reason="We cannot go on.", now=clock.business_now(session),
        )
    )

def stop_releases(life: Life, why: str | None) -> None:
    """Hold back releases, as a payment that was taken back after one does, or let them go on."""

    def act(session: sa.orm.Session) -> None:
        offerings.locked(session, life.offering_id).releases_stopped = why

    life.stage.db.unit_of_work(act)


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
    db.unit_of_work(
        lambda session: treasury.fund_float(
            session, actor=life.operator, amount_minor=5_000, asset="USD/2", now=clock.business_now(session)
        )
    )
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
    life = lives.live(db)
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
    life = lives.live(db)
    life.commitments = [
        life.stage.invest(life.investors[0], life.offering_id, 100_000, "times_out"),
        life.stage.invest(life.investors[1], life.offering_id, 150_000, "lost"),
    ]
    life.stage.work()
    assert [commitment(life, n).status for n in range(2)] == ["held", "held"]
    assert balances(life) == {"cash": 250_000, "escrow": 250_000, "reserved": 20_000, "unissued": 980_000}


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


def test_wnd_4_a_payment_returned_after_a_release_posts_nothing_and_stops_the_releases(db: Database) -> None:
    life = lives.live(db)
    life.commitments = [life.stage.invest(life.investors[0], life.offering_id, 150_000)]
    life.stage.advance_to(offering(life).deadline_at - 2 * DAY)
    life.commitments.append(life.stage.invest(life.investors[1], life.offering_id, 100_000, "returned_5d"))
    life.stage.close(life.offering_id)
    before = [position(life, n) for n in range(2)]
    life.stage.advance(days=4)

    assert before == [(127_500, 22_500, 450, 3_000), (85_000, 15_000, 300, 2_000)]
    assert [position(life, n) for n in range(2)] == before
    assert offering(life).releases_stopped is not None
    with db.read() as session:
        assert session.execute(sa.select(Operation.kind).where(Operation.state == "needs_operator")).all() == [
            ("collect",)
        ]
    lives.released(life, 1)
    assert states(life) == ["released", "approved", "locked", "locked"]
    assert [each[0] for each in released(life)] == ["released"]


# -- if it stopped today ------------------------------------------------------------------------------


def foreseen(life: Life) -> tuple[progress.IfStopped, Mapping[int, progress.IfStopped]]:
    """Return what "if it stopped today" says of all and of each commitment, by ordinal."""
    with life.stage.db.read() as session:
        row = offerings.offering_by_id(session, life.offering_id)
        total = progress.if_stopped(session, row)
        each = {
            found.ordinal: progress.if_stopped_for(session, row, found.id, escrow.position(session, found.id))
            for found in session.execute(sa.select(Commitment).order_by(Commitment.ordinal)).scalars()
        }
    assert total is not None
    return total, {ordinal: found for ordinal, found in each.items() if found is not None}


def posted(life: Life) -> tuple[progress.IfStopped, Mapping[int, progress.IfStopped]]:
    """Return the same of what a wind-down has really done."""
    back: dict[int, int] = {}
    for ordinal, amount, reason, _status in refunds(life):
        if reason == "founder_resigned":
            back[ordinal] = back.get(ordinal, 0) + amount
    ends = {number + 1: Position(*position(life, number)) for number in range(len(life.commitments))}
    each = {
        ordinal: progress.IfStopped(back.get(ordinal, 0), end.issued_tokens, end.released_minor, end.unreleased_minor)
        for ordinal, end in ends.items()
    }
    columns = ("back_minor", "tokens", "spent_minor", "under_review_minor")
    return progress.IfStopped(*(sum(getattr(one, column) for one in each.values()) for column in columns)), each


#: Amounts that divide badly, so that every rounding shows.
UNEVEN = (100_050, 99_950, 50_050, 133_350, 77_750)


def test_mil_5_if_it_stopped_today_is_to_the_cent_what_a_wind_down_posts(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN)
    lives.released(life, 1)
    expected = foreseen(life)
    assert expected[0] == progress.IfStopped(253_633, 4_148, 207_517, 0)

    resign(life)
    life.stage.work()
    assert offering(life).state == "wound_down"
    assert posted(life) == expected


def test_mil_5_it_says_what_is_under_review_and_keeps_it_out(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN)
    lives.reviewed(life, 1)
    expected = foreseen(life)
    assert expected[0].under_review_minor == life.stage.milestone(life.offering_id, 1).tranche_minor

    resign(life)
    assert offering(life).state == "winding_down"
    assert posted(life) == expected
    # Submitted before: its verdict still releases it (WND-2).
    life.stage.advance(days=10)
    assert offering(life).state == "wound_down"
    assert states(life) == ["released", "released", "lapsed", "lapsed"]
    no_work_is_left(db)


def test_mil_5_it_counts_an_approved_tranche_as_spent_with_its_tokens(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN, contract={"order": "parallel"})
    lives.reviewed(life, 2)
    ends_at = life.stage.milestone(life.offering_id, 2).deadline_at
    assert ends_at is not None
    stop_releases(life, "A payment is being looked into.")
    life.stage.advance_to(ends_at)
    lives.reviewed(life, 3)
    assert states(life) == ["released", "open", "approved", "challengeable"]
    expected = foreseen(life)

    resign(life)
    stop_releases(life, None)
    life.stage.work()
    assert states(life) == ["released", "lapsed", "released", "challengeable"]
    assert posted(life) == expected
