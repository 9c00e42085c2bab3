"""What a review of the close found: who counts, who is cut, and what people read of it (OFF-7, OFF-12, COM-11)."""

from __future__ import annotations

from app.commitments import links, queries
from app.db import Database
from tests.factories import altered
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional import figures
from tests.functional.regimes.test_limits import REG_CF, declare

PRO_RATA = {
    "minimum_minor": 200_000, "target_minor": 300_000, "maximum_minor": 300_000, "allotment": "pro_rata",
    "accept_up_to_minor": 600_000,
}


def mark(life: Life, number: int, account: str) -> None:
    """Let an investor's money come from a bank account."""
    party = life.stage.party(life.investors[number], "investor")
    life.stage.db.unit_of_work(
        lambda session: links.note_facts(session, party, {"account": account}, now=life.stage.now)
    )


def subscribed(db: Database, *amounts: int) -> Life:
    life = lives.live(db, investors=len(amounts), fields=PRO_RATA)
    for investor, amount in zip(life.investors, amounts, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    return life


def test_off_7_linked_orders_never_push_the_others_below_the_minimum(db: Database) -> None:
    life = subscribed(db, 200_000, 200_000, 200_000)
    mark(life, 1, "sbx_acct_ok")  # the company's own account
    mark(life, 2, "sbx_acct_ok")
    assert life.stage.close(life.offering_id) == "active"
    assert [figures.position(life, number)[3] for number in range(3)] == [4_000, 1_000, 1_000]
    offering = figures.offering(life)
    with db.read() as session:
        sums = queries.raised_sums(session, [offering.id])[offering.id]
        raised = queries.raised(session, [offering])[offering.id]
    assert (sums.cleared_minor, sums.linked_minor, offering.proceeds_minor) == (200_000, 100_000, 300_000)
    assert (raised.cleared_minor, raised.linked_minor, raised.counting_minor) == (300_000, 100_000, 200_000)


def test_off_7_linked_orders_share_alike_where_the_minimum_is_reached_anyway(db: Database) -> None:
    life = subscribed(db, 300_000, 150_000, 50_000)
    mark(life, 2, "sbx_acct_ok")
    assert life.stage.close(life.offering_id) == "active"
    # 50,000 is the minimum ticket and stays whole; 250,000 are divided over 450,000 in tokens of 0.50.
    assert [figures.position(life, number)[3] for number in range(3)] == [3_333, 1_667, 1_000]


def test_com_11_whose_counterpart_left_at_the_close_counts_again(db: Database) -> None:
    life = lives.live(db, investors=2, fields=REG_CF)
    for investor in life.investors:
        declare(life, investor, income=10_000_000, worth=10_000_000)
    life.commitments.append(life.stage.invest(life.investors[0], life.offering_id, 250_000))
    life.commitments.append(life.stage.commit(life.investors[1], life.offering_id, 300_000))
    mark(life, 0, "X")
    mark(life, 1, "X")
    life.stage.close(life.offering_id)
    assert (figures.offering(life).state, figures.offering(life).counted_minor) == ("active", 250_000)
    assert figures.commitment(life, 0).is_linked is False


def test_off_8_the_rest_of_another_price_leaves_the_holding_what_it_is(db: Database) -> None:
    life = altered.held(db, 300_030)
    altered.changed(life, price_micro=700_000)
    altered.reconfirm(life, 0)
    life.stage.close(life.offering_id)
    with db.read() as session:
        assert queries.find_position(session, life.investors[0], life.commitments[0]).status == "allotted"
