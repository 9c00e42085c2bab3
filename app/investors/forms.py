"""What an investor types: a declaration, answers to the questions, papers and particulars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from babel import Locale
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import BooleanField, HiddenField, RadioField, SelectField, ValidationError
from wtforms.validators import InputRequired

from app.forms import AmountField, DateField, LineField, PercentField, PlainForm, offered, read_file
from app.investors import rules

#: What income and net worth can be stated in.
CURRENCIES = (("USD/2", _l("US dollars")), ("EUR/2", _l("Euros")), ("GBP/2", _l("Pounds sterling")))

#: All that the declaration page shows to be confirmed; a page of older words is shown again.
SHOWN_WORDING = rules.hash_of("\n".join(rules.declaration_wording(each) for each in rules.CATEGORIES))


def paper_words(kind: str) -> str:
    """Return the name of a kind of paper."""
    return {
        "passport": _("Passport"), "identity_card": _("Identity card"), "driving_licence": _("Driving licence"),
        "proof_of_address": _("Proof of address"),
    }[kind]


def countries() -> list[tuple[str, str]]:
    """Return the countries of the world by name, as (two letters, name)."""
    names = (get_locale() or Locale("en")).territories
    found = [(code, name) for code, name in names.items() if len(code) == 2 and code.isalpha() and code not in _NOT_ONE]
    return sorted(found, key=lambda item: item[1])


#: Codes that CLDR lists and that are no country.
_NOT_ONE = frozenset({"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO", "AC", "CP", "CQ", "DG", "EA", "IC", "TA"})


class PressForm(PlainForm):
    """A button and nothing to type."""


class DeclarationForm(PlainForm):
    """Category, yearly income and net worth, and that it is true."""

    category = RadioField(
        _l("Which of these describes you?"),
        choices=offered([(each, rules.CATEGORY_WORDS[each][0]) for each in rules.CATEGORIES]),
        validators=[InputRequired(_l("Choose what describes you."))],
    )
    currency = SelectField(_l("Currency of both amounts"), choices=offered(CURRENCIES), default=CURRENCIES[0][0])
    income = AmountField(_l("Your income in a year"))
    net_worth = AmountField(_l("Your net worth"))
    elsewhere = AmountField(_l("Invested on other crowdfunding platforms in the last 12 months"), optional=True)
    invested_bp = PercentField(
        _l("Restricted investors: percent of your net assets put into high-risk investments, past 12 months"),
        optional=True,
    )
    intends_bp = PercentField(
        _l("Restricted investors: percent of your net assets to be put into them, next 12 months"), optional=True
    )
    confirmed = BooleanField(rules.DECLARED_TRUE)
    wording = HiddenField(default=SHOWN_WORDING)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {code for code, _words in CURRENCIES}
        for field in (self.income, self.net_worth, self.elsewhere):
            field.asset = self.currency.data if self.currency.data in known else CURRENCIES[0][0]

    def validate_invested_bp(self, field: PercentField) -> None:
        self._demand_percentage(field)

    def validate_intends_bp(self, field: PercentField) -> None:
        self._demand_percentage(field)

    def _demand_percentage(self, field: PercentField) -> None:
        if self.category.data == "restricted" and field.data is None and not field.errors:
            raise ValidationError(_("A restricted investor states this. Enter 0 if it is nothing."))

    def validate_confirmed(self, field: BooleanField) -> None:
        if not field.data:
            raise ValidationError(_("Confirm that what you state is true, or do not send it."))

    def validate_wording(self, field: HiddenField) -> None:
        if field.data != SHOWN_WORDING:
            field.data = SHOWN_WORDING
            raise ValidationError(_("The statements have changed. Read them again, then send."))


class DeliveryForm(PlainForm):
    """The words that were read, and a button; a page of older words is shown again."""

    wording = HiddenField(default=rules.DELIVERY_WORDING_HASH)


class AnswersForm(PlainForm):
    """One group of answers for each question that is asked; built by :func:`answers_form`."""

    number = HiddenField()

    asked: Sequence[rules.Question] = ()

    @property
    def questions(self) -> list[RadioField]:
        return [self[field_name(question)] for question in self.asked]

    @property
    def chosen(self) -> Mapping[str, int]:
        return {question.key: int(self[field_name(question)].data) for question in self.asked}


def field_name(question: rules.Question) -> str:
    """Return the name of a question's field; it says nothing of the answer."""
    return "q_" + question.key.replace(".", "_")


def answers_form(asked: Sequence[rules.Question], number: int) -> AnswersForm:
    """Return a form with one field for each question; the values are the positions as they are shown."""
    fields: dict[str, Any] = {
        field_name(question): RadioField(
            question.text,
            choices=offered([(str(place), words) for place, (_key, words) in enumerate(question.answers)]),
            validators=[InputRequired(_l("Choose one answer."))],
        )
        for question in asked
    }
    made: type[AnswersForm] = type("AskedForm", (AnswersForm,), fields)
    form = made()
    form.asked = asked
    if not form.is_submitted():
        form.number.data = str(number)
    return form


class PaperForm(PlainForm):
    """One paper and what it is. ``filename`` and ``media_type`` are known once it validated."""

    kind = SelectField(_l("What it is"), default=rules.PAPER_KINDS[0])
    file = FileField(_l("File"))

    filename = ""
    media_type = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind.choices = [(kind, paper_words(kind)) for kind in rules.PAPER_KINDS]

    def validate_file(self, field: FileField) -> None:
        if not field.data or not field.data.filename:
            raise ValidationError(_("Choose a file."))
        self.filename, self.media_type = read_file(
            field, rules.clean_filename, rules.paper_type, rules.MAX_PAPER_BYTES
        )


class ParticularsForm(PlainForm):
    """Who somebody is, as it stands on the paper."""

    legal_name = LineField(_l("Your full name, as on the paper"), most=200)
    born_on = DateField(_l("Day you were born"))
    country = SelectField(_l("Country you live in"), validators=[InputRequired(_l("Choose the country you live in."))])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.country.choices = [("", _("Choose a country")), *countries()]

    def validate_legal_name(self, field: LineField) -> None:
        if len(field.data or "") < 2:
            raise ValidationError(_("Enter your name as it stands on your paper."))

    def validate_born_on(self, field: DateField) -> None:
        if field.data is not None and not dt.date(1900, 1, 1) <= field.data < dt.datetime.now(dt.UTC).date():
            raise ValidationError(_("Enter the day you were born."))
