"""The five steps of committing, and everything that can come between (COM-1, 2, 3, 7, 8, 13)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest

from app.accounts import service as accounts
from app.errors import Conflict
from app.investors import rules
from app.offerings import versions
from app.offerings.models import Issuer
from tests.factories import altered
from tests.functional.commitments.conftest import Market
from tests.unchanged import snapshot


def test_com_1_five_steps_make_one_commitment_and_a_confirmation(market: Market) -> None:
    ines, actor = market.investor()
    before = snapshot(market.db)
    page = ines.open(market.url)
    assert page.title == "Ines Ott, you could lose all the money you invest"
    assert {"Leave", "Continue"} <= {text for _href, text in page.links}
    page = ines.open(f"{market.url}/category")
    assert "You state that you are Accredited investor" in page.text
    page = ines.send()
    assert page.title == "Confirm that you understand"
    page = ines.send(understood=["0", "1", "2", "3"])
    assert page.title == "How much do you want to invest?"
    page = ines.send(amount="1234.56")
    assert page.title == "Check your answers"
    for words in ("$1,234.50", "2,469 tokens of Class A", "$0.50", "Cancel free until", "Ines Ott"):
        assert words in page.text
    assert snapshot(market.db) == before  # nothing is stored before the order is given
    ines.send()
    commitment_id = ines.path.split("/")[2]
    assert ines.path == f"/commitments/{commitment_id}/confirmed"
    assert f"You committed $1,234.50 to {market.offering.name}" in ines.page.text
    assert commitment_id in ines.page.text
    assert "You can cancel free of charge until" in ines.page.text
    found = market.commitment(commitment_id)
    assert (found.amount_minor, found.tokens, found.status) == (123_450, 2_469, "awaiting_payment")
    assert found.wording_hash == rules.RISK_WORDING_HASH
    assert found.party_id in actor.parties("investor")
    assert market.offering.committed_minor == 123_450


def test_com_3_the_amount_page_says_what_is_charged_before_anything_is_confirmed(market: Market) -> None:
    ines, _actor = market.investor()
    page = ines.open(f"{market.url}/quote?amount=1234.56")
    assert "2,469 tokens of Class A" in page.text
    assert "You pay $1,234.50" in page.text
    assert "Not charged $0.06" in page.text
    assert "Milestake’s fee $61.72" in page.text  # floor(123450 × 5 %) cents
    assert "Room left in this offering $10,000.00" in page.text
    # 4,000,000 tokens elsewhere and 20,000 at the maximum; 4,000 at the minimum.
    assert "0.0614 %" in page.text
    assert "0.0616 %" in page.text
    assert market.count() == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("1e9", "Write the amount out in full, such as 1250.50, not with an “e”."),
        ("-5", "The amount cannot be below 0. Type it with no sign, such as 1250.50."),
        ("0.005", "The amount can have at most 2 decimals. Type it like 1250.50."),
        ("１００", "Type the amount with the digits 0 to 9, such as 1250.50."),
        ("", "Enter an amount."),
        ("499.99", "Enter $500.00 or more: that is the smallest commitment here."),
        ("10000.50", "Enter $10,000.00 or less: that is the room left under the maximum. Or join the waiting list for "
                     "more."),
        ("99999999999999999999", "The amount is larger than can be handled here. Type a smaller one."),
    ],
)
def test_off_5_amounts_that_do_not_fit_are_refused_with_words_and_kept(
    market: Market, typed: str, words: str
) -> None:
    ines, _actor = market.investor()
    market.to_amount(ines)
    before = snapshot(market.db)
    page = ines.send(amount=typed)
    assert ines.status == 422
    assert page.errors == [words]
    assert page.form_to().value("amount") == typed
    assert "<title>Error:" in page.source
    assert snapshot(market.db) == before


@pytest.mark.databases("sqlite")
def test_every_statement_must_be_confirmed(market: Market) -> None:
    ines, _actor = market.investor()
    ines.open(f"{market.url}/category")
    ines.send()
    page = ines.send(understood=["0", "1", "3"])
    assert ines.status == 422
    assert page.errors == ["Tick every statement to go on. If one is not true for you, leave."]
    # The last step cannot be reached with answers that lack them.
    for later in ("/amount", "/check"):
        ines.open(ines.path.replace("/understand", later))
        assert ines.path == f"{market.url}/category"
        assert "Nothing was charged; start again." in ines.page.text
        ines.send()


def test_com_8_the_same_form_twice_makes_one_commitment_and_shows_the_same_confirmation(market: Market) -> None:
    ines, _actor = market.investor()
    page = market.to_check(ines)
    form = page.form_to()
    ines.post(f"{market.url}/check", form.values)
    first = ines.path
    ines.post(f"{market.url}/check", form.values)
    assert ines.path == first
    assert market.count() == 1
    assert market.offering.committed_minor == 123_450


def test_com_7_last_place_goes_to_one_and_the_other_is_told(market_of: Callable[..., Market]) -> None:
    market = market_of(fields={"maximum_minor": 500_000, "minimum_minor": 100_000, "target_minor": 400_000})
    first, _a = market.investor("Ann Abel")
    second, _b = market.investor("Ben Beck")
    market.to_check(first, "5000")
    market.to_check(second, "5000")
    first.send()
    assert first.path.endswith("/confirmed")
    before = snapshot(market.db)
    page = second.send()
    assert second.status == 409
    assert page.title == "This offering is full"
    assert "Nothing was charged." in page.text
    assert "Room left $0.00" in page.text
    after = snapshot(market.db)
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"rate_limit"}, changed
    assert market.count() == 1
    assert second.open(market.url).title == "This offering is full"


def test_off_5_less_room_than_asked_is_shown_and_never_cut(market: Market) -> None:
    first, _a = market.investor("Ann Abel")
    second, _b = market.investor("Ben Beck")
    market.to_check(second, "3000")
    market.commit(first, "8000")
    page = second.send()
    assert second.status == 422
    assert page.errors == [
        "Enter $2,000.00 or less: that is the room left under the maximum. Or join the waiting list for more."
    ]
    assert page.title == "How much do you want to invest?"
    assert market.count() == 1
    market.commit(second, "2000")
    assert market.offering.committed_minor == 1_000_000


def publish_another_version(market: Market) -> None:
    """Let the founder publish a second version before anybody has committed (OFF-2)."""
    life = market.life
    with market.db.read() as session:
        now = versions.current(session, market.offering)
        assert now is not None
        contract = json.loads(json.dumps(now.document["contract"]))
    contract["milestones"][0]["title"] = "A changed milestone"
    altered.decide(life, altered.propose(
        life, contract=contract, price_micro=400_000, deadline_at=life.stage.now + dt.timedelta(days=40)))


def test_com_2_stale_terms_are_refused_with_what_changed(market: Market) -> None:
    ines, _actor = market.investor()
    market.to_check(ines)
    publish_another_version(market)
    page = ines.send()
    assert ines.status == 409
    assert page.title == "The terms changed while you were answering"
    assert "Milestone 1" in page.text
    assert "A changed milestone" in page.text
    assert "Price of a token" in page.text
    assert "$0.40" in page.text
    assert market.count() == 0
    assert market.offering.committed_minor == 0
    ines.open(next(href for href, text in page.links if text == "Go on with the new terms"))
    assert ines.page.form_to().value("amount") == "1234.56"
    ines.send()
    ines.send()
    assert ines.path.endswith("/confirmed")
    assert market.count() == 1


def test_com_13_one_unpaid_commitment_in_an_offering(market: Market) -> None:
    ines, actor = market.investor()
    market.to_check(ines)
    form = ines.page.form_to()
    commitment_id = market.life.stage.commit(actor, market.life.offering_id, 100_000)
    ines.post(f"{market.url}/check", form.values)
    assert ines.status == 409
    assert ines.page.title == "One commitment is not paid yet"
    assert commitment_id in ines.page.text
    assert ines.open(market.url).title == "One commitment is not paid yet"
    with pytest.raises(Conflict) as caught:
        market.life.stage.commit(actor, market.life.offering_id, 50_000)
    assert caught.value.code == "unpaid_commitment"
    assert caught.value.facts == {"commitment": commitment_id}
    assert (market.count(), market.offering.committed_minor) == (1, 100_000)
    # While its payment is under way it may still fail, and then it needs the place of the one unpaid.
    market.life.stage.pay(actor, commitment_id, "fails_late")
    assert ines.open(market.url).title == "One commitment is not paid yet"
    market.life.stage.advance(days=4)
    assert market.commitment(commitment_id).status == "payment_failed"
    market.life.stage.pay(actor, commitment_id)
    market.commit(ines, "500")
    assert market.offering.committed_minor == 150_000


@pytest.mark.databases("sqlite")
def test_answers_of_somebody_else_or_altered_start_again(market: Market) -> None:
    ines, _actor = market.investor()
    market.to_check(ines)
    path = ines.path
    other, _b = market.investor("Otto Other")
    other.open(path)
    assert other.path == f"{market.url}/category"
    ines.open(path[:-3] + "xyz")
    assert ines.path == f"{market.url}/category"
    form = market.to_check(ines).form_to()
    values = [(name, "forged" if name == "answers" else value) for name, value in form.values]
    ines.post(f"{market.url}/check", values)
    assert ines.path == f"{market.url}/category"
    assert market.count() == 0


@pytest.mark.databases("sqlite")
def test_the_check_page_says_what_each_failure_would_cost(market: Market) -> None:
    ines, _actor = market.investor()
    page = market.to_check(ines, "1000")
    # Closing 15 %, then 30, 30 and 25 %: what was released before the failure is spent, the rest comes back.
    assert "1. Milestone 1 $150.00 300 $850.00" in page.text
    assert "2. Milestone 2 $450.00 900 $550.00" in page.text
    assert "3. Milestone 3 $750.00 1,500 $250.00" in page.text


@pytest.mark.databases("sqlite")
def test_a_closed_offering_says_so(market: Market) -> None:
    ines, _actor = market.investor()
    market.to_check(ines)
    form = ines.page.form_to()
    market.life.stage.close(market.life.offering_id)
    ines.post(f"{market.url}/check", form.values)
    assert ines.status == 409
    assert "takes no new commitments" in ines.page.title
    assert "takes no new commitments" in ines.open(market.url).title
    assert market.count() == 0


@pytest.mark.databases("sqlite")
def test_a_draft_is_no_page_of_an_investor(market_of: Callable[..., Market]) -> None:
    market = market_of("drafted")
    ines, _actor = market.investor()
    ines.open(market.url)
    assert ines.status == 404


@pytest.mark.databases("sqlite")
def test_com_11_the_issuers_team_cannot_commit_to_its_offering(market: Market) -> None:
    fay, person = market.investor("Fay Fellow")
    form = market.to_check(fay).form_to()
    with market.db.read() as session:
        company = session.get_one(Issuer, market.offering.issuer_id).party_id
    market.db.unit_of_work(
        lambda session: accounts.add_member(
            session, user_id=person.user_id, party_id=company, role="founder", now=market.life.stage.now
        )
    )
    fay.open(market.url)
    assert fay.status == 403
    assert "You belong to this company's team" in fay.page.text
    fay.post(f"{market.url}/check", form.values)
    assert fay.status == 403
    assert market.count() == 0
    assert market.offering.committed_minor == 0


def test_pages_of_committing_are_for_investors(market: Market) -> None:
    auditor, _actor = market.investor("Aude Audit", role="auditor")
    auditor.open(market.url)
    assert auditor.status == 403


def test_gets_write_nothing(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.life.stage.invest(actor, market.life.offering_id, 100_000)
    before = snapshot(market.db)
    for path in (
        market.url, f"{market.url}/category", f"{market.url}/quote?amount=1", "/portfolio", "/portfolio/statement.csv",
        *(f"/commitments/{commitment_id}{rest}" for rest in
          ("", "/confirmed", "/pay", "/payment", "/cancel", "/statement.csv")),
    ):
        ines.open(path)
        assert ines.status == 200, path
    assert snapshot(market.db) == before
