"""Paying for a commitment: every answer of a rail in words, and one charge however often it is asked for."""

from __future__ import annotations

import pytest

from app.payments.models import Operation
from tests.functional.commitments.conftest import Market
from tests.unchanged import snapshot


def test_com_8_paying_shows_the_money_in_escrow_and_twice_is_one_charge(market: Market) -> None:
    ines, _actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    page = ines.open(f"/commitments/{commitment_id}/pay")
    assert page.title == f"Pay $1,000.00 for {market.offering.name}"
    assert "Sandbox: pretend money" in page.text
    values = [*page.form_to().values, ("method", "instant")]
    ines.post(f"/commitments/{commitment_id}/pay", values)
    assert ines.path == f"/commitments/{commitment_id}/payment"
    assert ines.page.title == "$1,000.00 is in escrow"
    ines.post(f"/commitments/{commitment_id}/pay", values)
    assert ines.page.title == "$1,000.00 is in escrow"
    assert market.count(Operation) == 1
    assert market.commitment(commitment_id).status == "held"
    ines.open(f"/commitments/{commitment_id}/pay")
    assert ines.path == f"/commitments/{commitment_id}/payment"


def test_a_second_tab_is_told_that_it_is_paid(market: Market) -> None:
    ines, _actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    first = ines.open(f"/commitments/{commitment_id}/pay").form_to().values
    second = ines.open(f"/commitments/{commitment_id}/pay").form_to().values
    ines.post(f"/commitments/{commitment_id}/pay", [*first, ("method", "instant")])
    page = ines.post(f"/commitments/{commitment_id}/pay", [*second, ("method", "fee_card")])
    assert ines.status == 409
    assert page.errors == ["This commitment is paid already. Nothing was charged again."]
    assert market.count(Operation) == 1


def pay(market: Market, method: str) -> tuple[str, object]:
    ines, _actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    ines.open(f"/commitments/{commitment_id}/pay")
    ines.send(method=method)
    return commitment_id, ines


@pytest.mark.databases("sqlite")
def test_a_declined_card_says_until_when_to_try_again(market: Market) -> None:
    commitment_id, ines = pay(market, "declined")
    assert ines.page.title == "Your payment failed"
    assert "The card was declined." in ines.page.text
    assert "Try again until" in ines.page.text
    assert market.commitment(commitment_id).status == "payment_failed"
    ines.open(f"/commitments/{commitment_id}/pay")
    ines.send(method="instant")
    assert ines.page.title == "$1,000.00 is in escrow"


@pytest.mark.databases("sqlite")
def test_a_bank_debit_is_pending_until_its_day_and_then_held(market: Market) -> None:
    commitment_id, ines = pay(market, "bank_2d")
    assert ines.page.title == "Your payment of $1,000.00 is pending"
    assert "is expected to decide by" in ines.page.text
    assert "Next: the payment provider must confirm the payment by" in (
        ines.open(f"/commitments/{commitment_id}").text
    )
    market.life.stage.advance(days=2, hours=1)
    assert ines.open(f"/commitments/{commitment_id}/payment").title == "$1,000.00 is in escrow"


@pytest.mark.databases("sqlite")
def test_a_debit_that_fails_later_keeps_the_place_for_seven_days(market: Market) -> None:
    commitment_id, ines = pay(market, "fails_late")
    market.life.stage.advance(days=3, hours=1)
    page = ines.open(f"/commitments/{commitment_id}/payment")
    assert page.title == "Your payment failed"
    assert "Your place is kept." in page.text
    market.life.stage.advance(days=8)
    page = ines.open(f"/commitments/{commitment_id}/payment")
    assert "The time to pay is over and your place is free again." in page.text
    assert market.offering.committed_minor == 0


def test_a_card_that_asks_is_confirmed_on_a_page_of_its_own(market: Market) -> None:
    commitment_id, ines = pay(market, "action")
    assert ines.path == f"/commitments/{commitment_id}/pay/confirm"
    assert ines.page.title == "Confirm your payment of $1,000.00"
    assert market.commitment(commitment_id).status == "awaiting_payment"
    ines.send()
    assert ines.page.title == "$1,000.00 is in escrow"
    assert market.commitment(commitment_id).status == "held"
    ines.open(f"/commitments/{commitment_id}/pay/confirm")
    assert ines.path == f"/commitments/{commitment_id}/payment"


@pytest.mark.databases("sqlite")
def test_a_lost_answer_is_not_called_a_failure_and_is_found_again(market: Market) -> None:
    commitment_id, ines = pay(market, "times_out")
    assert ines.page.title == "We do not know yet what became of your payment"
    assert "Do not pay again" in ines.page.text
    market.life.stage.work()
    assert ines.open(f"/commitments/{commitment_id}/payment").title == "$1,000.00 is in escrow"
    assert market.count(Operation) == 1


@pytest.mark.databases("sqlite")
def test_com_4_paying_too_late_is_refused_and_charges_nothing(market: Market) -> None:
    ines, _actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    ines.open(f"/commitments/{commitment_id}/pay")
    values = [*ines.page.form_to().values, ("method", "instant")]
    market.life.stage.advance(days=2)
    page = ines.post(f"/commitments/{commitment_id}/pay", values)
    assert ines.status == 422
    assert "The time to pay for this commitment is over" in page.errors[0]
    assert market.count(Operation) == 0
    page = ines.open(f"/commitments/{commitment_id}/payment")
    assert "The time to pay is over and your place is free again." in page.text
    assert market.commitment(commitment_id).status == "expired"


@pytest.mark.databases("sqlite")
def test_com_4_money_that_comes_too_late_is_named_and_goes_back(market: Market) -> None:
    ines, actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    market.life.stage.pay(actor, commitment_id, "bank_2d")
    market.life.stage.cancel(actor, commitment_id)
    market.life.stage.advance(days=2, hours=1)
    page = ines.open(f"/commitments/{commitment_id}/payment")
    assert page.title == "Your payment came too late"
    assert "$1,000.00 goes back, or went back, to where it came from." in page.text
    assert "It arrived when the commitment took no money any more." in page.text
    assert "Your payment came too late" in ines.open(f"/commitments/{commitment_id}").text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("method", "words"), [(None, "Choose how to pay."), ("gold", "Choose one of the ways to pay that the page lists.")]
)
def test_a_way_to_pay_must_be_chosen(market: Market, method: str | None, words: str) -> None:
    ines, _actor = market.investor()
    commitment_id = market.commit(ines, "1000")
    ines.open(f"/commitments/{commitment_id}/pay")
    page = ines.send(method=method)
    assert ines.status == 422
    assert page.errors == [words]
    assert market.count(Operation) == 0


@pytest.mark.databases("sqlite")
def test_pages_of_somebody_elses_commitment_do_not_exist(market: Market) -> None:
    ines, actor = market.investor()
    other, _b = market.investor("Otto Other")
    commitment_id = market.commit(ines, "1000")
    own = ines.open(f"/commitments/{commitment_id}/pay").form_to().values
    before = snapshot(market.db)
    for path in ("", "/confirmed", "/pay", "/pay/confirm", "/payment", "/cancel", "/cancelled", "/statement.csv"):
        other.open(f"/commitments/{commitment_id}{path}")
        assert other.status == 404, path
    token = next(value for name, value in other.open("/account").form_to("sign-out").values if name == "csrf_token")
    for path in ("/pay", "/cancel", "/pay/confirm"):
        values = [(name, value) for name, value in own if name != "csrf_token"]
        other.post(f"/commitments/{commitment_id}{path}", [*values, ("csrf_token", token), ("method", "instant")])
        assert other.status == 404, path
    assert snapshot(market.db) == before
    assert actor.parties("investor")
