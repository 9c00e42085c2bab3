"""What everybody reads: home, the list, an offering in each state, its contract and the simulator."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
import yaml

from app.db import Database
from app.progress import interventions
from milestones.document import contract_hash, parse_document
from tests.factories import life as lives
from tests.functional.offerings.conftest import Raise
from tests.functional.visitor import Visitor

RaiseOf = Callable[..., Raise]


def cells(source: str, caption: str) -> list[list[str]]:
    """Return the body rows of the table with this caption, as text."""
    table = re.search(rf"<table[^>]*><caption[^>]*>{re.escape(caption)}</caption>(.*?)</table>", source, re.S)
    assert table is not None, f"no table “{caption}”"
    body = re.search(r"<tbody>(.*?)</tbody>", table[1], re.S)[1]
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).split())
         for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.S)
    ]


def test_home_explains_and_an_empty_site_says_so(visitor: Visitor) -> None:
    page = visitor.open("/")
    assert visitor.status == 200
    assert "How it works in four steps" in page.text
    assert "Nothing is open now" in page.text
    assert "No offering has finished yet" in page.text
    for path in ("/how-it-works", "/risk", "/offerings", "/offerings?state=finished", "/offerings?q=nothing"):
        visitor.open(path)
        assert visitor.status == 200, path


def test_off_9_home_shows_bad_outcomes_with_the_figures_of_the_ledger(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=1)
    raised.life.stage.invest(raised.life.investors[0], raised.life.offering_id, 150_000)
    raised.life.stage.close(raised.life.offering_id)
    raised.life.stage.advance(days=1)
    assert raised.offering.state == "failed"
    page = raised.visitor().open("/")
    rows = cells(page.source, "What became of every finished offering")
    assert [row[:5] for row in rows] == [["Halden Tidal", "Failed", "$1,500", "$0", "$1,500"]]
    shown = raised.visitor().open(raised.page)
    assert "Failed: the minimum was not reached" in shown.text
    assert "$1,500.00 cleared; the minimum was $2,000.00." in shown.text


def test_the_list_filters_searches_and_pages_by_key(db: Database, raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0, fields={"name": "Axiom 100% Braille"})
    for number in range(13):
        lives.live(db, investors=0, stage=raised.life.stage, fields={"name": f"Offering {number:02d}"})
    visitor = raised.visitor()
    first = visitor.open("/offerings?state=open")
    names = {text for href, text in first.links if href.startswith("/offerings/")}
    assert len(names) == 12
    older = next(href for href, text in first.links if "after=" in href)
    second = {text for href, text in visitor.open(older).links if href.startswith("/offerings/")}
    assert len(second) == 2
    assert not names & second
    found = visitor.open("/offerings?state=all&q=100%25+braille")
    assert [text for href, text in found.links if href.startswith("/offerings/")] == ["Axiom 100% Braille"]
    assert "There are none yet" in visitor.open("/offerings?state=finished").text
    assert "Nothing matches “kelp”" in visitor.open("/offerings?q=kelp").text


def test_the_list_asks_as_many_questions_for_many_as_for_one(db: Database, raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0)
    visitor = raised.visitor()

    def questions() -> int:
        count = 0

        def counted(*_args: object) -> None:
            nonlocal count
            count += 1

        sa.event.listen(db.engine, "before_cursor_execute", counted)
        try:
            visitor.open("/offerings")
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", counted)
        return count

    one = questions()
    for _number in range(4):
        lives.live(db, investors=0, stage=raised.life.stage)
    assert questions() == one


def test_off_12_the_page_of_an_open_offering_counts_cleared_money_only(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=2)
    first, second = raised.life.investors
    raised.life.stage.invest(first, raised.life.offering_id, 150_000)
    raised.life.stage.commit(second, raised.life.offering_id, 100_000)
    page = raised.visitor().open(raised.page)
    assert "$1,500.00 cleared of a target of $5,000, from 1 investor" in page.text
    assert "Open, minimum reached" not in page.text
    assert "Committed, not cleared yet $1,000.00" in page.text
    assert "Next: it takes commitments until" in page.text
    assert "Cancel free of charge until" in page.text
    assert "Back to investors $1,500.00" in page.text
    raised.life.stage.invest(first, raised.life.offering_id, 50_000)
    assert "Open, minimum reached" in raised.visitor().open(raised.page).text


def test_off_3_the_cap_table_now_at_minimum_at_maximum_and_after_each_tranche(raise_of: RaiseOf) -> None:
    page = raise_of("live", investors=0)
    rows = cells(page.visitor().open(page.page).source, "Cap table, fully diluted")
    assert rows == [
        ["Now", "4,000,000", "0", "4,000,000", "0 %"],
        ["At the minimum, all released", "4,000,000", "4,000", "4,004,000", "0.09 %"],
        ["At the maximum, all released", "4,000,000", "20,000", "4,020,000", "0.49 %"],
        ["After “Closing”", "4,000,000", "3,000", "4,003,000", "0.07 %"],
        ["After “Milestone 1”", "4,000,000", "9,000", "4,009,000", "0.22 %"],
        ["After “Milestone 2”", "4,000,000", "15,000", "4,015,000", "0.37 %"],
        ["After “Milestone 3”", "4,000,000", "20,000", "4,020,000", "0.49 %"],
    ]


def test_tim_1_the_last_day_on_the_page_is_the_contracts(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0)
    first = raised.life.stage.milestone(raised.life.offering_id, 1)
    assert first.long_stop_at is not None
    day = first.long_stop_at - dt.timedelta(days=1)
    assert f"at the latest {day.day} {day:%b} {day.year}" in raised.visitor().open(raised.page).text


def test_mil_1_the_contract_shows_both_tables_in_money(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0, fields={"minimum_minor": 200_005})
    rows = cells(raised.visitor().open(f"{raised.page}/contract").source, "Tranches in money")
    assert [row[1:] for row in rows] == [
        ["15 %", "$300.00", "$1,500.00"],
        ["30 %", "$600.02", "$3,000.00"],
        ["30 %", "$600.01", "$3,000.00"],
        ["25 %", "$500.02", "$2,500.00"],
    ]


def test_mil_3_the_downloads_are_what_the_hash_is_of(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0)
    visitor = raised.visitor()
    page = visitor.open(f"{raised.page}/contract")
    shown = re.search(r"<code>([0-9a-f]{64})</code>", page.source)[1]
    visitor.open(f"{raised.page}/contract.json")
    assert hashlib.sha256(visitor.answer.data).hexdigest() == shown
    assert visitor.answer.mimetype == "application/json"
    visitor.open(f"{raised.page}/contract.yaml")
    assert contract_hash(parse_document(yaml.safe_load(visitor.answer.data))) == shown


def test_mil_5_the_simulator_says_what_becomes_of_ones_own_money(raise_of: RaiseOf) -> None:
    raised = raise_of("live", investors=0)
    page = raised.visitor().open(f"{raised.page}/contract?raised=6000&own=1000.01&m2=failed")
    assert "It is wound down" in page.text
    assert "Of your $1,000.01: $450.00 is released, for 900 tokens; $550.01 goes back to you." in page.text
    rows = cells(page.source, "Money and tokens, step by step")
    assert [row[2:] for row in rows] == [
        ["Released", "$855.00", "$45.00", "$0.00", "$150.00", "$0.00", "300"],
        ["Released", "$1,710.00", "$90.00", "$0.00", "$300.00", "$0.00", "600"],
        ["Refunded", "$0.00", "$0.00", "$3,300.00", "$0.00", "$550.01", "0"],
    ]
    assert cells(page.source, "Cash by month")[-1][2] == "$2,565.00"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("raised=1e9&own=1", "Write the amount out in full"),
        ("raised=6000&own=-5", "The amount cannot be below 0"),
        ("raised=10000.01&own=5", "at most the maximum, $10,000.00"),
        ("raised=100&own=500", "Enter at most what the offering raises"),
        ("raised=6000&own=500&m1=late&m1_days=x", "Enter the days late as a whole number"),
    ],
)
@pytest.mark.databases("sqlite")
def test_the_simulator_says_what_to_type(raise_of: RaiseOf, asked: str, words: str) -> None:
    raised = raise_of("live", investors=0)
    visitor = raised.visitor()
    page = visitor.open(f"{raised.page}/contract?{asked}")
    assert visitor.status == 422
    assert [words in error for error in page.errors] == [True]


def test_before_launch_only_its_own_people_read_an_offering(raise_of: RaiseOf) -> None:
    raised = raise_of("drafted")
    stranger, other, own = raised.visitor(), raised.founder(own=False), raised.founder()
    for path in (raised.page, *(f"{raised.page}/contract{end}" for end in ("", ".json", ".yaml"))):
        for visitor, status in ((stranger, 404), (other, 404), (own, 200)):
            visitor.open(path)
            assert visitor.status == status, (path, visitor.path)
    assert raised.life.offering_id not in stranger.open("/offerings?state=all").source
    assert "Not published" in own.open(raised.page).text


def test_mil_7_findings_are_read_after_the_verdict_only(raise_of: RaiseOf) -> None:
    raised = raise_of("active", auditors=2, contract={"approvals": 1})
    stage, life = raised.life.stage, raised.life
    submission = stage.submit_evidence(life.founder, stage.milestone(life.offering_id, 1).public_id)
    stage.attest(life.auditors[0], submission, "met", note="The bank statement shows 51,200.")
    page = raised.visitor().open(raised.page)
    assert "1 of 2 auditors have signed; findings are shown after the verdict." in page.text
    assert "51,200" not in page.text
    stage.attest(life.auditors[1], submission, "met")
    page = raised.visitor().open(raised.page)
    assert "the verdict is met." in page.text
    assert "The bank statement shows 51,200." in page.text


def test_mil_5_if_it_stopped_today_is_what_a_wind_down_posts(raise_of: RaiseOf) -> None:
    raised = raise_of("active")
    lives.released(raised.life, 1)
    page = raised.visitor().open(raised.page)
    back = re.search(r"Back to investors</dt><dd>([^<]+)</dd>", page.source)[1]
    spent = re.search(r"Spent by the company</dt><dd>([^<]+)</dd>", page.source)[1]
    raised.db.unit_of_work(
        lambda session: interventions.wind_down(
            session, actor=raised.life.founder, offering_id=raised.life.offering_id, trigger="founder_resigned",
            reason="The supplier is insolvent.", now=raised.life.stage.now,
        )
    )
    after = raised.visitor().open(raised.page)
    rows = cells(after.source, "What left escrow")
    assert [row[3] for row in rows if row[1] == "Refunded"] == [back]
    assert spent == "$1,724.85"
    assert "Why: “The supplier is insolvent.”" in after.text
