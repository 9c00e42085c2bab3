"""What a review found of limits at the close: to declare less is no way out after the last moment (COM-6, COM-9)."""

from __future__ import annotations

import pytest

from app.db import Database
from app.regimes import queries
from tests.factories import life as lives
from tests.functional import figures
from tests.functional.regimes.test_limits import REG_CF, declare
from tests.unchanged import refused


@pytest.mark.parametrize(
    "lower", [{}, {"income": 10_000_000, "worth": 10_000_000, "currency": "EUR/2"}], ids=["less", "other currency"]
)
def test_com_9_declaring_less_after_the_cut_off_is_no_way_out(db: Database, lower: dict[str, object]) -> None:
    life = lives.live(db, investors=2, fields=REG_CF)
    for investor, amount in zip(life.investors, (400_000, 100_000), strict=True):
        declare(life, investor, income=10_000_000, worth=10_000_000)  # a limit of $5,000
        life.commitments.append(life.stage.invest(investor, life.offering_id, amount))
    life.stage.advance_to(figures.offering(life).cancel_until)
    with refused(db, "too_late_to_cancel"):
        life.stage.cancel(life.investors[0], life.commitments[0])
    declare(life, life.investors[0], **lower)
    life.stage.close(life.offering_id)
    life.stage.advance(minutes=1)
    assert (figures.commitment(life, 0).status, figures.refunds(life)) == ("held", [])
    offering = figures.offering(life)
    assert (offering.state, offering.counted_minor) == ("active", 500_000)
    with db.read() as session:
        asked = [
            each for each in queries.decisions_of(session, life.commitments[0]) if each.rule_id == "investor_check"
        ]
    assert [(each.moment, each.allowed, each.facts["limit_minor"]) for each in asked] == [
        ("commitment", True, 500_000), ("close", True, 500_000)
    ]
    assert asked[0].facts["declaration"] == asked[1].facts["declaration"]


def test_com_9_a_declaration_of_more_still_counts_at_the_close(db: Database) -> None:
    life = lives.live(db, investors=1, fields=REG_CF)
    declare(life, life.investors[0])
    life.commitments.append(life.stage.invest(life.investors[0], life.offering_id, 250_000))
    declare(life, life.investors[0], income=10_000_000, worth=10_000_000)
    life.stage.close(life.offering_id)
    life.stage.advance(minutes=1)
    assert figures.offering(life).state == "active"
    with db.read() as session:
        [told] = [each for each in queries.decisions_of(session, life.commitments[0]) if each.moment == "close"]
    assert (told.allowed, told.facts["limit_minor"]) == (True, 500_000)
