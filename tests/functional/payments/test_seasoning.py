"""Money that can still be taken back is not released before it has seasoned, or a reserve covers it (COM-10)."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from app.commitments import carrying, escrow
from app.commitments.models import CarriedShare
from app.db import Database
from app.payments import reserve, rules
from app.progress.models import Release
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.payments.conftest import Till

DAY = dt.timedelta(days=1)

#: The same SQL runs in the others on both databases.
sqlite_is_enough = pytest.mark.databases("sqlite")
CLEARED = dt.datetime(2027, 3, 14, 15, 9, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("method", "until"),
    [
        ("instant", CLEARED),
        ("transfer", CLEARED),
        ("card", dt.datetime(2027, 7, 13, tzinfo=dt.UTC)),
        ("ach", dt.datetime(2027, 5, 14, tzinfo=dt.UTC)),
        ("sepa_debit", dt.datetime(2027, 5, 10, tzinfo=dt.UTC)),
    ],
)
def test_com_10_each_way_to_pay_seasons_after_its_days_at_midnight(method: str, until: dt.datetime) -> None:
    assert rules.seasons_at(method, CLEARED) == until


def test_com_10_a_way_that_nobody_knows_takes_the_longest() -> None:
    assert rules.seasons_at("cheque", CLEARED) == rules.seasons_at("card", CLEARED)


def closed(db: Database, *methods: str, amounts: tuple[int, ...] = (100_000, 50_000, 84_000)) -> Life:
    """Return a running offering of three tranches after a closing one of 15 %, each investor paying in their way."""
    life = lives.live(db, investors=len(amounts), fields={"minimum_minor": 150_000})
    for investor, amount, method in zip(life.investors, amounts, methods, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount, method))
    life.stage.close(life.offering_id)
    return life


def released(life: Life) -> list[tuple[int, int]]:
    """Return (amount, tokens) of each part that was released, in order."""
    with life.stage.db.read() as session:
        rows = session.execute(
            sa.select(Release.amount_minor, Release.tokens).where(Release.kind == "released").order_by(Release.id)
        )
        return [(row.amount_minor, row.tokens) for row in rows]


def carried(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(CarriedShare.amount_minor, CarriedShare.status).order_by(CarriedShare.id))
        return [(row.amount_minor, row.status) for row in rows]


def test_com_10_seasoned_money_moves_and_the_rest_of_the_tranche_is_carried_until_it_seasons(db: Database) -> None:
    life = closed(db, "instant", "ach", "instant")
    # 15 % of 2,340.00 is 351.00: REL-2 gives 150.00, 75.00 and 126.00.
    assert released(life) == [(27_600, 552)]
    assert carried(life) == [(7_500, "carried")]
    till = Till(life)
    assert till.journals("released")[0]["escrow:O"] == 27_600
    with db.read() as session:
        [waits] = carrying.carried_of(session, [till.offering().id])
        assert (waits.amount_minor, waits.shares) == (7_500, 1)
        positions = list(escrow.positions(session, till.offering().id).values())
    assert [(each.unreleased_minor, each.carried_minor, each.issued_tokens) for each in positions] == [
        (85_000, 0, 300), (50_000, 7_500, 0), (71_400, 0, 252),
    ]
    life.stage.advance_to(waits.first_at - DAY)
    assert len(released(life)) == 1
    life.stage.advance_to(waits.first_at)
    assert released(life) == [(27_600, 552), (7_500, 150)]
    assert carried(life) == [(7_500, "released")]
    life.stage.advance(days=1)
    assert len(released(life)) == 2
    payouts = [(each.amount_minor, each.status) for each in till.payouts()]
    assert payouts == [(27_600 - 1_380, "paid"), (7_500 - 375, "paid")]


def test_com_10_a_later_tranche_is_divided_without_what_an_earlier_one_carries(db: Database) -> None:
    life = closed(db, "instant", "sepa_debit", "instant")
    lives.released(life, 1)
    # 30 %: 702.00 over 850.00, 425.00 (500.00 less 75.00) and 714.00.
    assert released(life) == [(27_600, 552), (55_200, 1_104)]
    assert carried(life) == [(7_500, "carried"), (15_000, "carried")]
    with db.read() as session:
        last = max(each.last_at for each in carrying.carried_of(session, [Till(life).offering().id]))
    life.stage.advance_to(last)
    assert released(life)[2:] == [(7_500, 150), (15_000, 300)]
    with db.read() as session:
        [position] = [
            each for key, each in escrow.positions(session, Till(life).offering().id).items()
            if key == Till(life).commitment(life.commitments[1]).id
        ]
    assert (position.released_minor, position.issued_tokens, position.carried_minor) == (22_500, 450, 0)


@sqlite_is_enough
def test_com_10_a_tranche_of_unseasoned_money_only_waits_whole(db: Database) -> None:
    life = closed(db, "ach", "sepa_debit", amounts=(120_000, 90_000))
    assert released(life) == []
    assert [each for each, _status in carried(life)] == [18_000, 13_500]
    assert life.stage.milestone(life.offering_id, 0).state == "released"
    assert life.stage.milestone(life.offering_id, 1).state == "open"


@sqlite_is_enough
def test_com_10_a_payment_taken_back_while_it_is_carried_costs_nobody_else_a_cent(db: Database) -> None:
    life = closed(db, "instant", "ach", "instant")
    till = Till(life)
    till.tell_returned(life.commitments[1])
    assert till.commitment(life.commitments[1]).status == "reversed"
    assert carried(life) == [(7_500, "void")]
    assert till.balances()["escrow:O"] == 156_400
    lives.released(life, 1)
    # 30 of 85 of what is left, 1,564.00, is 552.00.
    assert released(life) == [(27_600, 552), (55_200, 1_104)]
    assert till.offering().releases_stopped is None


def test_com_10_a_wind_down_returns_the_rest_and_what_is_carried_is_still_released(db: Database) -> None:
    life = closed(db, "instant", "ach", "instant")
    stopped = [_stopped(life, commitment_id) for commitment_id in life.commitments]
    assert stopped == [(85_000, 15_000), (42_500, 7_500), (71_400, 12_600)]
    life.stage.resign(life.founder, life.offering_id, reason="The founders go separate ways.")
    life.stage.work()
    till = Till(life)
    assert till.balances()["escrow:O"] == 7_500
    assert [each.amount_minor for each in till.refunds()] == [85_000, 42_500, 71_400]
    life.stage.advance(days=62)
    life.stage.advance(days=1)
    assert released(life) == [(27_600, 552), (7_500, 150)]
    assert life.stage.offering(life.offering_id).state == "wound_down"


def _stopped(life: Life, commitment_id: str) -> tuple[int, int]:
    from app.commitments.rules import Position
    from app.progress import queries

    till = Till(life)
    commitment = till.commitment(commitment_id)
    found = till.read(
        lambda session: queries.if_stopped_for(session, till.offering(), commitment.id, Position())
    )
    assert found is not None
    return found.back_minor, found.spent_minor


@sqlite_is_enough
def test_com_10_a_funded_reserve_lets_the_whole_tranche_move_and_later_what_was_carried(db: Database) -> None:
    life = closed(db, "instant", "ach", "instant")
    till = Till(life)
    fund(till, 10_000)
    assert till.journals("reserve_funded") == [{"cash:sandbox:reserve": 10_000, "capital:platform": -10_000}]
    life.stage.work()
    assert released(life) == [(27_600, 552), (7_500, 150)]
    assert free(till) == 2_500
    lives.released(life, 1)
    # The next 150.00 of this payment is more than the 25.00 that are free: it is carried.
    assert carried(life) == [(7_500, "released"), (15_000, "carried")]
    fund(till, 12_500)
    life.stage.work()
    assert (carried(life)[1], free(till)) == ((15_000, "released"), 0)
    life.stage.advance(days=62)
    assert free(till) == 22_500


@sqlite_is_enough
def test_com_10_the_reserve_bears_a_covered_payment_that_is_taken_back(db: Database) -> None:
    life = closed(db, "instant", "ach", "instant")
    till = Till(life)
    fund(till, 50_000)
    life.stage.work()
    till.tell_returned(life.commitments[1])
    assert till.journals("advanced") == [{"cash:sandbox:O": 7_500, "cash:sandbox:reserve": -7_500}]


def fund(till: Till, amount_minor: int) -> None:
    till.act(
        lambda session, now: reserve.fund_reserve(
            session, actor=till.life.operator, amount_minor=amount_minor, asset="USD/2", now=now
        )
    )


def free(till: Till) -> int:
    return till.act(lambda session, now: reserve.free_minor(session, "sandbox", "USD/2", now=now))


@sqlite_is_enough
def test_rel_3_everybody_ends_whole_once_all_has_seasoned(db: Database) -> None:
    life = closed(db, "sepa_debit", "ach", "instant")
    for ordinal in (1, 2, 3):
        lives.released(life, ordinal)
    life.stage.advance(days=62)
    life.stage.advance(days=1)
    assert life.stage.offering(life.offering_id).state == "completed"
    with db.read() as session:
        offering = Till(life).offering()
        positions = escrow.positions(session, offering.id).values()
        assert [each.issued_tokens for each in positions] == [2_000, 1_000, 1_680]
        assert sum(each.released_minor for each in positions) == sum(amount for amount, _tokens in released(life))
