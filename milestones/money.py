"""Money as exact integers: assets, what people type, what documents and pages show, and prices.

Amounts are whole minor units of an asset (`USD/2`: cents), prices are whole millionths of the asset's major unit
(`price_micro`, OFF-1), tokens are whole. Nothing here is ever a binary fraction. Who owes what to whom is the ledger's.
"""

import re
from dataclasses import dataclass
from math import gcd

MAX_SCALE = 8
# Half a digit below 2**63: a database integer holds it and one more addition still fits.
MAX_MINOR = 9_000_000_000_000_000_000
PRICE_DECIMALS = 6
PRICE_UNIT = 10**PRICE_DECIMALS

_CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}
_ASSET = re.compile(r"([A-Z][A-Z0-9-]{0,30})/([0-9])")
_DECIMAL = re.compile(r"([0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]+))?")
_EXPONENT = re.compile(r"[0-9.,]+[eE][+-]?[0-9]+")


class MoneyError(ValueError):
    """A text that is not an exact amount, price or asset. `code` is stable, `message` says what to type."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Asset:
    """A kind of money and how many decimals its smallest unit has: `Asset("USD", 2)`, written `USD/2`."""

    code: str
    scale: int

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= MAX_SCALE:
            raise MoneyError("asset_scale", f"An asset has 0 to {MAX_SCALE} decimals, not {self.scale}.")

    @classmethod
    def parse(cls, text: str) -> "Asset":
        """Read `CODE/SCALE`. Raises MoneyError `asset_unreadable` or `asset_scale`."""
        match = _ASSET.fullmatch(text)
        if match is None:
            raise MoneyError(
                "asset_unreadable", f"Write a currency as CODE/DECIMALS, such as USD/2, not “{text[:40]}”."
            )
        return cls(match[1], int(match[2]))

    @property
    def symbol(self) -> str:
        """The code without the scale, as people write it."""
        return self.code

    @property
    def unit(self) -> int:
        """Minor units in one major unit."""
        return 10**self.scale

    def __str__(self) -> str:
        return f"{self.code}/{self.scale}"


def parse_amount(text: str, asset: Asset) -> int:
    """Read an amount a person typed, exactly.

    Returns minor units, 0 to 9·10¹⁸. Commas are allowed as thousands separators where they belong. Raises MoneyError
    with one of amount_empty, amount_digits_not_ascii, amount_negative, amount_exponent, amount_not_a_number,
    amount_too_precise, amount_too_large; never rounds.
    """
    return _parse_decimal(text, asset.scale, noun="amount", example=_example(asset.scale))


def parse_price(text: str) -> int:
    """Read a price per token, exact to 6 decimals of the major unit (OFF-1).

    Returns `price_micro` > 0. Raises MoneyError with the codes of `parse_amount` under `price_`, or `price_zero`.
    """
    price_micro = _parse_decimal(text, PRICE_DECIMALS, noun="price", example="1.25")
    if price_micro == 0:
        raise MoneyError(
            "price_zero", "The price must be more than 0. Type what one token costs, such as 1.25."
        )
    return price_micro


def _example(scale: int) -> str:
    return "1250" if scale == 0 else "1250." + "5".ljust(min(scale, 2), "0")


def _parse_decimal(text: str, decimals: int, *, noun: str, example: str) -> int:
    """Read a plain decimal as an integer of its smallest unit; each way to be wrong has its own code and words."""
    text = text.strip(" \t\r\n")
    if not text:
        raise MoneyError(f"{noun}_empty", f"Type the {noun}, such as {example}.")
    if any(not char.isascii() and char.isnumeric() for char in text):
        raise MoneyError(
            f"{noun}_digits_not_ascii", f"Type the {noun} with the digits 0 to 9, such as {example}."
        )
    if text.startswith(("-", "−")):
        raise MoneyError(
            f"{noun}_negative", f"The {noun} cannot be below 0. Type it with no sign, such as {example}."
        )
    if _EXPONENT.fullmatch(text):
        raise MoneyError(
            f"{noun}_exponent", f"Write the {noun} out in full, such as {example}, not with an “e”."
        )
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MoneyError(
            f"{noun}_not_a_number", f"Type the {noun} with digits and at most one point, such as {example}."
        )
    whole, fraction = match[1].replace(",", "").lstrip("0"), match[2] or ""
    if len(fraction) > decimals:
        allowed = f"at most {decimals} decimals" if decimals else "no decimals"
        raise MoneyError(f"{noun}_too_precise", f"The {noun} can have {allowed}. Type it like {example}.")
    # The length is tested first: turning a million digits into a number is slow work an attacker can ask for.
    if (
        len(whole) + decimals > 19
        or (minor := int((whole + fraction.ljust(decimals, "0")) or "0")) > MAX_MINOR
    ):
        raise MoneyError(
            f"{noun}_too_large", f"The {noun} is larger than can be handled here. Type a smaller one."
        )
    return minor


def format_amount(minor: int, asset: Asset) -> str:
    """Write minor units as the exact decimal that documents and files carry, such as `1234.50`."""
    return _format_decimal(minor, asset.scale)


def display_amount(minor: int, asset: Asset) -> str:
    """Write minor units for a person: `$1,234.50`, or `1,234.50000000 BTC` where there is no customary sign."""
    sign = "-" if minor < 0 else ""
    whole, point, fraction = _format_decimal(abs(minor), asset.scale).partition(".")
    number = f"{int(whole):,}{point}{fraction}"
    currency_sign = _CURRENCY_SIGNS.get(asset.code)
    return f"{sign}{currency_sign}{number}" if currency_sign else f"{sign}{number} {asset.symbol}"


def format_price(price_micro: int) -> str:
    """Write a price exactly, with no more decimals than it needs but at least 2: `1.25`, `0.000123`, `10.00`."""
    whole, _, fraction = _format_decimal(price_micro, PRICE_DECIMALS).partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _format_decimal(units: int, decimals: int) -> str:
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def price_ratio(price_micro: int, asset: Asset) -> tuple[int, int]:
    """Express a price as a reduced fraction (num, den) of minor units per token.

    tokens = floor(minor × den ÷ num) and cost = ceil(tokens × num ÷ den), in integers only, also inside a database.
    """
    if price_micro <= 0:
        raise MoneyError(
            "price_zero", "The price must be more than 0. Type what one token costs, such as 1.25."
        )
    num, den = price_micro * asset.unit, PRICE_UNIT
    divisor = gcd(num, den)
    return num // divisor, den // divisor


def tokens_for(amount_minor: int, price_micro: int, asset: Asset) -> int:
    """Count the whole tokens an amount buys, rounded down (COM-3). Raises MoneyError on an amount below 0."""
    if amount_minor < 0:
        raise MoneyError("amount_negative", "The amount cannot be below 0.")
    num, den = price_ratio(price_micro, asset)
    return amount_minor * den // num


def cost_minor(tokens: int, price_micro: int, asset: Asset) -> int:
    """Price whole tokens, rounded up to a minor unit (COM-3). `tokens_for(cost_minor(n))` is at least n."""
    if tokens < 0:
        raise MoneyError("amount_negative", "The number of tokens cannot be below 0.")
    num, den = price_ratio(price_micro, asset)
    return -(-tokens * num // den)
