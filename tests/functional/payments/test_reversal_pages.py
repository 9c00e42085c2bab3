"""What people see of payments taken back: the payer, the founder, operators (WND-4)."""

from __future__ import annotations

from app import create_app
from app.db import Database
from tests.functional.payments.court import running
from tests.functional.signed_in import signed_in


def test_wnd_4_a_dispute_and_what_it_came_to_stand_on_the_pages_of_those_concerned(db: Database) -> None:
    court = running(db, 100_000, 150_000)
    site = create_app(court.life.stage.settings, db)
    operator, founder, investor = (
        signed_in(site, each) for each in (court.life.operator, court.life.founder, court.life.investors[0])
    )
    ref = court.dispute(0)
    mine = f"/commitments/{court.life.commitments[0]}"
    assert "Next: the rail must decide by" in operator.open("/operator/reversals").text
    assert "stands apart, with your right to 1,600 tokens" in investor.open(mine).text
    court.decide(ref, "lost")
    [claim] = court.claims()
    page = operator.open("/operator/reversals").text
    assert "$200.00 owed by the company" in page and "400 tokens cancelled" in page
    assert "400 tokens that you held for it are cancelled" in investor.open(mine).text
    assert claim.public_id in founder.open(f"/founder/offerings/{court.life.offering_id}").text
    for path in ("paid", "give-up"):
        operator.open(f"/operator/reversals/claims/{claim.public_id}/{path}")
        assert operator.status == 200
    operator.open("/operator/reversals/play")
    assert operator.status == 200
    founder.open("/operator/reversals")
    assert founder.status == 403
