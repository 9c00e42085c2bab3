"""The pages of paying by bank, of links, refunds and the founder's signature (COM-4, 5, 11, 12)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.commitments.models import CommitmentLink
from app.payments.models import Receipt
from tests.functional.commitments.conftest import Market
from tests.functional.signed_in import signed_in


@pytest.mark.databases("sqlite")
def test_com_5_a_transfer_in_parts_is_followed_through_its_pages(market: Market) -> None:
    person = market.life.investors[0]
    ines = signed_in(market.site, person)
    commitment_id = market.life.stage.commit(person, market.life.offering_id, 120_000)
    ines.open(f"/commitments/{commitment_id}/pay")
    page = ines.send(method="transfer")
    assert page.title == "Send $1,200.00 by bank transfer"
    assert "Reference to name" in page.text and "MS-" in page.text
    page = ines.send(amount="700", holder=person.name, account="GB29 NWBK")
    assert page.title == "$500.00 is missing"
    assert "scaled down to the whole tokens" in page.text
    page = ines.open(f"/commitments/{commitment_id}")
    assert "$500.00 of your $1,200.00 has not arrived yet." in page.text
    page = ines.open(f"/commitments/{commitment_id}/pay/transfer")
    assert page.title == "Send $500.00 by bank transfer"
    page = ines.send(amount="512.34", holder=person.name, account="GB29 NWBK")
    assert page.title == "$1,200.00 is in escrow"
    market.life.stage.work()
    page = ines.open(f"/commitments/{commitment_id}")
    assert "$12.34 · You paid more than your commitment" in page.text
    assert "From escrow to where it came from: Bank transfer of" in page.text
    assert "Owed back in all" in page.text


@pytest.mark.databases("sqlite")
def test_com_12_a_doubtful_name_is_decided_by_an_operator_on_their_page(market: Market) -> None:
    person = market.life.investors[0]
    ines, olga = signed_in(market.site, person), signed_in(market.site, market.life.operator)
    commitment_id = market.life.stage.commit(person, market.life.offering_id, 60_000)
    ines.open(f"/commitments/{commitment_id}/pay")
    ines.send(method="transfer")
    page = ines.send(amount="600", holder=f"{person.name} and Bela", account="GB29 NWBK")
    assert page.title == "We are checking whose account your payment came from"
    with market.db.read() as session:
        receipt_id = session.scalars(sa.select(Receipt.public_id)).one()
    assert "$600.00" in olga.open("/operator/payers").text
    page = olga.open(f"/operator/payers/receipts/{receipt_id}")
    assert f"{person.name} and Bela" in page.text
    olga.send(decision="theirs", reason="A joint account; both names are on it.")
    assert olga.path == "/operator/payers"
    assert market.commitment(commitment_id).status == "held"
    assert ines.open(f"/operator/payers/receipts/{receipt_id}").title
    assert ines.status == 403


@pytest.mark.databases("sqlite")
def test_com_11_the_mark_its_reason_and_contesting_are_on_the_page(market: Market) -> None:
    person = market.life.investors[0]
    ines, olga = signed_in(market.site, person), signed_in(market.site, market.life.operator)
    commitment_id = market.life.stage.commit(person, market.life.offering_id, 60_000)
    ines.open(f"/commitments/{commitment_id}/pay")
    ines.send(method="transfer")
    ines.send(amount="600", holder=person.name, account="sbx_acct_ok")
    page = ines.open(f"/commitments/{commitment_id}")
    assert "Linked to the company or its people: the same bank account was used to pay." in page.text
    with market.db.read() as session:
        link_id = session.scalars(sa.select(CommitmentLink.public_id)).one()
    other = signed_in(market.site, market.life.investors[1])
    other.open(f"/commitments/{commitment_id}/links/{link_id}")
    assert other.status == 404
    ines.open(f"/commitments/{commitment_id}/links/{link_id}")
    page = ines.send(words="")
    assert page.errors == ["Say why you act on your own; an operator reads it."]
    page = ines.send(words="The account was mine before it was theirs.")
    assert page.title == "Link contested"
    olga.open(f"/operator/payers/links/{link_id}")
    olga.send(decision="lift", reason="The bank confirms it.")
    assert not market.commitment(commitment_id).is_linked
    assert "An operator has lifted it." in ines.open(f"/commitments/{commitment_id}").text


@pytest.mark.databases("sqlite")
def test_com_10_com_11_the_founder_signs_and_sees_what_waits(market: Market) -> None:
    stage, life = market.life.stage, market.life
    stage.founders_sign = False
    commitment_id = stage.invest(life.investors[0], life.offering_id, 150_000, "ach")
    stage.invest(life.investors[1], life.offering_id, 150_000)
    stage.close(life.offering_id)
    fay = signed_in(market.site, life.founder)
    assert "Sign who funded the commitments" in fay.open(f"/founder/offerings/{life.offering_id}").text
    fay.open(f"/founder/offerings/{life.offering_id}/funding")
    page = fay.send()
    assert page.errors == ["Tick the box to sign, or leave the page if it is not true."]
    page = fay.send(agreed="y")
    assert page.title == "Signed"
    stage.work()
    page = fay.open(f"/founder/offerings/{life.offering_id}")
    assert "$225.00 of this tranche is released, $225.00 waits until" in page.text
    page = signed_in(market.site, life.investors[0]).open(f"/commitments/{commitment_id}")
    assert "Waits until your payment can no longer be taken back" in page.text


@pytest.mark.databases("sqlite")
def test_com_10_an_operator_funds_the_reserve_and_takes_out_only_what_covers_nothing(market: Market) -> None:
    olga = signed_in(market.site, market.life.operator)
    assert "Covers nothing yet" in olga.open("/operator/reserve").text
    olga.send(direction="in", asset="USD/2", amount="100")
    assert olga.path.startswith("/ledger/journals/")
    assert "cash:sandbox:reserve" in olga.page.text
    olga.open("/operator/reserve")
    page = olga.send(direction="out", asset="USD/2", amount="100.01")
    assert page.errors == ["Take out $100.00 or less: the rest covers money that was released."]
    olga.open("/operator/reserve")
    olga.send(direction="out", asset="USD/2", amount="100")
    assert olga.path.startswith("/ledger/journals/")
