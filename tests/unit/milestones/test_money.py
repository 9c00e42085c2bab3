"""Amounts and prices are exact integers, and each wrong way to type one is answered in its own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.money import (
    MAX_MINOR,
    Asset,
    MoneyError,
    cost_minor,
    display_amount,
    format_amount,
    format_price,
    parse_amount,
    parse_price,
    price_ratio,
    tokens_for,
)

USD, BTC, JPY = Asset("USD", 2), Asset("BTC", 8), Asset("JPY", 0)
assets = st.sampled_from([USD, BTC, JPY, Asset("DAI", 6)])


@pytest.mark.parametrize(
    ("text", "asset", "minor"),
    [
        ("0", USD, 0),
        ("0.01", USD, 1),
        ("1234.5", USD, 123450),
        ("1,234.50", USD, 123450),
        (" 1,234,567 ", USD, 123456700),
        ("0.00000001", BTC, 1),
        ("7", JPY, 7),
        ("007", USD, 700),
        ("90000000000000000.00", USD, MAX_MINOR),
    ],
)
def test_amounts_are_read_exactly(text, asset, minor):
    assert parse_amount(text, asset) == minor


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "amount_empty"),
        ("  ", "amount_empty"),
        ("-5", "amount_negative"),
        ("−5", "amount_negative"),
        ("1e9", "amount_exponent"),
        ("1.5E+3", "amount_exponent"),
        ("１００", "amount_digits_not_ascii"),
        ("٣", "amount_digits_not_ascii"),
        ("5½", "amount_digits_not_ascii"),
        ("0.005", "amount_too_precise"),
        ("1.000", "amount_too_precise"),
        ("90000000000000000.01", "amount_too_large"),
        ("9" * 10_000, "amount_too_large"),
        *[
            (text, "amount_not_a_number")
            for text in (
                "+5",
                "1_000",
                ".5",
                "5.",
                "12,34",
                "0,500",
                "1,2345",
                ",500",
                "$5",
                "5 000",
                "0x10",
                "1.2.3",
            )
        ],
        *[(text, "amount_not_a_number") for text in ("NaN", "inf", "ten", "5\n5", "5\u00a0", "1.2,345")],
    ],
)
def test_com_1_amounts_that_are_not_exact_are_refused_with_their_own_code(text, code):
    with pytest.raises(MoneyError) as refused:
        parse_amount(text, USD)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_an_asset_without_decimals_takes_none():
    with pytest.raises(MoneyError) as refused:
        parse_amount("5.0", JPY)
    assert refused.value.code == "amount_too_precise"


def test_off_1_prices_have_up_to_six_decimals():
    assert parse_price("0.000001") == 1
    assert parse_price("1,250.25") == 1_250_250_000
    assert [format_price(p) for p in (1, 1_250_000, 10_000_000, 1_234_567)] == [
        "0.000001",
        "1.25",
        "10.00",
        "1.234567",
    ]
    for text, code in [("0", "price_zero"), ("0.0000001", "price_too_precise"), ("1e-3", "price_exponent")]:
        with pytest.raises(MoneyError) as refused:
            parse_price(text)
        assert refused.value.code == code


def test_assets_are_written_code_slash_scale():
    assert Asset.parse("USD/2") == USD
    assert str(BTC) == "BTC/8"
    assert Asset.parse("ACME-A/0").symbol == "ACME-A"
    for text in ("USD", "usd/2", "USD/9", "USD/", "USD/22", "/2"):
        with pytest.raises(MoneyError):
            Asset.parse(text)


@pytest.mark.parametrize(
    ("minor", "asset", "shown"),
    [
        (123450, USD, "$1,234.50"),
        (0, USD, "$0.00"),
        (-5, USD, "-$0.05"),
        (100, Asset("EUR", 2), "€1.00"),
        (123450000000, BTC, "1,234.50000000 BTC"),
        (1234, JPY, "1,234 JPY"),
    ],
)
def test_amounts_are_shown_for_people(minor, asset, shown):
    assert display_amount(minor, asset) == shown


@given(st.integers(0, MAX_MINOR), assets)
def test_what_is_written_is_read_back(minor, asset):
    assert parse_amount(format_amount(minor, asset), asset) == minor


@given(st.integers(1, 10**15))
def test_prices_are_read_back(price_micro):
    assert parse_price(format_price(price_micro)) == price_micro


def test_com_3_tokens_round_down_and_their_cost_rounds_up():
    price_micro = parse_price("0.333333")
    assert tokens_for(10_000, price_micro, USD) == 300
    assert cost_minor(300, price_micro, USD) == 10_000
    assert cost_minor(1, price_micro, USD) == 34
    assert tokens_for(10_000, parse_price("7"), USD) == 14
    assert cost_minor(14, parse_price("7"), USD) == 9_800


@given(st.integers(0, 10**15), st.integers(1, 10**12), assets)
def test_com_3_nobody_pays_for_more_than_they_asked(amount_minor, price_micro, asset):
    tokens = tokens_for(amount_minor, price_micro, asset)
    cost = cost_minor(tokens, price_micro, asset)
    assert cost <= amount_minor
    assert tokens_for(cost, price_micro, asset) >= tokens
    num, den = price_ratio(price_micro, asset)
    assert tokens == amount_minor * den // num
    assert cost_minor(tokens + 1, price_micro, asset) > amount_minor
