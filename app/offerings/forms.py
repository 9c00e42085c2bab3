"""The forms of founders: company, class, the offering's story, its money and dates, and reasons.

The contract has a form of its own shape: ``contract_forms``. Rules are the services'.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, FileField, SelectField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from app import calendars
from app.forms import (
    AmountField,
    DateField,
    KeyedForm,
    LineField,
    PriceField,
    TypedField,
    WholeNumberField,
    offered,
)
from app.offerings.models import Offering
from app.offerings.rules import PLATFORM_FEE_BP, OfferingFields
from app.regimes import records, settings

LONG_TEXT = 20_000
CURRENCIES = (("USD/2", _l("US dollar")), ("EUR/2", _l("Euro")), ("GBP/2", _l("Pound sterling")))
ZONES = ("UTC", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Europe/London",
         "Europe/Berlin", "Europe/Paris", "Europe/Madrid", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney")
REGIMES = tuple(settings.offerable().items())
#: In whose name the money stands until its milestones are met (OFF-14).
HOLDINGS = (
    ("escrow_agent", _l("With a third party that holds it for the investors")),
    ("issuer_account", _l("In the company's own controlled account, by its contract")),
)
#: How places are divided when more is wanted than there is (OFF-7).
ALLOTMENTS = (
    ("first_come", _l("First come: nothing is accepted above the maximum")),
    ("pro_rata", _l("In proportion: more is accepted, and what is paid is cut to the maximum at the close")),
)
#: The accounts of the sandbox's rail: pretend money goes to pretend accounts.
PAYEES = (
    ("sbx_acct_ok", _l("Pretend account that takes every payout")),
    ("sbx_acct_fails", _l("Pretend account that turns payouts away")),
)
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _at_most(characters: int) -> Length:
    return Length(max=characters, message=_l("Enter at most %(max)d characters."))


class TimeField(TypedField):
    """A time of day as HH:MM."""

    empty_words = _l("Enter a time as HH:MM, such as 17:00.")

    def read(self, text: str) -> dt.time:
        if not _TIME.fullmatch(text):
            raise ValidationError(str(self.empty_words))
        return dt.time.fromisoformat(text)

    def write(self, value: dt.time) -> str:
        return f"{value:%H:%M}"


class CompanyForm(KeyedForm):
    """A new company."""

    operation = "create_company"

    name = LineField(_l("Registered name"), validators=[DataRequired(_l("Enter the company's registered name."))])
    place = LineField(_l("Town and country"), validators=[DataRequired(_l("Enter the town and country."))])
    description = TextAreaField(
        _l("What the company does"), validators=[_at_most(LONG_TEXT)]
    )
    payee_ref = SelectField(_l("Account that released money is paid to"), choices=offered(PAYEES), default=PAYEES[0][0])


class PayeeForm(KeyedForm):
    """Another account for payouts."""

    operation = "change_payee"

    payee_ref = SelectField(_l("New account for payouts"), choices=offered(PAYEES))
    agreed = BooleanField(
        _l("I understand that nothing is paid out for 7 days after this change"),
        validators=[InputRequired(_l("Tick the box to show that you understand the 7 days."))],
    )


class ClassForm(KeyedForm):
    """A new token class."""

    operation = "create_class"

    name = LineField(_l("Name of the class"), validators=[DataRequired(_l("Enter a name, such as Class A."))])
    code = LineField(_l("Code in the register"), most=16, validators=[DataRequired(_l("Enter a code, like HALDEN-A."))])
    rights = TextAreaField(
        _l("Rights of a token"),
        validators=[DataRequired(_l("Write what a token gives: votes, dividends, what happens at a sale.")),
                    _at_most(LONG_TEXT)],
    )
    authorised_tokens = WholeNumberField(_l("Authorised tokens"), least=1)
    existing_tokens = WholeNumberField(_l("Equity that exists outside this class, in tokens of equal weight"))


class MoneyForm(KeyedForm):
    """What an offering asks for, at which price, until when. Amounts are read in the chosen currency."""

    operation = "change_offering"

    regime = SelectField(_l("Rules that the offering runs under"), choices=offered(REGIMES), default=REGIMES[0][0])
    holding = SelectField(_l("Where the money is after the close"), choices=offered(HOLDINGS), default=HOLDINGS[0][0])
    currency = SelectField(_l("Currency"), choices=offered(CURRENCIES), default=CURRENCIES[0][0])
    minimum = AmountField(_l("Minimum: below it everybody is refunded"))
    target = AmountField(_l("Target"))
    maximum = AmountField(_l("Maximum: a hard stop"))
    allotment = SelectField(
        _l("When more is wanted than the maximum"), choices=offered(ALLOTMENTS), default=ALLOTMENTS[0][0]
    )
    accept_up_to = AmountField(_l("Accept commitments up to"), optional=True)
    price = PriceField(_l("Price of one token"))
    minimum_ticket = AmountField(_l("Smallest commitment"))
    deadline = DateField(_l("Last day"))
    deadline_time = TimeField(_l("Time of day"))
    zone = SelectField(
        _l("Time zone"), choices=offered((zone, zone.replace("_", " ")) for zone in ZONES), default="UTC"
    )
    calendar = SelectField(
        _l("Business days"), default="US",
        choices=offered([(code, words) for code, (words, _holidays) in calendars.CALENDARS.items()]),
    )

    def validate(self, extra_validators: Any = None) -> bool:
        asset = self.currency.data if self.currency.data in dict(CURRENCIES) else CURRENCIES[0][0]
        for field in (self.minimum, self.target, self.maximum, self.accept_up_to, self.minimum_ticket):
            field.asset = asset
        return super().validate(extra_validators)

    @property
    def least_open_days(self) -> int:
        """Return how long an offering must be open by the newest figures of the rules that are chosen."""
        regime = self.regime.data if self.regime.data in dict(REGIMES) else REGIMES[0][0]
        return records.record(regime).arms[-1].whole("raising", "min_open_days")

    @property
    def deadline_at(self) -> dt.datetime:
        """Return the deadline as an instant; only after validation."""
        local = dt.datetime.combine(self.deadline.data, self.deadline_time.data, zoneinfo.ZoneInfo(self.zone.data))
        return local.astimezone(dt.UTC)

    def figures(self, *, name: str, offering: Offering | None = None) -> OfferingFields:
        """Return the offering's figures with the texts it has; only after validation."""
        texts = {key: getattr(offering, key) if offering else "" for key in ("pitch", "story", "risks", "sector")}
        return OfferingFields(
            name=name, **texts, regime=self.regime.data, holding=self.holding.data, currency=self.currency.data,
            price_micro=self.price.data, minimum_minor=self.minimum.data, target_minor=self.target.data,
            maximum_minor=self.maximum.data, minimum_ticket_minor=self.minimum_ticket.data,
            fee_bp=offering.fee_bp if offering else PLATFORM_FEE_BP, zone=self.zone.data,
            calendar=self.calendar.data, deadline_at=self.deadline_at,
            allotment=self.allotment.data,
            accept_up_to_minor=(self.accept_up_to.data or 0) if self.allotment.data == "pro_rata" else 0,
        )

    def prefill(self, offering: Offering) -> None:
        """Show what an offering has, unless something was typed."""
        local = offering.deadline_at.astimezone(zoneinfo.ZoneInfo(offering.zone))
        for field in (self.minimum, self.target, self.maximum, self.accept_up_to, self.minimum_ticket):
            field.asset = offering.currency
        known = {
            "regime": offering.regime, "holding": offering.holding,
            "currency": offering.currency, "minimum": offering.minimum_minor, "target": offering.target_minor,
            "maximum": offering.maximum_minor, "price": offering.price_micro,
            "minimum_ticket": offering.minimum_ticket_minor, "deadline": local.date(),
            "allotment": offering.allotment,
            "accept_up_to": offering.accept_up_to_minor if offering.allotment == "pro_rata" else None,
            "deadline_time": local.time(), "zone": offering.zone, "calendar": offering.calendar,
        }
        if offering.zone not in ZONES:
            self.zone.choices = [(offering.zone, offering.zone), *self.zone.choices]
        if not self.is_submitted():
            for name, value in known.items():
                self[name].data = value


class StartForm(MoneyForm):
    """A new offering: its name and its money; texts and contract follow on pages of their own."""

    operation = "draft_offering"

    name = LineField(_l("Name of the offering"), most=80, validators=[DataRequired(_l("Enter a name."))])
    token_class = SelectField(_l("Token class that is sold"))


class StoryForm(KeyedForm):
    """The offering's texts. Empty ones may be saved; they are asked for before the submission."""

    operation = "change_offering"

    name = LineField(_l("Name of the offering"), most=80, validators=[DataRequired(_l("Enter a name."))])
    pitch = LineField(_l("What it is about, in one sentence"), most=160)
    sector = LineField(_l("Sector"), most=60)
    story = TextAreaField(_l("Story"), validators=[_at_most(LONG_TEXT)])
    risks = TextAreaField(_l("Risks, in your own words"), validators=[_at_most(LONG_TEXT)])


class ImportForm(KeyedForm):
    """A contract's file."""

    operation = "import_contract"

    file = FileField(_l("Contract as YAML or JSON"))


class TemplateForm(KeyedForm):
    """Taking a contract template; ``replace`` is asked for where milestones stand already."""

    operation = "take_template"

    replace = BooleanField()


class ConfirmForm(KeyedForm):
    """One button; the operation is given by the view."""


class ReasonForm(KeyedForm):
    """A reason that is published; the operation is given by the view."""

    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Say why; the reason is published.")),
                                  _at_most(2000)]
    )
