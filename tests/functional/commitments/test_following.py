"""Following one's money: a commitment's page, cancelling, the portfolio and its files (COM-6, MIL-5, TIM-5)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from app.commitments import queries
from app.commitments.models import Refund
from app.commitments.totals import Totals, totals_of
from tests.factories import life as lives
from tests.functional.commitments.conftest import Market
from tests.unchanged import snapshot


def rows_of(visitor, path: str) -> list[dict[str, str]]:
    visitor.open(path)
    assert visitor.answer.mimetype == "text/csv"
    return list(csv.DictReader(io.StringIO(visitor.answer.get_data(as_text=True))))


# -- cancelling -------------------------------------------------------------------------------------


def test_com_6_cancelling_a_held_commitment_gives_everything_back(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.life.stage.invest(actor, market.life.offering_id, 100_000)
    page = ines.open(f"/commitments/{commitment_id}/cancel")
    assert page.title == f"Cancel your commitment to {market.offering.name}?"
    assert "Goes back to you $1,000.00" in page.text
    form = page.form_to()
    ines.send()
    assert ines.path == f"/commitments/{commitment_id}/cancelled"
    assert "$1,000.00 goes back to where it came from" in ines.page.text
    assert market.offering.committed_minor == 0
    ines.post(f"/commitments/{commitment_id}/cancel", form.values)  # a second click changes nothing
    assert ines.path == f"/commitments/{commitment_id}/cancelled"
    assert market.count(Refund) == 1
    page = ines.open(f"/commitments/{commitment_id}")
    assert "Refunding" in page.text
    assert "Next: Milestake must send the refund by" in page.text
    market.life.stage.work()
    page = ines.open(f"/commitments/{commitment_id}")
    assert "Refunded" in page.text
    assert "From escrow to where it came from: Instant transfer of" in page.text
    assert "The provider has paid it out" in page.text
    rows = rows_of(ines, f"/commitments/{commitment_id}/statement.csv")
    assert [(row["kind"], row["amount"], row["in_escrow_after"]) for row in rows] == [
        ("paid", "1000.00", "1000.00"), ("cancelled", "-1000.00", "0.00"),
    ]


def test_com_6_after_the_last_moment_it_cannot_be_cancelled_and_says_so(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.life.stage.invest(actor, market.life.offering_id, 100_000)
    form = ines.open(f"/commitments/{commitment_id}/cancel").form_to()
    assert "You can cancel free of charge until" in ines.page.text
    market.life.stage.advance_to(market.offering.cancel_until)
    before = snapshot(market.db)
    page = ines.open(f"/commitments/{commitment_id}/cancel")
    assert page.title == "This commitment cannot be cancelled"
    assert "It cannot be cancelled: the last moment was" in page.text
    assert "It cannot be cancelled: the last moment was" in ines.open(f"/commitments/{commitment_id}").text
    ines.post(f"/commitments/{commitment_id}/cancel", form.values)
    assert ines.status == 422
    assert "the last moment was" in ines.page.errors[0]
    assert snapshot(market.db) == before


# -- one commitment ---------------------------------------------------------------------------------


def test_tim_5_every_status_says_what_comes_next(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    assert "Next: you must pay by" in ines.open(f"/commitments/{commitment_id}").text
    market.life.stage.pay(actor, commitment_id)
    assert "Next: it stays in escrow until" in ines.open(f"/commitments/{commitment_id}").text
    assert "If it stopped today Back to you $1,000.00" in ines.page.text
    market.life.stage.invest(market.life.investors[0], market.life.offering_id, 200_000)
    market.life.stage.close(market.life.offering_id)
    page = ines.open(f"/commitments/{commitment_id}")
    assert "Next: the milestones must be met and release the money by" in page.text
    # 15 % were released at the close: 300 tokens for them; the rest would come back.
    assert "If it stopped today Back to you $850.00 Tokens you keep 300 Spent by the company $150.00" in page.text


def test_rel_2_a_statement_lists_every_movement_with_its_journal(market_of: Callable[..., Market]) -> None:
    market = market_of()
    ines, actor = market.investor()
    commitment_id = market.life.stage.invest(actor, market.life.offering_id, 100_050)
    market.life.stage.invest(market.life.investors[0], market.life.offering_id, 200_000)
    market.life.stage.close(market.life.offering_id)
    lives.released(market.life, 1)
    rows = rows_of(ines, f"/commitments/{commitment_id}/statement.csv")
    assert [row["kind"] for row in rows] == ["paid", "released", "released"]
    assert [row["tokens_held_after"] for row in rows] == ["0", "300", "900"]
    assert rows[2]["milestone"] == "1. Milestone 1"
    page = ines.open(f"/commitments/{commitment_id}")
    for row in rows:
        assert any(href == f"/ledger/journals/{row['journal']}" for href, _text in page.links)
    assert "Released: 1. Milestone 1" in page.text
    assert "Refunded $0.00" in page.text


def test_off_9_a_failed_offering_shows_the_way_back(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.life.stage.invest(actor, market.life.offering_id, 100_000)
    assert market.life.stage.close(market.life.offering_id) in ("failing", "failed")
    market.life.stage.work()
    page = ines.open(f"/commitments/{commitment_id}")
    assert "The offering did not reach its minimum" in page.text
    assert "Refunded $1,000.00" in page.text
    assert "Next: nothing is waiting here." in page.text


# -- portfolio --------------------------------------------------------------------------------------


def test_an_empty_portfolio_says_what_to_do(market: Market) -> None:
    ines, _actor = market.investor()
    page = ines.open("/portfolio")
    assert "You have not committed to anything yet" in page.text
    assert rows_of(ines, "/portfolio/statement.csv") == []


def test_the_portfolio_sums_statements_exactly(market_of: Callable[..., Market]) -> None:
    market = market_of()
    stage = market.life.stage
    ines, actor = market.investor()
    stage.invest(actor, market.life.offering_id, 100_050)
    stage.invest(market.life.investors[0], market.life.offering_id, 200_000)
    stage.close(market.life.offering_id)
    second = lives.live(market.db, stage=stage, fields={"name": "Orkney Wave"})
    waiting = stage.commit(actor, second.offering_id, 60_000)
    third = lives.live(market.db, stage=stage, fields={"name": "Cold Forge"})
    stage.cancel(actor, stage.invest(actor, third.offering_id, 50_000))
    parties = actor.parties("investor")
    with market.db.read() as session:
        totals = totals_of(session, parties)
    # 100,050 at 15 % of 300,050: 45,007 are released in all, 15,007 or 15,008 of them ours.
    lines = rows_of(ines, "/portfolio/statement.csv")
    released = sum(-int(row["amount"].replace(".", "")) for row in lines if row["kind"] == "released")
    assert released in (15_007, 15_008)
    assert totals == [Totals("USD/2", 210_050, 60_000, 100_050 - released, released, 50_000, 50_000)]
    page = ines.open("/portfolio")
    assert "Committed $2,100.50" in page.text
    assert "Refunded $500.00" in page.text
    assert "Pay $600.00 for Orkney Wave" in page.text
    assert any(href == f"/commitments/{waiting}/pay" for href, _text in page.links)
    assert "Tokens you hold" in page.text
    assert "300 tokens" in page.text
    assert 'class="bar-holdings"' in page.source


def test_sums_of_two_currencies_never_meet(market_of: Callable[..., Market]) -> None:
    market = market_of()
    stage = market.life.stage
    ines, actor = market.investor()
    other = lives.live(
        market.db, stage=stage, fields={"name": "Fernlea", "currency": "EUR/2"}, contract={"currency": "EUR/2"}
    )
    stage.invest(actor, market.life.offering_id, 100_000)
    stage.invest(actor, other.offering_id, 50_000)
    page = ines.open("/portfolio")
    assert "In escrow €500.00" in page.text
    assert "In escrow $1,000.00" in page.text
    assert "1,500.00" not in page.text


@pytest.mark.databases("sqlite")
def test_the_portfolio_asks_as_many_questions_for_many_positions_as_for_one(market: Market) -> None:
    ines, actor = market.investor()
    stage = market.life.stage

    def questions() -> int:
        seen = []
        count = lambda *_args: seen.append(1)  # noqa: E731 - a listener is a value
        sa.event.listen(market.db.engine, "before_cursor_execute", count)
        try:
            ines.open("/portfolio")
        finally:
            sa.event.remove(market.db.engine, "before_cursor_execute", count)
        assert ines.status == 200
        return len(seen)

    stage.invest(actor, market.life.offering_id, 50_000)
    one = questions()
    for _number in range(4):
        stage.invest(actor, market.life.offering_id, 50_000)
    assert questions() == one


@pytest.mark.databases("sqlite")
def test_long_portfolios_are_read_page_by_page(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.commitments.views.PAGE", 2)
    ines, actor = market.investor()
    ids = [market.life.stage.invest(actor, market.life.offering_id, 50_000) for _number in range(5)]
    seen = []
    page = ines.open("/portfolio")
    for _turn in range(3):
        seen += [href.split("/")[2] for href, _text in page.links if href.startswith("/commitments/com_")]
        more = [href for href, text in page.links if text.strip() == "More"]
        if more:
            page = ines.open(more[0])
    assert seen == list(reversed(ids))


@pytest.mark.databases("sqlite")
def test_founders_words_are_no_formulas_in_files(market_of: Callable[..., Market]) -> None:
    market = market_of(fields={"name": "=HYPERLINK(1)"})
    ines, actor = market.investor()
    market.life.stage.invest(actor, market.life.offering_id, 50_000)
    assert rows_of(ines, "/portfolio/statement.csv")[0]["offering"] == "'=HYPERLINK(1)"


@pytest.mark.databases("sqlite")
def test_a_raised_figure_counts_cleared_money_and_its_investors(market: Market) -> None:
    _ines, actor = market.investor()
    _otto, other = market.investor("Otto Other")
    stage = market.life.stage
    stage.invest(actor, market.life.offering_id, 100_000)
    stage.invest(actor, market.life.offering_id, 50_000)
    stage.commit(other, market.life.offering_id, 70_000)
    with market.db.read() as session:
        found = queries.raised(session, [market.offering])
    assert found == {market.offering.id: queries.Raised(150_000, 70_000, 220_000, 1)}
