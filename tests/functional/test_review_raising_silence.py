"""What silence may not do while money is in escrow: carried shares, late changes, flags (OFF-8, OFF-11)."""

from __future__ import annotations

import sqlalchemy as sa

from app.commitments import carrying
from app.commitments.models import CarriedShare
from app.db import Database
from app.progress import queries
from tests.factories import halts
from tests.factories import life as lives
from tests.factories.life import Life
from tests.functional import figures
from tests.functional.payments.conftest import Till

DAY = halts.DAY


# -- what is carried while the investors are asked whether they stay ---------------------------------


def _short_with_carried(db: Database) -> Life:
    """Return a running plan below its minimum of 200,000 whose debit of 60,000 has not seasoned."""
    life = lives.live(db, investors=3, fields={"minimum_minor": 200_000})
    methods = ("instant", "sepa_debit", "ach")
    for investor, amount, method in zip(life.investors, (100_000, 60_000, 60_000), methods, strict=True):
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount, method))
    life.stage.close(life.offering_id)
    assert figures.released(life) == [("released", 15_000, 750, 300)]
    return life


def _carried(life: Life) -> list[tuple[int, str]]:
    with life.stage.db.read() as session:
        rows = session.execute(sa.select(CarriedShare.amount_minor, CarriedShare.status).order_by(CarriedShare.id))
        return [tuple(row) for row in rows]


def test_off_11_nothing_that_is_carried_leaves_while_investors_are_asked(db: Database) -> None:
    life = _short_with_carried(db)
    till = Till(life)
    with db.read() as session:
        [waits] = carrying.carried_of(session, [till.offering().id])
    life.stage.advance_to(waits.first_at - 3 * DAY)
    till.tell_returned(life.commitments[2])
    life.stage.work()
    before = figures.released(life)
    life.stage.advance_to(waits.last_at)
    assert (halts.poll(life).kind, halts.poll(life).state) == ("shortfall", "open")
    assert (figures.released(life), _carried(life)) == (before, [(9_000, "carried"), (9_000, "void")])


def test_off_11_all_of_it_returns_also_what_was_carried(db: Database) -> None:
    life = _short_with_carried(db)
    Till(life).tell_returned(life.commitments[2])
    life.stage.work()
    with db.read() as session:
        stopped = queries.if_stopped(session, figures.offering(life))
    assert stopped is not None
    assert (stopped.back_minor, stopped.spent_minor, stopped.under_review_minor) == (145_000, 15_000, 0)
    life.stage.advance_to(halts.poll(life).ends_at)
    assert figures.offering(life).end_trigger == "below_minimum"
    life.stage.advance(days=80)
    # The issuer keeps the 15,000 that left before; the debit's 60,000 are back whole.
    assert figures.released(life)[1:] == [("returned", 145_000, 0, 0)]
    assert [each[:2] for each in figures.refunds(life)] == [(1, 85_000), (2, 60_000)]
    assert (_carried(life), figures.offering(life).state) == ([(9_000, "void"), (9_000, "void")], "wound_down")
