"""Contract templates: a contract with days after a start in place of dates, and the one function that dates it.

A template is plain data as YAML or JSON give it. It leaves out what only an offering knows: currency, time zone,
calendar and the day from which its days count. What its fields mean is `document`'s; whether the terms are wise is
`lint`'s; where templates are kept is the caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from milestones import document as documents
from milestones.money import Asset
from milestones.reader import ContractError, Reader
from milestones.terms import CLOSING_ORDINAL, SCHEMA_NAME, Terms, Tranche

TEMPLATE_NAME = "milestake/template/1"
#: Stands in a template's texts where the offering's currency belongs.
CURRENCY_MARK = "{currency}"
MOST_DAYS = 7_300
USE_TEXT = 600

_DAY_FIELDS: Mapping[str, str] = {"target_days": "target_date", "long_stop_days": "long_stop"}
_OWN_FIELDS = ("template", "use")
_FROM_OFFERING = ("schema", "currency", "zone", "calendar", "target_date", "long_stop")
# Any day shows whether a template can be read: what is wrong with one is wrong on every day.
_SOME_DAY = date(2030, 1, 1)


@dataclass(frozen=True, slots=True)
class Template:
    """A template that can be dated. `body` is the contract with `target_days` and `long_stop_days`; `use` says when."""

    name: str
    title: str
    use: str
    body: Mapping[str, Any]
    terms: Terms

    @property
    def tranches(self) -> tuple[Tranche, ...]:
        """All tranches in contract order, the closing tranche first where there is one."""
        return self.terms.tranches

    @property
    def days(self) -> int:
        """Days from the start to the last target date."""
        return max(int(milestone["target_days"]) for milestone in self.body["milestones"])

    @property
    def months(self) -> int:
        """The same in months, rounded to the nearest."""
        return (self.days * 24 + 365) // 730

    def title_of(self, ordinal: int) -> str | None:
        """Give the title of a tranche's milestone; None for the closing tranche."""
        return None if ordinal == CLOSING_ORDINAL else self.terms.milestone(ordinal).title


def read_template(name: str, data: Mapping[str, Any]) -> Template:
    """Read a template, checking that it gives a contract once it is dated.

    Raises ContractError with every problem, each naming its place in the template as a JSON pointer.
    """
    reader = Reader()
    if not isinstance(data, Mapping):
        reader.refuse("", "not_a_map", "Here a template is needed: a group of fields.")
        raise ContractError(tuple(reader.problems))
    _demand(reader, data, "", ("template", "use", "title", "long_stop_days", "milestones"))
    reader.choice(data, "template", "", (TEMPLATE_NAME,))
    use = reader.text(data, "use", "", USE_TEXT)
    reader.whole(data, "long_stop_days", "", 1, MOST_DAYS)
    milestones = data.get("milestones")
    for index, milestone in enumerate(milestones if isinstance(milestones, list) else ()):
        if isinstance(milestone, Mapping):
            _demand(reader, milestone, f"/milestones/{index}", tuple(_DAY_FIELDS))
            for key in _DAY_FIELDS:
                reader.whole(milestone, key, f"/milestones/{index}", 1, MOST_DAYS)
    if reader.problems:
        raise ContractError(tuple(reader.problems))
    body = {key: value for key, value in data.items() if key not in _OWN_FIELDS}
    document = _dated(body, _SOME_DAY, "USD/2", "UTC", "US", title=None)
    return Template(name, str(data.get("title")), use, body, documents.parse_document(document))


def resolve(
    template: Template,
    *,
    starts_on: date,
    currency: str,
    zone: str = "UTC",
    calendar: str = "US",
    title: str | None = None,
) -> dict[str, Any]:
    """Date a template: give the contract document in which every number of days is a day after `starts_on`.

    `starts_on` is the local day of the offering's deadline, after which it closes; `title` the contract's own, the
    template's when None. The same arguments always give the same document; nothing of the template is left in it.
    """
    return _dated(template.body, starts_on, currency, zone, calendar, title=title)


def _dated(
    body: Mapping[str, Any], starts_on: date, currency: str, zone: str, calendar: str, *, title: str | None
) -> dict[str, Any]:
    symbol = Asset.parse(currency).symbol
    contract = _fill(body, starts_on, symbol)
    given = {"schema": SCHEMA_NAME, "title": title or contract["title"], "currency": currency, "zone": zone}
    return {**contract, **given, "calendar": calendar}


def _fill(value: Any, starts_on: date, symbol: str) -> Any:
    """Copy a value with dates in place of days, and the currency in place of its mark."""
    if isinstance(value, Mapping):
        return {
            _DAY_FIELDS.get(key, key): (
                (starts_on + timedelta(days=each)).isoformat() if key in _DAY_FIELDS else _fill(each, starts_on, symbol)
            )
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_fill(each, starts_on, symbol) for each in value]
    return value.replace(CURRENCY_MARK, symbol) if isinstance(value, str) else value


def _demand(reader: Reader, node: Mapping[str, Any], path: str, wanted: tuple[str, ...]) -> None:
    """Note what is missing, and what a template leaves to the offering."""
    for key in wanted:
        if key not in node:
            reader.refuse(f"{path}/{key}", "field_missing", f"“{key}” is missing. Add it.")
    for key in _FROM_OFFERING:
        if key in node:
            message = f"A template has no “{key}”: it comes from the offering. Remove it."
            reader.refuse(f"{path}/{key}", "field_of_offering", message)
