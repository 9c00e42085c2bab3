"""An oversubscribed offering: paid money is cut to the maximum at the close (OFF-7)."""

from __future__ import annotations

import sqlalchemy as sa

from app.commitments import queries, statements
from app.commitments.models import EscrowStatement, Refund
from app.db import Database
from app.notices.models import Notice
from app.selfcheck import places
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional.figures import balances
from tests.functional.ledger.test_journals import journals
from tests.unchanged import refused

FIELDS = {"maximum_minor": 500_000, "allotment": "pro_rata", "accept_up_to_minor": 900_000}


def subscribed(db: Database, amounts: tuple[int, ...]) -> Life:
    life = lives.live(db, investors=len(amounts), fields=FIELDS)
    for investor, amount in zip(life.investors, amounts, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    return life


def rows(db: Database, kind: str) -> list[tuple[int, int, int, int]]:
    with db.read() as session:
        found = session.scalars(
            sa.select(EscrowStatement).where(EscrowStatement.kind == kind).order_by(EscrowStatement.ordinal)
        )
        return [(r.ordinal, r.amount_minor, r.unreleased_after_minor, r.entitled_after_tokens) for r in found]


def test_off_7_paid_money_is_cut_to_the_maximum_and_the_rest_goes_back_at_once(db: Database) -> None:
    life = subscribed(db, (400_000, 300_050, 50_000))
    assert balances(life)["reserved"] == 10_000
    stage = life.stage
    assert stage.close(life.offering_id) == "active"
    offering = stage.offering(life.offering_id)
    # 500.00 stay whole: they are the smallest commitment. 4,500.00 are divided over 7,000.50, in tokens of 0.50.
    assert rows(db, "cut") == [(1, -142_900, 257_100, 5_142), (2, -107_150, 192_900, 3_858)]
    assert (offering.proceeds_minor, offering.committed_minor) == (500_000, 500_000)
    with db.read() as session:
        owed = session.execute(sa.select(Refund.amount_minor, Refund.reason, Refund.status).order_by(Refund.id)).all()
        views = [queries.find_position(session, who, each)
                 for who, each in zip(life.investors, life.commitments, strict=True)]
        raised = queries.raised(session, [offering])[offering.id]
        kinds = session.scalars(
            sa.select(Notice.kind).where(Notice.user_id == life.investors[0].user_id).order_by(Notice.id)
        ).all()
        lines = statements.lines_of(session, life.investors[0].parties("investor"))
        # The self-check divides what was paid once more.
        journal_id = session.scalars(sa.select(Refund.journal_id)).first() or 0
        orders, stand = places._orders_at(session, offering.id, journal_id)
    assert [order.paid_minor for order in orders] == [400_000, 300_050, 50_000]
    assert list(stand.values()) == [257_100, 192_900, 50_000]
    assert [tuple(each) for each in owed] == [(142_900, "oversubscribed", "done"), (107_150, "oversubscribed", "done")]
    assert [each.status for each in views] == ["allotted"] * 3
    assert (raised.cleared_minor, raised.investors) == (500_000, 3)
    assert "orders_cut" in kinds
    assert journals(life, "closed") == [{"escrow:O": 250_050, "refunds:O": -250_050}]
    # The closing tranche of 10 % is out already.
    assert [each.fields()[3] for each in lines] == ["paid", "cut", "released"]
    held = balances(life)
    assert held["reserved"] + held["outstanding"] == 10_000
    for milestone in stage.milestones(life.offering_id)[1:]:
        lives.released(life, milestone.ordinal)
    with db.read() as session:
        ends = [queries.find_position(session, who, each)
                for who, each in zip(life.investors, life.commitments, strict=True)]
    assert [(each.status, each.position.issued_tokens) for each in ends] == [
        ("fulfilled", 5_142), ("fulfilled", 3_858), ("fulfilled", 1_000),
    ]


def test_off_7_more_than_is_accepted_is_refused_and_nothing_is_cut_below_the_maximum(db: Database) -> None:
    life = subscribed(db, (400_000, 100_000))
    stage = life.stage
    late = stage.person("investor", "Late Investor")
    with refused(db, "no_room"):
        stage.commit(late, life.offering_id, 400_050)
    assert stage.close(life.offering_id) == "active"
    assert rows(db, "cut") == []
    assert stage.offering(life.offering_id).proceeds_minor == 500_000


def test_off_7_whoever_gets_nothing_gets_everything_back(db: Database) -> None:
    life = lives.live(db, investors=3, fields=FIELDS | {
        "maximum_minor": 100_000, "minimum_minor": 100_000, "target_minor": 100_000, "accept_up_to_minor": 200_000,
    })
    for investor, amount in zip(life.investors, (60_000, 50_000, 50_000), strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    assert life.stage.close(life.offering_id) == "active"
    assert rows(db, "cut") == [(1, -10_000, 50_000, 1_000), (3, -50_000, 0, 0)]
    with db.read() as session:
        assert [
            queries.find_position(session, who, each).status
            for who, each in zip(life.investors, life.commitments, strict=True)
        ] == ["allotted", "allotted", "refunded"]
