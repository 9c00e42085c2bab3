"""The statement of a plan that was wound down is to the cent what its preview said (WND-2, REL-6)."""

from __future__ import annotations

import csv
import io

from app import create_app
from app.db import Database
from app.offerings import service as offerings
from app.progress import queries, settlement_queries
from tests.factories import life as lives
from tests.functional.figures import resign
from tests.functional.signed_in import signed_in

#: Amounts that divide badly, so that every rounding shows.
UNEVEN = (100_050, 99_950, 50_050, 133_350, 77_750)


def test_wnd_2_the_preview_and_the_statement_of_each_are_equal_to_the_cent(db: Database) -> None:
    life = lives.active(db, amounts=UNEVEN)
    lives.released(life, 1)
    site = create_app(life.stage.settings, db)
    investor, founder = signed_in(site, life.investors[0]), signed_in(site, life.founder)
    with db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        before = queries.if_stopped_each(session, offering)
        assert settlement_queries.settlements(session, offering) == {}
    page = founder.open(f"/founder/offerings/{life.offering_id}/resign").text
    for each, name in zip(before.values(), life.commitments, strict=True):
        assert name in page
        assert f"${each.back_minor // 100:,}.{each.back_minor % 100:02d}" in page
    home = f"/commitments/{life.commitments[0]}/settlement"
    investor.open(home)
    assert investor.status == 404

    resign(life)
    life.stage.work()
    with db.read() as session:
        offering = offerings.offering_by_id(session, life.offering_id)
        found = settlement_queries.settlements(session, offering)
    assert [each.paid_in_minor for each in found.values()] == list(UNEVEN)
    for key, each in found.items():
        assert (each.returned_minor, each.tokens, each.released_minor) == (
            before[key].back_minor, before[key].tokens, before[key].spent_minor)
        assert each.paid_in_minor == each.released_minor + each.returned_minor
        assert (each.in_escrow_minor, each.apart_minor, each.unclaimed_minor) == (0, 0, 0)
        assert each.arrived_minor + each.under_way_minor == each.returned_minor
        # 0.50 a token: what is released beyond whole tokens is named.
        assert each.remainder_minor == each.released_minor - each.tokens * 50 < 50
    first = next(iter(found.values()))
    text = investor.open(home).text
    for amount in (first.paid_in_minor, first.released_minor, first.returned_minor):
        assert f"${amount // 100:,}.{amount % 100:02d}" in text
    assert "is less than one token and issued none" in text
    header, row = list(csv.reader(io.StringIO(investor.client.get(f"{home}.csv").text)))
    assert tuple(header) == settlement_queries.COLUMNS
    assert row[:5] == [first.commitment, "1000.50", f"{first.released_minor // 100}.{first.released_minor % 100:02d}",
                       str(first.tokens), f"{first.returned_minor // 100}.{first.returned_minor % 100:02d}"]
    operator = signed_in(site, life.operator)
    every = operator.client.get(f"/operator/offerings/{life.offering_id}/settlement.csv").text
    rows = list(csv.DictReader(io.StringIO(every)))
    assert [each["paid_in"] for each in rows] == ["1000.50", "999.50", "500.50", "1333.50", "777.50"]
    # Somebody else's statement is nobody's to read.
    assert signed_in(site, life.investors[1]).client.get(home).status_code == 404
    assert investor.client.get(f"/operator/offerings/{life.offering_id}/settlement.csv").status_code == 403
