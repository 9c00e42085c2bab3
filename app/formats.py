"""Write instants, days, money and prices the one way that pages show them."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Mapping

from babel import Locale

from milestones.money import Asset, display_amount, format_price

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def day_text(value: dt.date) -> str:
    """Return a day as ``4 Mar 2027``; an instant's day is that of UTC."""
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC).date()
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def instant_text(value: dt.datetime, zone: str = "UTC") -> str:
    """Return an instant as ``Thu 4 Mar 2027, 09:00 UTC``, in the zone that binds."""
    local = value.astimezone(dt.UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone))
    day = f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M} {zone}"


def instant_iso(value: dt.datetime) -> str:
    """Return an instant for the ``datetime`` attribute, UTC to the second."""
    return value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money_text(minor: int, asset: Asset | str) -> str:
    """Return an amount of minor units as ``$1,234.50``."""
    return display_amount(minor, Asset.parse(asset) if isinstance(asset, str) else asset)


def price_text(price_micro: int) -> str:
    """Return a price per token, exact, without its currency."""
    return format_price(price_micro)


def whole_text(number: int) -> str:
    """Return a whole number with thousands separated."""
    return f"{number:,}"


def country_text(code: str) -> str:
    """Return the name of a country from its two letters, or the letters where there is none."""
    return _names().get(code, code)


@functools.cache
def _names() -> Mapping[str, str]:
    return Locale("en").territories


FILTERS = {
    "country": country_text,
    "day": day_text,
    "instant": instant_text,
    "iso": instant_iso,
    "money": money_text,
    "price": price_text,
    "whole": whole_text,
}
