"""The chart of accounts: addresses, sides and owners."""

from __future__ import annotations

import pytest

from app.ledger import chart
from app.ledger.export import GROUPS, BeancountForm, HledgerForm, Symbols
from app.ledger.service import content_hash
from milestones.money import Asset


@pytest.mark.parametrize(("account", "address", "side", "is_shared"), [
    (chart.cash("sandbox", "off_1", "USD/2"), "cash:sandbox:off_1", "debit", False),
    (chart.platform_cash("sandbox", "USD/2"), "cash:sandbox:platform", "debit", True),
    (chart.rail_expense("sandbox", "off_1", "USD/2"), "expense:sandbox:off_1", "debit", False),
    (chart.loss("off_1", "USD/2"), "loss:platform:off_1", "debit", False),
    (chart.escrow("off_1", "USD/2"), "escrow:off_1", "credit", False),
    (chart.unapplied("sandbox", "off_1", "USD/2"), "unapplied:sandbox:off_1", "credit", False),
    (chart.refunds("off_1", "USD/2"), "refunds:off_1", "credit", False),
    (chart.unclaimed("off_1", "USD/2"), "unclaimed:off_1", "credit", False),
    (chart.payable("iss_1", "off_1", "USD/2"), "payable:iss_1:off_1", "credit", False),
    (chart.paying("iss_1", "off_1", "USD/2"), "paying:iss_1:off_1", "credit", False),
    (chart.fees("off_1", "USD/2"), "fees:off_1", "credit", False),
    (chart.capital("USD/2"), "capital:platform", "credit", True),
    (chart.authorised("tcl_1", "T-A/0"), "authorised:tcl_1", "credit", True),
    (chart.unissued("tcl_1", "T-A/0"), "unissued:tcl_1", "debit", True),
    (chart.reserved("off_1", "T-A/0"), "reserved:off_1", "debit", False),
    (chart.outstanding("tcl_1", "T-A/0"), "outstanding:tcl_1", "debit", True),
])
def test_every_account_has_its_address_side_and_owner(
    account: chart.Account, address: str, side: str, is_shared: bool
) -> None:
    assert (account.address, account.side, account.is_shared) == (address, side, is_shared)
    assert account.owner == address.rsplit(":", 1)[-1]


def test_a_seal_depends_on_kind_accounts_assets_and_amounts_and_not_on_their_order() -> None:
    escrow, refunds = chart.escrow("off_1", "USD/2"), chart.refunds("off_1", "USD/2")
    sealed = content_hash("cancelled", {escrow: 100, refunds: -100})
    assert sealed == content_hash("cancelled", {refunds: -100, escrow: 100})
    others = [
        content_hash("returned", {escrow: 100, refunds: -100}),
        content_hash("cancelled", {escrow: 101, refunds: -101}),
        content_hash("cancelled", {chart.escrow("off_2", "USD/2"): 100, refunds: -100}),
        content_hash("cancelled", {chart.escrow("off_1", "EUR/2"): 100, refunds: -100}),
    ]
    assert sealed not in others and len(set(others)) == 4


def test_assets_that_share_a_code_are_told_apart_by_their_decimals() -> None:
    symbols = Symbols([Asset.parse("USD/2"), Asset.parse("DAI/2"), Asset.parse("DAI/8")])
    assert symbols.items() == [("DAI/2", "DAI-2"), ("DAI/8", "DAI-8"), ("USD/2", "USD")]


def test_the_forms_spell_accounts_and_amounts_as_their_programs_take_them() -> None:
    symbols = Symbols([Asset.parse("USD/2"), Asset.parse("HALDEN-A/0")])
    assert HledgerForm(symbols)._amount("HALDEN-A/0", -12) == '-12 "HALDEN-A"'
    assert BeancountForm(symbols)._amount("USD/2", 5) == "0.05 USD"
    assert BeancountForm(symbols)._account("payable:iss_0a1f:off_9b") == "Liabilities:Payable:Iss-0a1f:Off-9b"
    assert BeancountForm(symbols)._account("cash:sandbox:platform") == "Assets:Cash:Sandbox:Platform"


def test_every_kind_of_account_has_its_place_in_an_export() -> None:
    debits = {kind for kind, side in chart.SIDES.items() if side == chart.DEBIT}
    assert debits <= set(GROUPS)
    assert set(GROUPS) - debits == {"fees", "capital", "authorised"}
